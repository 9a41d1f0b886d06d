"""Whether a world has come to rest: all that is left waits for a person.

This file answers for reading that off the durable log and the plan of what is still to happen.
"""

from typing import Final

from actors.system import System
from core.events import MessageAccepted
from core.message import WAITING
from scenarios.world.ground import Ground

_MOVING: Final = WAITING | {"sending"}
# What is under way besides messages, as its head shows it.
_UNDER_WAY: Final = frozenset({("sys", "running"), ("sys", "erasing"), ("plan", "pending")})


def moves(ground: Ground, system: System) -> bool:
    """Whether anything goes on, or is still to come. `system` is that of the daemon that acts."""
    durable, paused = ground.durable, system.errands.paused_lanes
    return (
        bool(ground.unfinished or ground.orders or ground.tellings or ground.wishes)
        or bool(durable.owing or durable.parking.rows)
        or any(
            messages and status in _MOVING and (lane not in paused or status == "sending")
            for (_, _, lane, status), (messages, _) in durable.tallies.items()
        )
        or any((head.kind, head.status) in _UNDER_WAY for head in durable.heads.values())
        or (bool(paused) and _leaves(ground, system))
    )


def _leaves(ground: Ground, system: System) -> bool:
    """Whether a message is about to leave a lane that lets nothing out for another of its own that does."""
    durable, is_up = ground.durable, system.failover.is_up
    waiting = [head for head in durable.heads.values() if head.status in WAITING and not is_up(head.lane)]
    accepted = (durable.streams[head.stream][0].event for head in waiting)
    return any(isinstance(event, MessageAccepted) and any(map(is_up, event.lanes)) for event in accepted)
