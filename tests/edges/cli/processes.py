"""Answers for starting `tidings` as a user does, and for waiting on a daemon without ever sleeping.

Everything runs in a clean environment, so that a developer's own TIDINGS_URL cannot decide a test.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from adapters.cli.remote import Answer, Daemon
from tests.forking.programs import Program, run

PROGRAM: Final = Path(sys.executable).parent / "tidings"
# Far more than anything here takes; a daemon that hangs fails its test instead of stopping the run.
PATIENCE_S: Final = 60


def tidings(
    *arguments: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One command, run to its end."""
    return run(*arguments, environ=clean(environ), cwd=cwd, within_s=PATIENCE_S)


def clean(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without anything that Tidings would read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    return kept | {"COLUMNS": "300", "NO_COLOR": "1"} | dict(environ or {})


class Notes:
    """The log lines of a daemon, gathered as they come."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._gather, args=(stream,), daemon=True)
        self._thread.start()

    def wait_for(self, name: str) -> dict[str, object]:
        """The first note of this name; waits until it is there."""
        with self._more:
            assert self._more.wait_for(lambda: self._named(name), PATIENCE_S), f"no {name} came: {self.lines}"
            return self._named(name)[0]

    def all(self) -> list[dict[str, object]]:
        """Every note of a daemon that has ended, or those so far."""
        with self._more:
            return [msgspec.json.decode(line) for line in self.lines]

    def join(self) -> None:
        """Waits for the last line of a daemon that has ended."""
        self._thread.join(PATIENCE_S)

    def _gather(self, stream: IO[str]) -> None:
        for line in stream:
            with self._more:
                self.lines.append(line)
                self._more.notify_all()
        stream.close()

    def _named(self, name: str) -> list[dict[str, object]]:
        notes: list[dict[str, object]] = [msgspec.json.decode(line) for line in self.lines if line.startswith("{")]
        return [note for note in notes if note["note"] == name]


class Served:
    """A daemon in a process of its own, on a data directory."""

    def __init__(self, process: Program, data: Path, notes: Notes, printed: list[str]) -> None:
        self.process = process
        self.data = data
        self.printed = printed
        self.notes = notes
        self.url = re.search(r"http://\S+", printed[0])[0] if printed else ""  # type: ignore[index]  # It is printed.

    @property
    def daemon(self) -> Daemon:
        """The daemon's HTTP API, with the admin key, for all tenants at once."""
        return Daemon(self.url, (self.data / "admin.key").read_text().strip(), "*")

    def types(self) -> list[str]:
        """The types of all events in the log so far."""
        events = cast("list[Answer]", self.daemon.get("v1", "events", limit=1_000)["events"])
        return [str(event["type"]) for event in events]

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command against this daemon."""
        return tidings(*arguments, "--data", str(self.data), environ={"TIDINGS_URL": self.url})

    def told(self, *arguments: str) -> dict[str, object]:
        """The JSON answer of a command that succeeds."""
        ended = self.ask(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        return cast("dict[str, object]", msgspec.json.decode(ended.stdout))

    def wait_for(self, kind: str, **wanted: object) -> Answer:
        """The first event of this type with these data, from the beginning of the log on; waits until it comes."""
        # Heartbeats keep the stream alive for ever, so a test that waits in vain is ended through its daemon.
        end = threading.Timer(PATIENCE_S, self.process.kill)
        end.start()
        try:
            for _, event in self.daemon.follow("v1", "events", "stream"):
                data = cast("dict[str, object]", event["data"])
                if event["type"] == kind and all(
                    {**data, **event}.get(name) == value for name, value in wanted.items()
                ):
                    return event
        finally:
            end.cancel()
        raise AssertionError(f"no {kind} came with {wanted}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and answers with the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE_S)
        self.notes.join()
        return status


@contextmanager
def serving(
    data: Path, *arguments: str, config: str | None = None, environ: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """A daemon for the length of a block, killed at its end if it still runs. It must get ready."""
    if config is not None:
        file = data.parent / "tidings.toml"
        file.write_text(config)
        arguments = ("--config", str(file), *arguments)
    process = started(data, *arguments, environ=environ)
    notes = Notes(cast("IO[str]", process.stderr))
    try:
        printed = _printed(cast("IO[str]", process.stdout))
        if not printed:
            notes.join()
        assert printed, f"the daemon did not start: {notes.lines}"
        yield Served(process, data, notes, printed)
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        notes.join()
        cast("IO[str]", process.stdout).close()


def started(data: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Program:
    """A daemon that may not be ready yet; whoever starts it ends it."""
    return Program(["serve", "--data", data, "--listen", "127.0.0.1:0", *arguments], environ=clean(environ))


def _printed(output: IO[str]) -> list[str]:
    # The curl line is the last one that a start prints; a start that fails closes the pipe.
    lines = []
    for line in output:
        lines.append(line.rstrip("\n"))
        if line.startswith("  curl "):
            return lines
    return []
