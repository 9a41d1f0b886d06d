"""Answers for one shell over a whole document, as a reader has one: what a block sets, the next one knows.

A command that fails ends the shell, and with it the test. It must never reach a daemon of the developer's own.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, cast

from tests.edges.cli.processes import PATIENCE_S, clean
from tests.forking.door import listening

_DONE: Final = "-- the block is done --"


class Shell:
    """A POSIX shell in a directory."""

    def __init__(self, cwd: Path, environ: dict[str, str]) -> None:
        self._cwd = cwd
        self._ends = ExitStack()
        typed = self._ends.enter_context(listening())
        self._process = subprocess.Popen(
            ["/bin/sh", "-eu"],
            cwd=cwd,
            env=clean({**environ, **typed}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # What a document starts beside the daemon ends with its shell.
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._ends.close()

    def run(self, script: str, place: str) -> str:
        """What a script prints, once it is through with success."""
        (self._cwd / ".block").write_text(script)
        # Commands must not eat what is still to come.
        self._tell(f". ./.block < /dev/null\necho\necho '{_DONE}'\n")
        lines: list[str] = []
        for line in self._lines():
            if line == f"{_DONE}\n":
                return "".join(lines).removesuffix("\n")
            lines.append(line)
        raise AssertionError(f"{place} failed: {''.join(lines)}")

    def first_event(self, command: str) -> str:
        """The lines of the first event that a command prints which goes on for ever."""
        pipe = self._cwd / ".stream"
        if not pipe.exists():
            os.mkfifo(pipe)
        self._tell(f"{{ {command.strip()}; }} > .stream 2> /dev/null &\n")
        end = threading.Timer(PATIENCE_S, self._process.kill)
        end.start()
        lines = []
        with pipe.open() as stream:
            for line in stream:
                if not line.strip():
                    break
                if not line.startswith(":"):
                    lines.append(line)
        end.cancel()
        self.run("kill $! 2> /dev/null || true", "the end of a stream")
        return "".join(lines)

    def _tell(self, script: str) -> None:
        stdin = cast("IO[str]", self._process.stdin)
        stdin.write(script)
        stdin.flush()

    def _lines(self) -> Iterator[str]:
        end = threading.Timer(PATIENCE_S, self._process.kill)
        end.start()
        try:
            for line in cast("IO[str]", self._process.stdout):  # noqa: UP028  # Delegating would close it with us.
                yield line
        finally:
            end.cancel()
