"""Answers for what an inbox row says of a message: all that its acceptance said, to a release that can read it.

It must never need a store.
"""

import msgspec
import pytest
from msgspec.structs import replace

from core.errors import CorruptLog, StreamParked
from core.events import SCHEMA_VERSIONS, MessageAccepted
from core.parked import append_of, head_of, message_of, parked, recorded_of, unparked
from core.records import Acceptance, Alias
from tests.contracts.scribe import Scribe, alias

SECOND_US = 1_000_000


def _acceptance(*, due_in_us: int = 0, names: tuple[Alias, ...] = ()) -> Acceptance:
    acceptance = Scribe().acceptance("ann@example.com", key="k1", reference="event42", due_in_us=due_in_us, cause=9)
    return replace(acceptance, append=replace(acceptance.append, aliases=names))


def test_what_is_taken_in_at_once_is_what_was_accepted() -> None:
    """Taken in at the instant of its acceptance, a message has the append that it would have had without an inbox."""
    acceptance = _acceptance(due_in_us=60 * SECOND_US, names=(alias(5, "ann"),))
    append = acceptance.append
    assert append_of(unparked(parked(acceptance)), append.at_us, 12) == replace(append, inbox=12)


def test_a_message_is_accepted_when_it_is_taken_in() -> None:
    """Its log time is that of the acting daemon: what was due later when it came may be due at once by then."""
    acceptance = _acceptance(due_in_us=SECOND_US)
    row, at_us = unparked(parked(acceptance)), acceptance.append.at_us + 3 * SECOND_US
    message, append = message_of(row, at_us), append_of(row, at_us, 1)
    assert (message.accepted_us, message.status, append.at_us) == (at_us, "queued", at_us)
    assert append.heads[0].head == head_of(row, at_us)
    assert head_of(row, acceptance.append.at_us).status == "scheduled"


def test_a_clock_that_runs_ahead_delays_nothing() -> None:
    """What was due at once by the clock of the one that took it is due at once by that of the one that acts.

    An instant that was asked for stays.
    """
    at_once, later = _acceptance(), _acceptance(due_in_us=60 * SECOND_US)
    at_us = at_once.append.at_us - 3600 * SECOND_US
    assert message_of(unparked(parked(at_once)), at_us).due_us == at_us
    assert append_of(unparked(parked(at_once)), at_us, 1).heads[0].head.status == "queued"
    assert message_of(unparked(parked(later)), at_us).due_us == later.append.at_us + 60 * SECOND_US


def test_its_first_event_can_be_read_before_it_has_a_number() -> None:
    """Until it is taken in it reads as a stream of one event, as it was accepted."""
    acceptance = _acceptance()
    draft = acceptance.append.drafts[0]
    entry = recorded_of(unparked(parked(acceptance)))
    assert (entry.stream, entry.version, entry.event, entry.cause) == (draft.stream, 1, draft.event, 9)
    assert (entry.seq, entry.at_us, entry.shard) == (0, acceptance.append.at_us, acceptance.append.shard)


def test_an_inbox_row_holds_nothing_personal() -> None:
    """Neither an address nor a content nor a reference is found in it: those are in the vault."""
    acceptance = _acceptance()
    body = parked(acceptance)
    assert acceptance.sealed.private not in body
    assert not any(word in body for word in (b"ann@", b"example", b"tomorrow", b"event42"))


def test_what_a_newer_release_parked_waits_for_one() -> None:
    """A row whose event this release does not know is not read, whatever follows in it."""
    schema_version, stream, raw = msgspec.msgpack.decode(parked(_acceptance()))
    assert schema_version == SCHEMA_VERSIONS[MessageAccepted.__name__]
    with pytest.raises(StreamParked) as raised:
        unparked(msgspec.msgpack.encode([schema_version + 1, stream, {"quite": "another"}]))
    assert raised.value.stream == stream
    # Fields that were added at the end of the row itself change nothing for those that know the others.
    assert unparked(msgspec.msgpack.encode([schema_version, stream, [*raw, "more"], "more"])).stream == stream


@pytest.mark.parametrize("body", [b"", b"\x93\x03\x01\x90", b"\xc1", b"\x93\x03\x01\x91\xa1\xff"])
def test_a_row_that_is_none_is_called_corrupt(body: bytes) -> None:
    """Bytes that no release wrote raise what damage raises everywhere."""
    with pytest.raises(CorruptLog):
        unparked(body)
