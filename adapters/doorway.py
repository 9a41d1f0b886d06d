"""The daemon's door: the listening socket, the server on it, and who answers behind it now.

This file answers for a door that stays open while a daemon that stood by takes over: connections and requests that are
under way go on. It must never decide who acts.
"""

import gc
import socket
from typing import Final

import anyio
from aiohttp import web

from adapters.acting import Ground
from adapters.clock import monotonic_s
from adapters.config.loading import Config
from adapters.starting import CONNECTIONS_WAITING_MAX
from adapters.web.app import app_of, runner_of
from adapters.web.desks import Side
from adapters.web.front import Front, WebBounds

# New containers between two collections: a request or an attempt makes some hundreds, hardly any of them in cycles.
_COLLECT_AFTER: Final = 50_000
# Answers in flight end by themselves once new work is refused; a client that does not read is cut off then.
_ANSWERS_END_S: Final = 1.0


class Doorway:
    """Opened by the first side that is shown; `shut` and `close` end it in this order."""

    def __init__(self, door: socket.socket, ground: Ground, config: Config) -> None:
        self._door = door
        self._ground = ground
        self._config = config
        self._front: Front | None = None
        self._runner: web.AppRunner | None = None
        # A side that is being shown for the first time may be followed by the next one.
        self._turn = anyio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether anybody answers."""
        return self._front is not None

    async def show(self, side: Side) -> None:
        """Answers with this side from here on."""
        # Half an open door helps nobody: whoever shows the side may be cancelled by the next one.
        with anyio.CancelScope(shield=True):
            async with self._turn:
                if self._front is None:
                    await self._open(side)
                else:
                    self._front.go_on(side)
        # What lives as long as the process is never garbage: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)

    def adopt(self, config: Config) -> None:
        """Takes hooks of the sources of this configuration."""
        assert self._front is not None, "nothing is reloaded before it is there"
        self._front.hooks.sources.adopt(config.sources)

    async def shut(self) -> None:
        """Takes no more connections."""
        if self._runner is not None:
            for site in tuple(self._runner.sites):
                await site.stop()

    async def close(self) -> None:
        """Lets answers that are under way end; a second time there are none."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _open(self, side: Side) -> None:
        ground, config = self._ground, self._config
        front = Front(
            side,
            secrets=ground.secrets,
            witness=ground.telemetry,
            settings=config.settings,
            bounds=WebBounds(body_bytes_max=config.body_bytes_max),
            registry=ground.telemetry.registry,
            sources=config.sources,
        )
        self._runner = runner_of(app_of(front, ground.release, monotonic_s), answers_end_s=_ANSWERS_END_S)
        await self._runner.setup()
        await web.SockSite(self._runner, self._door, backlog=CONNECTIONS_WAITING_MAX).start()
        self._front = front
