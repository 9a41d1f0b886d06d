"""What a lane's events come to, and what an outcome adds to them: pure, so no daemon is needed to see it."""

import pytest

from core import events as e
from core.errors import Impossible
from core.lane_life import HOST_REFUSALS, HOST_REFUSALS_WITHIN_US, LaneLife
from core.limits import UNKNOWN
from core.outcomes import Config, Outcome, Rate, Transient
from core.policies import PRESETS, SECOND_US
from core.settings import Lane

HOST = 7


def life() -> LaneLife:
    """A webhook lane that has seen nothing."""
    return LaneLife(Lane(name="hooks", channel="webhook", provider="webhook", policy=PRESETS["webhook"]), stream=1)


def seen(lane: LaneLife, outcome: Outcome, *, conversation: int = 1, is_probe: bool = False, now_us: int) -> e.Event:
    """The one event that an outcome leads to, folded."""
    (event,) = lane.follows(outcome, host=HOST, conversation=conversation, is_probe=is_probe, now_us=now_us)
    lane.fold(event, now_us)
    return event


def test_a_host_is_throttled_once_enough_of_its_conversations_are_refused() -> None:
    """The same conversation again and again counts once; the one that makes it five stops the host, not the lane."""
    lane, refused = life(), Rate(code="429", after_us=3 * SECOND_US)
    for conversation in [*range(HOST_REFUSALS - 1), 0, 0]:
        assert lane.follows(refused, host=HOST, conversation=conversation, is_probe=False, now_us=0) == []
    event = seen(lane, refused, conversation=HOST_REFUSALS, now_us=0)
    assert event == e.LaneThrottled(until_us=3 * SECOND_US, host=HOST, code="429")
    assert (lane.host_room_at(HOST, 0), lane.room_at(0)) == (3 * SECOND_US, 0)


def test_refusals_long_apart_throttle_nobody() -> None:
    """Five conversations of a host that were refused over a longer time than counts together are five single ones."""
    lane = life()
    for number in range(3 * HOST_REFUSALS):
        at_us = number * HOST_REFUSALS_WITHIN_US
        assert lane.follows(Rate(code="429"), host=HOST, conversation=number, is_probe=False, now_us=at_us) == []


def test_a_lane_whose_credentials_are_broken_waits_for_a_person() -> None:
    """It lets nothing out, another such outcome adds nothing, and resuming it counts as a rise."""
    lane = life()
    assert seen(lane, Config(code="401"), now_us=5) == e.LanePaused(by="config", code="401")
    assert (lane.room_at(6), lane.is_up, lane.down_since_us) == (UNKNOWN, False, 5)
    assert lane.follows(Config(code="401"), host=None, conversation=1, is_probe=False, now_us=6) == []
    lane.fold(e.LaneResumed(), 9)
    assert (lane.room_at(9), lane.is_up, lane.rises) == (0, True, 1)


def test_a_probe_that_fails_opens_a_breaker_for_longer() -> None:
    """One fault of a probe is enough, and each opening in a row waits longer than the one before."""
    lane, fault = life(), Transient(code="503")
    lane.fold(e.BreakerOpened(until_us=SECOND_US, faults=5, outcomes=5, openings=1, host=HOST), 0)
    room_us = lane.host_room_at(HOST, 0)
    event = seen(lane, fault, is_probe=True, now_us=SECOND_US)
    assert isinstance(event, e.BreakerOpened)
    assert (event.openings, event.faults) == (2, 1)
    assert lane.host_room_at(HOST, SECOND_US) - SECOND_US > room_us
    assert lane.is_up


def test_an_event_of_something_else_is_no_event_of_a_lane() -> None:
    """What cannot be in a lane's stream is refused by name rather than passed over."""
    with pytest.raises(Impossible, match="KeyRevoked is no event of a lane"):
        life().fold(e.KeyRevoked(), 0)
