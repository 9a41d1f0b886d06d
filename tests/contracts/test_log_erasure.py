"""What every log promises of erasing: vault rows go for good, and an address is closed before it leads nowhere."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from anyio import to_thread
from msgspec.structs import replace

from core.errors import StreamConflict
from core.ports import Log
from core.records import Acceptance, Append, MessageFilter, Repeated, Stored
from eventstore.audit.findings import Report
from eventstore.integrity import check
from eventstore.marking import EVENTS_A_MARK
from eventstore.memory_book import MemoryBook
from eventstore.postgres.checking import verify as verify_server
from eventstore.sqlite.checking import verify
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.rebuilding import rebuild
from tests.contracts.eraser import ANN, Eraser
from tests.contracts.nodes import Nodes
from tests.contracts.scribe import Scribe, digest
from tests.contracts.stores import MemoryStore, PostgresStore, SqliteStore, Store

pytestmark = pytest.mark.anyio


async def way_to(log: Log) -> int | None:
    """Where the address leads."""
    return await log.conversation_at("org1", "email", digest("subject", ANN))


async def checked(store: Store) -> Report:
    """The whole check, of whatever kind of store."""
    match store:
        case MemoryStore():
            return check(MemoryBook(store.durable))
        case SqliteStore():
            return await to_thread.run_sync(verify, store.path)
        case PostgresStore():
            return await to_thread.run_sync(verify_server, store.url)
        case _:
            raise AssertionError(f"no check for {store}")


async def test_vault_rows_go_for_good(log: Log, scribe: Scribe) -> None:
    """With what is found through them; those of others stay, and one that is not there changes nothing."""
    first, second = scribe.acceptance(reference="r"), scribe.acceptance(reference="r")
    for acceptance in (first, second):
        await log.accept(acceptance)
    eraser = Eraser(scribe, first.conversation)
    await log.append(eraser.start())
    await log.append(eraser.erase(first.sealed.stream, 4711))
    assert await log.sealed_of(first.sealed.stream) is None
    assert await log.sealed_of(second.sealed.stream) == second.sealed
    wanted = MessageFilter(tenant="org1", reference=digest("reference", "r"))
    assert [head.stream for head in await log.heads(wanted, limit=9)] == [second.sealed.stream]
    assert len(await log.events_of(first.sealed.stream)) == 1


async def test_nobody_writes_to_a_closed_address(log: Log, scribe: Scribe) -> None:
    """It leads to the negative of its conversation; a message there conflicts, also where one was accepted before."""
    first = scribe.acceptance()
    await log.accept(first)
    eraser = Eraser(scribe, first.conversation)
    await log.append(eraser.start())
    await log.append(eraser.close())
    assert await way_to(log) == -first.conversation
    assert await log.peer_of(first.conversation) is None
    with pytest.raises(StreamConflict):
        await log.accept(scribe.acceptance())
    assert await log.accept(scribe.acceptance("bob@example.com")) == Stored()
    await log.append(eraser.erase(first.sealed.stream))
    await log.append(eraser.end())
    assert await way_to(log) is None
    scribe.conversations.clear()
    anew = scribe.acceptance()
    assert await log.accept(anew) == Stored()
    assert await way_to(log) == anew.conversation != first.conversation
    assert await log.peer_of(anew.conversation) == ("org1", "email")


async def test_an_address_that_had_no_row_is_closed_too(log: Log, scribe: Scribe) -> None:
    """Whoever knows the conversation by another way must not write there either."""
    eraser = Eraser(scribe, scribe.conversation(ANN))
    await log.append(eraser.start())
    await log.append(eraser.close())
    assert await way_to(log) == -eraser.conversation
    with pytest.raises(StreamConflict):
        await log.accept(scribe.acceptance())
    await log.append(eraser.end())
    assert await way_to(log) is None


async def test_an_address_that_leads_elsewhere_is_left_alone(log: Log, scribe: Scribe) -> None:
    """Neither closed nor gone: it is another conversation's by now."""
    first = scribe.acceptance()
    await log.accept(first)
    eraser = Eraser(scribe, scribe.mint.next(scribe.tick()))
    for call in (eraser.start(), eraser.close()):
        await log.append(call)
    assert await way_to(log) == first.conversation
    await log.append(eraser.end())
    assert await way_to(log) == first.conversation
    assert await log.accept(scribe.acceptance()) == Stored()


