"""What daemons take in at the same moment, and over connections that break: once, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Final

import pytest
from anyio import to_thread
from msgspec.structs import replace

from core.errors import AppendUnknown, Overloaded, StoreUnavailable, StreamConflict
from core.parked import append_of, unparked
from core.ports import Inbox
from core.records import Acceptance, Repeated, Stored, Waiting
from eventstore.batches import INBOX_ROWS_MAX
from eventstore.postgres.checking import verify
from eventstore.postgres.connection import Connection, connect
from eventstore.postgres.log import PostgresLog
from eventstore.postgres.node import Node
from eventstore.postgres.opening import open_node
from tests.contracts.scribe import Scribe
from tests.promises.postgres_wire import Break, Wire

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# The first key that comes meets one that is there, and is gone when it is asked for.
KEPT_OUT_ONCE: Final = """
CREATE SEQUENCE turns;
CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('turns') = 1 THEN RETURN NULL; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER once BEFORE INSERT ON idem FOR EACH ROW EXECUTE FUNCTION once()"""
# A request takes a while to be left, so that its connection can break meanwhile.
LEFT_SLOWLY: Final = """
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_sleep(0.6);
  RETURN NEW;
END $$;
CREATE TRIGGER slowly BEFORE INSERT ON inbox FOR EACH ROW WHEN (NEW.body = 'slow') EXECUTE FUNCTION slowly()"""
BREAKS: list[Break] = ["before it arrives", "before its answer", "and it arrives late"]


@pytest.fixture
async def hand(postgres_url: str) -> AsyncIterator[Connection]:
    """A person's own connection to the database."""
    connection = await connect(postgres_url)
    yield connection
    connection.terminate()


@pytest.fixture
async def wire(postgres_url: str) -> AsyncIterator[Wire]:
    """A wire to the database."""
    async with Wire(postgres_url) as wire:
        yield wire


@pytest.fixture
async def nodes(postgres_url: str, wire: Wire) -> AsyncIterator[tuple[Node, Node]]:
    """One daemon that acts, and one that stands by at the far end of a wire."""
    async with AsyncExitStack() as stack:
        acting = await open_node(postgres_url, identity=1)
        stack.push_async_callback(acting.close)
        await acting.acted()
        standing = await open_node(wire.url, identity=2)
        stack.push_async_callback(standing.close)
        yield acting, standing


async def inbox_of(node: Node) -> Inbox:
    """What others left for the one that acts."""
    inbox = (await node.acted()).inbox
    assert inbox is not None
    return inbox


async def waiting(node: Node) -> list[int]:
    """The streams that wait to be taken in."""
    return [row.stream for row in await (await inbox_of(node)).waiting(after=0, limit=1_000)]


async def next_request(inbox: Inbox) -> int:
    """Takes the next request; its row."""
    while not (rows := await inbox.waiting(after=0, limit=1)):
        await inbox.stirred()
    assert await inbox.take([rows[0].id]) == [rows[0].id]
    return rows[0].id


async def leave_until_full(node: Node) -> Overloaded:
    """Brings news until there is no room for more, which a door sees about once a second."""
    while True:
        try:
            await node.door.leave(b"news", tenant="org1")
        except Overloaded as error:
            return error


async def accepted_again(node: Node, scribe: Scribe) -> bool:
    """Waits until a message is taken."""
    while True:
        try:
            return await node.door.accept(scribe.acceptance()) == Stored()
        except Overloaded:
            await asyncio.sleep(0)


async def is_sound(url: str, messages: int) -> bool:
    """Whether the log verifies and has so many messages."""
    report = await to_thread.run_sync(verify, url)
    return report.faults == () and report.messages == messages


def stream_of(acceptance: Acceptance) -> int:
    """The message that an acceptance is to become."""
    return acceptance.sealed.stream


