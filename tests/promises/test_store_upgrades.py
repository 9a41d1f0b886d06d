"""What becomes of a log that an older release wrote: it goes on whole, or stays as it was."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from core.errors import CorruptLog, StoreRefused
from core.ports import Log
from core.records import Append, MessageFilter
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from eventstore.rows import head_row, sealed_row
from eventstore.sqlite.checking import verify
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.reading import ReadOnlyLog
from eventstore.sqlite.rebuilding import rebuild
from eventstore.sqlite.schema import APPLICATION_ID, SCHEMA_VERSION
from tests.contracts.scribe import Scribe, alias, digest, vault_row

pytestmark = pytest.mark.anyio

# The schema files of the releases that wrote versions 1 and 2, as they were.
VERSIONS: Final = {number: Path(__file__).with_name(f"sqlite_version_{number}.sql") for number in (1, 2)}


async def lived(log: Log, scribe: Scribe) -> None:
    """Messages at every stage of their lives, and a lane."""
    for n in range(20):
        reference, expires_in_us = "event42" if n % 3 else None, 1_000_000 * (99 - n) if n % 2 else None
        acceptance = scribe.acceptance(f"peer{n % 5}", key=f"{n}", reference=reference, expires_in_us=expires_in_us)
        await log.accept(acceptance)
        for step in (scribe.start, scribe.failed, scribe.start, scribe.taken)[: n % 5]:
            await log.append(step(acceptance.sealed.stream))
    await log.append(scribe.opened("lane", "mail"))


def written_by(version: int, path: Path, durable: Durable) -> None:
    """The file that the release of this schema version would have left behind."""
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA auto_vacuum = INCREMENTAL")
        file.execute("PRAGMA journal_mode = WAL")
        file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        file.executescript(VERSIONS[version].read_text())
        # Under version 1 a head had no cause, owed nothing, and did not say when its message expires.
        heads = [head_row(head)[: -3 if version == 1 else None] for head in durable.heads.values()]
        keys = [
            (tenant, key, request, stream, until) for (tenant, key), (stream, request, until) in durable.keys.items()
        ]
        for table, rows in (
            ("event", durable.rows),
            ("head", heads),
            ("vault", [sealed_row(sealed) for sealed in durable.sealed.values()]),
            ("address", [(*address, conversation) for address, conversation in durable.addresses.items()]),
            ("tally", [(*key, *numbers) for key, numbers in durable.tallies.items()]),
            ("idem", [(pos, *key) for pos, key in enumerate(keys, 1)]),
        ):
            places = ", ".join("?" * len(rows[0]))
            file.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608  # Tables of the list above.
        file.commit()


@pytest.fixture
def scribe() -> Scribe:
    """Somebody who wrote to the log and will go on."""
    return Scribe()


@pytest.fixture
async def memory(scribe: Scribe) -> MemoryLog:
    """The same log as the file's, in memory: what every answer is compared with."""
    memory = MemoryLog()
    await lived(memory, scribe)
    return memory


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    """An older schema version."""
    return int(request.param)


@pytest.fixture
def path(tmp_path: Path, memory: MemoryLog, version: int) -> Path:
    """A file of that schema version with a log in it."""
    path = tmp_path / "tidings.db"
    written_by(version, path, memory.durable)
    return path


def version_of(path: Path) -> int:
    """The schema version that a file names."""
    with closing(sqlite3.connect(path)) as file:
        (version,) = file.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
    return int(version)


def tables_of(path: Path) -> dict[str, object]:
    """What tables there are, with their columns and whether they are strict, and how each index was made."""
    with closing(sqlite3.connect(path)) as file:
        tables = file.execute("SELECT name, ncol, wr, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
        found: dict[str, object] = {name: rest for name, *rest in tables if name != "sqlite_sequence"}
        for name in [*found]:
            found[f"columns of {name}"] = file.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)).fetchall()
        indexes = file.execute("SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'index'").fetchall()
        return found | {f"index {name}": (table, sql and sql.split()) for name, table, sql in indexes}


