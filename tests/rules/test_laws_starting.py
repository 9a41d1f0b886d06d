"""Law 5 on logs made by hand: what a start has to heed besides its due time, and how long a refused pace pauses."""

import pytest
from msgspec.structs import replace

from core import events as e
from core.outcomes import Ambiguous, Rate, Transient, Window
from scenarios.laws.timing import nothing_comes_early_or_late
from tests.rules.doctored import Doctored

_RECONCILE = '[policies.email]\nretry = { after = ["1m", "10m"], jitter = 0 }\nreconcile = "20s"\n'
_PAIR = Rate(code="131056", scope="pair", after_us=1_000_000, growth=4)


def _words(log: Doctored) -> str:
    return log.words(nothing_comes_early_or_late)


# -- refusals in a row


def _refused(pauses_s: list[float], *, taken_before_last: bool = False) -> Doctored:
    """A message that is refused so often, with the pauses that were recorded; the peer's own limiter asks for 4^n s."""
    log, at_s, before = Doctored(), 0.0, 0
    log.accept(1, 0)
    for number, pause_s in enumerate(pauses_s, start=1):
        if taken_before_last and number == len(pauses_s):
            log.accept(2, at_s)
            log.start(2, at_s)
            log.take(2, at_s)
            log.add(100, at_s, e.PaceRestored())
            before = 0
        log.start(1, at_s, attempt=number)
        log.fail(1, at_s, _PAIR, attempt=number, due_s=at_s + pause_s, used=False)
        before += 1
        log.add(100, at_s, e.ConversationPaused(until_us=log.us(at_s + pause_s), code="131056", refusals=before))
        at_s += pause_s
    return log


def test_each_refusal_in_a_row_pauses_four_times_as_long() -> None:
    """One, four, sixteen and sixty-four seconds are right; the same again, and too much, are found."""
    assert _words(_refused([1, 4, 16, 64])) == ""
    assert "is paused for 1 s after 1 refusals, asked is 4 s" in _words(_refused([1, 1]))
    assert "is due again after 64 s, where its policy asks for 16 s to 16 s" in _words(_refused([1, 4, 64]))


def test_a_row_ends_where_a_message_is_taken() -> None:
    """After a success the first wait comes again; one that goes on growing is found."""
    assert _words(_refused([1, 4, 1], taken_before_last=True)) == ""
    assert "is paused for 16 s after 0 refusals, asked is 1 s" in _words(_refused([1, 4, 16], taken_before_last=True))


def test_a_pause_without_a_refusal_is_found() -> None:
    """Nobody is kept waiting by a pause that nobody asked for."""
    log = Doctored()
    log.accept(1, 0)
    log.add(100, 1, e.ConversationPaused(until_us=log.us(5), code="429"))
    assert "is paused without a refusal" in _words(log)


# -- doubts


def _doubted(*, until_s: float = 20, decided_s: float = 20, due_s: float = 60) -> Doctored:
    log = Doctored(_RECONCILE)
    log.accept(1, 0)
    log.start(1, 0)
    log.fail(1, 0, Ambiguous(), due_s=until_s, after=(e.ReconcileStarted(attempt=1, until_us=log.us(until_s)),))
    resolved = e.AmbiguityResolved(attempt=1, resolution="resend", evidence="policy", due_us=log.us(due_s))
    log.add(1, decided_s, resolved)
    return log


@pytest.mark.parametrize(
    ("until_s", "due_s", "words"),
    [
        (20, 60, ""),
        (10, 60, "is due again after 10 s, where its policy asks for 20 s to 20 s"),
        (20, 25, "is due again after 5 s, where its policy asks for 40 s to 40 s"),
        (20, 80, "is due again after 60 s, where its policy asks for 40 s to 40 s"),
    ],
)
def test_evidence_is_awaited_as_long_as_the_policy_says(until_s: float, due_s: float, words: str) -> None:
    """The wait for evidence is the policy's, and part of the wait of the schedule that follows it."""
    found = _words(_doubted(until_s=until_s, due_s=due_s, decided_s=20))
    assert (words in found) if words else found == ""


@pytest.mark.parametrize(("crash_s", "is_found"), [(None, True), (40, False)])
def test_a_provider_is_asked_anew_after_a_crash(crash_s: float | None, *, is_found: bool) -> None:
    """It has twenty-five seconds for its answer at the end of a doubt, and again where nobody was left to hear it."""
    log = Doctored(f"{_RECONCILE}[[provider]]\nlooks_up = 1\n")
    log.accept(1, 0)
    log.start(1, 0)
    log.fail(1, 0, Ambiguous(), due_s=20, after=(e.ReconcileStarted(attempt=1, until_us=log.us(20)),))
    log.add(1, 60, e.AttemptProved(attempt=1, evidence="look_up", provider_id="id", code="found"))
    evidence = log.evidence()
    if crash_s is not None:
        (life,) = evidence.lives
        first = replace(life, stopping_us=None, ended_us=log.us(crash_s), ended_by="crash")
        second = replace(life, began_us=log.us(crash_s), ready_us=log.us(crash_s))
        evidence = replace(evidence, lives=(first, second))
    found = "\n".join(finding.words for finding in nothing_comes_early_or_late(evidence))
    assert ("could decide from" in found) == is_found


