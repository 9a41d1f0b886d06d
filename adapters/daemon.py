"""The daemon: from a configuration to a process that serves, takes over where it stood by, and stops cleanly.

This file answers for the order of start and stop, for signals, and for every error of a start being one clear line.
Together with acting.py and standing.py it is the only place that wires. It must never decide anything about messages,
nor show a secret.
"""

import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from traceback import extract_tb
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskGroup

from adapters.acting import Acting, Ground
from adapters.chance import SystemSecrets
from adapters.config.loading import Config, Mistaken
from adapters.config.reading import Mistake
from adapters.config.units import Listen
from adapters.doorway import Doorway
from adapters.reloading import needs_restart
from adapters.standing import Standing, key_known
from adapters.starting import CannotStart, Node, bound, opened
from adapters.telemetry import Telemetry
from core.errors import AppendUnknown, Refused, TidingsError
from core.ports import Log
from eventstore.sqlite.log import SqliteLog

# How long the loop's thread may keep the store's thread from running. With Python's own 5 ms a commit was measured to
# wait 5 to 12 ms for the interpreter under load, with this 1 to 2 ms.
_SWITCH_S: Final = 0.0005
# A supervisor that sent SIGTERM expects the process to be gone within 10 s.
_STOP_MOST_S: Final = 9.0

# Longer than anything that a daemon which stands by is asked takes it.
_LAST_CALLS_S: Final = 30.0

Load = Callable[[], Config]


class Crashed(TidingsError):
    """The daemon ended by a bug of ours, which its log tells of."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A daemon that takes messages; it `acts`, or stands by.

    `admin_key` is the file of the key that this start made, None where it made none.
    """

    url: str
    config: Config
    release: str
    acts: bool
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
    async with AsyncExitStack() as stack:
        key, store = await opened(config, telemetry)
        stack.push_async_callback(store.close)
        door = stack.enter_context(bound(config.listen))
        host, port = door.getsockname()[:2]
        ground = Ground(
            secrets=SystemSecrets(key),
            telemetry=telemetry,
            release=version("tidings"),
            place=str(config.store),
            url=f"http://{Listen(host=_reachable(host), port=port)}",
            slot=0 if isinstance(store, SqliteLog) else store.slot,
        )
        daemon = _Daemon(store, ground, config, Doorway(door, ground, config))
        stack.push_async_callback(daemon.close)
        async with anyio.create_task_group() as group:
            if not isinstance(store, SqliteLog):
                # What it raises ends everything at once: whoever took this one's place is sending already.
                group.start_soon(store.lost)
            await daemon.run(load, announce)
            group.cancel_scope.cancel()


