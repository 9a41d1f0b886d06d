"""What every log promises of erasing: vault rows go for good, and an address is closed before it leads nowhere."""

import asyncio

import pytest
from anyio import to_thread
from msgspec.structs import replace

from core.errors import StreamConflict
from core.ports import Log
from core.records import Acceptance, Append, MessageFilter, Repeated, Stored
from eventstore.audit.findings import Report
from eventstore.integrity import check
from eventstore.memory_book import MemoryBook
from eventstore.postgres.checking import verify as verify_server
from eventstore.sqlite.checking import verify
from tests.contracts.eraser import ANN, Eraser, way_to
from tests.contracts.nodes import Nodes
from tests.contracts.scribe import Scribe, digest
from tests.contracts.stores import MemoryStore, PostgresStore, SqliteStore, Store

pytestmark = pytest.mark.anyio


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
    """Whether it was new to the store or not."""
    first = scribe.acceptance()
    eraser = Eraser(scribe, first.conversation)
    await asyncio.gather(*_asked(log, first, eraser.start(), eraser.erase(first.sealed.stream)))
    assert await log.sealed_of(first.sealed.stream) is None
    other = Eraser(scribe, first.conversation)
    await asyncio.gather(*_asked(log, other.start(), other.erase(other.stream), other.erase()))
    assert await log.sealed_of(other.stream) is None


async def test_a_row_that_goes_and_comes_again_at_once_is_there(log: Log, scribe: Scribe) -> None:
    """The last call says what is kept."""
    eraser = Eraser(scribe, 0)
    await log.append(eraser.start())
    before = await log.sealed_of(eraser.stream)
    assert before is not None
    goes, comes = eraser.erase(eraser.stream), replace(eraser.erase(), sealed=(before,))
    await asyncio.gather(*_asked(log, goes, comes))
    assert await log.sealed_of(eraser.stream) == before


async def test_an_address_that_comes_and_is_closed_at_once_stays_closed(log: Log, scribe: Scribe) -> None:
    """Whoever comes after that commit is refused like whoever shares it."""
    first = scribe.acceptance()
    eraser = Eraser(scribe, first.conversation)
    await asyncio.gather(*_asked(log, first, eraser.start(), eraser.close()))
    with pytest.raises(StreamConflict):
        await log.accept(scribe.acceptance())
    assert await way_to(log) == -first.conversation


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