async def test_of_two_daemons_that_take_one_key_one_has_it(nodes: tuple[Node, Node]) -> None:
    """The same key at both doors in the same instant, many times over: one message each, and both know which."""
    acting, standing = nodes
    log = await acting.acted()
    ours, theirs = Scribe(), Scribe(slot=1)
    pairs = [
        (ours.acceptance(f"p{n}@example.com", key=f"k{n}"), theirs.acceptance(f"q{n}@example.com", key=f"k{n}"))
        for n in range(60)
    ]
    calls = [call for mine, yours in pairs for call in (log.accept(mine), standing.door.accept(yours))]
    answers = await asyncio.gather(*calls)
    for at, (mine, yours) in enumerate(pairs):
        first, second = answers[2 * at], answers[2 * at + 1]
        assert {type(first), type(second)} == {Stored, Repeated}
        winner, told = (mine, second) if isinstance(first, Stored) else (yours, first)
        assert told == Repeated(stream=stream_of(winner), same=True)
    stored = sum(isinstance(answer, Stored) for answer in answers[1::2])
    assert len(await waiting(acting)) == stored


async def test_of_two_daemons_that_begin_a_conversation_one_does(nodes: tuple[Node, Node], hand: Connection) -> None:
    """Two first messages to one new address: one of them names the conversation, and the other meets a conflict."""
    acting, standing = nodes
    log = await acting.acted()
    ours, theirs = Scribe(), Scribe(slot=1)
    pairs = [(ours.acceptance(f"p{n}@example.com"), theirs.acceptance(f"p{n}@example.com")) for n in range(60)]
    calls = [call for mine, yours in pairs for call in (log.accept(mine), standing.door.accept(yours))]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for at, pair in enumerate(pairs):
        outcome = answers[2 * at : 2 * at + 2]
        assert {type(answer) for answer in outcome} == {Stored, StreamConflict}, outcome
        winner = pair[0] if isinstance(outcome[0], Stored) else pair[1]
        known = await log.conversation_at("org1", "email", winner.sealed.subject)
        assert known == winner.conversation
    assert await hand.fetchval("SELECT count(*) FROM vault") == len(pairs)


async def test_many_calls_of_one_key_in_one_batch(nodes: tuple[Node, Node]) -> None:
    """A client that repeats itself before it was answered gets one message and one answer, through one door too."""
    acting, standing = nodes
    scribe = Scribe(slot=1)
    calls = [scribe.acceptance(key="k1") for _ in range(7)] + [scribe.acceptance("bob@example.com")]
    answers = await asyncio.gather(*(standing.door.accept(call) for call in calls))
    told = Repeated(stream=stream_of(calls[0]), same=True)
    assert answers == [Stored(), *[told] * 6, Stored()]
    assert await waiting(acting) == [stream_of(calls[0]), stream_of(calls[7])]


async def test_a_key_that_is_forgotten_at_this_moment_keeps_nobody_out(
    nodes: tuple[Node, Node], hand: Connection
) -> None:
    """Where what kept a message out has gone before anybody could ask what it was, the message is taken after all."""
    acting, standing = nodes
    await hand.execute(KEPT_OUT_ONCE)
    scribe = Scribe(slot=1)
    calls = [scribe.acceptance(key="k1"), scribe.acceptance(key="k2"), scribe.acceptance()]
    answers = await asyncio.gather(*(standing.door.accept(call) for call in calls))
    assert answers == [Stored()] * 3
    assert await hand.fetchval("SELECT last_value FROM turns") == 3
    assert sorted(await waiting(acting)) == [stream_of(call) for call in calls]


