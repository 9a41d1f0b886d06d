"""What every store promises of what a daemon that stands by takes in: one text, every store that several share."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from core.errors import StoreUnavailable, StreamConflict
from core.parked import append_of, head_of, unparked
from core.ports import Inbox, Log
from core.records import Repeated, Stored, Waiting
from tests.contracts.nodes import AnyNode, Nodes
from tests.contracts.scribe import DEDUP_FOR_US, Scribe, alias

pytestmark = pytest.mark.anyio


@pytest.fixture
async def acting(nodes: Nodes) -> AsyncIterator[AnyNode]:
    """The first daemon, which acts."""
    node = await nodes.arrive()
    await node.acted()
    yield node
    await node.close()


@pytest.fixture
async def standing(nodes: Nodes, acting: AnyNode) -> AsyncIterator[AnyNode]:
    """The second, which stands by."""
    assert acting.is_acting
    node = await nodes.arrive()
    yield node
    await node.close()


@pytest.fixture
async def log(acting: AnyNode) -> Log:
    """The log of the one that acts."""
    return await acting.acted()


@pytest.fixture
def other_scribe() -> Scribe:
    """What the daemon that stands by writes, under a slot of its own."""
    return Scribe(slot=1)


def inbox_of(log: Log) -> Inbox:
    """What others left for this one."""
    assert log.inbox is not None, "a store that several daemons share has an inbox"
    return log.inbox


async def take_in(log: Log, row: Waiting, at_us: int) -> None:
    """What the acting daemon does with a message."""
    await log.append(append_of(unparked(row.body), at_us, row.id))


async def test_a_message_that_was_taken_in_elsewhere_waits_for_the_one_that_acts(
    log: Log, standing: AnyNode, other_scribe: Scribe
) -> None:
    """What a door accepted is in the inbox until it is appended, and from then on a message like every other."""
    acceptance = other_scribe.acceptance(key="k1", reference="event42", cause=9)
    assert not standing.is_acting
    assert await standing.door.accept(acceptance) == Stored()

    (row,) = await inbox_of(log).waiting(after=0, limit=10)
    assert (row.kind, row.stream, row.tenant) == ("message", acceptance.sealed.stream, "org1")
    await take_in(log, row, acceptance.append.at_us)

    assert await inbox_of(log).waiting(after=0, limit=10) == []
    assert await log.head_of(row.stream) == acceptance.append.heads[0].head
    (entry,) = await log.events_of(row.stream)
    assert (entry.event, entry.seq, entry.cause) == (acceptance.append.drafts[0].event, 1, 9)


async def test_a_message_can_be_read_everywhere_before_it_is_taken_in(
    log: Log, standing: AnyNode, other_scribe: Scribe
) -> None:
    """Between its 202 and its first event a message has a head, one event without a number, and its private part."""
    acceptance = other_scribe.acceptance(due_in_us=60_000_000)
    stream, append = acceptance.sealed.stream, acceptance.append
    await standing.door.accept(acceptance)
    for reader in (log, standing.log_for_reading):
        assert await reader.head_of(stream) == append.heads[0].head
        assert await reader.heads_by([stream, 5]) == {stream: append.heads[0].head}
        (entry,) = await reader.events_of(stream)
        assert (entry.event, entry.version, entry.seq, entry.at_us) == (append.drafts[0].event, 1, 0, append.at_us)
        assert (await reader.events_of_many([stream, 5]))[stream] == [entry]
        assert await reader.sealed_of(stream) == acceptance.sealed
        assert await reader.conversation_at("org1", "email", acceptance.sealed.subject) == acceptance.conversation


async def test_an_inbox_row_is_taken_in_once(log: Log, standing: AnyNode, other_scribe: Scribe) -> None:
    """Whoever appends a row that is gone writes nothing at all, and everybody else goes on."""
    first, second = other_scribe.acceptance(), other_scribe.acceptance("bob@example.com")
    await standing.door.accept(first)
    await standing.door.accept(second)
    rows = await inbox_of(log).waiting(after=0, limit=10)
    append = append_of(unparked(rows[0].body), first.append.at_us, rows[0].id)
    await log.append(append)
    # As another message under the same row, so that only the row can be what it meets.
    third = other_scribe.acceptance("cleo@example.com").append
    calls = (log.append(replace(third, inbox=rows[0].id)), log.append(append))
    again = await asyncio.gather(*calls, take_in(log, rows[1], second.append.at_us), return_exceptions=True)
    assert [type(answer) for answer in again] == [StreamConflict, StreamConflict, type(None)]
    assert await log.head_of(third.drafts[0].stream) is None
    assert len(await log.events_of(rows[0].stream)) == len(await log.events_of(rows[1].stream)) == 1


async def test_rows_come_oldest_first_and_a_page_at_a_time(log: Log, standing: AnyNode, other_scribe: Scribe) -> None:
    """Whoever goes on beyond the last id of a page has seen each row once, in the order in which it was left."""
    left = [other_scribe.acceptance(f"p{number}@example.com") for number in range(7)]
    for acceptance in left:
        await standing.door.accept(acceptance)
    found: list[int] = []
    after = 0
    while page := await inbox_of(log).waiting(after=after, limit=3):
        found += [row.stream for row in page]
        after = page[-1].id
    assert found == [acceptance.sealed.stream for acceptance in left]


async def test_one_key_is_one_message_whichever_daemon_it_comes_to(
    log: Log, standing: AnyNode, scribe: Scribe, other_scribe: Scribe
) -> None:
    """A repeat is answered with the message that came first, taken in or not, and nothing of it is written."""
    first = other_scribe.acceptance(key="k1")
    await standing.door.accept(first)
    repeat = scribe.acceptance("bob@example.com", key="k1", request="another")
    assert await log.accept(repeat) == Repeated(stream=first.sealed.stream, same=False)
    assert await log.conversation_at("org1", "email", repeat.sealed.subject) is None

    theirs = scribe.acceptance(key="k2", peer="cleo@example.com")
    await log.accept(theirs)
    again = other_scribe.acceptance("dan@example.com", key="k2")
    assert await standing.door.accept(again) == Repeated(stream=theirs.sealed.stream, same=True)
    assert await standing.log_for_reading.head_of(again.sealed.stream) is None
    assert len(await inbox_of(log).waiting(after=0, limit=10)) == 1


async def test_a_forgotten_key_is_new_at_every_door(log: Log, standing: AnyNode, scribe: Scribe) -> None:
    """Once its time has passed, a key belongs to the message that comes next, through a door as well."""
    first = scribe.acceptance(key="k1")
    await log.accept(first)
    scribe.tick(DEDUP_FOR_US)
    later = scribe.acceptance(key="k1")
    assert await standing.door.accept(later) == Stored()
    scribe.tick()
    assert await log.accept(scribe.acceptance(key="k1")) == Repeated(stream=later.sealed.stream, same=True)


async def test_one_peer_is_one_conversation_whichever_daemon_writes_first(
    log: Log, standing: AnyNode, scribe: Scribe, other_scribe: Scribe
) -> None:
    """Whoever minted another conversation for an address meets a conflict, and nothing of its message is written."""
    first = other_scribe.acceptance("ann@example.com")
    await standing.door.accept(first)
    second = scribe.acceptance("ann@example.com", key="k1")
    assert second.conversation != first.conversation
    beside = scribe.acceptance("bob@example.com")
    answers = await asyncio.gather(log.accept(second), log.accept(beside), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StreamConflict, Stored]
    assert await log.repeated("org1", b"k1") is None

    other_scribe.conversations["bob@example.com"] = other_scribe.mint.next(other_scribe.now_us)
    with pytest.raises(StreamConflict):
        await standing.door.accept(other_scribe.acceptance("bob@example.com"))
    assert await log.conversation_at("org1", "email", beside.sealed.subject) == beside.conversation


async def test_many_doors_share_the_order_of_nobody_else(log: Log, nodes: Nodes) -> None:
    """Hundreds of messages that come to several doors at once are all taken in, each once."""
    doors = [await nodes.arrive() for _ in range(3)]
    calls = []
    for slot, node in enumerate(doors, start=1):
        scribe = Scribe(slot=slot, tenant=f"org{slot}")
        calls += [node.door.accept(scribe.acceptance(f"p{number % 9}@example.com")) for number in range(60)]
    assert set(await asyncio.gather(*calls)) == {Stored()}
    rows = await inbox_of(log).waiting(after=0, limit=1_000)
    await asyncio.gather(*(take_in(log, row, 2_000_000_000_000_000) for row in rows))
    assert len({row.stream for row in rows}) == 180
    assert {head.version for head in (await log.heads_by([row.stream for row in rows])).values()} == {1}
    for node in doors:
        await node.close()


async def test_names_come_with_the_event(log: Log, standing: AnyNode, other_scribe: Scribe) -> None:
    """What a message is found by beside its id is there once it was taken in."""
    acceptance = other_scribe.acceptance()
    name = alias(acceptance.sealed.stream, "ann", space="person", tenant="")
    acceptance = replace(acceptance, append=replace(acceptance.append, aliases=(name,)))
    await standing.door.accept(acceptance)
    assert await log.aliased("person", "", name.name) == []
    (row,) = await inbox_of(log).waiting(after=0, limit=1)
    await take_in(log, row, acceptance.append.at_us)
    assert await log.aliased("person", "", name.name) == [acceptance.sealed.stream]
    assert head_of(unparked(row.body), acceptance.append.at_us) == await log.head_of(row.stream)


async def test_who_stands_by_writes_no_event(standing: AnyNode, acting: AnyNode, other_scribe: Scribe) -> None:
    """The log for reading refuses to be written, and says so of the call alone."""
    with pytest.raises(StoreUnavailable):
        await standing.log_for_reading.append(other_scribe.acceptance().append)
    assert acting.is_acting
    assert await standing.door.accept(other_scribe.acceptance("bob@example.com")) == Stored()


async def test_ids_go_on_above_those_that_wait(nodes: Nodes, standing: AnyNode, other_scribe: Scribe) -> None:
    """A daemon that arrives later mints no id that one before it may have given to a message still waiting."""
    acceptance = other_scribe.acceptance()
    await standing.door.accept(acceptance)
    later = await nodes.arrive()
    assert later.log_for_reading.newest()[0] >= max(acceptance.sealed.stream, acceptance.conversation)
    await later.close()


async def test_a_peer_that_is_known_must_have_an_address(standing: AnyNode, other_scribe: Scribe) -> None:
    """Whom nothing leads to any more was forgotten: only who is met for the first time gets an address of their own."""
    first, second = other_scribe.acceptance("ann@example.com"), other_scribe.acceptance("bob@example.com")
    assert await standing.door.accept(first) == Stored()
    known = replace(other_scribe.acceptance("ann@example.com"), is_known=True)
    unheard_of = replace(second, is_known=True)
    answers = await asyncio.gather(
        standing.door.accept(known), standing.door.accept(unheard_of), return_exceptions=True
    )
    assert answers[0] == Stored()
    assert isinstance(answers[1], StreamConflict)
    assert await standing.door.accept(replace(second, is_known=False)) == Stored()