async def told(log: Log) -> list[object]:
    """Everything that a log tells of what it holds."""
    page, reached = await log.log_page({}, tenant=None, limit=10_000)
    streams = sorted({event.stream for event in page})
    groups = await log.agenda_groups()
    return [
        page,
        reached,
        await log.heads_by(streams),
        await log.heads(MessageFilter(), limit=99),
        await log.heads(MessageFilter(reference=digest("reference", "event42"), status=("sent",)), limit=99),
        await log.heads(MessageFilter(owes=True), limit=99),
        await log.ending_messages(after=None, limit=99),
        [await log.sealed_of(stream) for stream in streams],
        await log.tallies(None),
        groups,
        [await log.agenda_page(group.lane, group.tenant, group.priority, after=None, limit=99) for group in groups],
        [await log.heads_of_kind(kind) for kind in ("lane", "device")],
        [await log.repeated("org1", digest("key", f"{n}")) for n in range(20)],
        await log.aliased("provider_id", "org1", digest("name", "token")),
        log.newest(),
    ]


async def test_a_log_of_an_older_version_goes_on(path: Path, memory: MemoryLog, scribe: Scribe) -> None:
    """It tells all that it told, takes what only this release knows, and is sound after that and another start."""
    log = await SqliteLog.open(path)
    assert await told(log) == await told(memory)
    assert version_of(path) == SCHEMA_VERSION

    waiting = next(message for message in scribe.messages.values() if message.status == "queued")
    opened = scribe.opened("device", "phone")
    phone = opened.heads[0].head.stream
    caused = scribe.acceptance("ann", cause=waiting.id)
    calls: list[Append] = [
        scribe.start(waiting.id, lane="spare"),
        replace(opened, aliases=(alias(phone, "token"),), sealed=(vault_row(phone, "token"),)),
    ]
    logs: tuple[Log, ...] = (log, memory)
    for each in logs:
        await each.accept(caused)
        for call in calls:
            await each.append(call)
    assert await told(log) == await told(memory)
    assert [head.stream for head in await log.heads(MessageFilter(cause=waiting.id), limit=9)] == [caused.sealed.stream]
    await log.close()
    again = await SqliteLog.open(path)
    assert await told(again) == await told(memory)
    await again.close()
    assert verify(path).faults == ()


async def test_a_log_that_was_brought_up_to_date_has_the_tables_of_a_new_one(path: Path, tmp_path: Path) -> None:
    """Whichever way a file came to this schema, its tables, columns and indexes are the same."""
    before = tables_of(path)
    for place in (path, tmp_path / "new.db"):
        await (await SqliteLog.open(place)).close()
    assert tables_of(path) == tables_of(tmp_path / "new.db") != before


async def test_reading_tools_leave_an_older_log_to_its_daemon(path: Path, version: int) -> None:
    """What only reads refuses it, says what to do, and changes nothing."""
    before = path.read_bytes()
    words = f"has schema version {version}, and this release reads {SCHEMA_VERSION}: run `tidings serve` once"
    with pytest.raises(StoreRefused, match=words):
        verify(path)
    with pytest.raises(StoreRefused, match=words):
        await ReadOnlyLog.read(path)
    assert path.read_bytes() == before


async def test_a_rebuild_brings_a_log_up_to_date_as_well(path: Path) -> None:
    """Mending an older log leaves one of this version, and nothing was wrong with it."""
    assert rebuild(path).changed == 0
    assert version_of(path) == SCHEMA_VERSION
    assert verify(path).faults == ()


async def test_a_damaged_log_is_refused_before_it_is_changed(path: Path, version: int) -> None:
    """An older log that does not hang together at its end is refused, and is of its own version still."""
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE event SET cause = 5 WHERE pos = 30")
        file.commit()
    before = path.read_bytes()
    with pytest.raises(CorruptLog, match="its link does not follow"):
        await SqliteLog.open(path)
    assert path.read_bytes() == before
    assert version_of(path) == version


@pytest.mark.parametrize("version", [1])
async def test_an_upgrade_that_fails_leaves_the_log_as_it_was(path: Path, memory: MemoryLog) -> None:
    """Where one of its steps fails none of them happened, and once what was in its way is gone the log goes on."""
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE alias (somebody_else TEXT)")
    before = tables_of(path)
    with pytest.raises(StoreRefused, match="table alias already exists"):
        await SqliteLog.open(path)
    assert (version_of(path), tables_of(path)) == (1, before)
    with closing(sqlite3.connect(path)) as file:
        file.execute("DROP TABLE alias")
    log = await SqliteLog.open(path)
    assert await told(log) == await told(memory)
    await log.close()
