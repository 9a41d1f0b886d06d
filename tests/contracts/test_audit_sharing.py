"""Answers for a check shared by several processes coming to what one comes to, and for it leaving nothing out."""

import os
import sqlite3
from collections.abc import Awaitable, Generator
from contextlib import closing
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest

from core import devices
from core import events as e
from core.conversation import Conversation, evolve
from core.errors import Impossible
from core.events import EVENT_TYPES
from core.message import ALLOWED
from core.records import Append, Draft, HeadChange, Snapshot
from eventstore.audit.mirrors import PLAIN, begun
from eventstore.marking import EVENTS_A_MARK
from eventstore.sqlite.book import SqliteBook
from eventstore.sqlite.checking import verify
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.opening import open_to_read
from eventstore.sqlite.parts import last_of, parts_of
from eventstore.sqlite.sharing import shared_check
from tests.contracts.scribe import Scribe
from tests.contracts.test_log_flips import whole
from tests.contracts.test_log_integrity import damaged, lived

pytestmark = pytest.mark.anyio


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """The file of a log that is three marks long."""
    path = tmp_path / "tidings.db"
    log, scribe = await SqliteLog.open(path), Scribe()
    waiting: list[Awaitable[object]] = [log.accept(scribe.acceptance(f"p{n}")) for n in range(3 * EVENTS_A_MARK + 9)]
    for answer in waiting:
        await answer
    await log.close()
    return path


