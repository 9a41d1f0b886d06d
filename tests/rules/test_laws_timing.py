"""Laws 5 and 6 on logs made by hand: when a retry is due, when nothing may start, and how circuits open and close."""

import pytest

from core import events as e
from core.outcomes import Ambiguous, Config, Failure, Hold, Permanent, Rate, Transient
from scenarios.laws.circuits import open_circuits_only_probe
from scenarios.laws.timing import nothing_comes_early_or_late
from tests.rules.doctored import Doctored

_MINUTE = '[policies.email]\nretry = { after = ["1m", "10m"], jitter = 0.1 }\n'
_FIVE = '[policies.email]\nretry = { after = ["1s", "1s", "1s", "1s", "1s", "1s", "1s"], jitter = 0 }\n'


def _failed(log: Doctored, at_s: float, outcome: Failure, *, due_s: float | None, used: bool = True) -> None:
    attempt = sum(isinstance(entry.event, e.AttemptStarted) for entry in log.events)
    due_us = None if due_s is None else log.us(due_s)
    event = e.AttemptFailed(
        attempt=attempt, outcome=outcome, used=used, due_us=due_us, sent_at_us=log.us(at_s), took_us=0
    )
    log.add(1, at_s, event)


def _once_failed(outcome: Failure, *, due_s: float | None, used: bool = True, text: str = _MINUTE) -> Doctored:
    log = Doctored(text)
    log.accept(1, 0)
    log.start(1, 0)
    _failed(log, 0, outcome, due_s=due_s, used=used)
    return log


@pytest.mark.parametrize(
    ("outcome", "due_s", "is_sound"),
    [
        (Transient(), 54.0, True),
        (Transient(), 66.0, True),
        (Transient(), 53.9, False),
        (Transient(), 66.1, False),
        (Ambiguous(), 60.0, True),
        (Ambiguous(), 600.0, False),
        (Transient(after_us=90_000_000), 90.0, True),
        (Transient(after_us=90_000_000), 66.0, False),
        (Transient(after_us=10_000_000), 60.0, True),
        (Permanent(), 60.0, False),
    ],
)
def test_a_wait_is_the_schedules_or_what_was_asked_for(outcome: Failure, due_s: float, *, is_sound: bool) -> None:
    """A retry is due within the jitter of its schedule, and no earlier than Retry-After; a refusal is due never."""
    log = _once_failed(outcome, due_s=due_s)
    assert (log.findings(nothing_comes_early_or_late) == []) == is_sound


@pytest.mark.parametrize(
    ("outcome", "due_s"), [(Rate(after_us=7_000_000), 7), (Rate(), 30), (Hold(), 3600), (Config(), 0)]
)
def test_a_limiter_uses_up_no_attempt(outcome: Failure, due_s: float) -> None:
    """Rate, hold and config wait for what they name, and say that they cost nothing."""
    assert _once_failed(outcome, due_s=due_s, used=False).findings(nothing_comes_early_or_late) == []
    assert "uses up an attempt" in _once_failed(outcome, due_s=due_s, used=True).words(nothing_comes_early_or_late)


def test_the_schedule_ends() -> None:
    """After the last wait of the list nothing is due any more, and after a redrive the first one comes again."""
    log = _once_failed(Transient(), due_s=60)
    log.start(1, 60, attempt=2)
    _failed(log, 60, Transient(), due_s=660)
    log.start(1, 660, attempt=3)
    _failed(log, 660, Transient(), due_s=700)
    assert "where its policy asks for the end" in log.words(nothing_comes_early_or_late)
    log = _once_failed(Permanent(), due_s=None)
    log.add(1, 1, e.MessageDead(reason="refused"))
    log.add(1, 100, e.MessageRedriven(due_us=log.us(100)))
    log.start(1, 100, attempt=2)
    _failed(log, 100, Transient(), due_s=160)
    assert log.findings(nothing_comes_early_or_late) == []


def test_nothing_starts_before_it_is_due_or_after_it_expired() -> None:
    """A start a microsecond too early, and one at the instant of expiry, are found."""
    log = Doctored()
    log.accept(1, 0, due_s=10, expires_s=20)
    log.start(1, 9.999999)
    assert "before it was due" in log.words(nothing_comes_early_or_late)
    log = Doctored()
    log.accept(1, 0, due_s=20, expires_s=20)
    log.start(1, 20)
    assert "after it expired" in log.words(nothing_comes_early_or_late)


