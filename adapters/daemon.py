"""The daemon: the only place that wires, from a configuration to a process that serves and stops cleanly.

This file answers for the order of start and stop, for signals, and for every error of a start being one clear line. It
must never decide anything about messages, nor show a secret.
"""

import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from traceback import extract_tb
from typing import Final

import anyio
import msgspec
from aiohttp import web

from actors.system import System, World
from adapters.chance import KeyedChance, SystemSecrets
from adapters.clock import SystemClock
from adapters.config.loading import Config, Mistaken
from adapters.config.reading import Mistake
from adapters.config.units import Listen
from adapters.installation import first_admin_key
from adapters.reloading import Channels, needs_restart
from adapters.starting import CONNECTIONS_WAITING_MAX, CannotStart, bound, builder, opened, zone_finder
from adapters.telemetry import Telemetry
from adapters.web.app import FRONT, create_app, runner_of
from adapters.web.front import WebBounds
from core.errors import AppendUnknown, Refused, TidingsError

# How long the loop's thread may keep the store's thread from running. With Python's own 5 ms a commit was measured to
# wait 5 to 12 ms for the interpreter under load, with this 1 to 2 ms.
_SWITCH_S: Final = 0.0005
# New containers between two collections: a request or an attempt makes some hundreds, hardly any of them in cycles.
_COLLECT_AFTER: Final = 50_000
# A supervisor that sent SIGTERM expects the process to be gone within 10 s.
_STOP_MOST_S: Final = 9.0
# Answers in flight end by themselves once new work is refused; a client that does not read is cut off then.
_ANSWERS_END_S: Final = 1.0

Load = Callable[[], Config]


class Crashed(TidingsError):
    """The daemon ended by a bug of ours, which its log tells of."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A daemon that is ready. `admin_key` is the file of the key that this start made, None where it made none."""

    url: str
    config: Config
    release: str
    admin_key: Path | None


def serve(load: Load, telemetry: Telemetry, announce: Callable[[Running], None]) -> None:
    """Serves until SIGTERM or SIGINT. `load` gives the configuration, at the start and at each SIGHUP.

    Raises Mistaken for a bad configuration, StoreRefused for a log that cannot be opened, and CannotStart.
    """
    config = load()
    sys.setswitchinterval(_SWITCH_S)
    options = {"use_uvloop": find_spec("uvloop") is not None}
    try:
        anyio.run(_serve, config, load, telemetry, announce, backend_options=options)
    except ExceptionGroup as group:
        # One task failed and took the others with it: what it failed of is what there is to say.
        fault = _first_of(group)
        if isinstance(fault, TidingsError):
            raise fault from None
        # Frames and no words: the words of an exception may hold an address or a content.
        frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(fault.__traceback__)]
        telemetry.say("error", "crashed", {"error": type(fault).__name__, "frames": frames})
        raise Crashed(
            f"The daemon met a fault of its own ({type(fault).__name__}) and stopped; its last log line tells where."
            " Whatever was accepted is in the log, and the next start goes on from there."
        ) from None


async def _serve(config: Config, load: Load, telemetry: Telemetry, announce: Callable[[Running], None]) -> None:
    release = version("tidings")
    async with AsyncExitStack() as stack:
        store = await opened(config)
        log, secrets = store.log, SystemSecrets(store.key)
        stack.push_async_callback(log.close)
        door = stack.enter_context(bound(config.listen))
        clock = SystemClock(floor_us=log.newest()[1])
        world = World(
            log=log,
            clock=clock,
            secrets=secrets,
            witness=telemetry,
            chance_of=KeyedChance,
            zone_of=zone_finder(telemetry),
            release=release,
        )
        system = await System.open(world, config.settings, {})
        channels = Channels(builder(system, clock, secrets, release), config)
        stack.push_async_callback(channels.close)
        system.use(channels.now)
        _warn(config, clock, telemetry)
        daemon = _Daemon(system=system, world=world, channels=channels, config=config, telemetry=telemetry)
        async with anyio.create_task_group() as group:
            if store.lost is not None:
                # What it raises ends everything at once: whoever took the log over is sending already.
                group.start_soon(store.lost)
            await daemon.run(door, load, announce)
            group.cancel_scope.cancel()


