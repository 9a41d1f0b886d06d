"""Answers for two real PostgreSQL servers to test a failover with: a primary, and a standby that has all that it has.

It must never let both of them take writes: the primary is gone before the standby is promoted, and stays gone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.postgres_server import Cluster, Server, own_cluster, remove

# A commit waits until the standby has it on its disk. That stands in the primary's command line alone, so the standby
# waits for nobody once it is promoted.
_WAITS_FOR_A_STANDBY: Final = "-c synchronous_standby_names=*"
# Its commit is answered once the standby follows.
_COMMIT: Final = "SELECT pg_logical_emit_message(true, 'tidings', 'Does anybody follow?')"


class Pair(Server):
    """Both of them under one URL, which leads to whichever takes writes."""

    def __init__(self, primary: Cluster, standby: Cluster) -> None:
        self.primary = primary
        self.standby = standby
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        super().__init__(f"postgresql://postgres@{hosts}/postgres?target_session_attrs=primary")

    def kill_primary(self) -> None:
        """Ends it at once: no transaction is finished, no connection is told."""
        self.primary.crash()

    def promote(self) -> None:
        """Makes the standby a primary; it takes writes on return."""
        self.standby.carry_out("pg_ctl", "-w", "promote")


@contextmanager
def running_pair() -> Iterator[Pair]:
    """A primary and its synchronous standby, in step, for the length of a block."""
    primary = own_cluster(_WAITS_FOR_A_STANDBY)
    standby = Cluster(primary.folder.with_name("standby"))
    try:
        _copy(primary, standby)
        standby.start()
        primary.run(_COMMIT)
        yield Pair(primary, standby)
    finally:
        if (standby.folder / "postmaster.pid").exists():
            standby.crash()
        remove(primary.folder)


def _copy(primary: Cluster, standby: Cluster) -> None:
    """The primary's files as they are now, told where to hear of what follows."""
    standby.folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        owner = primary.folder.stat()
        os.chown(standby.folder, owner.st_uid, owner.st_gid)
    place = f"host=127.0.0.1 port={primary.port} user=postgres"
    standby.carry_out("pg_basebackup", "-d", place, "-R", "-X", "stream", "-c", "fast", "--no-sync")
