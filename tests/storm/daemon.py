"""The daemon in a storm: started for real, killed for real, and asked over HTTP."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
from aiohttp import ClientConnectionError, ClientSession, ServerDisconnectedError

from tests.forking.programs import Program, run

_READY_WITHIN_S: Final = 30.0
_VERIFIED_WITHIN_S: Final = 60.0


class Daemon:
    """A process that is ended and begun again on the same data, always on the same port."""

    def __init__(self, data: Path, config: Path, port: int, store: str | None = None) -> None:
        self._data = data
        # Where the log is, if not in the data directory.
        self._store = store
        self._config = config
        self._port = port
        self._process: Program | None = None
        self.starts = 0

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Begins it and waits until it is ready."""
        self.starts += 1
        log = self._data.parent / f"daemon-{self.starts}.log"
        arguments = ("serve", "--config", self._config, "--data", self._data, "--listen", f"127.0.0.1:{self._port}")
        self._process = _begun(arguments, log)
        async with ClientSession() as session:
            with anyio.fail_after(_READY_WITHIN_S):
                while not await self._is_ready(session):
                    assert self._process.returncode is None, f"start {self.starts} ended: {log.read_text()[-500:]}"
                    await anyio.sleep(0.05)

    async def _is_ready(self, session: ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/health/ready") as answer:
                return answer.status == 200
        except (ClientConnectionError, ServerDisconnectedError):
            return False

    def key(self) -> str:
        """The admin key that the first start made."""
        return (self._data / "admin.key").read_text().strip()

    async def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None, "it was started"
        self._process.send_signal(number)
        await anyio.wait_readable(self._process.sentinel)
        return self._process.wait()

    async def verify(self) -> None:
        """`tidings verify` on the log, beside the daemon; raises where it finds anything."""
        where = () if self._store is None else ("--store", self._store)
        ended = await anyio.to_thread.run_sync(self._verified, *where)
        assert ended.returncode == 0, f"after start {self.starts} verify says: {ended.stdout}{ended.stderr}"

    def _verified(self, *where: str) -> subprocess.CompletedProcess[str]:
        return run("verify", "--data", self._data, *where, environ=os.environ, within_s=_VERIFIED_WITHIN_S)


def _begun(arguments: Sequence[str | Path], log: Path) -> Program:
    with log.open("w") as errors, Path(os.devnull).open("w") as nothing:
        return Program(arguments, environ=os.environ, output=nothing, errors=errors)
