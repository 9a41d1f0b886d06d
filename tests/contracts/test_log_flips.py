"""Answers for no byte of an event, a link or a head changing unnoticed, wherever in the file it lies."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core import events as e
from core.errors import StoreRefused, TidingsError
from core.records import Append, Draft, HeadChange
from eventstore.audit.findings import Findings
from eventstore.audit.mirrors import begun
from eventstore.integrity import Steps
from eventstore.sqlite.begun import kept
from eventstore.sqlite.book import SqliteBook
from eventstore.sqlite.checking import verify
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.opening import open_to_read
from eventstore.sqlite.parts import last_of, look_at, parts_of, together
from tests.contracts.scribe import Scribe
from tests.contracts.sqlite_cells import cells_of
from tests.contracts.test_log_integrity import lived

pytestmark = pytest.mark.anyio

TABLES = ("event", "head")


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """The file of a log with streams of several kinds and a body that is longer than a page, closed."""
    path = tmp_path / "tidings.db"
    log, scribe = await SqliteLog.open(path), Scribe()
    await lived(log, scribe, messages=15)
    for event in (
        e.LaneOpened(name="mail", channel="email"),
        e.CircuitOpened(until_us=scribe.now_us, streak=3, openings=1),
        e.KeyAdded(digest=bytes(32), tenant_of_key=None, role="admin", label="x" * 9_000),
    ):
        at_us, stream = scribe.tick(), scribe.mint.next(scribe.now_us)
        head = begun(stream, at_us, "", event, cause=0).head(5)
        draft = Draft(stream=stream, version=1, event=event)
        change = HeadChange(head=head, was=None)
        await log.append(Append(shard=5, tenant="", at_us=at_us, drafts=(draft,), heads=(change,)))
    await log.close()
    assert verify(path).faults == ()
    return path


def unnoticed(path: Path, flips: int, seed: int) -> list[str]:
    """Of so many single bytes that are changed, one at a time, those that the check did not see."""
    draw = random.Random(seed)  # noqa: S311  # A test's own dice.
    content = path.read_bytes()
    cells = [(table, cell) for table in TABLES for cell in cells_of(path, table)]
    places = [(table, at) for table, cell in cells for at in cell]
    changed, found = path.with_name("changed.db"), []
    for _ in range(flips):
        table, at = draw.choice(places)
        mask = draw.randrange(1, 256)
        harmed = bytearray(content)
        harmed[at] ^= mask
        changed.write_bytes(harmed)
        try:
            if not verify(changed).faults:
                found.append(f"{table}: byte {at}, mask {mask:#04x}")
        except StoreRefused:
            pass  # It says that the file is damaged before it comes to any event.
        finally:
            for ending in ("-wal", "-shm"):
                changed.with_name(f"{changed.name}{ending}").unlink(missing_ok=True)
    return found


async def test_a_changed_byte_is_noticed(path: Path) -> None:
    """Two dozen bytes of events, links and heads, each changed alone: the check says so each time."""
    assert unnoticed(path, 24, seed=1) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
async def test_no_changed_byte_is_missed(path: Path, seed: int) -> None:
    """The same for a thousand of them."""
    assert unnoticed(path, 250, seed) == []


@pytest.mark.slow
async def test_no_changed_byte_passes_the_parts(path: Path) -> None:
    """A check in parts, as several processes share it, is never content with a log that one process finds fault with.

    Nor is it ever content with less than the whole: with any of the two hundred it leaves all of it to one process.
    """
    sound = whole(path)
    assert sound is not None
    assert sound.report() == verify(path)
    draw = random.Random(6)  # noqa: S311  # A test's own dice.
    content, changed = path.read_bytes(), path.with_name("changed.db")
    places = [at for table in TABLES for cell in cells_of(path, table) for at in cell]
    for at in draw.sample(places, 200):
        harmed = bytearray(content)
        harmed[at] ^= draw.randrange(1, 256)
        changed.write_bytes(harmed)
        assert whole(changed) is None, f"byte {at}, {content[at]:#04x} -> {harmed[at]:#04x}"


@pytest.mark.parametrize("text", [b"AttemptStarted", b"MessageAccepted"])
async def test_bytes_in_the_place_of_a_text_are_noticed(path: Path, text: bytes) -> None:
    """A type that is marked as bytes in the file has the bytes that its link was made over, and is found even so."""
    content = bytearray(path.read_bytes())
    # How long a value is and whether it is a text is one number in the head of its row (fileformat2.html, section 2.1).
    as_text, as_bytes = 2 * len(text) + 13, 2 * len(text) + 12
    cell = next(cell for cell in cells_of(path, "event") if text in content[cell.start : cell.stop])
    at = content.index(as_text, cell.start, cell.stop)
    assert at < content.index(text, cell.start)
    content[at] = as_bytes
    path.write_bytes(content)
    assert whole(path) is None
    assert verify(path).faults


def whole(path: Path, *, a_part: int = 1) -> Findings | None:
    """What the parts of a check come to together, one after the other."""
    try:
        with closing(open_to_read(path)) as connection:
            last, size = last_of(connection), SqliteBook(connection).size()
            heads, vault = kept(connection)
            looked = [look_at(connection, part) for part in parts_of(connection, last, a_part=a_part)]
    except (sqlite3.Error, TidingsError):
        return None
    finally:
        for ending in ("-wal", "-shm"):
            path.with_name(f"{path.name}{ending}").unlink(missing_ok=True)
    return together(looked, events=size, heads=heads, vault=vault, steps=Steps(2 * size, None))


async def test_the_places_are_those_of_the_rows(path: Path) -> None:
    """What is changed lies where the rows lie: every link of the log is found there, and no byte is named twice."""
    content = path.read_bytes()
    within = b"".join(content[cell.start : cell.stop] for cell in cells_of(path, "event"))
    log = await SqliteLog.open(path)
    page, _ = await log.log_page({}, tenant=None, limit=1_000)
    await log.close()
    assert len(page) > 40
    assert all(entry.link in within for entry in page)
    cells = [cell for table in TABLES for cell in cells_of(path, table)]
    assert len({at for cell in cells for at in cell}) == sum(map(len, cells))


@pytest.mark.parametrize(
    ("table", "column"),
    [("tally", "tenant"), ("tally", "messages"), ("address", "conversation"), ("meta", "value")],
)
async def test_a_cell_of_another_type_is_told(path: Path, table: str, column: str) -> None:
    """A cell beside the events that became bytes is told like any other damage: a finding, or a refusal to open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (schema,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    declare(path, table, schema.replace("STRICT, ", "").replace(f"{column} INTEGER", column))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"UPDATE {table} SET {column} = CAST({column} || 'x' AS BLOB)")  # noqa: S608
    declare(path, table, schema)
    if table == "meta":
        with pytest.raises(StoreRefused, match="schema version 0"):
            verify(path)
    else:
        assert verify(path).faults


