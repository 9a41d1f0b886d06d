"""What the full check of a log finds, and what a rebuild mends: the same words for every store."""

import sqlite3
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from core import devices
from core import events as e
from core.errors import CorruptLog, StoreRefused
from core.ports import Log
from core.records import Append, Draft, HeadChange, Recorded
from core.sealing import commitment_of
from eventstore.audit.findings import FAULTS_MAX, Report
from eventstore.codec import UnknownEvent
from eventstore.integrity import check
from eventstore.marking import EVENTS_A_MARK
from eventstore.memory import MemoryLog
from eventstore.memory_book import MemoryBook
from eventstore.sqlite.checking import verify
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.reading import ReadOnlyLog
from eventstore.sqlite.rebuilding import rebuild
from tests.contracts.scribe import Scribe, alias, vault_row

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# The one that is parked is the device's, whose only event a newer release wrote.
SOUND = Report(events=34, streams=13, messages=12, parked=1, faults=(), attempts_open=5)


async def lived(log: Log, scribe: Scribe, messages: int = 12) -> list[int]:
    """Messages at every stage of their lives; their ids in the order of acceptance."""
    streams = []
    for n in range(messages):
        acceptance = scribe.acceptance(f"peer{n % 5}")
        stream = acceptance.sealed.stream
        streams.append(stream)
        await log.accept(acceptance)
        for step in (scribe.start, scribe.failed, scribe.start, scribe.taken)[: n % 5]:
            append = step(stream)
            await log.append(replace(append, aliases=(alias(stream, f"{append.drafts[0].version}/{n}"),)))
    opened = scribe.opened("device", "phone")
    phone = opened.heads[0].head.stream
    await log.append(replace(opened, aliases=(alias(phone, "token"),), sealed=(vault_row(phone, "token"),)))
    return streams


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """The file of a log with some life in it, closed."""
    path = tmp_path / "tidings.db"
    log = await SqliteLog.open(path)
    await lived(log, Scribe())
    await log.close()
    return path


def damaged(path: Path, statement: str, *values: object) -> None:
    """Changes the file behind the log's back."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(statement, values).rowcount > 0
        connection.commit()


def events_of(path: Path) -> list[tuple[int, int, int, int]]:
    """(shard, seq, stream, version) of every event, in the order of arrival."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT shard, seq, stream, version FROM event ORDER BY pos").fetchall()


async def test_a_sound_log_passes(path: Path) -> None:
    """What the store itself wrote has no faults, and the report says how much was looked at."""
    report = verify(path)
    assert replace(report, in_flight=()) == SOUND


async def test_progress_is_told_to_the_end(path: Path) -> None:
    """Whoever watches hears the last step of all."""
    heard: list[tuple[int, int]] = []
    verify(path, lambda done, total: heard.append((done, total)))
    assert heard[-1] == (68, 68)


@pytest.mark.parametrize("column", ["body", "link", "at_us", "tenant", "cause", "type", "schema_version", "seq"])
async def test_any_changed_part_of_an_event_is_found_where_it_is(path: Path, column: str) -> None:
    """One changed value in one event is named by shard, number, stream and version."""
    shard, seq, stream, version = events_of(path)[20]
    with closing(sqlite3.connect(path)) as connection:
        (before,) = connection.execute(f"SELECT {column} FROM event WHERE pos = 21").fetchone()  # noqa: S608  # A column of the table above.
    changed: object
    match before:
        case bytes():
            changed = bytes([*before[:-1], before[-1] ^ 1])
        case str():
            changed = before + "x"
        case _:
            changed = before + 1
    damaged(path, f"UPDATE event SET {column} = ? WHERE pos = 21", changed)  # noqa: S608  # Likewise.
    first = verify(path).faults[0]
    assert (first.shard, first.stream, first.version) == (shard, stream, version)
    assert first.seq == (seq + 1 if column == "seq" else seq)
    assert str(first).startswith(f"shard {shard}, seq {first.seq}, stream {stream}, version {version}: ")