def test_a_message_that_nobody_expires_is_found() -> None:
    """A waiting message ends when its time does, not half a minute later."""
    for ended_s, findings in ((20, 0), (50, 1)):
        log = Doctored()
        log.accept(1, 0, due_s=15, expires_s=20)
        log.start(1, 15)
        _failed(log, 15, Transient(), due_s=16)
        log.add(1, ended_s, e.MessageExpired())
        assert len(log.findings(nothing_comes_early_or_late)) == findings


@pytest.mark.parametrize(("zone", "is_sound"), [("Europe/Berlin", False), ("America/New_York", True), (None, False)])
def test_quiet_hours_are_those_of_the_recipient(zone: str | None, *, is_sound: bool) -> None:
    """At eight in the morning UTC it is nine in Berlin and three in New York."""
    log = Doctored(
        '[policies.email]\nquiet_hours = { from = "08:30", to = "12:00", zone = "Europe/Berlin" }\n'
        '[[arrive]]\nchannel = "email"\nto = "a@b.example"\ntime_zone = "America/New_York"\n'
    )
    log.accept(1, 0, zone=zone)
    log.start(1, 0)
    assert (log.findings(nothing_comes_early_or_late) == []) == is_sound


def test_a_pause_of_a_conversation_and_of_a_lane_is_kept() -> None:
    """Between a 429 and the end of its pause nothing starts, unless a person ended it."""
    log = Doctored()
    log.accept(1, 0)
    log.accept(2, 0)
    log.add(100, 1, e.ConversationPaused(until_us=log.us(60), code="429"))
    log.start(1, 59)
    assert "was paused for another 1 s" in log.words(nothing_comes_early_or_late)
    log = Doctored()
    log.add(7, 0, e.LaneOpened(name="email", channel="email"))
    log.add(7, 1, e.LaneThrottled(until_us=log.us(60), code="429"))
    log.accept(1, 2)
    log.start(1, 30)
    assert "lane email was throttled until 30 s later" in log.words(nothing_comes_early_or_late)
    for started_s, is_sound in ((20, True), (50, False)):
        log = Doctored()
        log.add(7, 0, e.LaneOpened(name="email", channel="email"))
        log.add(7, 1, e.LaneThrottled(until_us=log.us(60), code="429"))
        log.accept(1, 2)
        log.add(7, 20, e.LaneResumed())
        log.start(1, started_s)
        assert (log.findings(nothing_comes_early_or_late) == []) == is_sound


def test_a_wait_without_a_reason_is_late() -> None:
    """A message that was ready, with room everywhere, and started a minute late is found; a pause is a reason."""
    for is_paused in (True, False):
        log = Doctored()
        log.add(7, 0, e.LaneOpened(name="email", channel="email"))
        if is_paused:
            log.add(7, 0, e.LanePaused(by="operator"))
        log.accept(1, 1)
        log.add(7, 61, e.LaneResumed())
        log.start(1, 61)
        assert bool(log.findings(nothing_comes_early_or_late)) != is_paused


# -- circuits


def _fails(log: Doctored, times: int, *, from_s: int = 0) -> int:
    """So many failures in a row, a second apart; answers the number of the last attempt."""
    done = sum(isinstance(entry.event, e.AttemptStarted) for entry in log.events)
    for number in range(times):
        log.start(1, from_s + number, attempt=done + number + 1)
        _failed(log, from_s + number, Transient(), due_s=from_s + number + 1)
    return done + times


def _opened(log: Doctored, at_s: float, *, for_s: float = 60, openings: int = 1) -> None:
    until_us = log.us(at_s + for_s)
    log.add(100, at_s, e.CircuitOpened(until_us=until_us, streak=5, openings=openings))


def test_five_failures_open_a_circuit_for_a_minute() -> None:
    """After the fifth failure it opens; its probe goes out a minute later, and a taken one closes it."""
    log = Doctored(_FIVE)
    log.accept(1, 0)
    last = _fails(log, 5)
    _opened(log, 4)
    log.start(1, 64, attempt=last + 1, probe=True)
    log.take(1, 65, attempt=last + 1)
    log.add(100, 65, e.CircuitClosed(by="probe"))
    assert log.findings(open_circuits_only_probe) == []