async def test_calls_made_at_once_are_as_one_after_another(log: Log, scribe: Scribe) -> None:
    """A message before the close is there, one behind it conflicts, whatever shares a commit."""
    first = scribe.acceptance()
    await log.accept(first)
    eraser = Eraser(scribe, first.conversation)
    before, start, close, behind = scribe.acceptance(), eraser.start(), eraser.close(), scribe.acceptance()
    other, erase = scribe.acceptance("bob@example.com"), eraser.erase(first.sealed.stream, before.sealed.stream)
    end = eraser.end()
    answers = await asyncio.gather(
        *_asked(log, before, start, close, behind, other, erase, end), return_exceptions=True
    )
    assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [StreamConflict]
    assert isinstance(answers[3], StreamConflict)
    assert await log.sealed_of(before.sealed.stream) is None
    assert await log.head_of(before.sealed.stream) is not None
    assert await log.head_of(behind.sealed.stream) is None
    assert await way_to(log) is None


async def test_a_row_that_comes_and_goes_at_once_is_gone(log: Log, scribe: Scribe) -> None:
    """And one that goes and comes again is there."""
    first = scribe.acceptance()
    eraser = Eraser(scribe, first.conversation)
    await asyncio.gather(*_asked(log, first, eraser.start(), eraser.erase(first.sealed.stream)))
    assert await log.sealed_of(first.sealed.stream) is None
    other = Eraser(scribe, first.conversation)
    await asyncio.gather(*_asked(log, other.start(), other.erase(other.stream), other.erase()))
    assert await log.sealed_of(other.stream) is None


async def test_a_row_that_comes_behind_its_erasing_is_there(log: Log, scribe: Scribe) -> None:
    """What was not there when it was to go has not gone, whatever shares a commit."""
    first = scribe.acceptance()
    eraser = Eraser(scribe, first.conversation)
    answers = await asyncio.gather(*_asked(log, eraser.start(), eraser.erase(first.sealed.stream), first))
    assert answers[-1] == Stored()
    assert await log.sealed_of(first.sealed.stream) == first.sealed


async def test_a_peer_is_known_while_an_address_leads_there(log: Log, scribe: Scribe) -> None:
    """The last open one that is let go of takes the peer along, closed ones are none."""
    first = scribe.acceptance()
    scribe.conversations["second"] = first.conversation
    second = scribe.acceptance("second")
    await asyncio.gather(*_asked(log, first, second))
    eraser = Eraser(scribe, first.conversation)
    for call in (eraser.start(), eraser.close()):
        await log.append(call)
    assert await log.peer_of(first.conversation) == ("org1", "email")
    await log.append(eraser.end())
    assert await log.peer_of(first.conversation) == ("org1", "email")


async def test_a_key_is_known_when_all_else_is_erased(log: Log, scribe: Scribe) -> None:
    """The same request is the same message, whoever it was for."""
    first = scribe.acceptance(key="k")
    await log.accept(first)
    eraser = Eraser(scribe, first.conversation)
    for call in (eraser.start(), eraser.close(), eraser.erase(first.sealed.stream), eraser.end()):
        await log.append(call)
    scribe.conversations.clear()
    again = scribe.acceptance(key="k")
    assert await log.accept(again) == Repeated(stream=first.sealed.stream, same=True)
    assert await way_to(log) is None


async def test_a_log_is_sound_at_every_step(store: Store, scribe: Scribe) -> None:
    """Begun, half swept, closed with a latecomer, and gone: the check finds nothing, the next life reads the same."""
    log = await store.open()
    first, second = scribe.acceptance(), scribe.acceptance()
    for acceptance in (first, second):
        await log.accept(acceptance)
    eraser = Eraser(scribe, first.conversation)
    steps = [eraser.start(), eraser.erase(first.sealed.stream), eraser.close()]
    steps += [eraser.erase(second.sealed.stream), eraser.end()]
    ways: list[int | None] = []
    for step in steps:
        await log.append(step)
        await log.close()
        assert (await checked(store)).faults == ()
        log = await store.open()
        ways.append(await way_to(log))
    conversation = first.conversation
    assert ways == [conversation, conversation, -conversation, -conversation, None]
    await log.close()


async def test_the_check_names_an_erasure_whose_row_is_wrong(store: Store, scribe: Scribe) -> None:
    """Gone too early, or left behind at its end."""
    log = await store.open()
    early, late = Eraser(scribe, 0), Eraser(scribe, 0)
    for call in (early.start(), early.erase(early.stream), late.start()):
        await log.append(call)
    left = late.end()
    await log.append(replace(left, erased=()))
    await log.close()
    found = {fault.stream: fault.what for fault in (await checked(store)).faults}
    assert "has no vault row" in found[early.stream]
    assert "still there" in found[late.stream]