class _Daemon:
    """The running daemon: who is behind its door now, and what signals do."""

    def __init__(self, store: SqliteLog | Node, ground: Ground, config: Config, doorway: Doorway) -> None:
        self._store = store
        self._ground = ground
        self._started_with = self._config = config
        self._doorway = doorway
        self._telemetry = ground.telemetry
        self._standing: Standing | None = None
        self._stands_by = anyio.CancelScope()
        self._acting: Acting | None = None

    async def run(self, load: Load, announce: Callable[[Running], None]) -> None:
        """Works until a signal asks for the end; one that comes before anybody is served ends it at once."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(self._work, announce)
                await self._heed(signals, load)
                with anyio.move_on_after(_STOP_MOST_S):
                    await self._stop()
                group.cancel_scope.cancel()

    async def close(self) -> None:
        """Gives back every connection but the log's: that of who came in the last moments, too."""
        await self._doorway.shut()
        await self._doorway.close()
        if self._acting is not None:
            await self._acting.close()

    async def _heed(self, signals: AsyncIterator[signal.Signals], load: Load) -> None:
        async for number in signals:
            if number != signal.SIGHUP:
                self._telemetry.say("info", "stopping", {"signal": number.name})
                return
            await self._reload(load)

    # -- standing by, then acting

    async def _work(self, announce: Callable[[Running], None]) -> None:
        self._warn(self._config.warnings)
        async with anyio.create_task_group() as group:
            log = await self._own_log(group, announce)
            config, was_open = self._config, self._doorway.is_open
            if not was_open:
                self._stands_by.cancel()
            mint = None if self._standing is None else self._standing.mint
            acting = self._acting = await Acting.open(log, self._ground, config, mint)
            await group.start(acting.system.run)
            admin_key = await acting.first_admin_key(self._started_with.data)
            await self._doorway.show(acting.side())
            self._standing = None
            # Whoever was being answered by the side that stood by is answered to the end.
            self._stands_by.deadline = anyio.current_time() + _LAST_CALLS_S
            acting.answer_others()
            self._telemetry.say("info", "ready", {"url": self._ground.url, "release": self._ground.release})
            if not was_open:
                announce(self._running(acts=True, admin_key=admin_key))
            if self._config is not config:
                # It was reloaded while this daemon took over.
                await self._adopt(self._config)

    async def _own_log(self, group: TaskGroup, announce: Callable[[Running], None]) -> Log:
        """The log to act on: at once, or once whoever acts now is gone."""
        if isinstance(self._store, SqliteLog):
            return self._store
        if not self._store.is_acting:
            group.start_soon(self._stand_by, self._store, announce)
        return await self._store.acted()

    async def _stand_by(self, node: Node, announce: Callable[[Running], None]) -> None:
        """Takes in for whoever acts, until this daemon does."""
        with self._stands_by:
            await key_known(node.log_for_reading, self._ground)
            standing = self._standing = await Standing.open(node, self._ground, self._config)
            async with anyio.create_task_group() as group:
                await group.start(standing.run)
                await self._doorway.show(standing.side())
                self._telemetry.say("info", "standing_by", {"url": self._ground.url, "release": self._ground.release})
                announce(self._running(acts=False, admin_key=None))

    def _running(self, *, acts: bool, admin_key: Path | None) -> Running:
        ground = self._ground
        return Running(
            url=ground.url, config=self._started_with, release=ground.release, acts=acts, admin_key=admin_key
        )

    async def _stop(self) -> None:
        """Takes no more connections, lets attempts and answers in flight end, and records the stop."""
        if not self._doorway.is_open:
            return
        acting = self._acting if self._standing is None else None
        if acting is not None:
            acting.leave_others()
        await self._doorway.shut()
        if acting is not None:
            await acting.system.stop()
        await self._doorway.close()

    # -- another configuration

    async def _reload(self, load: Load) -> None:
        if not self._doorway.is_open:
            return
        try:
            config = load()
        except Mistaken as mistaken:
            for mistake in mistaken.mistakes:
                self._telemetry.say("error", "config_mistake", _told(mistake))
            self._refuse("The configuration has mistakes, so the one that was read before stays.")
            return
        await self._adopt(config)

    async def _adopt(self, config: Config) -> None:
        side = self._standing or self._acting
        assert side is not None, "a door that is open has somebody behind it"
        try:
            await side.reload(config)
        except CannotStart as error:
            self._refuse(str(error))
            return
        except (Refused, AppendUnknown) as error:
            self._refuse(f"The log cannot be written now ({error}); all lanes stay as they are until the next SIGHUP.")
            return
        fixed = needs_restart(self._started_with, config)
        self._warn(f"The new {name} is taken up by a restart only." for name in fixed)
        self._config = config
        # Their handlers' lanes are there from here on.
        self._doorway.adopt(config)
        self._warn(config.warnings)
        self._telemetry.say("info", "reloaded", {"lanes": [lane.name for lane in config.settings.lanes]})

    def _refuse(self, words: str) -> None:
        self._telemetry.say("error", "reload_refused", {"words": words})

    def _warn(self, warnings: Iterable[str]) -> None:
        for words in warnings:
            self._telemetry.say("warning", "warning", {"words": words})


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
