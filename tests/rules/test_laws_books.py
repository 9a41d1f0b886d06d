"""Laws 1, 7, 10, 11 and 12 on what a sound run left, doctored afterwards: each lie about it is found."""

import hashlib
from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from core import events as e
from core.message import fold
from eventstore.codec import EventRow
from scenarios.laws.endings import the_same_seed_gives_the_same_log, the_world_comes_to_rest
from scenarios.laws.evidence import Evidence
from scenarios.laws.lost import nothing_is_lost
from scenarios.laws.privacy import nothing_private_is_recorded
from scenarios.laws.registry import Judge
from scenarios.laws.replay import state_is_the_fold
from scenarios.run.running import run_once
from scenarios.world.books import Books
from tests.promises.simulated import scenario

_DEVICES = """\
[[device]]
count = 2
user = "customer"
device = "phone{n}"
token = "atoken{n}"
[[arrive]]
name = "news"
at = "5s"
channel = "push"
to = "customer"
"""
_ADDRESS = "reader1@example.com"
_WORLD = """\
[[arrive]]
name = "mails"
over = "20s"
count = 6
channel = "email"
to = "reader{n%3}@example.com"
idempotency_key = "mail/{n}"
[[fault]]
for = "5s"
answer = { status = 503 }
"""


@pytest.fixture
def evidence() -> Evidence:
    """A finished run, to be doctored."""
    return run_once(scenario(_WORLD), 1)


def _words(judge: Judge, evidence: Evidence) -> str:
    return "\n".join(finding.words for finding in judge(evidence))


def _rewritten(evidence: Evidence, kind: type[e.Event], change: Callable[[e.Event], e.Event | None]) -> Evidence:
    """The same run with the first event of a kind changed, or taken out."""
    events = list(evidence.events)
    at = next(n for n, entry in enumerate(events) if isinstance(entry.event, kind))
    changed = change(events[at].event)
    events[at : at + 1] = [] if changed is None else [replace(events[at], event=changed)]
    return replace(evidence, events=events)


def test_a_sound_run_has_nothing_to_find(evidence: Evidence) -> None:
    """Before anything is doctored, each of these laws holds."""
    judges = (nothing_is_lost, state_is_the_fold, nothing_private_is_recorded, the_world_comes_to_rest)
    assert [_words(judge, evidence) for judge in judges] == [""] * len(judges)


# -- law 1


def test_a_message_that_clients_know_and_the_log_does_not_is_lost(evidence: Evidence) -> None:
    """What a client was told to be accepted must be in the log."""
    assert "the log knows nothing of it" in _words(
        nothing_is_lost, _rewritten(evidence, e.MessageAccepted, lambda _: None)
    )


def test_a_message_that_the_other_side_never_took_is_lost(evidence: Evidence) -> None:
    """What the log calls sent is with the other side, with the content that was accepted."""
    first = next(one for one in evidence.books.handed if one.is_taken)
    place = evidence.books.handed.index(first)
    evidence.books.handed[place] = replace(first, arrives_us=None)
    assert "the other side never took it" in _words(nothing_is_lost, evidence)
    evidence.books.handed[place] = replace(first, content=b"another")
    assert "another address or content" in _words(nothing_is_lost, evidence)


def test_a_push_to_a_user_becomes_a_message_for_each_device() -> None:
    """One that is missing is found, and so is one for which there was no device."""
    evidence = run_once(scenario(_DEVICES), 1)
    assert _words(nothing_is_lost, evidence) == ""
    missing = _rewritten(evidence, e.AttemptTaken, lambda event: replace(event, code="devices:3"))
    assert "went to 3 devices, and became 2 messages" in _words(nothing_is_lost, missing)
    more = _rewritten(evidence, e.AttemptTaken, lambda event: replace(event, code="devices:1"))
    assert "went to 1 devices, and became 2 messages" in _words(nothing_is_lost, more)


def test_a_push_goes_to_a_token_that_was_in_force_since_its_attempt_began() -> None:
    """One named while the request was still connecting may come too late for it, and not for a later attempt."""
    other = '[[device]]\nat = "7s"\nuser = "customer"\ndevice = "phone1"\ntoken = "btoken1"\n'
    slow = '[[provider]]\nlatency = { median = "20s", p99 = "21s" }\n'
    evidence = run_once(scenario(_DEVICES + other + slow), 1)
    left = next(handed for handed in evidence.books.handed if handed.key == "news/1@phone1")
    assert (left.to, left.at_us > 8_000_000) == ("token:atoken1", True)
    assert _words(nothing_is_lost, evidence) == ""
    later = replace(left, attempt=2, log_us=left.log_us + 30_000_000, at_us=left.at_us + 30_000_000)
    books = Books()
    books.handed.append(later)
    books.told.extend(evidence.books.told)
    assert "was handed another address" in _words(nothing_is_lost, replace(evidence, books=books))


def test_a_message_ends_once(evidence: Evidence) -> None:
    """An event after the end of a message is found, and so is a redrive of what was no dead letter."""
    last = next(entry for entry in evidence.events if isinstance(entry.event, e.AttemptTaken))
    for event, words in (
        (e.MessageDead(reason="exhausted"), "had ended with AttemptTaken"),
        (e.MessageRedriven(due_us=1), "although it was no dead letter"),
    ):
        events = [*evidence.events, replace(last, version=last.version + 1, event=event)]
        assert words in _words(nothing_is_lost, replace(evidence, events=events))


