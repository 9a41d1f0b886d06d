"""What a log in a file does about growth, damage and haste while it is open."""

import asyncio
import re
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.errors import CorruptLog, Overloaded
from core.records import Acceptance, Append, Stored
from eventstore.batches import QUEUED_BYTES_MAX
from eventstore.numbering import Numbering
from eventstore.sqlite.checking import verify
from eventstore.sqlite.committing import EXPIRED_ROWS_MAX, Committing
from eventstore.sqlite.connection import Connection
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.writer import Writer
from eventstore.waking import Waking
from tests.contracts.scribe import DEDUP_FOR_US, Scribe, alias, vault_row

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# The verb of a statement and, where it writes, its table; then the rest of it.
_STATEMENT = re.compile(
    r"\s*(BEGIN|COMMIT|\w+(?: OR FAIL)? INTO \w+|DELETE FROM \w+|UPDATE(?: OR FAIL)? \w+|SELECT)\b.*", re.DOTALL
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "tidings.db"


def keys(path: Path) -> int:
    """How many dedup rows there are."""
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM idem").fetchone()
    return int(count)


async def test_expired_keys_are_dropped_along_with_commits(path: Path) -> None:
    """Dedup rows go when their time is over, a bounded number with each commit, and no timer is needed for it."""
    log, scribe = await SqliteLog.open(path), Scribe()
    calls = [log.accept(scribe.acceptance(key=f"{n}")) for n in range(2 * EXPIRED_ROWS_MAX + 10)]
    await asyncio.gather(*calls)
    assert keys(path) == len(calls)
    scribe.tick(2 * DEDUP_FOR_US)
    left = []
    for _ in range(4):
        await log.accept(scribe.acceptance())
        left.append(keys(path))
    await log.close()
    assert left == [EXPIRED_ROWS_MAX + 10, 10, 0, 0]


async def test_expired_keys_are_dropped_after_a_restart_too(path: Path) -> None:
    """A log that was closed for longer than its keys live forgets them with its first commits."""
    log, scribe = await SqliteLog.open(path), Scribe()
    await log.accept(scribe.acceptance(key="k"))
    await log.close()
    scribe.tick(2 * DEDUP_FOR_US)
    log = await SqliteLog.open(path)
    await log.accept(scribe.acceptance(key="other"))
    await log.close()
    assert keys(path) == 1


async def test_too_many_waiting_bytes_are_refused(path: Path) -> None:
    """Calls that come faster than the disk takes them are refused past a bound; all that were taken are written."""
    log, scribe = await SqliteLog.open(path), Scribe()
    waiting: list[Awaitable[object]] = []

    def flood() -> None:
        for _ in range(QUEUED_BYTES_MAX // 10_000):
            waiting.append(log.accept(scribe.acceptance(reference="x" * 10_000)))  # noqa: PERF401  # What was taken before the refusal counts.

    with pytest.raises(Overloaded, match=str(QUEUED_BYTES_MAX)):
        flood()
    assert set(await asyncio.gather(*waiting)) == {Stored()}
    assert await log.accept(scribe.acceptance()) == Stored()
    await log.close()
    assert verify(path).events == len(waiting) + 1


async def test_what_an_append_brings_along_is_weighed(path: Path) -> None:
    """Vault rows that wait for a commit count against the same bound as contents of messages do."""
    log, scribe = await SqliteLog.open(path), Scribe()
    private = "x" * (QUEUED_BYTES_MAX // 10)
    waiting: list[Awaitable[object]] = []

    def flood() -> None:
        for n in range(12):
            call = replace(scribe.opened("plan", f"{n}"), sealed=(vault_row(n, private),))
            waiting.append(log.append(call))

    with pytest.raises(Overloaded, match=str(QUEUED_BYTES_MAX)):
        flood()
    await asyncio.gather(*waiting)
    assert len(waiting) == 9
    assert await log.sealed_of(8) == vault_row(8, private)
    await log.close()


async def test_a_row_that_was_replaced_leaves_nothing_in_the_file(path: Path) -> None:
    """What the vault held before, a token or a plan's content, is nowhere in the file once the log is closed."""
    log, scribe = await SqliteLog.open(path), Scribe()
    before, after = "A token of yore. " * 40, "A token of today."
    phone = scribe.opened("device", "phone")
    stream = phone.heads[0].head.stream
    await log.append(replace(phone, sealed=(vault_row(stream, before),)))
    await log.append(replace(scribe.opened("device", "x"), sealed=(vault_row(stream, after),)))
    await log.close()
    content = path.read_bytes()
    assert b"token of today" in content
    assert b"token of yore" not in content
    assert not path.with_name("tidings.db-wal").exists()


async def test_a_damaged_event_is_named_by_whoever_reads_it(path: Path) -> None:
    """A body that cannot be decoded any more fails the reads of its stream, and no others."""
    log, scribe = await SqliteLog.open(path), Scribe()
    bad, good = scribe.acceptance("ann"), scribe.acceptance("ben")
    await log.accept(bad)
    await log.accept(good)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE event SET body = x'c1' WHERE stream = ?", (bad.sealed.stream,))
        connection.commit()
    asked = log.events_of(bad.sealed.stream), log.events_of(good.sealed.stream)
    failed, read = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(failed, CorruptLog)
    assert f"stream {bad.sealed.stream}, event 1 (MessageAccepted)" in str(failed)
    assert isinstance(read, list)
    assert len(read) == 1
    await log.close()


async def test_reads_that_were_asked_are_answered_before_a_log_closes(path: Path) -> None:
    """Closing answers every question that was asked before it, however many there are."""
    log, scribe = await SqliteLog.open(path), Scribe()
    acceptance = scribe.acceptance()
    await log.accept(acceptance)
    asked = [log.head_of(acceptance.sealed.stream) for _ in range(300)]
    await log.close()
    assert set(await asyncio.gather(*asked)) == {acceptance.append.heads[0].head}


FORGETFUL = """
import asyncio, sys
from pathlib import Path
from eventstore.sqlite.log import SqliteLog
from tests.contracts.scribe import Scribe

async def main():
    log = await SqliteLog.open(Path(sys.argv[1]))
    await log.accept(Scribe().acceptance())
    sys.stdout.write("stored")

asyncio.run(main())
"""


def test_a_process_that_forgets_to_close_its_log_ends(path: Path) -> None:
    """A daemon that ends by an error of its own does not hang on the log's threads, and loses nothing."""
    command = [sys.executable, "-W", "ignore", "-c", FORGETFUL, str(path)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (0, b"stored"), done.stderr.decode()
    assert verify(path).events == 1


async def test_an_ordinary_message_pays_for_nothing_that_it_does_not_use(path: Path) -> None:
    """Acceptance, start and end of a plain attempt run not one statement for names and rows that they do not bring."""
    await (await SqliteLog.open(path)).close()
    statements: list[str] = []

    def connect() -> sqlite3.Connection:
        traced = sqlite3.connect(path, isolation_level=None)
        traced.set_trace_callback(statements.append)
        return traced

    connection = await Connection.start(connect)
    writer = Writer(connection, Committing(Numbering(), None), Waking())

    async def run_by(call: Append | Acceptance) -> list[str]:
        statements.clear()
        await writer.put(call)
        return [_STATEMENT.sub(r"\1", statement) for statement in statements]

    scribe = Scribe()
    first, second = scribe.acceptance(key="k"), scribe.acceptance(key="l")
    stream = first.sealed.stream
    # The next commit after the first key knows when that expires, so it asks no more; nor for the peer, who is there.
    await writer.put(first)
    inserts = [f"INSERT OR FAIL INTO {table}" for table in ("idem", "event", "head", "vault", "tally")]
    assert await run_by(second) == ["BEGIN", *inserts, "COMMIT"]
    moved = ["INSERT OR FAIL INTO event", "UPDATE OR FAIL head", "INSERT OR FAIL INTO tally"]
    assert await run_by(scribe.start(stream)) == ["BEGIN", *moved, "COMMIT"]
    assert await run_by(scribe.taken(stream)) == ["BEGIN", *moved, "COMMIT"]
    phone = replace(
        scribe.opened("device", "phone"),
        aliases=(alias(stream, "new"),),
        dropped=(alias(stream, "old"),),
        sealed=(vault_row(stream, "x"),),
    )
    beside = ["REPLACE INTO vault", "DELETE FROM alias", "INSERT INTO alias"]
    assert await run_by(phone) == ["BEGIN", *inserts[1:3], *beside, "COMMIT"]
    await writer.close()
    await connection.close()
