"""The wire of one life: its network, the real channels of the lanes on it, and its door, opened and closed together.

This file answers for everything that was opened being closed before a life ends in order.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from aiohttp import web

from actors.system import System, World
from core.ports import Channel, Clock
from core.settings import Lane
from scenarios.wire.accounts import ISSUER_HOST, MAIL_HOST, service_account
from scenarios.wire.channel import WireChannel, real_channel
from scenarios.wire.door import DOOR_HOST, Door
from scenarios.wire.loop import WireLoop
from scenarios.wire.mail import MailServer
from scenarios.wire.network import Network, Server
from scenarios.wire.providers import Providers, issue_token
from scenarios.world.ground import Ground

# Idle lines are closed by whoever called, which is what our channels count on.
_KEPT_S: Final = 3_600.0


class Wire:
    """All of it. It must be made on the loop of the life."""

    def __init__(self, ground: Ground) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, WireLoop), "a life with a wire has a loop with one"
        alarm = ground.books.alarms.append
        self._ground = ground
        self._stack = AsyncExitStack()
        providers = web.Server(Providers(alarm).answer, access_log=None, keepalive_timeout=_KEPT_S)
        tokens = web.Server(issue_token, access_log=None, keepalive_timeout=_KEPT_S)
        self._servers = {
            MAIL_HOST: Server(protocol=partial(MailServer, ground.draws, alarm), carries=True),
            ISSUER_HOST: Server(protocol=tokens, carries=False),
        }
        for server in (providers, tokens):
            self._stack.push_async_callback(server.shutdown, 0)
        loop.network = Network(loop, self._servers, anybody=Server(protocol=providers, carries=True))

    def channel_of(self, lane: Lane, clock: Clock) -> Callable[..., Channel]:
        """What makes the channel of a lane, given what a simulated one is given."""
        real = real_channel(lane, clock)
        self._stack.push_async_callback(real.close)
        return partial(WireChannel, real=real, draws=self._ground.draws)

    async def door(self, system: System, world: World) -> Door:
        """The HTTP API over a running system."""
        door = Door(self._ground, system, world)
        self._stack.push_async_callback(door.close)
        self._servers[DOOR_HOST] = await door.open()
        return door

    async def close(self) -> None:
        """Hangs up on everybody."""
        await self._stack.aclose()


def prepare(lanes: Sequence[Lane]) -> None:
    """What takes the machine: it is done once, before a run."""
    if any(lane.provider == "fcm" for lane in lanes):
        service_account()
