"""Several daemons on one database: all take in, one acts, and another takes its place when it has gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from anyio import to_thread

from core.errors import AppendUnknown, StoreRefused, StoreUnavailable
from core.parked import append_of, unparked
from core.records import Stored
from eventstore.postgres.checking import verify
from eventstore.postgres.connection import LOST, Connection, connect
from eventstore.postgres.log import PostgresLog
from eventstore.postgres.node import Node
from eventstore.postgres.opening import open_log, open_node
from eventstore.postgres.owning import alone
from tests.contracts.scribe import Scribe
from tests.promises.postgres_wire import Wire

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SILENT = "UPDATE beat SET at = clock_timestamp() - interval '16 seconds' WHERE node = $1"
STATES = "SELECT node, state FROM node ORDER BY node"

Arrive = Callable[..., Awaitable[Node]]


@pytest.fixture
async def hand(postgres_url: str) -> AsyncIterator[Connection]:
    """A person's own connection to the database."""
    connection = await connect(postgres_url)
    yield connection
    connection.terminate()


@pytest.fixture
async def arrive(postgres_url: str) -> AsyncIterator[Arrive]:
    """Lets daemons arrive, by number; all of them are closed at the end, the last to come first."""
    async with AsyncExitStack() as stack:

        async def arrived(identity: int, url: str = postgres_url) -> Node:
            node = await open_node(url, identity=identity)
            stack.push_async_callback(node.close)
            return node

        yield arrived


@pytest.fixture
async def wire(postgres_url: str) -> AsyncIterator[Wire]:
    """A wire to the database that can be cut."""
    async with Wire(postgres_url) as wire:
        yield wire


async def take_in(log: PostgresLog, at_us: int) -> None:
    """What the acting daemon does with the messages that wait."""
    assert log.inbox is not None
    rows = await log.inbox.waiting(after=0, limit=1_000)
    await asyncio.gather(*(log.append(append_of(unparked(row.body), at_us, row.id)) for row in rows))


async def silence(hand: Connection, wire: Wire, identity: int) -> None:
    """Cuts a daemon off, and lets as much time pass for the database as counts as death."""
    wire.go_down()
    await hand.execute(SILENT, identity)


async def test_everybody_may_come_and_one_acts(arrive: Arrive) -> None:
    """No arrival is refused, each has a slot of its own, and the first to ask owns the log."""
    first, second, third = await arrive(1), await arrive(2), await arrive(3)
    assert [node.slot for node in (first, second, third)] == [0, 1, 2]
    log = await first.acted()
    assert [node.is_acting for node in (first, second, third)] == [True, False, False]
    assert log.may_send()
    assert log.is_exclusive
    assert second.health() == ("ok", "")
    assert not second.log_for_reading.may_send()
    assert await first.acted() is log


async def test_whoever_must_act_at_once_is_refused_beside_one_that_does(arrive: Arrive, postgres_url: str) -> None:
    """A copy and its kind do not wait for the log: they are told who has it, and leave everybody as they were."""
    acting = await arrive(1)
    await acting.acted()
    with pytest.raises(StoreRefused, match="another daemon uses this database"):
        await open_log(postgres_url, identity=2)
    assert acting.is_acting


async def test_one_that_leaves_is_followed_before_it_could_count_as_silent(arrive: Arrive, hand: Connection) -> None:
    """Its end is told: who stands by acts while the other was heard of just now, and knows that nothing goes on."""
    first, second = await arrive(1), await arrive(2)
    log = await first.acted()
    taking = asyncio.create_task(second.acted())
    await log.accept(Scribe().acceptance())
    await log.close()
    heir = await taking
    assert heir.is_exclusive
    assert heir.newest() == log.newest()
    assert [tuple(row) for row in await hand.fetch(STATES)] == [(1, "stopped"), (2, "up")]
    assert await hand.fetchval("SELECT count(*) FROM beat") == 1


async def test_a_death_is_remembered_past_an_orderly_end(arrive: Arrive, hand: Connection) -> None:
    """What a dead daemon had begun may still be under way when the one that followed it stops, but not for ever."""
    first = await arrive(1)
    await first.acted()
    await hand.execute("UPDATE node SET state = 'dead', ended = clock_timestamp() WHERE node = 1")
    second = await arrive(2)
    assert not (await second.acted()).is_exclusive
    await second.close()
    third = await arrive(3)
    assert not (await third.acted()).is_exclusive
    await third.close()
    await hand.execute("UPDATE node SET ended = ended - interval '25 hours'")
    assert (await (await arrive(4)).acted()).is_exclusive


async def test_a_silent_one_is_followed_and_does_nothing_any_more(arrive: Arrive, hand: Connection, wire: Wire) -> None:
    """What it appends, takes in or lets out comes to nothing, and it learns that it is dead, which is final."""
    scribe = Scribe()
    zombie, second = await arrive(1, wire.url), await arrive(2)
    log = await zombie.acted()
    acceptance = scribe.acceptance()
    await log.accept(acceptance)
    await silence(hand, wire, 1)
    heir = await second.acted()
    assert not heir.is_exclusive
    wire.is_down = False
    with pytest.raises(StoreRefused, match="no longer this daemon's"):
        await zombie.lost()
    assert not log.may_send()
    assert not zombie.is_acting
    with pytest.raises(StoreUnavailable):
        await log.append(scribe.start(acceptance.sealed.stream))
    with pytest.raises(StoreUnavailable):
        await zombie.door.accept(Scribe("org2", slot=5).acceptance())
    with pytest.raises(StoreRefused):
        await zombie.acted()
    assert zombie.health()[0] == "failing"
    assert await hand.fetchval("SELECT count(*) FROM event") == 1
    assert await heir.head_of(acceptance.sealed.stream) == acceptance.append.heads[0].head


