"""Failover within a message: the lane that it goes on in after an attempt that came to nothing.

This file answers for the order of its lanes. Whether a lane lets anything out is passed in; what waits in one that does
not is moved in actors/failover.py.
"""

from collections.abc import Callable

from core.message import Message
from core.outcomes import Ambiguous, Config, Hold, Outcome, Rate, Transient

IsUp = Callable[[str], bool]
"""Whether a lane, by its name, lets anything out now."""


def every_lane(_lane: str) -> bool:
    """Where nothing is known of lanes, each may let something out."""
    return True


def may_move(outcome: Outcome) -> bool:
    """Whether another account may do better: the message itself, and its peer, were not refused."""
    if isinstance(outcome, Rate):
        return outcome.scope != "pair"
    return isinstance(outcome, Transient | Ambiguous | Config | Hold)


def next_lane(message: Message, is_up: IsUp) -> str | None:
    """The next of its lanes, in order and round again, that lets anything out; None where it stays where it is."""
    lanes = message.lanes
    if message.lane not in lanes:
        return None
    here = lanes.index(message.lane)
    return next((lane for lane in (*lanes[here + 1 :], *lanes[:here]) if is_up(lane)), None)


def is_further(message: Message, lane: str | None) -> bool:
    """Whether it goes on in that lane within the same round: a round through all lanes is one try of its schedule."""
    return lane is not None and message.lanes.index(lane) > message.lanes.index(message.lane)
