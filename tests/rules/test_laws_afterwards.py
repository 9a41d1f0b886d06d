"""Laws 1, 3, 8 and 13 on logs made by hand: receipts, doubts, what takes the place of a message, and hooks."""

import pytest
from msgspec.structs import replace

from core import events as e
from core.news import Receipt
from core.outcomes import Ambiguous, Permanent, Transient
from core.records import Head
from scenarios.laws.afterwards import (
    pushes_hear_of_their_parts,
    receipts_are_kept,
    statuses_only_rise,
    what_is_owed_follows,
)
from scenarios.laws.duplicates import twice_only_in_doubt
from scenarios.laws.evidence import Evidence
from scenarios.laws.hooks import hooks_are_taken_once_and_in_order
from scenarios.laws.intent import intent_comes_first
from scenarios.world.books import Posted
from tests.rules.doctored import Doctored


def _taken() -> Doctored:
    log = Doctored()
    log.accept(1, 0)
    log.start(1, 0)
    log.take(1, 0)
    return log


def _with_head(log: Doctored, status: str, *, stream: int = 1, owes: bool = False) -> Evidence:
    evidence = log.evidence()
    evidence.durable.heads[stream] = Head(
        stream=stream, kind="msg", shard=0, tenant="org", version=1, status=status, owes=owes
    )
    return evidence


def _status_words(log: Doctored, status: str) -> list[str]:
    evidence = _with_head(log, status)
    return [finding.words for finding in statuses_only_rise(evidence, evidence.chronicle.stories[1])]


# -- statuses


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ([], "sent"),
        (["sent"], "sent"),
        (["delivered"], "delivered"),
        (["read", "delivered", "sent"], "read"),
        (["sent", "failed"], "failed"),
        (["failed", "delivered"], "delivered"),
        (["delivered", "failed"], "delivered"),
    ],
)
def test_of_all_receipts_the_furthest_counts(told: list[e.ReceiptStatus], status: str) -> None:
    """In whatever order they come a message stands where the furthest puts it; any other status is found."""
    log = _taken()
    for at_s, word in enumerate(told, start=1):
        log.tell(1, at_s, word, failure=Permanent() if word == "failed" else None)
    assert _status_words(log, status) == []
    for other in {"sent", "delivered", "read", "failed"} - {status}:
        assert _status_words(log, other) != []


def test_a_failure_is_about_its_own_attempt() -> None:
    """What failed before the last attempt says nothing of that one."""
    log = Doctored()
    log.accept(1, 0)
    log.start(1, 0)
    log.fail(1, 0, Transient(), due_s=1)
    log.start(1, 1, attempt=2)
    log.take(1, 1, attempt=2)
    log.tell(1, 2, "failed", attempt=1, failure=Permanent())
    assert _status_words(log, "sent") == []


# -- pushes


@pytest.mark.parametrize(
    ("told_s", "other", "status", "words"),
    [
        (5, "dead", "failed", ""),
        (None, "sent", "sent", ""),
        (None, "dead", "sent", "reached no device"),
        (2, "dead", "failed", "may still arrive"),
        (5, "sent", "failed", "may still arrive"),
    ],
)
def test_a_push_fails_with_the_last_of_its_messages(told_s: int | None, other: str, status: str, words: str) -> None:
    """One that counts as sent though no device has it is found, and so is one given up while a device may get it."""
    log = Doctored()
    log.accept(1, 0, channel="push", fans_out=True)
    log.start(1, 0, lane="push")
    log.take(1, 0)
    for stream in (2, 3):
        log.accept(stream, 0, channel="push", cause=1, is_part=True)
    log.add(2, 1, e.MessageDead(reason="refused"))
    if other == "dead":
        log.add(3, 4, e.MessageDead(reason="refused"))
    if told_s is not None:
        log.tell(1, told_s, "failed")
    evidence = log.evidence()
    for stream, end in ((1, status), (2, "dead"), (3, other)):
        evidence.durable.heads[stream] = Head(stream=stream, kind="msg", shard=0, tenant="org", version=1, status=end)
    found = [finding.words for finding in pushes_hear_of_their_parts(evidence, evidence.chronicle.stories[1])]
    assert words in "; ".join(found)
    assert bool(found) == bool(words)


# -- receipts


def _posted(log: Doctored, receipt: Receipt, *, hook: str | None = None) -> None:
    log.books.posted.append(
        Posted(key="r", nth=1, at_us=1, lanes=("email",), news=(receipt,), handed=(1, 1), hook=hook)
    )