@pytest.mark.parametrize(
    ("status", "words"), [("sending", "nobody answers for"), ("queued", "without a due time or a hold")]
)
def test_a_message_that_nobody_keeps_is_lost(evidence: Evidence, status: str, words: str) -> None:
    """At the end an open message has a due time or a named hold."""
    stream = next(iter(evidence.chronicle.stories))
    evidence.durable.heads[stream] = replace(evidence.durable.heads[stream], status=status, due_us=None)
    assert words in _words(nothing_is_lost, evidence)
    del evidence.durable.heads[stream]
    assert "has no head" in _words(nothing_is_lost, evidence)


# -- law 7


@pytest.mark.parametrize("field", range(1, 11))
def test_no_byte_of_the_log_changes_unseen(evidence: Evidence, field: int) -> None:
    """A change of any part of an event breaks the chain."""
    rows = evidence.durable.rows
    at = next(n for n, row in enumerate(rows) if row[5] == "AttemptStarted")
    changed: list[object] = list(rows[at])
    value = changed[field]
    changed[field] = value + 1 if isinstance(value, int) else value + (b"\0" if isinstance(value, bytes) else "x")  # type: ignore[operator]
    rows[at] = msgspec.convert(changed, EventRow, strict=False)
    assert _words(state_is_the_fold, evidence) != ""


def test_an_event_that_was_taken_out_is_missed(evidence: Evidence) -> None:
    """Numbers of a shard and versions of a stream are dense."""
    del evidence.durable.rows[-3]
    assert "follows event" in _words(state_is_the_fold, evidence)
    next(iter(evidence.durable.streams.values())).pop(0)
    assert "has versions" in _words(state_is_the_fold, evidence)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda durable: durable.tallies.clear(), "counts by status"),
        (lambda durable: durable.agenda.update({("email", "org", 5): [(1, 1)]}), "the agenda"),
        (lambda durable: durable.lines.update({(1, 0): [(1, 1)]}), "the lines"),
        (lambda durable: durable.sealed.clear(), "has no vault row"),
        (lambda durable: durable.heads.clear(), "has no head"),
    ],
)
def test_what_follows_from_events_is_what_they_say(
    evidence: Evidence, spoil: Callable[[object], None], words: str
) -> None:
    """Counts, agenda, lines, vault rows and heads are held against the events."""
    spoil(evidence.durable)
    assert words in _words(state_is_the_fold, evidence)


def test_memory_is_held_against_the_log(evidence: Evidence) -> None:
    """A conversation that remembers another circuit, or another state of a message, is found."""
    memory = evidence.memories[0]
    story = next(iter(evidence.chronicle.stories.values()))
    other = replace(memory, conversation=replace(memory.conversation, paused_until_us=5))
    assert "in memory, where its events come to" in _words(state_is_the_fold, replace(evidence, memories=(other,)))
    wrong = replace(fold(story.entries), attempt=99)
    other = replace(memory, open={story.stream: wrong})
    assert "what its events do not come to" in _words(state_is_the_fold, replace(evidence, memories=(other,)))


# -- law 10


def _hashes(secret: str) -> list[object]:
    digests = [hashlib.new(name, secret.encode()).digest() for name in ("sha256", "sha1", "md5", "blake2b", "blake2s")]
    return [*digests, *(digest.hex() for digest in digests), int.from_bytes(digests[0][:8])]


@pytest.mark.parametrize("leak", [_ADDRESS, f"no mailbox {_ADDRESS}", "mail/1", *_hashes(_ADDRESS)], ids=repr)
def test_nothing_that_gives_an_address_away_stays_unseen(evidence: Evidence, leak: object) -> None:
    """An address, a part of a request, and any usual hash of one, as bytes, as text or as a number, are found."""
    rows = evidence.durable.rows
    at = next(n for n, row in enumerate(rows) if row[5] == "AttemptStarted")
    body = msgspec.msgpack.encode([*msgspec.msgpack.decode(rows[at][10]), leak])
    rows[at] = (*rows[at][:10], body, rows[at][11])
    assert "stands in an event" in _words(nothing_private_is_recorded, evidence)


def test_a_salted_hash_gives_nothing_away(evidence: Evidence) -> None:
    """What commitments and keyed hashes leave in the log is not taken for a leak."""
    assert any(isinstance(entry.event, e.MessageAccepted) and entry.event.commitment for entry in evidence.events)
    assert _words(nothing_private_is_recorded, evidence) == ""


# -- laws 11 and 12


def test_another_log_under_the_same_seed_is_found(evidence: Evidence) -> None:
    """Two digests that differ break the law, the same one twice does not."""
    assert _words(the_same_seed_gives_the_same_log, replace(evidence, twin=evidence.digest)) == ""
    assert "gave another log" in _words(the_same_seed_gives_the_same_log, replace(evidence, twin=b"other"))


def test_whatever_is_left_under_way_is_found(evidence: Evidence) -> None:
    """A call without an answer, a message that waits, and a run that got nowhere each break the law."""
    stream = next(iter(evidence.chronicle.stories))
    evidence.durable.heads[stream] = replace(evidence.durable.heads[stream], status="retrying", due_us=1)
    assert "is still retrying" in _words(the_world_comes_to_rest, evidence)
    assert "has no answer" in _words(the_world_comes_to_rest, replace(evidence, unfinished=(("mails/1", 1),)))
    assert _words(the_world_comes_to_rest, replace(evidence, stuck="nothing is ready")) == "nothing is ready"
