"""Laws 2, 3 and 8 on logs made by hand: whose turn it is, what an intent comes to, and what may arrive twice."""

import pytest

from core import events as e
from core.outcomes import Ambiguous, Failure, Transient
from scenarios.laws.duplicates import twice_only_in_doubt
from scenarios.laws.flight import attempts_keep_their_turn
from scenarios.laws.intent import intent_comes_first
from tests.rules.doctored import Doctored


def _failed(outcome: Failure, *, attempt: int = 1, sent_us: int | None = 1) -> e.AttemptFailed:
    return e.AttemptFailed(attempt=attempt, outcome=outcome, used=True, due_us=1, sent_at_us=sent_us, took_us=0)


def test_the_first_in_line_goes_first() -> None:
    """A fifo conversation starts in the order of its due instants; what is due later may be accepted earlier."""
    log = Doctored()
    log.accept(1, 0, due_s=50)
    log.accept(2, 1)
    log.start(2, 1)
    log.take(2, 2)
    log.start(1, 50)
    assert log.findings(attempts_keep_their_turn) == []


def test_whoever_overtakes_is_found() -> None:
    """The second message must not start while the first one waits, retries or is in flight."""
    log = Doctored()
    log.accept(1, 0)
    log.accept(2, 1)
    log.start(1, 2)
    log.add(1, 3, _failed(Transient()))
    log.start(2, 4)
    assert log.words(attempts_keep_their_turn) == "m/2 was started before m/1, which is ahead of it in its conversation"


def test_nobody_waits_for_what_is_not_known_yet() -> None:
    """One that was taken in later, and is ahead by when it came, counts once its commit may be through."""
    overtaken = "m/2 was started before m/1, which is ahead of it in its conversation"
    for started_s, words in ((1.21, ""), (2.0, overtaken)):
        log = Doctored()
        log.accept(2, 1)
        log.accept(1, 1.2, due_s=0.9)
        log.start(2, started_s)
        assert log.words(attempts_keep_their_turn) == words


@pytest.mark.parametrize(
    "leaves",
    [
        (e.MessageHeld(by="parked"),),
        (e.MessageSetAside(),),
        (e.MessageDead(reason="exhausted"),),
        (e.MessageCancelled(reason="requested"),),
        (e.MessageExpired(),),
    ],
)
def test_a_head_that_leaves_lets_others_pass(leaves: tuple[e.Event, ...]) -> None:
    """Held, set aside or ended, a message no longer keeps those behind it waiting."""
    log = Doctored()
    log.accept(1, 0)
    log.accept(2, 1)
    log.start(1, 2)
    log.add(1, 3, _failed(Transient()), *leaves)
    log.start(2, 4)
    assert log.findings(attempts_keep_their_turn) == []


def test_a_released_message_has_its_old_place() -> None:
    """Once a held message is released, those behind it wait again."""
    log = Doctored()
    log.accept(1, 0)
    log.accept(2, 1)
    log.start(1, 2)
    log.add(1, 3, _failed(Ambiguous()), e.MessageHeld(by="unknown"))
    log.add(1, 4, e.MessageReleased(due_us=log.us(4)))
    log.start(2, 5)
    assert "m/2 was started before m/1" in log.words(attempts_keep_their_turn)


def test_a_message_has_one_attempt_in_flight() -> None:
    """A second start without an end of the first is found, in any order."""
    log = Doctored()
    log.accept(1, 0, order="any")
    log.start(1, 1)
    log.start(1, 2, attempt=2)
    assert "m/1 was started while its attempt 1 was in flight" in log.words(attempts_keep_their_turn)


def test_a_loose_conversation_keeps_its_bound() -> None:
    """Of an `any` conversation no more are in flight than its policy allows."""
    log = Doctored("[policies.email]\nin_flight_max = 2\n")
    for stream in (1, 2, 3):
        log.accept(stream, 0, order="any")
        log.start(stream, stream)
    assert log.words(attempts_keep_their_turn) == "m/3 was started beside 2 in flight, where its policy allows 2"


def test_an_intent_is_resolved_once() -> None:
    """An attempt that is never resolved, one that is resolved twice, and one that was skipped are found."""
    log = Doctored()
    for stream in (1, 2, 3):
        log.accept(stream, 0, conversation=stream)
    log.start(1, 1)
    log.start(2, 1)
    log.take(2, 2)
    log.take(2, 3)
    log.start(3, 1, attempt=2)
    log.take(3, 2, attempt=2)
    assert log.words(intent_comes_first).splitlines() == [
        "attempt 1 of m/1 was never resolved",
        "AttemptTaken resolves attempt 1 of m/2, which is not in flight",
        "attempt 2 of m/3 follows attempt 0",
    ]


def test_what_left_cannot_be_denied() -> None:
    """Where the log says that nothing was handed over, the other side's books must agree."""
    log = Doctored()
    log.accept(1, 0)
    log.start(1, 1)
    log.hand(1, 1)
    log.add(1, 2, _failed(Transient(), sent_us=None))
    assert log.words(intent_comes_first) == "attempt 1 of m/1 left us, and the log says that nothing did"


@pytest.mark.parametrize(("outcome", "findings"), [(Ambiguous(), 0), (Transient(), 1)])
def test_twice_is_once_too_often_without_a_doubt(outcome: Failure, findings: int) -> None:
    """A message that arrived, and arrives again, was in doubt; otherwise it is found."""
    log = Doctored()
    log.accept(1, 0)
    for attempt, at_s in ((1, 1), (2, 60)):
        log.start(1, at_s, attempt=attempt)
        log.hand(1, at_s, attempt=attempt)
        log.add(1, at_s + 1, _failed(outcome, attempt=attempt))
    assert len(log.findings(twice_only_in_doubt)) == findings


def test_a_refused_request_is_no_delivery() -> None:
    """What the other side answered with 503 did not arrive, however often it was asked."""
    log = Doctored()
    log.accept(1, 0)
    for attempt in (1, 2, 3):
        log.start(1, attempt, attempt=attempt)
        log.hand(1, attempt, attempt=attempt, is_taken=False)
        log.add(1, attempt, _failed(Transient(), attempt=attempt))
    assert log.findings(twice_only_in_doubt) == []


def test_one_intent_is_one_request() -> None:
    """Two requests under one attempt are found even where the outcome was in doubt."""
    log = Doctored()
    log.accept(1, 0)
    log.start(1, 1)
    log.hand(1, 1)
    log.hand(1, 2)
    log.add(1, 3, _failed(Ambiguous()))
    assert "one intent, two requests" in log.words(twice_only_in_doubt)