def test_a_receipt_that_we_took_is_in_the_log() -> None:
    """At its message where that is known, else waiting as a stray; one that is nowhere is found."""
    named, unnamed = Receipt(status="delivered", echo="msg_1"), Receipt(status="delivered", provider_id="id7")
    log = _taken()
    _posted(log, named)
    assert "is delivered, as we were told" in log.words(receipts_are_kept)
    log.tell(1, 1, "delivered")
    assert log.words(receipts_are_kept) == ""
    log = _taken()
    _posted(log, unnamed)
    assert "is delivered, as we were told" in log.words(receipts_are_kept)
    log.add(50, 1, e.StrayKept(lane="email", name=b"n", status="delivered"))
    assert log.words(receipts_are_kept) == ""


# -- what is owed


def _dead(*, cause: int = 1, fallbacks: int = 1) -> Doctored:
    log = Doctored()
    log.accept(1, 0, fallbacks=fallbacks)
    log.start(1, 0)
    log.fail(1, 0, Permanent(), after=(e.MessageDead(reason="refused"),))
    log.accept(2, 1, cause=cause)
    return log


def _owed_words(log: Doctored, *, status: str = "dead") -> str:
    evidence = _with_head(log, status)
    return "\n".join(
        finding.words
        for story in evidence.chronicle.stories.values()
        for finding in what_is_owed_follows(evidence, story)
    )


def test_what_is_owed_follows_once_and_is_told() -> None:
    """One message in its place that its first names is right; none, two, another one, and silence are found."""
    sound = _dead()
    sound.add(1, 1, e.FallbackStarted(message=2, channel="email"))
    assert _owed_words(sound) == ""
    assert "has a message in its place, and does not say so" in _owed_words(_dead())
    twice = _dead()
    twice.add(1, 1, e.FallbackStarted(message=2, channel="email"))
    twice.accept(3, 2, cause=1)
    assert "has 2 messages in its place" in _owed_words(twice)
    other = _dead()
    other.add(1, 1, e.FallbackStarted(message=9, channel="email"))
    assert "names another message as its fallback" in _owed_words(other)
    none = _dead(cause=0)
    assert "ended undelivered, and nothing took its place" in _owed_words(none)
    unknown = _dead(cause=77)
    assert "was caused by a message that the log does not know" in _owed_words(unknown)


def test_nothing_takes_the_place_of_what_has_not_ended() -> None:
    """A fallback that begins before its first has ended, or failed by a receipt, is found."""
    for failed_s, findings in ((0.5, 0), (2, 1)):
        log = Doctored()
        log.accept(1, 0, fallbacks=1)
        log.start(1, 0)
        log.take(1, 0)
        if failed_s < 1:
            log.tell(1, failed_s, "failed", failure=Permanent())
        log.accept(2, 1, cause=1)
        log.add(1, 1, e.FallbackStarted(message=2, channel="email"))
        if failed_s > 1:
            log.tell(1, failed_s, "failed", failure=Permanent())
        assert _owed_words(log, status="failed").count("was replaced before it had ended") == findings


# -- doubts


def test_each_doubt_has_one_end() -> None:
    """What became of an attempt of unknown fate is told before anything else happens; silence, invention are found."""
    sound = Doctored()
    sound.accept(1, 0)
    sound.start(1, 0)
    sound.fail(1, 0, Ambiguous(), due_s=5, after=(e.ReconcileStarted(attempt=1, until_us=sound.us(5)),))
    sound.add(1, 3, e.AttemptProved(attempt=1, evidence="receipt"))
    sound.hand(1, 0)
    assert sound.words(intent_comes_first) == ""
    silent = Doctored()
    silent.accept(1, 0)
    silent.start(1, 0)
    silent.fail(1, 0, Ambiguous(), due_s=5)
    silent.start(1, 5, attempt=2)
    silent.take(1, 5, attempt=2)
    assert "AttemptStarted follows attempt 1 of m/1, whose fate nobody told" in silent.words(intent_comes_first)
    invented = Doctored()
    invented.accept(1, 0)
    invented.start(1, 0)
    invented.fail(1, 0, Transient(), due_s=5)
    invented.add(1, 1, e.AmbiguityResolved(attempt=1, resolution="hold", evidence="policy"))
    assert "is about attempt 1 of m/1, which is in no doubt" in invented.words(intent_comes_first)


# -- twice