async def test_the_parts_are_the_whole(path: Path) -> None:
    """Stretches follow on each other without a gap from the first event to the last, and the file is looked at once."""
    with closing(sqlite3.connect(path)) as connection:
        last = last_of(connection)
        parts = list(parts_of(connection, last, a_part=EVENTS_A_MARK))
    stretches = [part.stretch for part in parts if part.stretch is not None]
    assert len(stretches) > 2
    assert (stretches[0][0], stretches[-1][1]) == (0, last)
    assert all(after[0] == before[1] for before, after in pairwise(stretches))
    assert sum(part.stretch is None for part in parts) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "harm",
    [
        None,
        "UPDATE event SET cause = 5 WHERE pos = (SELECT min(pos) + 1 FROM mark)",
        "UPDATE event SET at_us = at_us - 60000000 WHERE pos = (SELECT min(pos) + 1 FROM mark)",
        "UPDATE mark SET links = seqs WHERE pos = (SELECT max(pos) FROM mark)",
        "UPDATE head SET status = 'dead' WHERE stream = (SELECT max(stream) FROM head)",
        "UPDATE tally SET messages = 1",
    ],
)
async def test_many_find_what_one_finds(path: Path, harm: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is the same, whether the log is sound or harmed at a seam between two parts."""
    if harm is not None:
        damaged(path, harm)
    monkeypatch.setattr("eventstore.sqlite.parts.EVENTS_A_PART", EVENTS_A_MARK)
    alone = verify(path, processes=1)
    assert bool(alone.faults) == (harm is not None)
    assert verify(path, processes=2) == alone


@pytest.mark.slow
@pytest.mark.parametrize("said", [b"", b"\x00\x00\x01\x00half"], ids=["before", "within its answer"])
async def test_a_part_that_nobody_finished_is_missed(path: Path, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process dies over a part, the others do not answer for the whole, and one process looks at all of it."""
    monkeypatch.setattr("eventstore.sqlite.parts.EVENTS_A_PART", EVENTS_A_MARK)
    monkeypatch.setattr("eventstore.sqlite.sharing._look_too", partial(die, said))
    with closing(open_to_read(path)) as connection:
        connection.execute("BEGIN")
        assert shared_check(path, connection, 2, None) is None
    assert verify(path, processes=2) == verify(path, processes=1)


def die(said: bytes, _sharing: object, told: Connection) -> None:
    """What becomes of a process that the system kills for its memory, with the first bytes of its answer out."""
    os.write(told.fileno(), said)
    os._exit(9)


@pytest.mark.parametrize(
    "harm",
    [
        "INSERT INTO mark SELECT pos + 600, seqs, links FROM mark ORDER BY pos DESC LIMIT 1",
        "UPDATE mark SET pos = 999999 WHERE pos = (SELECT max(pos) FROM mark)",
        "UPDATE mark SET seqs = x'00' WHERE pos = (SELECT min(pos) FROM mark)",
        "UPDATE mark SET links = x'00' WHERE pos = (SELECT min(pos) FROM mark)",
        "DELETE FROM event WHERE pos = (SELECT min(pos) FROM mark)",
    ],
)
async def test_parts_end_at_no_mark_that_is_none(path: Path, harm: str) -> None:
    """A mark beyond the last event, without its event or of other bytes leaves all to one process, which names it."""
    assert whole(path, a_part=EVENTS_A_MARK) is not None
    damaged(path, harm)
    assert whole(path, a_part=EVENTS_A_MARK) is None
    assert verify(path).faults


@pytest.mark.parametrize(
    ("harm", "is_sound"),
    [
        ("DELETE FROM vault WHERE stream IN (SELECT stream FROM head WHERE kind = 'msg' AND version > 3)", True),
        ("UPDATE vault SET salt = zeroblob(16) WHERE stream = (SELECT max(stream) FROM head WHERE version > 3)", False),
        ("UPDATE vault SET tenant = 'org9'", False),
        ("UPDATE address SET conversation = 5", False),
        ("UPDATE address SET tenant = 'org9'", False),
        ("UPDATE address SET channel = 'push'", False),
        ("UPDATE address SET subject = CAST(conversation AS BLOB)", False),
        ("UPDATE head SET kind = 'stray' WHERE kind = 'msg' AND version > 3", False),
        ("UPDATE head SET shard = shard + 1 WHERE kind = 'msg' AND version > 3", False),
        ("UPDATE head SET tenant = 'org9' WHERE kind = 'msg' AND version > 3", False),
        ("UPDATE head SET owes = 1 WHERE kind = 'msg' AND version > 3", False),
        ("DELETE FROM head WHERE kind = 'msg' AND version > 3", False),
    ],
)
async def test_lives_are_looked_at_to_their_ends(
    tmp_path: Path, harm: str, *, is_sound: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part comes to what the whole comes to where messages live on behind what is looked at together."""
    path = tmp_path / "tidings.db"
    log = await SqliteLog.open(path)
    await lived(log, Scribe())
    await log.close()
    damaged(path, harm)
    monkeypatch.setattr("eventstore.audit.stretches.EVENTS_A_PAGE", 2)
    monkeypatch.setattr("eventstore.audit.beginnings.EVENTS_AT_ONCE", 2)
    found = whole(path)
    assert (found is not None) == is_sound
    assert found is None or found.report() == verify(path)


async def test_a_walk_that_is_broken_off_ends_quietly(path: Path) -> None:
    """Whoever interrupts a check hears nothing of rows that nobody reads any more."""
    connection = open_to_read(path)
    rows = SqliteBook(connection).arrivals(0, None)
    assert isinstance(rows, Generator)
    assert next(rows)[0] == 1
    connection.close()
    rows.close()
    assert next(rows, None) is None


async def test_a_wrong_snapshot_is_found(tmp_path: Path) -> None:
    """A conversation's snapshot is what its events come to at that version, or the check says so."""
    path = tmp_path / "tidings.db"
    log, opened = await SqliteLog.open(path), e.CircuitOpened(until_us=1, streak=3, openings=1)
    mirror = begun(7, 5, "org1", opened, cause=0)
    draft, change = Draft(stream=7, version=1, event=opened), HeadChange(head=mirror.head(3), was=None)
    await log.append(Append(shard=3, tenant="org1", at_us=5, drafts=(draft,), heads=(change,)))
    states = [evolve(Conversation(id=7, tenant="org1"), opened, at_us) for at_us in (5, 6)]
    found = []
    for version, state in ((1, states[0]), (1, states[1]), (9, states[0])):
        await log.save_snapshot(Snapshot(stream=7, version=version, body=msgspec.msgpack.encode(state)))
        found.append([fault.what for fault in verify(path).faults])
    await log.close()
    right, wrong, beyond = found
    assert right == []
    assert "its snapshot is" in wrong[0]
    assert "its snapshot is of version 9" in beyond[0]


def test_every_event_has_a_stream_that_it_belongs_to() -> None:
    """Whatever kind of event there is, some stream's state is told by it: a new one without a place fails here."""
    placed = {*ALLOWED, e.MessageAccepted, *devices.NEXT}
    for _, statuses in PLAIN.values():
        placed |= statuses.keys()
    for kind in EVENT_TYPES.values():
        if kind not in placed:
            assert _is_of_a_conversation(kind), kind.__name__


def _is_of_a_conversation(kind: type[e.Event]) -> bool:
    fields = dict.fromkeys(kind.__struct_fields__, 0)
    try:
        return evolve(Conversation(id=1, tenant=""), kind(**fields), 0).version == 1
    except Impossible:
        return False