async def test_what_no_column_holds_fails_alone(nodes: tuple[Node, Node]) -> None:
    """A call that the store cannot hold is told so, and those that came with it are taken."""
    acting, standing = nodes
    scribe = Scribe(slot=1)
    calls: Sequence[Acceptance] = [scribe.acceptance(f"p{n}@example.com") for n in range(5)]
    bad = replace(calls[2], channel="e\0mail")
    answers = await asyncio.gather(
        *(standing.door.accept(call) for call in (*calls[:2], bad, *calls[3:])), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [Stored, Stored, ValueError, Stored, Stored]
    assert await waiting(acting) == [stream_of(call) for call in calls if call is not calls[2]]


@pytest.mark.parametrize("how", BREAKS)
async def test_what_a_door_sent_over_a_broken_connection_is_there_once(
    nodes: tuple[Node, Node], wire: Wire, postgres_url: str, how: Break
) -> None:
    """Whether the server had it or not, it is taken in once, its caller is told so, and no late copy counts."""
    acting, standing = nodes
    log, scribe = await acting.acted(), Scribe(slot=1)
    await standing.door.accept(scribe.acceptance(key="k0"))
    wire.break_at_next_batch(how)
    calls = [scribe.acceptance(key="k1"), scribe.acceptance("bob@example.com")]
    answers = await asyncio.gather(*(standing.door.accept(call) for call in calls))
    assert answers == [Stored(), Stored()]
    if how == "and it arrives late":
        assert b"ERROR" not in await wire.deliver_late()
    inbox = await inbox_of(acting)
    rows = await inbox.waiting(after=0, limit=10)
    assert [row.stream for row in rows][1:] == [stream_of(call) for call in calls]
    await asyncio.gather(*(log.append(append_of(unparked(row.body), scribe.tick(), row.id)) for row in rows))
    assert await is_sound(postgres_url, 3)


async def test_a_door_whose_server_is_away_says_so_and_comes_back(nodes: tuple[Node, Node], wire: Wire) -> None:
    """What was sent as it went away is unknown; what comes meanwhile is refused, and taken again once it is back."""
    acting, standing = nodes
    scribe = Scribe(slot=1)
    await standing.door.accept(scribe.acceptance())
    wire.break_at_next_batch("before its answer", for_good=True)
    with pytest.raises(AppendUnknown):
        await standing.door.accept(scribe.acceptance())
    with pytest.raises(StoreUnavailable):
        await standing.door.leave(b"news", tenant="org1")
    with pytest.raises(StoreUnavailable):
        await standing.door.ask(b"pause", within_s=5.0)
    wire.is_down = False
    assert await standing.door.accept(scribe.acceptance()) == Stored()
    assert len(await waiting(acting)) == 3


async def test_a_message_is_taken_in_once_over_a_connection_that_breaks(
    postgres_url: str, wire: Wire, hand: Connection
) -> None:
    """The batch that takes it in is sent again where its answer was lost: one event, no row, and no conflict."""
    acting, standing = await open_node(wire.url, identity=1), await open_node(postgres_url, identity=2)
    log, scribe = await acting.acted(), Scribe(slot=1)
    for n in range(3):
        await standing.door.accept(scribe.acceptance(f"p{n}@example.com"))
    rows = await (await inbox_of(acting)).waiting(after=0, limit=10)
    at_us = scribe.tick()
    wire.break_at_next_batch("before its answer")
    await log.append(append_of(unparked(rows[0].body), at_us, rows[0].id))
    for _ in range(2):
        again = [log.append(append_of(unparked(row.body), at_us, row.id)) for row in rows[:2]]
        answers = await asyncio.gather(*again, return_exceptions=True)
        assert isinstance(answers[0], StreamConflict)
    assert await hand.fetchval("SELECT count(*) FROM inbox") == 1
    assert await is_sound(postgres_url, 2)
    await standing.close()
    await acting.close()


async def test_a_check_beside_messages_that_wait_finds_nothing_wrong(nodes: tuple[Node, Node], wire: Wire) -> None:
    """What was accepted and is not in the log yet is no fault of the log."""
    _, standing = nodes
    scribe = Scribe(slot=1)
    await standing.door.accept(scribe.acceptance(key="k1", reference="event42"))
    assert await is_sound(wire.url, 0)


async def test_a_log_that_is_read_in_pages_beside_doors_misses_nothing(nodes: tuple[Node, Node]) -> None:
    """Who stands by sees the instant of the log move on, and hears of what was committed by the other."""
    acting, standing = nodes
    log: PostgresLog = await acting.acted()
    changed = standing.log_for_reading.changed()
    acceptance = Scribe().acceptance()
    await log.accept(acceptance)
    await changed
    assert standing.newest()[1] == acceptance.append.at_us
    page, _ = await standing.log_for_reading.log_page({}, tenant=None, limit=10)
    assert [entry.stream for entry in page] == [stream_of(acceptance)]


async def test_a_request_whose_asker_gave_up_leaves_nothing_behind(nodes: tuple[Node, Node], hand: Connection) -> None:
    """Taken or not, answered too late or never: neither its row nor its answer stays in the database."""
    acting, standing = nodes
    inbox = await inbox_of(acting)
    asked = [asyncio.ensure_future(standing.door.ask(b"pause", within_s=1)) for _ in range(3)]
    while len(rows := await inbox.waiting(after=0, limit=10)) < 3:
        await inbox.stirred()
    taken = [row.id for row in rows[:2]]
    assert await inbox.take(taken) == taken
    ends = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(end) for end in ends] == [AppendUnknown, AppendUnknown, StoreUnavailable]
    await inbox.answer(taken[0], b"paused")
    assert await hand.fetchval("SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM answer)") == 0