def _both_arrived(outcome: Ambiguous | Permanent) -> Doctored:
    log = Doctored()
    log.accept(1, 0, fallbacks=1)
    log.start(1, 0)
    log.fail(1, 0, outcome, after=(e.MessageDead(reason="refused"),))
    log.hand(1, 0)
    log.accept(2, 1, cause=1)
    log.start(2, 1)
    log.take(2, 1)
    log.hand(2, 1)
    return log


def test_a_message_and_what_took_its_place_arrive_both_only_in_doubt() -> None:
    """Where the log was sure that the first had not arrived, and it had, that is found."""
    assert _both_arrived(Ambiguous()).words(twice_only_in_doubt) == ""
    assert "arrived, and so did what took its place" in _both_arrived(Permanent()).words(twice_only_in_doubt)


def test_what_failed_after_all_did_not_arrive() -> None:
    """A message that its provider took and could not deliver is not received twice when its fallback arrives."""
    log = _both_arrived(Permanent())
    _posted(log, Receipt(status="failed", echo="msg_1", failure=Permanent()))
    assert log.words(twice_only_in_doubt) == ""


def test_what_its_provider_has_is_never_sent_again() -> None:
    """A start after a receipt of success is found, one after a failure is not."""
    for status, findings in (("delivered", 1), ("failed", 0)):
        log = Doctored()
        log.accept(1, 0)
        log.start(1, 0)
        log.fail(1, 0, Transient(), due_s=5)
        log.tell(1, 1, "delivered" if status == "delivered" else "failed")
        log.start(1, 5, attempt=2)
        assert len(log.findings(twice_only_in_doubt)) == findings


# -- hooks

_STRIPE = '[hooks.stripe]\nscheme = "stripe"\n'


def _hooks(*starts_s: float) -> Doctored:
    """Hooks of one order key, accepted one after another, and when each was first handed on."""
    log = Doctored(_STRIPE)
    for stream in range(1, len(starts_s) + 1):
        log.accept(stream, stream / 10, channel="hook")
    for stream, at_s in sorted(enumerate(starts_s, start=1), key=lambda pair: pair[1]):
        log.start(stream, at_s, lane="stripe")
        log.take(stream, at_s)
    return log


def test_hooks_of_one_key_are_handed_on_in_their_order() -> None:
    """The later one waits until the earlier one is through, set aside or given up."""
    assert _hooks(1, 2, 3).words(hooks_are_taken_once_and_in_order) == ""
    assert "m/3 was handed on before m/2, which had come first" in _hooks(1, 3, 2).words(
        hooks_are_taken_once_and_in_order
    )
    aside = _hooks(1)
    aside.accept(2, 1, channel="hook")
    aside.start(2, 2, lane="stripe")
    aside.fail(2, 2, Transient(), due_s=60, after=(e.MessageSetAside(),))
    aside.accept(3, 3, channel="hook")
    aside.start(3, 4, lane="stripe")
    assert aside.words(hooks_are_taken_once_and_in_order) == ""


def test_a_hook_that_somebody_else_signed_is_never_taken() -> None:
    """One in the log is found, and so is an event that became two messages."""
    evidence = replace(_hooks(1, 2).evidence(), forged=frozenset({"m/2"}))
    words = [finding.words for finding in hooks_are_taken_once_and_in_order(evidence)]
    assert words == ["m/2 was signed by somebody else, and was taken"]
    evidence = replace(_hooks(1, 2).evidence(), keys={1: "pay/1", 2: "pay/1"})
    words = [finding.words for finding in hooks_are_taken_once_and_in_order(evidence)]
    assert words == ["pay/1 came as one event, and became 2 messages"]


def test_what_a_hook_tells_is_recorded_before_it_is_taken_charge_of() -> None:
    """A receipt that comes into the log behind its own hook is found."""
    for told_first, findings in ((True, 0), (False, 1)):
        log = Doctored(_STRIPE)
        log.accept(1, 0)
        log.start(1, 0)
        log.take(1, 0)
        if told_first:
            log.tell(1, 1, "delivered")
        log.accept(2, 1, channel="hook", conversation=200)
        if not told_first:
            log.tell(1, 1, "delivered")
        receipt = Receipt(status="delivered", echo="msg_1")
        log.books.posted.append(
            Posted(
                key="r", nth=1, at_us=1, lanes=("email",), news=(receipt,), handed=(1, 1), hook="stripe/m.1.delivered"
            )
        )
        evidence = replace(log.evidence(), keys={1: "m/1", 2: "stripe/m.1.delivered"})
        assert len(list(hooks_are_taken_once_and_in_order(evidence))) == findings
