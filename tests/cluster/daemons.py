"""Daemons on one database as a supervisor keeps them: whoever ends is started again, on the same port.

Answers for what became of each process being known. It must never decide who acts; the daemons do.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import anyio
import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout

from adapters.moments import instant_us
from tests.cluster.takeovers import Moment, What
from tests.edges.cli.processes import PROGRAM

# As `RestartSec` of a unit: long enough not to spin where a start fails.
_AGAIN_AFTER_S: Final = 0.5
_LOOK_EVERY_S: Final = 0.1
_ACTS_WITHIN_S: Final = 90.0
_ANSWERS_WITHIN: Final = ClientTimeout(total=2)

Role = Literal["acts", "stands by", "away"]


_STARTS: Final[Mapping[str, What]] = {"standing_by": "stands by", "ready": "acts"}


class _Note(msgspec.Struct):
    at: str
    note: str


def _at_us(note: _Note) -> int:
    at_us = instant_us(note.at)
    assert at_us is not None, note.at
    return at_us


class Daemon:
    """One of them, whatever process it is at the moment."""

    def __init__(self, folder: Path, config: str, port: int) -> None:
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        file = folder / "tidings.toml"
        file.write_text(config)
        self.log = folder / "errors.log"
        self.url = f"http://127.0.0.1:{port}"
        # How each process of it ended, in order.
        self.ends: list[int] = []
        self.is_frozen = False
        self._command = "serve", "--config", file, "--data", self.data, "--listen", f"127.0.0.1:{port}"
        self._process: asyncio.subprocess.Process | None = None
        self._is_wanted = True
        # Nothing of it runs any more, nor will.
        self.ended = anyio.Event()

    async def keep(self) -> None:
        """Starts it, and starts it again whenever it ends, until it is stopped."""
        while self._is_wanted:
            with self.log.open("ab") as errors:
                self._process = await asyncio.create_subprocess_exec(
                    PROGRAM, *self._command, stdout=asyncio.subprocess.DEVNULL, stderr=errors
                )
            self.ends.append(await self._process.wait())
            if self._is_wanted:
                await anyio.sleep(_AGAIN_AFTER_S)
        self.ended.set()

    async def role(self, session: ClientSession) -> Role:
        """What it does, as its own health tells."""
        try:
            async with session.get(f"{self.url}/health/ready", timeout=_ANSWERS_WITHIN) as answer:
                health = await answer.json(content_type=None)
        except (ClientError, ConnectionError, TimeoutError):
            return "away"
        if answer.status != 200:
            return "away"
        return "acts" if health["acts"] else "stands by"

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: it stands still, as on a machine that is moved or out of memory."""
        self._signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self.is_frozen = False

    def stop(self) -> None:
        """SIGTERM, and no start after it."""
        self._is_wanted = False
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Ends it in any state, for good."""
        self._is_wanted = False
        self._signal(signal.SIGKILL)

    def crashes(self) -> list[str]:
        """What it said of bugs: a log line of its own, or a traceback."""
        words = ('"note":"crashed"', '"note":"bug"', "Traceback")
        return [line for line in self.log.read_text().splitlines() if any(word in line for word in words)]

    def starts(self) -> list[tuple[What, int]]:
        """When each of its processes began to stand by, and to act, in microseconds."""
        notes = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        told = [msgspec.json.decode(line, type=_Note) for line in notes]
        return [(_STARTS[note.note], _at_us(note)) for note in told if note.note in _STARTS]

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, number)


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, and the session through which they are asked."""

    daemons: list[Daemon]
    session: ClientSession

    async def acting(self) -> Daemon:
        """The one that acts; waits until one does."""
        with anyio.fail_after(_ACTS_WITHIN_S):
            # As below.
            while (found := await self.found_acting()) is None:  # noqa: ASYNC110
                await anyio.sleep(_LOOK_EVERY_S)
        return found

    async def found_acting(self) -> Daemon | None:
        """The one that acts now, None where none does or it is frozen."""
        awake = [daemon for daemon in self.daemons if not daemon.is_frozen]
        roles = [await daemon.role(self.session) for daemon in awake]
        return awake[roles.index("acts")] if "acts" in roles else None

    async def all_there(self) -> None:
        """Returns once each of them takes messages."""
        with anyio.fail_after(_ACTS_WITHIN_S):
            # What is waited for lives in other processes.
            while "away" in [await daemon.role(self.session) for daemon in self.daemons]:  # noqa: ASYNC110
                await anyio.sleep(_LOOK_EVERY_S)

    def key(self) -> str:
        """The admin key, which the first one that acted has made."""
        (file,) = [daemon.data / "admin.key" for daemon in self.daemons if (daemon.data / "admin.key").exists()]
        return file.read_text().strip()


def starts_of(daemons: Sequence[Daemon]) -> list[Moment]:
    """Every start of every one of them."""
    return [
        Moment(what=what, at_us=at_us, daemon=place)
        for place, daemon in enumerate(daemons)
        for what, at_us in daemon.starts()
    ]


@asynccontextmanager
async def fleet_of(folder: Path, configs: Sequence[str]) -> AsyncIterator[Fleet]:
    """A daemon for each configuration, all of them ready, of which the first acts; none outlives the block."""
    daemons = [Daemon(folder / f"daemon{nth}", config, port) for nth, (config, port) in enumerate(_with_ports(configs))]
    async with ClientSession() as session, anyio.create_task_group() as keeping:
        fleet = Fleet(daemons=daemons, session=session)
        try:
            keeping.start_soon(daemons[0].keep)
            await fleet.acting()
            for daemon in daemons[1:]:
                keeping.start_soon(daemon.keep)
            await fleet.all_there()
            yield fleet
        finally:
            for daemon in daemons:
                daemon.end()


def _with_ports(configs: Sequence[str]) -> list[tuple[str, int]]:
    """Each configuration with a port on which nobody listens now."""
    with ExitStack() as probes:
        taken = [probes.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in configs]
        return [(config, int(probe.getsockname()[1])) for config, probe in zip(configs, taken, strict=True)]
