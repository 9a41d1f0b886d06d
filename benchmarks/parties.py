"""The processes of a benchmark: starting them, telling when they are ready, what they cost, and ending them.

Answers for: no party outlives its case, and CPU and memory are read from the kernel's own accounts.
Must never: signal a process that it did not start.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STOP_WITHIN_S = 15.0


class PartyFailed(Exception):
    """A process of the benchmark ended or answered in a way that makes the figure worthless."""


class Party:
    """One child process, with its standard error kept in a file for the case that it fails."""

    def __init__(self, name: str, argv: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> None:
        self.name = name
        self._errors = folder / f"{name}.stderr"
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                argv, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **(environment or {})}
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready_line(self) -> list[str]:
        """The words after `ready` in the first line that the process prints."""
        assert self._process.stdout is not None
        words = self._process.stdout.readline().decode().split()
        if not words or words[0] != "ready":
            raise PartyFailed(f"{self.name} did not become ready: {self.last_words()}")
        return words[1:]

    def output(self, *, within_s: float) -> bytes:
        """All that the process prints until it ends with status 0."""
        printed, _ = self._process.communicate(timeout=within_s)
        if self._process.returncode != 0:
            raise PartyFailed(f"{self.name} ended with {self._process.returncode}: {self.last_words()}")
        return printed

    def alive(self) -> bool:
        return self._process.poll() is None

    def last_words(self) -> str:
        """The end of its standard error."""
        return self._errors.read_text(errors="replace")[-800:].strip() or "it said nothing"

    def cpu_s(self) -> float:
        """CPU seconds so far, user and system, all threads."""
        # Fields 14 and 15 of proc(5) stat, counted after the name, which may hold blanks.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def memory_bytes(self) -> int:
        """Resident memory now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_BYTES

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()
        self._close()

    def stop(self) -> None:
        """Ask it to end, and end it where it does not."""
        if self.alive():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def party(name: str, argv: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> Iterator[Party]:
    """Run a process for the length of a block."""
    running = Party(name, argv, folder, environment)
    try:
        yield running
    finally:
        running.stop()


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs one of our modules in this environment."""
    return [sys.executable, "-m", module, *map(str, arguments)]
