"""An erasure's own events: what they come to, and what cannot follow on what."""

import pytest
from msgspec.structs import replace

from core import events as e
from core.erasures import Forgotten, begun, evolve, fold, head_of, seal_forgotten, unseal_forgotten
from core.errors import CorruptLog, Impossible
from core.records import Recorded, Sealed
from core.sealing import SALT_BYTES

STARTED = e.ErasureStarted(channel="email", conversation=7, commitment=b"c")


def test_an_erasure_counts_what_went_and_ends_once() -> None:
    """Each event tells the whole so far; the last one, how it ended."""
    events = (
        STARTED,
        e.ErasureAdvanced(messages=3, cancelled=1),
        e.ErasureAdvanced(messages=5, cancelled=1, plans=2),
        e.SubjectErased(messages=5, cancelled=1, devices=4, plans=2),
    )
    erasure = fold([recorded(event, version) for version, event in enumerate(events, 1)])
    state = erasure.state
    assert (state.status, state.messages, state.cancelled, state.devices, state.plans) == ("erased", 5, 1, 4, 2)
    assert (state.conversation, state.started_us, state.ended_us, erasure.version) == (7, 1, 4, 4)
    head = head_of(erasure, 3)
    assert (head.kind, head.status, head.version, head.changed_us) == ("sys", "erased", 4, 4)


def test_somebody_who_was_never_written_to_has_no_conversation() -> None:
    """The number 0 stands for none."""
    assert begun(9, "org1", replace(STARTED, conversation=0), 1).state.conversation is None


@pytest.mark.parametrize("event", [STARTED, e.KeyRevoked(), e.ErasureAdvanced(messages=1, cancelled=0)])
def test_nothing_follows_on_the_end(event: e.Event) -> None:
    """What is erased stays erased."""
    erased = evolve(begun(9, "org1", STARTED, 1), e.SubjectErased(messages=0, cancelled=0), 2)
    with pytest.raises(Impossible, match="it is erased"):
        evolve(erased, event, 3)


def test_other_events_are_none_of_an_erasure() -> None:
    """Neither at its beginning nor later."""
    with pytest.raises(Impossible, match="begins with KeyRevoked"):
        begun(9, "org1", e.KeyRevoked(), 1)
    with pytest.raises(Impossible, match="no event of an erasure"):
        evolve(begun(9, "org1", STARTED, 1), e.KeyRevoked(), 2)


def test_the_vault_row_of_an_erasure_is_what_its_log_committed_to() -> None:
    """It reads again as it was; a row that was changed is told."""
    who, salt = Forgotten(channel="email", address="ann@example.com"), bytes(SALT_BYTES)
    body, commitment = seal_forgotten(who, salt)
    sealed = Sealed(stream=9, tenant="org1", subject=b"s", salt=salt, private=body)
    assert unseal_forgotten(sealed, commitment) == who
    with pytest.raises(CorruptLog, match="not what its erasure committed to"):
        unseal_forgotten(replace(sealed, private=body[:-1] + b"x"), commitment)


def recorded(event: e.Event, version: int) -> Recorded:
    """An event of stream 9, recorded at the microsecond of its version."""
    return Recorded(
        stream=9, version=version, shard=0, seq=version, at_us=version, tenant="org1", cause=0, event=event, link=b""
    )