def test_nothing_is_sent_while_evidence_is_awaited() -> None:
    """A start before the doubt is over is found."""
    log = Doctored(_RECONCILE)
    log.accept(1, 0)
    log.start(1, 0)
    log.fail(1, 0, Ambiguous(), due_s=20, after=(e.ReconcileStarted(attempt=1, until_us=log.us(20)),))
    log.start(1, 20, attempt=2)
    assert "was started while evidence was awaited for the attempt before" in _words(log)


# -- ends


def test_nothing_starts_once_its_fallback_was_to_begin() -> None:
    """A start at the time of the fallback is found; where that was refused, the message may be tried again."""
    log = Doctored()
    log.accept(1, 0, fallbacks=1, fallback_by_s=10, due_s=10)
    log.start(1, 10)
    assert "after its fallback was to begin" in _words(log)
    log = Doctored()
    log.accept(1, 0, fallbacks=1, fallback_by_s=10)
    log.start(1, 0)
    log.fail(1, 0, Transient(), after=(e.MessageDead(reason="gave_up"),))
    log.add(1, 1, e.FallbackRefused(code="invalid"))
    log.add(1, 60, e.MessageRedriven(due_us=log.us(60)))
    log.start(1, 60, attempt=2)
    assert _words(log) == ""


def test_a_message_that_nobody_gives_up_for_its_fallback_is_late() -> None:
    """It gives way at its time, whatever its lane lets out; half a minute later is found."""
    for ended_s, findings in ((10, 0), (40, 1)):
        log = Doctored()
        log.add(7, 0, e.LaneOpened(name="email", channel="email"))
        log.add(7, 0, e.LanePaused(by="provider"))
        log.accept(1, 1, fallbacks=1, fallback_by_s=10)
        log.add(1, ended_s, e.MessageCancelled(reason="fallback"))
        assert len(log.findings(nothing_comes_early_or_late)) == findings


@pytest.mark.parametrize(
    ("outcome", "reason", "is_sound"),
    [
        (Transient(), "exhausted", False),
        (Transient(retries_max=0), "exhausted", True),
        (Window(), "refused", True),
    ],
)
def test_nothing_dies_before_its_schedule_is_through(
    outcome: Transient | Window, reason: str, *, is_sound: bool
) -> None:
    """A message is dead where nothing may follow, and found where its policy would have tried again."""
    log = Doctored(_RECONCILE)
    log.accept(1, 0)
    log.start(1, 0)
    dead = e.MessageDead(reason="exhausted" if reason == "exhausted" else "refused")
    log.fail(1, 0, outcome, used=not isinstance(outcome, Window), after=(dead,))
    assert (_words(log) == "") == is_sound


# -- peers


def test_nobody_is_written_to_who_does_not_want_it() -> None:
    """A start towards a suppressed peer is found, and so is an end for a suppression that is not there."""
    log = Doctored()
    log.accept(1, 0, marketing=True)
    log.accept(2, 0)
    log.add(100, 0, e.PeerSuppressed(scope="marketing", reason="optout"))
    log.start(2, 0)
    log.take(2, 0)
    assert _words(log) == ""
    log.start(1, 0.01)
    assert "m/1 was started towards a peer who cannot get it or does not want it" in _words(log)
    log = Doctored()
    log.accept(1, 0)
    log.add(1, 0, e.MessageDead(reason="suppressed"))
    assert "m/1 is dead as suppressed, and nobody refuses it" in _words(log)


def test_a_person_may_have_a_dead_letter_tried_all_the_same() -> None:
    """A redriven message goes out although its address was given up, and one after the peer asked for more as well."""
    log = Doctored()
    log.accept(1, 0)
    log.add(100, 0, e.PeerSuppressed(scope="all", reason="recipient"))
    log.add(1, 0, e.MessageDead(reason="suppressed"))
    log.add(1, 5, e.MessageRedriven(due_us=log.us(5)))
    log.start(1, 5)
    assert _words(log) == ""


def test_what_stands_in_for_free_text_goes_out_where_the_window_is_closed() -> None:
    """By its template where it is closed and it has one, as free text where it is open or nothing is known of it."""
    for opened_s, by_template, is_sound in (
        (None, False, True),
        (None, True, False),
        (5, True, True),
        (60, True, False),
    ):
        log = Doctored()
        log.accept(1, 0, has_template=True, due_s=10)
        if opened_s is not None:
            log.add(100, 0, e.WindowOpened(until_us=log.us(opened_s)))
        started = e.AttemptStarted(
            attempt=1, lane="email", policy_version=1, deadline_us=log.us(40), by_template=by_template
        )
        log.add(1, 10, started)
        assert (_words(log) == "") == is_sound, (opened_s, by_template)