_TWO_POLICIES = f"""{_FIVE}
[policies.brisk]
extends = "email"
circuit = {{ failures = 2 }}
"""


def test_a_failure_counts_by_the_policy_of_what_failed() -> None:
    """Three failures under a rule of five leave a circuit closed for one that goes by two; one of that one opens it."""
    log = Doctored(_TWO_POLICIES)
    log.accept(1, 0)
    _fails(log, 3)
    log.accept(2, 3, policy="brisk")
    log.start(2, 3, attempt=1)
    failed = e.AttemptFailed(
        attempt=1, outcome=Transient(), used=True, due_us=log.us(4), sent_at_us=log.us(3), took_us=0
    )
    log.add(2, 3, failed)
    assert log.findings(open_circuits_only_probe) == []
    log.start(1, 4, attempt=4)
    assert "4 times in a row, and its circuit is closed" in log.words(open_circuits_only_probe)


def _circuit(*, failures: int, opens: bool, starts_s: float, probe: bool) -> Doctored:
    log = Doctored(_FIVE)
    log.accept(1, 0)
    last = _fails(log, failures)
    if opens:
        _opened(log, 4)
    log.start(1, starts_s, attempt=last + 1, probe=probe)
    return log


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (_circuit(failures=4, opens=True, starts_s=100, probe=True), "4 times in a row, and its circuit opens"),
        (_circuit(failures=6, opens=False, starts_s=9, probe=False), "5 times in a row, and its circuit is closed"),
        (_circuit(failures=5, opens=True, starts_s=30, probe=True), "is open for another 34 s"),
        (_circuit(failures=5, opens=True, starts_s=100, probe=False), "what was started is not its probe"),
    ],
)
def test_a_circuit_that_does_otherwise_is_found(log: Doctored, words: str) -> None:
    """Too early, too late, too soon after, and with more than its probe: each is found."""
    assert words in log.words(open_circuits_only_probe)


def test_an_open_circuit_lasts_longer_after_each_probe_that_failed() -> None:
    """One minute, then two; the same again is found."""
    for second_s, findings in ((120, 0), (60, 1)):
        log = Doctored(_FIVE)
        log.accept(1, 0)
        last = _fails(log, 5)
        _opened(log, 4)
        log.start(1, 64, attempt=last + 1, probe=True)
        _failed(log, 65, Transient(), due_s=66)
        _opened(log, 65, for_s=second_s, openings=2)
        assert len(log.findings(open_circuits_only_probe)) == findings


def test_a_breaker_lets_one_probe_out_at_a_time() -> None:
    """While a lane's breaker is open nothing starts, and once it is half open a second attempt is found."""
    log = Doctored()
    log.add(7, 0, e.LaneOpened(name="email", channel="email"))
    for stream in (1, 2, 3):
        log.accept(stream, 0, conversation=stream)
    log.add(7, 1, e.BreakerOpened(until_us=log.us(31), faults=50, outcomes=100, openings=1))
    log.start(1, 20)
    log.take(1, 21)
    log.start(2, 31)
    log.start(3, 32)
    log.take(2, 33)
    log.take(3, 33)
    log.add(7, 33, e.BreakerClosed())
    assert log.words(open_circuits_only_probe).splitlines() == [
        "the breaker of lane email is open for another 11 s",
        "the breaker of lane email is half open, and lets a second attempt out",
    ]


def test_a_breaker_closes_once_its_probe_was_taken() -> None:
    """Attempts one after another past a good probe are found; a bad probe, a new life or a closing explain them."""
    for is_good, closing, findings in (
        (True, None, 1), (False, None, 0), (True, e.BreakerClosed(), 0),
        (True, e.PolicyAdopted(version=2, body=b"{}"), 0),
    ):  # fmt: skip  # one row a case
        log = Doctored()
        log.add(7, 0, e.LaneOpened(name="email", channel="email"))
        for stream in (1, 2):
            log.accept(stream, 0, conversation=stream)
        log.add(7, 1, e.BreakerOpened(until_us=log.us(31), faults=50, outcomes=100, openings=1))
        log.start(1, 40)
        if is_good:
            log.take(1, 41)
        else:
            log.fail(1, 41, Transient(code="503"), due_s=300)
        if closing is not None:
            log.add(7, 41, closing)
        log.start(2, 80)
        log.take(2, 81)
        assert len(log.findings(open_circuits_only_probe)) == findings
