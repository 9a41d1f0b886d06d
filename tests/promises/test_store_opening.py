"""What a log's file may be when it is opened, and the clear answer to each: nothing is changed and nothing is lost."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from random import Random

import anyio
import pytest

from core.errors import CorruptLog, StoreRefused
from eventstore.sqlite.checking import verify
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.schema import SCHEMA_VERSION
from tests.contracts.scribe import Scribe

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MESSAGES = 80


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """The file of a log that was closed in an orderly way."""
    path = tmp_path / "data" / "tidings.db"
    log, scribe = await SqliteLog.open(path), Scribe()
    for n in range(MESSAGES):
        acceptance = scribe.acceptance(f"peer{n % 7}", key=f"{n}", reference="event42")
        await log.accept(acceptance)
        await log.append(scribe.start(acceptance.sealed.stream))
    await log.close()
    return path


async def refusal(path: Path, kind: type[StoreRefused] = StoreRefused) -> str:
    """Why the log is not opened; the file is as it was."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(kind) as refused:
        await SqliteLog.open(path)
    assert (path.read_bytes() if path.is_file() else None) == before
    return str(refused.value)


async def test_a_new_log_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    """A log is made with its directory, readable by nobody else, since the vault is in it."""
    path = tmp_path / "deep" / "data" / "tidings.db"
    log = await SqliteLog.open(path)
    await log.accept(Scribe().acceptance())
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    await log.close()
    assert modes == dict.fromkeys(("tidings.db", "tidings.db-wal", "tidings.db-shm", "tidings.db.lock"), 0o600)


async def test_a_second_daemon_is_refused(path: Path) -> None:
    """While one daemon has the log no other gets it, told by whom; afterwards the next one does."""
    first = await SqliteLog.open(path)
    with pytest.raises(StoreRefused, match=r"in use by another daemon \(process \d+\); stop it first"):
        await SqliteLog.open(path)
    await first.accept(Scribe("org2", slot=1).acceptance())
    await first.close()
    second = await SqliteLog.open(path)
    await second.close()


async def test_a_stranger_leaves_the_write_ahead_log_where_it_is(path: Path) -> None:
    """Another program that reads the file beside its daemon (a backup) takes nothing along as it leaves."""
    log, scribe = await SqliteLog.open(path), Scribe("org2", slot=1)
    await log.accept(scribe.acceptance())
    wal = path.with_name(f"{path.name}-wal")
    before = wal.stat().st_ino
    backup = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', sys.argv[2:])"
    await anyio.run_process([sys.executable, "-c", backup, str(path), str(path.with_name("backup.db"))])
    assert wal.is_file(), "the daemon goes on writing into a file that is gone"
    assert wal.stat().st_ino == before
    await log.close()


async def test_a_newer_schema_is_refused(path: Path) -> None:
    """A file that a newer release wrote is left alone, and both versions are named."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema_version'", (SCHEMA_VERSION + 3,))
        connection.commit()
    words = await refusal(path)
    assert f"has schema version {SCHEMA_VERSION + 3}, and this release knows 1 to {SCHEMA_VERSION}" in words
    with pytest.raises(StoreRefused, match="schema version"):
        verify(path)


async def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """A database that is none of ours is not touched, nor is a file that is no database, nor a directory."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmark (url TEXT)")
        connection.commit()
    assert "is a database of another program" in await refusal(path)
    (tmp_path / "letter.txt").write_text("Dear Ann,\n" * 50)
    assert "is no log of Tidings: it begins with b'Dear Ann," in await refusal(tmp_path / "letter.txt")
    assert str(tmp_path) in await refusal(tmp_path)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.02])
async def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    """A file that lost its end is told with the bytes that it has and should have."""
    whole = path.read_bytes()
    kept = int(len(whole) * share)
    path.write_bytes(whole[:kept])
    assert f"is truncated: it has {kept} bytes and should have {len(whole)}" in await refusal(path, CorruptLog)
    with pytest.raises(CorruptLog, match="truncated"):
        verify(path)


@pytest.mark.parametrize("size_bytes", [5, 99])
async def test_a_file_cut_within_its_header_is_refused(path: Path, size_bytes: int) -> None:
    """Even a few bytes are not taken for a new log."""
    path.write_bytes(path.read_bytes()[:size_bytes])
    assert str(path) in await refusal(path)


async def test_a_log_that_is_gone_is_not_begun_anew(path: Path) -> None:
    """Where a log was made before, a missing or empty file is a loss to look into, not a fresh start."""
    path.write_bytes(b"")
    assert "is missing or empty, but a log was made here" in await refusal(path)
    path.unlink()
    words = await refusal(path)
    assert not path.exists()
    # The words say how to begin anew on purpose.
    lock = path.with_name("tidings.db.lock")
    assert f"remove {lock} to begin a new log" in words
    lock.unlink()
    log = await SqliteLog.open(path)
    assert log.newest() == (0, 0)
    await log.close()


async def test_a_start_that_never_got_to_the_first_table_begins_again(tmp_path: Path) -> None:
    """A crash while the file was being made leaves an empty file and a lock, and the next start makes the log."""
    path = tmp_path / "tidings.db"
    path.touch()
    path.with_name("tidings.db.lock").write_text("123\n\n")
    log = await SqliteLog.open(path)
    await log.accept(Scribe().acceptance())
    await log.close()
    assert verify(path).faults == ()


async def test_a_flipped_bit_in_an_event_is_found(path: Path) -> None:
    """One bit of one commitment, changed in the file itself, is named by shard, number, stream and version."""
    with closing(sqlite3.connect(path)) as connection:
        shard, seq, stream, body = connection.execute(
            "SELECT shard, seq, stream, body FROM event WHERE pos = 41"
        ).fetchone()
    content = bytearray(path.read_bytes())
    at = content.find(body)
    assert at > 0
    assert content.count(body) == 1
    content[at + len(body) - 8] ^= 4
    path.write_bytes(content)
    found = [fault for fault in verify(path).faults if "link" in fault.what]
    assert [(fault.shard, fault.seq, fault.stream, fault.version) for fault in found] == [(shard, seq, stream, 1)]


async def test_a_start_meets_damage_with_words(path: Path) -> None:
    """Whichever page is overwritten, a start goes well or is refused with the file's name; never another error."""
    whole, page_bytes = path.read_bytes(), 4_096
    refused = 0
    for at in range(page_bytes, len(whole), page_bytes):
        path.write_bytes(whole[:at] + Random(at).randbytes(page_bytes) + whole[at + page_bytes :])  # noqa: S311
        try:
            await (await SqliteLog.open(path)).close()
        except StoreRefused as refusal:
            refused += str(path) in str(refusal)
    assert refused > 0


@pytest.mark.slow
async def test_whatever_byte_is_damaged_the_answer_is_clear(path: Path) -> None:
    """Flipped bytes anywhere give findings or a refusal, or lie where nothing is written; never another error."""
    whole = path.read_bytes()
    draw = Random(4)  # noqa: S311  # A seed that can be repeated is the point.
    refused = found = 0
    for _ in range(120):
        content = bytearray(whole)
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        try:
            found += bool(verify(path).faults)
        except StoreRefused as refusal:
            refused += str(path) in str(refusal)
    # The others fell on room that nothing uses, or on a row of the vault's index of references.
    assert found + refused > 40
