"""Law 14 on logs made by hand: what was said of a message, held against what was recorded after it."""

import msgspec

from core import events as e
from core.explain import Constraint, Kind, Standing
from core.outcomes import Ambiguous, Transient
from scenarios.laws.explained import explanations_come_true
from scenarios.world.explaining import Foretold
from tests.rules.doctored import Doctored


def _said(
    log: Doctored, at_s: float, kind: Kind, *, until_s: float | None = None, then: e.Event | None = None
) -> Foretold:
    """What was said of message 1 when the log held all that it holds now.

    `until_s` is when its attempt was to be, or what else was to come of it then.
    """
    until_us = None if until_s is None else log.us(until_s)
    return Foretold(
        at_us=log.us(at_s),
        events=len(log.events),
        stream=1,
        lane="email",
        standing=Standing(
            binding=Constraint(kind=kind, until_us=until_us),
            earliest_us=None if then else until_us,
            next_us=until_us,
            then=then,
        ),
        settles=False,
    )


def _words(log: Doctored, said: Foretold) -> str:
    evidence = msgspec.structs.replace(log.evidence(), foretold=(said,))
    return "\n".join(finding.words for finding in explanations_come_true(evidence))


def _retrying() -> Doctored:
    """A message that failed at once and is due again a minute later."""
    log = Doctored()
    log.accept(1, 0)
    log.start(1, 0)
    log.fail(1, 0, Transient(code="451"), due_s=60)
    return log


def test_what_was_foretold_and_came_is_sound() -> None:
    """An attempt at the instant that was named breaks nothing; a second too early does."""
    log = _retrying()
    said = _said(log, 10, "retry", until_s=60)
    log.start(1, 60, attempt=2)
    assert _words(log, said) == ""
    early = _retrying()
    said = _said(early, 10, "retry", until_s=60)
    early.start(1, 59, attempt=2)
    assert "was to wait (retry), nothing for 50 s to start it, and began 49 s on" in _words(early, said)


def test_an_event_that_moves_it_releases_it() -> None:
    """What gives it another instant explains an early start; what happens to others does not."""
    moved = _retrying()
    said = _said(moved, 10, "retry", until_s=60)
    moved.add(1, 20, e.LaneChanged(lane="email", due_us=moved.us(20), reason="down"))
    moved.start(1, 20, attempt=2)
    assert _words(moved, said) == ""
    beside = _retrying()
    said = _said(beside, 10, "retry", until_s=60)
    beside.accept(2, 20)
    beside.start(1, 20, attempt=2)
    assert "was to wait (retry)" in _words(beside, said)


def test_only_its_own_sort_of_event_releases_a_constraint() -> None:
    """A message behind another starts once that one is over; a held one only once a person has let it go."""
    log = Doctored()
    log.accept(2, 0)
    log.start(2, 0)
    log.accept(1, 1)
    said = _said(log, 2, "order")
    log.take(2, 3)
    log.start(1, 3)
    assert _words(log, said) == ""
    held = msgspec.structs.replace(said, standing=Standing(binding=Constraint(kind="parked")))
    assert "was to wait (parked), nothing but an event to start it" in _words(log, held)


def test_a_peer_who_comes_back_saves_what_was_to_end() -> None:
    """What was to end because nobody wanted it is sent after all; what was to end for another reason is not."""
    for then, words in (
        (e.MessageDead(reason="suppressed"), ""),
        (e.MessageDead(reason="gave_up"), "m/1 was to wait (retry), nothing but an event"),
    ):
        log = _retrying()
        said = _said(log, 10, "retry", until_s=60, then=then)
        log.add(100, 20, e.PeerRestored(by="peer"))
        log.start(1, 60, attempt=2)
        assert _words(log, said).partition(" to start it")[0] == words


def test_an_attempt_that_was_cut_off_may_have_left_at_any_time() -> None:
    """When the request of a process that died left is in no log: a limit may have had room from any instant on."""
    for code, words in (("interrupted", ""), ("disconnected", "m/1 was to wait (gap), nothing but an event")):
        log = Doctored()
        log.accept(2, 0, conversation=200)
        log.start(2, 0)
        log.accept(1, 1)
        said = _said(log, 2, "gap")
        log.start(1, 5)
        log.fail(2, 9, Ambiguous(code=code))
        assert _words(log, said).partition(" to start it")[0] == words


def test_an_outcome_frees_its_limit_once_it_is_in_the_log() -> None:
    """On a slow disk it bears the instant at which it was decided, when what was said knew nothing of it yet."""
    for in_time, words in ((False, ""), (True, "m/1 was to wait (gap), nothing but an event")):
        log = Doctored()
        log.accept(2, 0, conversation=200)
        log.start(2, 0)
        log.accept(1, 1)
        before = _said(log, 6, "gap")
        log.fail(2, 5, Ambiguous(code="disconnected"))
        said = _said(log, 6, "gap") if in_time else before
        log.start(1, 7)
        assert _words(log, said).partition(" to start it")[0] == words


def test_an_instant_that_passes_with_nothing_recorded_is_found() -> None:
    """Where nothing came in between, what was foretold has to be there in time; else nobody can be blamed."""
    log = _retrying()
    said = _said(log, 10, "retry", until_s=60)
    log.start(1, 90, attempt=2)
    assert "was bound by retry for another 50 s, nothing came in between, and nothing happened" in _words(log, said)
    paused = _retrying()
    paused.add(500, 0, e.LaneOpened(name="email", channel="email"))
    said = _said(paused, 10, "retry", until_s=60)
    paused.add(500, 30, e.LanePaused(by="operator"))
    assert _words(paused, said) == ""


def test_a_provider_may_take_its_time_to_say_what_became_of_a_doubt() -> None:
    """Whatever bound a message in doubt, at the end of that its provider is asked first; not for ever, though."""
    for told_s, words in ((66, ""), (90, "m/1 was bound by breaker for another 50 s, nothing came in between")):
        log = Doctored()
        log.accept(1, 0)
        log.start(1, 0)
        log.fail(1, 0, Ambiguous(code="disconnected"), due_s=40)
        log.add(1, 0, e.ReconcileStarted(attempt=1, until_us=log.us(40)))
        said = _said(log, 10, "breaker", until_s=60)
        log.add(1, told_s, e.AttemptProved(attempt=1, evidence="look_up", provider_id="id", code="found"))
        log.accept(2, 95, conversation=200)
        assert _words(log, said).removesuffix(", and nothing happened") == words


def test_attempts_of_others_excuse_nothing_by_themselves() -> None:
    """Where the lane had room all the time, that others were sent in it is no reason for a message to be late."""
    log = _retrying()
    said = _said(log, 10, "retry", until_s=60)
    log.accept(2, 30, conversation=200)
    log.start(2, 30)
    log.take(2, 31)
    log.start(1, 90, attempt=2)
    assert "nothing came in between" in _words(log, said)


def test_what_takes_the_place_of_a_reason_may_be_its_own_conversations() -> None:
    """Another was the probe when its breaker let one go; after that the message's own conversation stood in its way."""
    log = _retrying()
    log.add(500, 0, e.LaneOpened(name="email", channel="email"))
    log.add(500, 5, e.BreakerOpened(until_us=log.us(60), faults=1, outcomes=1, openings=1))
    said = _said(log, 10, "breaker", until_s=60)
    log.accept(2, 30, conversation=200)
    log.accept(3, 30)
    log.start(2, 60, probe=True)
    log.take(2, 70)
    log.add(500, 70, e.BreakerClosed())
    log.start(3, 70)
    log.take(3, 80)
    log.start(1, 90, attempt=2)
    assert _words(log, said) == ""