async def test_an_event_with_nothing_in_its_place_is_told(path: Path) -> None:
    """Where a type is no text and its shard no number, as one wrong length leaves them, the check goes on behind it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (schema,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'event'").fetchone()
    declare(path, "event", schema.replace("STRICT", "").replace("shard INTEGER", "shard"))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE event SET shard = 'x', type = CAST(x'ff' AS TEXT) WHERE pos = 7")
    declare(path, "event", schema)
    assert whole(path) is None
    report = verify(path)
    assert "the event at position 7 is damaged" in report.faults[0].what
    assert report.events > 40


async def test_a_mark_that_is_no_bytes_is_told(path: Path) -> None:
    """Where the numbers and links of a mark are none, the check says so, also from there on."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (schema,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'mark'").fetchone()
    declare(path, "mark", schema.replace("STRICT", "").replace("BLOB", ""))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO mark VALUES (3, 'x', 1)")
    declare(path, "mark", schema)
    assert whole(path) is None
    assert "the mark at position 3" in verify(path).faults[0].what


async def test_a_log_whose_end_cannot_be_found_is_told(path: Path) -> None:
    """Where the page that leads to the last event is none any more nobody knows how long the log is, and it is told."""
    content = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'event'").fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    content[(root - 1) * page_bytes] ^= 1
    path.write_bytes(content)
    assert "cannot be read to its end" in verify(path).faults[0].what


def declare(path: Path, table: str, schema: str) -> None:
    """Has SQLite take a table for what this says, whatever lies in it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (schema, table))