async def test_nothing_of_an_erased_row_is_left_in_the_file(tmp_path: Path, scribe: Scribe) -> None:
    """Its bytes are overwritten, not only let go of, and not left in the write-ahead log of a daemon that goes on."""
    path = tmp_path / "tidings.db"
    log = await SqliteLog.open(path)
    acceptances = [scribe.acceptance() for _ in range(50)]
    for acceptance in acceptances:
        await log.accept(acceptance)
    eraser, streams = Eraser(scribe, acceptances[0].conversation), [one.sealed.stream for one in acceptances]
    for call in (eraser.start(), eraser.close(), eraser.erase(*streams)):
        await log.append(call)
    files = path, path.with_name("tidings.db-wal")
    assert [ANN.encode() in file.read_bytes() for file in files].count(True) == 1
    await log.append(eraser.end())
    assert not any(ANN.encode() in file.read_bytes() for file in files)
    assert await log.accept(scribe.acceptance("bob@example.com")) == Stored()
    await log.close()


async def test_a_row_is_not_left_where_somebody_read_while_it_went(tmp_path: Path, scribe: Scribe) -> None:
    """A reader keeps the write-ahead log as it is; once it is gone, the next commit empties that."""
    path, wal = tmp_path / "tidings.db", tmp_path / "tidings.db-wal"
    log = await SqliteLog.open(path)
    acceptance = scribe.acceptance()
    await log.accept(acceptance)
    eraser = Eraser(scribe, acceptance.conversation)
    await log.append(eraser.start())
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchone()
        await log.append(eraser.erase(acceptance.sealed.stream))
        await log.append(eraser.end())
        assert ANN.encode() in wal.read_bytes()
    await log.accept(scribe.acceptance("bob@example.com"))
    assert ANN.encode() not in path.read_bytes() + wal.read_bytes()
    await log.close()


async def test_a_row_is_not_left_where_the_power_went_out_after_its_end(tmp_path: Path, scribe: Scribe) -> None:
    """What the write-ahead log of an earlier life still holds goes with the first commit of the next."""
    path, wal = tmp_path / "tidings.db", tmp_path / "tidings.db-wal"
    log = await SqliteLog.open(path)
    acceptance = scribe.acceptance()
    await log.accept(acceptance)
    eraser = Eraser(scribe, acceptance.conversation)
    await log.append(eraser.start())
    left = tmp_path / "left"
    left.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchone()
        await log.append(eraser.erase(acceptance.sealed.stream))
        await log.append(eraser.end())
        for file in (path, wal):
            (left / file.name).write_bytes(file.read_bytes())
    await log.close()
    assert ANN.encode() in (left / wal.name).read_bytes()
    log = await SqliteLog.open(left / path.name)
    await log.accept(scribe.acceptance("bob@example.com"))
    assert ANN.encode() not in (left / path.name).read_bytes() + (left / wal.name).read_bytes()
    await log.close()