async def test_one_that_is_heard_again_in_time_goes_on(arrive: Arrive, hand: Connection, wire: Wire) -> None:
    """Silence has to be seen twice: a daemon whose database was away, and is back, is replaced by nobody."""
    acting, second = await arrive(1, wire.url), await arrive(2)
    log = await acting.acted()
    waiting = asyncio.create_task(second.acted())
    wire.go_down()
    while acting.health()[0] == "ok":  # noqa: ASYNC110  # Health is asked, it does not call.
        await asyncio.sleep(0)
    await hand.execute(SILENT, 1)
    wire.is_down = False
    while not await hand.fetchval("SELECT at > clock_timestamp() - interval '10 seconds' FROM beat WHERE node = 1"):
        pass
    seen = second.log_for_reading.changed()
    assert await log.accept(Scribe().acceptance()) == Stored()
    await seen
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_a_takeover_waits_for_what_a_door_has_under_way(arrive: Arrive, hand: Connection, wire: Wire) -> None:
    """Whoever acts next begins to read once the dead one's last batch is written or undone, whatever it wrote."""
    dead, second = await arrive(1, wire.url), await arrive(2)
    await dead.acted()
    taking = asyncio.create_task(second.acted())
    await silence(hand, wire, 1)
    async with hand.transaction():
        # As a batch does, of the log or of the door: its own row is held for as long as it takes.
        await hand.execute("SELECT FROM node WHERE node = 1 FOR SHARE")
        while not await hand.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            pass
        assert not taking.done()
    heir = await taking
    assert not heir.is_exclusive


async def test_who_stands_by_and_dies_makes_room(arrive: Arrive, hand: Connection, wire: Wire) -> None:
    """The one that acts notices it: its slot is free again, its requests are nobody's, and it ends once it is heard."""
    acting, dead = await arrive(1), await arrive(2, wire.url)
    log = await acting.acted()
    assert log.inbox is not None
    asking = asyncio.create_task(dead.door.ask(b"pause", within_s=60.0))
    while not await log.inbox.waiting(after=0, limit=1):
        await log.inbox.stirred()
    await silence(hand, wire, 2)
    while await hand.fetchval("SELECT state FROM node WHERE node = 2") == "up":
        pass
    assert await log.inbox.waiting(after=0, limit=1) == []
    assert (await arrive(3)).slot == 1
    wire.is_down = False
    with pytest.raises(StoreRefused):
        await dead.lost()
    await dead.close()
    with pytest.raises(AppendUnknown):
        await asking


async def test_a_request_that_a_dead_daemon_had_taken_is_not_done_again(
    arrive: Arrive, hand: Connection, wire: Wire
) -> None:
    """Its asker is told that nobody knows; one that nobody had taken is there for whoever acts next."""
    acting, standing = await arrive(1, wire.url), await arrive(2)
    log = await acting.acted()
    assert log.inbox is not None
    taken = asyncio.create_task(standing.door.ask(b"pause", within_s=8.0))
    while not (rows := await log.inbox.waiting(after=0, limit=1)):
        await log.inbox.stirred()
    assert await log.inbox.take([rows[0].id]) == [rows[0].id]
    await silence(hand, wire, 1)
    left = asyncio.create_task(standing.door.ask(b"resume", within_s=60.0))
    heir = await standing.acted()
    assert heir.inbox is not None
    while not (rows := await heir.inbox.waiting(after=0, limit=10)):
        await heir.inbox.stirred()
    assert [row.body for row in rows] == [b"resume"]
    await heir.inbox.take([row.id for row in rows])
    await heir.inbox.answer(rows[0].id, b"resumed")
    assert await left == b"resumed"
    with pytest.raises(AppendUnknown):
        await taken


async def test_connections_that_are_killed_cost_no_message(arrive: Arrive, hand: Connection, postgres_url: str) -> None:
    """The server ends every connection of every daemon, again and again, while both take in: each message is once."""
    acting, standing = await arrive(1), await arrive(2)
    log = await acting.acted()
    ours, theirs = Scribe(), Scribe("org2", slot=1)
    taken = 0
    for turn in range(12):
        if turn % 3 == 1:
            await hand.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        calls: list[Awaitable[object]] = [log.accept(ours.acceptance(f"p{n}@example.com")) for n in range(5)]
        calls += [standing.door.accept(theirs.acceptance(f"q{n}@example.com")) for n in range(5)]
        answers = await asyncio.gather(*calls)
        assert set(answers) == {Stored()}
        taken += 10
        await take_in(log, ours.tick())
    while await hand.fetchval("SELECT count(*) FROM inbox"):
        await take_in(log, ours.tick())
    report = await to_thread.run_sync(verify, postgres_url)
    assert (report.faults, report.messages) == ((), taken)


async def test_who_stands_still_in_the_middle_of_a_step_keeps_nobody_out(postgres_url: str) -> None:
    """A process that is frozen while it takes over holds what every other step needs: the server undoes it soon."""
    await (await open_log(postgres_url, identity=1)).close()
    frozen = await connect(postgres_url)
    step = alone(frozen)
    await step.__aenter__()
    await (await open_log(postgres_url, identity=2)).close()
    with pytest.raises(LOST):
        await step.__aexit__(None, None, None)