async def test_a_full_inbox_takes_no_more_until_it_is_emptied(nodes: tuple[Node, Node], hand: Connection) -> None:
    """Past its bound messages and news are told when to come again; calls pass, since they may be what helps."""
    acting, standing = nodes
    scribe = Scribe(slot=1)
    left = """
INSERT INTO inbox (kind, stream, tenant, asker, number, taken, body)
  SELECT 'news', 0, 'org1', 0, 0, FALSE, '' FROM generate_series(1, $1::int)"""
    await hand.execute(left, INBOX_ROWS_MAX - 1)
    assert (await leave_until_full(standing)).retry_after_s > 1
    with pytest.raises(Overloaded):
        await standing.door.accept(scribe.acceptance())
    asked = asyncio.ensure_future(standing.door.ask(b"resume", within_s=30))
    inbox = await inbox_of(acting)
    rows: list[Waiting] = []
    while not rows:
        found = await inbox.waiting(after=INBOX_ROWS_MAX - 1, limit=100_000)
        rows = [row for row in found if row.kind == "request"]
    assert await inbox.take([rows[0].id]) == [rows[0].id]
    await inbox.answer(rows[0].id, b"resumed")
    assert await asked == b"resumed"
    await hand.execute("DELETE FROM inbox WHERE id % 2 = 0")
    assert await accepted_again(standing, scribe)


async def test_a_request_that_was_answered_before_its_asker_knew_it_was_left_is_not_left_again(
    nodes: tuple[Node, Node], wire: Wire, hand: Connection
) -> None:
    """Its connection broke, and while it was made anew somebody else's look found the answer: it is made once."""
    acting, standing = nodes
    inbox = await inbox_of(acting)
    await hand.execute(LEFT_SLOWLY)
    other = asyncio.ensure_future(standing.door.ask(b"other", within_s=30))
    await next_request(inbox)
    slow = asyncio.ensure_future(standing.door.ask(b"slow", within_s=30))
    await hand.fetchval("SELECT pg_sleep(0.3)")
    wire.go_down()
    row = await next_request(inbox)
    await inbox.answer(row, b"done")
    wire.is_down = False
    assert await slow == b"done"
    assert await inbox.waiting(after=0, limit=10) == []
    other.cancel()


async def test_the_inbox_is_read_though_its_connection_was_closed(nodes: tuple[Node, Node], hand: Connection) -> None:
    """A server that ended every connection is no reason to tell a client that nothing can be taken."""
    inbox = await inbox_of(nodes[0])
    cut_all = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    for _ in range(5):
        assert await inbox.waiting(after=0, limit=1) == []
        await hand.execute(cut_all)
