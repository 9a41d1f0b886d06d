"""Law 5 on logs made by hand: which lane a message goes on in, and when it leaves one that lets nothing out."""

import pytest

from core import events as e
from core.outcomes import Config, Failure, Permanent, Rate, Transient
from scenarios.laws.timing import nothing_comes_early_or_late
from tests.rules.doctored import Doctored

_LANES = ("one", "two", "three")
_TEXT = (
    '[policies.several]\nextends = "email"\nretry = { after = ["1m"], jitter = 0 }\nlimits = { lane = "none", recipient'
    ' = "none" }\nfailover = ["one", "two", "three"]\nfailover_after = "30s"\n'
    + "".join(f'[lanes.{lane}]\nchannel = "email"\npolicy = {{ preset = "several" }}\n' for lane in _LANES)
)


def _log(text: str = "") -> Doctored:
    log = Doctored(_TEXT + text)
    for stream, lane in enumerate(_LANES, start=11):
        log.add(stream, 0, e.LaneOpened(name=lane, channel="email"))
    return log


def _words(log: Doctored) -> str:
    return log.words(nothing_comes_early_or_late)


def _moved(log: Doctored, at_s: float, lane: str, *, reason: str = "failed", due_s: float | None = None) -> e.Event:
    due_us = log.us(at_s if due_s is None else due_s)
    return e.LaneChanged(lane=lane, due_us=due_us, reason="down" if reason == "down" else "failed")


def _failed(outcome: Failure, lane: str | None, *, paused: str = "", used: bool = False) -> Doctored:
    """A message that failed in the first lane and went on in another one, or stayed."""
    log = _log()
    if paused:
        log.add(11 + _LANES.index(paused), 0, e.LanePaused(by="operator"))
    log.accept(1, 1, lanes=_LANES)
    log.start(1, 1, lane="one")
    if lane is None:
        log.fail(1, 1, outcome, due_s=61 if used else 1, used=used)
    else:
        log.fail(1, 1, outcome, due_s=1, used=used, after=(_moved(log, 1, lane),))
    return log


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (_failed(Transient(), "two"), ""),
        (_failed(Config(), "two"), ""),
        (_failed(Transient(), "three", paused="two"), ""),
        (_failed(Transient(), "three"), "went on in lane three, and lane two before it was up"),
        (_failed(Transient(), "two", paused="two"), "went on in lane two, which was down"),
        (_failed(Transient(), None, used=True), "failed in lane one and stayed there, and lane two was up"),
    ],
)
def test_a_message_goes_on_in_the_next_lane_that_is_up(log: Doctored, words: str) -> None:
    """At once, in its order; a lane that is down, one that was passed over and staying are found."""
    found = _words(log)
    assert (words in found) if words else found == ""


@pytest.mark.parametrize(("text", "is_found"), [("", True), ('[[fault]]\ndisk = "slow"\n', False)])
def test_what_a_lane_records_on_a_slow_disk_is_known_later(text: str, *, is_found: bool) -> None:
    """Who goes on in a lane that went down a moment before could not know of it where its word was still on its way."""
    log = _log(text)
    log.add(12, 0, e.LanePaused(by="operator"))
    log.accept(1, 1, lanes=_LANES)
    log.start(1, 1, lane="one")
    log.fail(1, 2, Transient(), due_s=2, used=False, after=(_moved(log, 2, "two"),))
    assert ("went on in lane two, which was down" in _words(log)) == is_found


def test_a_refusal_of_the_message_or_its_peer_moves_nobody() -> None:
    """What another account could not do better stays in its lane."""
    for outcome in (Rate(scope="pair", after_us=1_000_000), Permanent()):
        log = _log()
        log.accept(1, 1, lanes=_LANES)
        log.start(1, 1, lane="one")
        if isinstance(outcome, Permanent):
            log.fail(1, 1, outcome, after=(e.MessageDead(reason="refused"),))
        else:
            log.fail(1, 1, outcome, due_s=2, used=False)
            log.add(100, 1, e.ConversationPaused(until_us=log.us(2), code="429"))
        assert _words(log) == ""


@pytest.mark.parametrize(
    ("left_s", "words"),
    [
        (35, ""),
        (34, "left lane one 1 s too early"),
        (50, "stayed in lane one, which was down, for 15.000 s after it could leave"),
        (3, "left lane one as down, which was up"),
    ],
)
def test_a_lane_that_is_down_is_left_when_its_policy_says(left_s: float, words: str) -> None:
    """Half a minute after it went down: sooner, later, and while it was up are found."""
    log = _log()
    log.accept(1, 1, lanes=_LANES, due_s=1)
    if left_s > 5:
        log.add(11, 5, e.LanePaused(by="provider"))
    log.add(1, left_s, _moved(log, left_s, "two", reason="down"))
    log.start(1, left_s, lane="two")
    log.take(1, left_s)
    found = "\n".join(line for line in _words(log).splitlines() if "could start" not in line)
    assert (words in found) if words else found == ""


def test_where_no_lane_is_up_nobody_has_to_move() -> None:
    """A message may stay in a lane that is down for as long as all of its lanes are."""
    log = _log()
    for stream in (11, 12, 13):
        log.add(stream, 0, e.LanePaused(by="operator"))
    log.accept(1, 1, lanes=_LANES)
    log.add(12, 600, e.LaneResumed())
    log.add(1, 600, _moved(log, 600, "two", reason="down"))
    log.start(1, 600, lane="two")
    log.take(1, 600)
    assert _words(log) == ""


def test_one_that_was_offered_to_a_breaker_stays_to_be_its_probe() -> None:
    """A message in a lane whose breaker would let a probe out waits for its turn there; in a paused lane it leaves."""
    for opened, findings in ((e.BreakerOpened(until_us=0, faults=5, outcomes=5, openings=1), 0), (None, 1)):
        log = _log()
        log.add(11, 0, opened or e.LanePaused(by="operator"))
        log.accept(1, 100, lanes=_LANES)
        log.start(1, 120, lane="one")
        log.take(1, 121)
        log.add(11, 121, e.BreakerClosed() if opened else e.LaneResumed())
        assert sum("stayed in lane one" in line for line in _words(log).splitlines()) == findings
