"""Looks into a running daemon: what its conversations believe, and what it says of its open messages.

This file answers for looking at drawn instants, and for noting what was seen. It must never judge, nor change anything:
laws hold what was noted against the log.
"""

import asyncio
from collections.abc import Callable, Iterator

from actors.system import System
from core.policies import SECOND_US
from core.ports import Clock
from scenarios.loop.virtual import running_loop
from scenarios.world.explaining import foretold
from scenarios.world.ground import Ground, Memory


async def look_into(ground: Ground, system: System, clock: Clock, acts: Callable[[], bool] = lambda: True) -> None:
    """Looks now and then; one that only believes that it acts may believe whatever it likes."""
    loop = running_loop()
    for at_us in ground.looks:
        wait_us = at_us - loop.now_us
        if wait_us < 0:
            continue
        await asyncio.sleep(wait_us / SECOND_US)
        if acts():
            ground.memories += _remembered(ground, system, clock)
            ground.foretold += await foretold(system, ground.durable, clock, ground.draws)


def _remembered(ground: Ground, system: System, clock: Clock) -> Iterator[Memory]:
    """What conversations believe that are awake and at rest."""
    streams = ground.durable.streams
    for conversation in sorted(ground.durable.peers):
        actor = system.roster.find(conversation)
        if actor is None or actor.is_lost or actor.is_busy:
            continue
        yield Memory(
            at_us=clock.now_us(),
            conversation=actor.state,
            open=dict(actor.open),
            versions={stream: len(streams.get(stream, ())) for stream in (conversation, *actor.open)},
        )
