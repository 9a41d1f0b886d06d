"""Answers for `tidings` in a process of its own that is there in some milliseconds: forked from one that imported it.

Half a second of imports is all that such a start leaves out. It must never stand in for a start where the interpreter
itself is tested: its hash seed, what a command imports, what an installation brings.
"""

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Final

from scenarios.cli import main

_FORKING: Final = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(["tests.forking.preloaded"])
# What multiprocessing knows of its processes is for one thread at a time.
_TURN: Final = threading.Lock()


class Program:
    """A `tidings` that runs. Its methods are those of subprocess.Popen; whoever starts it ends it.

    What it prints goes to the given files, or else can be read from `stdout` and `stderr`.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        environ: Mapping[str, str],
        output: IO[str] | None = None,
        errors: IO[str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        words = [str(argument) for argument in arguments]
        self.stdout, to_output = _ends(output)
        self.stderr, to_errors = _ends(errors)
        with to_output, to_errors, _TURN:
            given = {"words": words, "environ": dict(environ), "cwd": str(cwd or Path.cwd())}
            self._process = _FORKING.Process(target=_become, kwargs={**given, "output": to_output, "errors": to_errors})
            self._process.start()
        assert self._process.pid is not None, "it was started"
        self.pid: Final = self._process.pid
        # Can be read from once it has ended.
        self.sentinel: Final = self._process.sentinel

    @property
    def returncode(self) -> int | None:
        """How it ended, as subprocess tells it; None while it runs."""
        with _TURN:
            self._process.join(0)
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, once it has; raises TimeoutExpired."""
        if not wait([self.sentinel], timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        status = self.returncode
        assert status is not None, "it has ended"
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self.send_signal(signal.SIGKILL)


def run(
    *arguments: str | Path, environ: Mapping[str, str], cwd: Path | None = None, within_s: float
) -> subprocess.CompletedProcess[str]:
    """One command, run to its end; raises TimeoutExpired."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        program = Program(arguments, environ=environ, output=output, errors=errors, cwd=cwd)
        try:
            status = program.wait(within_s)
        finally:
            program.kill()
            program.wait()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, status, output.read(), errors.read())


def _ends(file: IO[str] | None) -> tuple[IO[str] | None, Connection]:
    """Where we read what a program writes, if not a file is meant, and where it writes."""
    if file is not None:
        return None, Connection(os.dup(file.fileno()), readable=False)
    read, write = os.pipe()
    return os.fdopen(read), Connection(write, readable=False)


def _become(
    *, words: Sequence[str], environ: Mapping[str, str], cwd: str, output: Connection, errors: Connection
) -> None:
    """The forked process becomes the program, as if it had been started so."""
    with output, errors:
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
    # As the interpreter opens them for a program that nobody watches.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    sys.argv = ["tidings", *words]
    try:
        main()
    finally:
        # What an interpreter does as it ends, and multiprocessing does not: what was put aside is taken away.
        atexit._run_exitfuncs()  # noqa: SLF001  # There is no other way to ask for it.