async def test_a_missing_event_is_found(path: Path) -> None:
    """An event that was cut out leaves a gap in its shard and in its stream, and both are told."""
    events = events_of(path)
    third = next(event for event in events if event[3] == 3)
    pos, (shard, seq, stream, _) = next(
        (pos, event) for pos, event in enumerate(events, 1) if event[2:] == (third[2], 2)
    )
    damaged(path, "DELETE FROM event WHERE pos = ?", pos)
    found = [str(fault) for fault in verify(path).faults]
    assert any(f"shard {shard}, " in line and f"expected seq {seq}: events are missing" in line for line in found)
    assert any(f"stream {stream}, version 3: expected version 2: events of this stream" in line for line in found)


async def test_a_missing_end_is_found(path: Path) -> None:
    """Events that were cut off at the end leave no gap, but what followed from them remembers them."""
    *_, stream, version = events_of(path)[-1]
    assert version == 1
    damaged(path, "DELETE FROM event WHERE pos = (SELECT max(pos) FROM event)")
    assert [str(fault) for fault in verify(path).faults] == [
        f"stream {stream}: there is a head, but no event",
        f"stream {stream}: there is a vault row, but no event",
        f"stream {stream}: an alias (provider_id) leads here, but there is no event",
    ]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE head SET status = 'dead' WHERE stream = ?", "its head is"),
        ("UPDATE head SET due_us = 5 WHERE stream = ?", "its head is"),
        ("UPDATE head SET lane = 'spare' WHERE stream = ?", "its head is"),
        ("UPDATE head SET cause = 5 WHERE stream = ?", "its head is"),
        ("UPDATE head SET owes = 1 WHERE stream = ?", "its head is"),
        ("UPDATE head SET version = 9 WHERE stream = ?", "its head has version 9"),
        ("DELETE FROM head WHERE stream = ?", "no head"),
        ("UPDATE head SET stream = 99 WHERE stream = ?", "there is a head, but no event"),
        ("UPDATE vault SET private = x'00' WHERE stream = ?", "committed to"),
        ("UPDATE vault SET salt = zeroblob(16) WHERE stream = ?", "committed to"),
        ("UPDATE vault SET subject = x'00' WHERE stream = ?", "its address leads to conversation None"),
        ("UPDATE address SET conversation = 5 WHERE ?", "its address leads to conversation 5"),
        ("UPDATE vault SET stream = 99 WHERE stream = ?", "there is a vault row, but no event"),
        ("UPDATE vault SET stream = 99 WHERE private = CAST('token' AS BLOB) AND ?", "stream 99: there is a vault row"),
        ("UPDATE alias SET stream = 99 WHERE ?", "stream 99: an alias (provider_id) leads here, but there is no event"),
        ("UPDATE tally SET messages = messages + 1 WHERE status = 'queued' AND ?", "the count of"),
        ("UPDATE tally SET lane = 'spare' WHERE status = 'queued' AND ?", "the count of"),
    ],
)
async def test_what_does_not_follow_from_the_events_is_found(path: Path, statement: str, words: str) -> None:
    """A head, vault row or count that the events do not come to is told in words."""
    stream = events_of(path)[0][2]
    damaged(path, statement, stream)
    assert any(words in str(fault) for fault in verify(path).faults)


async def test_names_that_lead_nowhere_are_found_in_memory_too() -> None:
    """The memory log's check tells the stream that a name leads to where that has no event."""
    log = MemoryLog()
    await lived(log, Scribe())
    log.durable.aliases["plan", "org1", b"welcome"] = [98, 99]
    found = [str(fault) for fault in check(MemoryBook(log.durable)).faults]
    assert found == [f"stream {n}: an alias (plan) leads here, but there is no event" for n in (98, 99)]


async def test_an_erased_vault_row_is_no_fault(path: Path) -> None:
    """Forgetting destroys the private bytes, and the log still verifies."""
    damaged(path, "DELETE FROM vault WHERE stream = ?", events_of(path)[0][2])
    assert verify(path).faults == ()