class _Daemon:
    """The running daemon: the door for requests, and what signals do."""

    def __init__(
        self, *, system: System, world: World, channels: Channels, config: Config, telemetry: Telemetry
    ) -> None:
        self._system = system
        self._world = world
        self._channels = channels
        self._started_with = config
        self._telemetry = telemetry
        self._is_ready = False
        app = create_app(
            system,
            world,
            settings=config.settings,
            registry=telemetry.registry,
            bounds=WebBounds(body_bytes_max=config.body_bytes_max),
            sources=config.sources,
        )
        self._sources = app[FRONT].hooks.sources
        self._runner = runner_of(app, answers_end_s=_ANSWERS_END_S)

    async def run(self, door: socket.socket, load: Load, announce: Callable[[Running], None]) -> None:
        """Works until a signal asks for the end; one that comes before the log is recovered ends it at once."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(self._work, door, announce)
                await self._heed(signals, load)
                with anyio.move_on_after(_STOP_MOST_S):
                    await self._stop()
                group.cancel_scope.cancel()

    async def _heed(self, signals: AsyncIterator[signal.Signals], load: Load) -> None:
        async for number in signals:
            if number != signal.SIGHUP:
                self._telemetry.say("info", "stopping", {"signal": number.name})
                return
            await self._reload(load)

    async def _work(self, door: socket.socket, announce: Callable[[Running], None]) -> None:
        async with anyio.create_task_group() as group:
            await group.start(self._system.run)
            admin_key = await self._first_admin_key()
            await self._runner.setup()
            host, port = door.getsockname()[:2]
            await web.SockSite(self._runner, door, backlog=CONNECTIONS_WAITING_MAX).start()
            # What lives as long as the process is never garbage: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(_COLLECT_AFTER)
            self._is_ready = True
            url = f"http://{Listen(host=_reachable(host), port=port)}"
            self._telemetry.say("info", "ready", {"url": url, "release": self._world.release})
            announce(Running(url=url, config=self._started_with, release=self._world.release, admin_key=admin_key))

    async def _stop(self) -> None:
        """Takes no more connections, lets attempts and answers in flight end, and records the stop."""
        if not self._is_ready:
            return
        for site in tuple(self._runner.sites):
            await site.stop()
        await self._system.stop()
        await self._runner.cleanup()

    async def _reload(self, load: Load) -> None:
        if not self._is_ready:
            return
        try:
            config = load()
        except Mistaken as mistaken:
            for mistake in mistaken.mistakes:
                self._telemetry.say("error", "config_mistake", _told(mistake))
            words = "The configuration has mistakes, so the one that was read before stays."
            self._telemetry.say("error", "reload_refused", {"words": words})
            return
        try:
            self._channels.adopt(config)
        except CannotStart as error:
            self._telemetry.say("error", "reload_refused", {"words": str(error)})
            return
        for name in needs_restart(self._started_with, config):
            self._telemetry.say("warning", "warning", {"words": f"The new {name} is taken up by a restart only."})
        try:
            await self._system.reload(config.settings, self._channels.now)
        except (Refused, AppendUnknown) as error:
            words = f"The log cannot be written now ({error}); all lanes stay as they are until the next SIGHUP."
            self._telemetry.say("error", "reload_refused", {"words": words})
            return
        # Their handlers' lanes are there from here on.
        self._sources.adopt(config.sources)
        _warn(config, None, self._telemetry)
        self._telemetry.say("info", "reloaded", {"lanes": [lane.name for lane in config.settings.lanes]})

    async def _first_admin_key(self) -> Path | None:
        try:
            return await first_admin_key(self._system.keys, self._started_with.data)
        except OSError as error:
            raise CannotStart(
                f"The first admin key cannot be written into {self._started_with.data}: {error}."
            ) from None


def _warn(config: Config, clock: SystemClock | None, telemetry: Telemetry) -> None:
    warnings = list(config.warnings)
    behind_us = 0 if clock is None else clock.behind_us()
    if behind_us:
        warnings.append(
            f"The machine's clock is {behind_us / 1_000_000:g} s behind the last event of the log. Time goes on at half"
            " speed until the clock has caught up; set it right."
        )
    for words in warnings:
        telemetry.say("warning", "warning", {"words": words})


def _told(mistake: Mistake) -> dict[str, object]:
    """A mistake as a log line has it, where `at` is the instant."""
    said = msgspec.structs.asdict(mistake)
    return {"key": said.pop("at"), **said}


def _reachable(host: str) -> str:
    """The address under which a person on this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # Compared with, not listened on.


def _first_of(group: ExceptionGroup[Exception]) -> Exception:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first
