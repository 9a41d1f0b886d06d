"""What the daemon says of its open messages while it runs: each is asked of at drawn instants, as a person might.

This file answers for asking by the same call that the API makes, and for noting how far the log went before. It must
never judge: what became of each is held against it by a law.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from actors.system import System
from core.errors import AppendUnknown, Refused
from core.explain import Standing
from core.message import OPEN
from core.ports import Clock
from eventstore.durable import Durable
from scenarios.draws import Draws

# Messages that are asked of at one instant; of more a part is drawn.
_ASKED_MAX: Final = 200


class Foretold(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of one message: when, where it stood, and how many events the log held before it was asked.

    `settles`: permits were out under which nothing had begun yet, or was over already.
    """

    at_us: int
    events: int
    stream: int
    lane: str
    standing: Standing
    settles: bool


async def foretold(system: System, durable: Durable, clock: Clock, draws: Draws) -> list[Foretold]:
    """What is said of each open message now."""
    found: list[Foretold] = []
    for stream in _asked_of(durable, draws, clock.now_us()):
        events = len(durable.events)
        settles = system.scheduler.in_flight != _sending(durable)
        try:
            entries, standing = await system.explainer.standing(stream)
        except (Refused, AppendUnknown):
            continue  # The log is in trouble, and so nobody would be told anything.
        if standing is None:
            continue
        lanes = (getattr(entry.event, "lane", None) for entry in reversed(entries))
        found.append(
            Foretold(
                at_us=clock.now_us(),
                events=events,
                stream=stream,
                lane=next(lane for lane in lanes if lane is not None),
                standing=standing,
                settles=settles,
            )
        )
    return found


def _asked_of(durable: Durable, draws: Draws, at_us: int) -> Sequence[int]:
    streams = sorted(head.stream for head in durable.heads.values() if head.kind == "msg" and head.status in OPEN)
    if len(streams) <= _ASKED_MAX:
        return streams
    return sorted(sorted(streams, key=lambda stream: draws.draw("asked of", at_us, stream))[:_ASKED_MAX])


def _sending(durable: Durable) -> int:
    return sum(messages for (*_, status), (messages, _) in durable.tallies.items() if status == "sending")