async def test_an_impossible_story_is_found(tmp_path: Path) -> None:
    """Events that cannot follow each other are told, though every link is right."""
    log, scribe = await SqliteLog.open(tmp_path / "tidings.db"), Scribe()
    (stream,) = await lived(log, scribe, messages=1)
    head = scribe.start(stream).heads[0]
    twice = tuple(
        Draft(stream=stream, version=version, event=e.AttemptTaken(attempt=1, status="sent", sent_at_us=1, took_us=1))
        for version in (2, 3)
    )
    head = replace(head, head=replace(head.head, version=3))
    await log.append(Append(shard=head.head.shard, tenant="org1", at_us=scribe.tick(), drafts=twice, heads=(head,)))
    await log.close()
    (fault, *_) = verify(tmp_path / "tidings.db").faults
    assert "AttemptTaken cannot follow status queued" in fault.what
    assert (fault.stream, fault.version) == (stream, 2)


async def test_a_parked_stream_is_counted_and_no_fault(tmp_path: Path) -> None:
    """An event of a newer release is part of the chain; what its message comes to is left to that release."""
    log, scribe = await SqliteLog.open(tmp_path / "tidings.db"), Scribe()
    (stream,) = await lived(log, scribe, messages=1)
    change = scribe.start(stream).heads[0]
    unknown = Draft(stream=stream, version=2, event=UnknownEvent(type="MessageBlessed", schema_version=1, body=b"\x90"))
    await log.append(
        Append(shard=change.head.shard, tenant="org1", at_us=scribe.tick(), drafts=(unknown,), heads=(change,))
    )
    await log.close()
    report = verify(tmp_path / "tidings.db")
    assert (report.parked, report.messages) == (2, 1)
    assert all("count" in fault.what for fault in report.faults)


async def test_a_flood_of_faults_is_cut_short(path: Path) -> None:
    """A log that was changed everywhere gives the first findings, not all of them."""
    damaged(path, "UPDATE event SET at_us = at_us + pos")
    assert len(verify(path).faults) == FAULTS_MAX


async def test_marks_are_checked_against_the_events(tmp_path: Path) -> None:
    """A mark that says anything but where the shards stood is found, and so is one beyond the last event."""
    path = tmp_path / "tidings.db"
    log, scribe = await SqliteLog.open(path), Scribe()
    waiting: list[Awaitable[object]] = [log.accept(scribe.acceptance(f"peer{n}")) for n in range(2 * EVENTS_A_MARK)]
    for answer in waiting:
        await answer
    await log.close()
    assert verify(path).faults == ()
    damaged(path, "UPDATE mark SET pos = pos + 1 WHERE pos = (SELECT min(pos) FROM mark)")
    assert any("mark at position" in fault.what for fault in verify(path).faults)
    damaged(path, "UPDATE mark SET pos = 999999 WHERE pos = (SELECT max(pos) FROM mark)")
    assert any("999999" in fault.what for fault in verify(path).faults)


async def test_verification_runs_beside_the_daemon_and_changes_nothing(path: Path) -> None:
    """A log that is open for writing can be verified and read, and goes on being written."""
    log = await SqliteLog.open(path)
    try:
        assert verify(path).faults == ()
        beside = await ReadOnlyLog.read(path)
        scribe = Scribe("org2", slot=3)
        scribe.now_us = log.newest()[1]
        (stream,) = await lived(log, scribe, messages=1)
        assert len(await beside.events_of(stream)) == 1
        page, _ = await beside.log_page({}, tenant=None, limit=100)
        assert len(page) == 36
        await beside.close()
        assert verify(path).events == 36
    finally:
        await log.close()


async def test_a_rebuild_makes_heads_and_counts_again(path: Path) -> None:
    """Whatever was done to the heads and counts of messages, a rebuild gives what the events come to."""
    streams = sorted({stream for _, _, stream, _ in events_of(path)})
    damaged(path, "UPDATE head SET status = 'dead', due_us = 7, place = NULL WHERE stream = ?", streams[0])
    damaged(path, "DELETE FROM head WHERE stream = ?", streams[1])
    damaged(path, "UPDATE head SET stream = 99 WHERE stream = ?", streams[2])
    damaged(path, "UPDATE head SET lane = 'spare', cause = 5, owes = 1 WHERE stream = ?", streams[3])
    damaged(path, "DELETE FROM tally")
    assert verify(path).faults
    rebuilt = rebuild(path)
    assert (rebuilt.messages, rebuilt.changed, rebuilt.dropped) == (12, 4, 1)
    assert verify(path).faults == ()
    assert rebuild(path).changed == 0