async def test_a_row_is_not_left_where_somebody_read_over_a_restart(
    tmp_path: Path, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next life does not know what went in the one before it, and empties the write-ahead log all the same."""
    # How long a start waits for whoever reads.
    monkeypatch.setattr("eventstore.sqlite.connecting.BUSY_MS", 1)
    path, wal = tmp_path / "tidings.db", tmp_path / "tidings.db-wal"
    log = await SqliteLog.open(path)
    acceptance = scribe.acceptance()
    await log.accept(acceptance)
    eraser = Eraser(scribe, acceptance.conversation)
    await log.append(eraser.start())
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchone()
        await log.append(eraser.erase(acceptance.sealed.stream))
        await log.append(eraser.end())
        await log.close()
        log = await SqliteLog.open(path)
        assert ANN.encode() in wal.read_bytes()
    await log.accept(scribe.acceptance("bob@example.com"))
    assert ANN.encode() not in path.read_bytes() + wal.read_bytes()
    await log.close()


@pytest.mark.slow
async def test_a_rebuild_brings_nothing_back(tmp_path: Path, scribe: Scribe) -> None:
    """What was erased stays so, and a closed address stays closed."""
    path = tmp_path / "tidings.db"
    log = await SqliteLog.open(path)
    acceptance = scribe.acceptance()
    await log.accept(acceptance)
    eraser = Eraser(scribe, acceptance.conversation)
    for call in (eraser.start(), eraser.close(), eraser.erase(acceptance.sealed.stream)):
        await log.append(call)
    await log.close()
    await to_thread.run_sync(rebuild, path)
    log = await SqliteLog.open(path)
    assert await way_to(log) == -eraser.conversation
    assert await log.sealed_of(acceptance.sealed.stream) is None
    await log.append(eraser.end())
    await log.close()
    assert ANN.encode() not in path.read_bytes()


@pytest.mark.slow
async def test_an_erasure_goes_on_behind_a_rebuild(tmp_path: Path, scribe: Scribe) -> None:
    """A row that is still there leads to its conversation again, and the erasure closes it again."""
    path = tmp_path / "tidings.db"
    log = await SqliteLog.open(path)
    swept, left = scribe.acceptance(), scribe.acceptance()
    for acceptance in (swept, left):
        await log.accept(acceptance)
    eraser = Eraser(scribe, swept.conversation)
    for call in (eraser.start(), eraser.erase(swept.sealed.stream), eraser.close()):
        await log.append(call)
    await log.close()
    await to_thread.run_sync(rebuild, path)
    log = await SqliteLog.open(path)
    assert [head.status for head in await log.heads_of_kind("sys")] == ["erasing"]
    assert await log.sealed_of(eraser.stream) is not None
    assert await log.sealed_of(left.sealed.stream) == left.sealed
    for call in (eraser.close(), eraser.erase(left.sealed.stream)):
        await log.append(call)
    assert await way_to(log) == -eraser.conversation
    await log.append(eraser.end())
    await log.close()
    await to_thread.run_sync(rebuild, path)
    log = await SqliteLog.open(path)
    assert await way_to(log) is None
    await log.close()
    assert ANN.encode() not in path.read_bytes()


@pytest.mark.slow
async def test_many_that_check_find_an_erased_log_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are gone, and an address that is closed, are missed by nobody who looks at a part."""
    path, scribe = tmp_path / "tidings.db", Scribe()
    log = await SqliteLog.open(path)
    acceptances = [scribe.acceptance(ANN if n % 2 else f"p{n}") for n in range(3 * EVENTS_A_MARK)]
    await asyncio.gather(*_asked(log, *acceptances))
    eraser = Eraser(scribe, scribe.conversation(ANN))
    streams = [acceptance.sealed.stream for acceptance in acceptances[1::4]]
    for call in (eraser.start(), eraser.erase(*streams), eraser.close()):
        await log.append(call)
    await log.close()
    monkeypatch.setattr("eventstore.sqlite.parts.EVENTS_A_PART", EVENTS_A_MARK)
    alone = verify(path, processes=1)
    assert (alone.faults, alone.messages) == ((), len(acceptances))
    assert verify(path, processes=2) == alone


async def test_a_door_elsewhere_does_not_write_to_a_closed_address(nodes: Nodes, scribe: Scribe) -> None:
    """Until it is gone: from then on the address is another conversation's."""
    acting, standing = await nodes.arrive(), await nodes.arrive()
    log, other = await acting.acted(), Scribe(slot=1)
    first = scribe.acceptance()
    await log.accept(first)
    eraser = Eraser(scribe, first.conversation)
    other.conversations[ANN] = first.conversation
    for call in (eraser.start(), eraser.close()):
        await log.append(call)
    refused, beside = other.acceptance(key="k"), other.acceptance("bob@example.com")
    answers = await asyncio.gather(standing.door.accept(refused), standing.door.accept(beside), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StreamConflict, Stored]
    assert log.inbox is not None
    assert [row.stream for row in await log.inbox.waiting(after=0, limit=9)] == [beside.sealed.stream]
    assert await log.sealed_of(refused.sealed.stream) is None
    assert await log.repeated("org1", digest("key", "k")) is None
    for call in (eraser.erase(first.sealed.stream), eraser.end()):
        await log.append(call)
    other.conversations.clear()
    anew = other.acceptance()
    assert await standing.door.accept(anew) == Stored()
    assert await way_to(log) == anew.conversation
    await standing.close()
    await acting.close()


def _asked(log: Log, *calls: Append | Acceptance) -> list[asyncio.Future[object]]:
    return [
        asyncio.ensure_future(log.accept(call) if isinstance(call, Acceptance) else log.append(call)) for call in calls
    ]