async def test_a_device_is_checked_and_mended_like_a_message(path: Path) -> None:
    """Its head follows from its events and its vault row from its last registration; a removed one may have none."""
    log = await SqliteLog.open(path)
    scribe = Scribe(slot=1)
    scribe.tick(log.newest()[1] - scribe.now_us)
    phone, tablet = [await registered(log, scribe, name) for name in ("phone", "tablet")]
    for event in (e.DeviceSeen(), e.DeviceRemoved(reason="requested")):
        await log.append(after(scribe, tablet, await log.events_of(tablet), event))
    await log.close()
    assert verify(path).faults == ()
    damaged(path, "UPDATE vault SET private = x'' WHERE stream = ?", tablet)
    assert verify(path).faults == ()

    damaged(path, "UPDATE head SET status = 'stale' WHERE stream = ?", phone)
    damaged(path, "DELETE FROM head WHERE stream = ?", tablet)
    assert [fault.stream for fault in verify(path).faults] == [phone, tablet]
    assert rebuild(path).changed == 2
    assert verify(path).faults == ()
    damaged(path, "UPDATE vault SET private = x'00' WHERE stream = ?", phone)
    (fault,) = verify(path).faults
    assert (fault.stream, fault.what) == (phone, "its vault row is not the one that its last registration committed to")


async def registered(log: Log, scribe: Scribe, name: str) -> int:
    """A device that was registered; its stream."""
    stream = scribe.mint.next(scribe.now_us)
    row = vault_row(stream, name)
    event = e.DeviceRegistered(platform="web", app="", commitment=commitment_of(row.private, row.salt))
    await log.append(replace(after(scribe, stream, [], event), sealed=(row,)))
    return stream


def after(scribe: Scribe, stream: int, recorded: list[Recorded], event: e.Event) -> Append:
    """One more event of a device."""
    at_us, before = scribe.tick(), devices.fold(recorded) if recorded else None
    device = devices.evolve(before, event, at_us, stream=stream, tenant="org1")
    head = devices.head_of(device, 9)
    return Append(
        shard=9,
        tenant="org1",
        at_us=at_us,
        drafts=(Draft(stream=stream, version=device.version, event=event),),
        heads=(HeadChange(head=head, was=None if before is None else before.status),),
    )


async def test_a_rebuild_waits_for_no_daemon(path: Path) -> None:
    """While a daemon holds the log a rebuild is refused and nothing changes."""
    log = await SqliteLog.open(path)
    try:
        with pytest.raises(StoreRefused, match="in use"):
            rebuild(path)
    finally:
        await log.close()


async def test_a_file_that_is_no_log_cannot_be_verified(tmp_path: Path) -> None:
    """A missing file and a file of something else are told apart from a damaged log."""
    with pytest.raises(StoreRefused, match="there is no log"):
        verify(tmp_path / "tidings.db")
    (tmp_path / "letter.txt").write_text("Dear Ann,\n" * 100)
    with pytest.raises(StoreRefused, match="no log of Tidings"):
        verify(tmp_path / "letter.txt")


@pytest.mark.parametrize("part", ["rows", "heads", "tallies"])
async def test_the_memory_log_is_checked_alike(part: str) -> None:
    """Scenarios run the same check, and it finds what is wrong there too."""
    log = MemoryLog()
    await lived(log, Scribe())
    assert replace(check(MemoryBook(log.durable)), in_flight=()) == SOUND
    harmed = getattr(log.durable, part)
    del harmed[0 if part == "rows" else next(iter(harmed))]
    assert check(MemoryBook(log.durable)).faults


async def test_a_log_with_a_wrong_last_link_is_not_opened(path: Path) -> None:
    """A daemon does not go on from an event that was changed near the end of the log."""
    damaged(path, "UPDATE event SET cause = 5 WHERE pos = 30")
    shard, seq, stream, _ = events_of(path)[29]
    with pytest.raises(CorruptLog, match=rf"shard {shard}, seq {seq} \(stream {stream}"):
        await SqliteLog.open(path)
