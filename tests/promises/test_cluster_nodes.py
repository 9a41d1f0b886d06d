"""Several daemons over one memory log: who acts, who is replaced, and that nobody does anything after that.

Virtual time, and each daemon's way to the database can be cut in either direction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from core.errors import AppendUnknown, Overloaded, StoreRefused, StoreUnavailable
from core.ownership import BEAT_S, SILENCE_S, TRUST_S
from core.records import Stored
from eventstore.batches import INBOX_ROWS_MAX
from eventstore.cluster import Cluster
from eventstore.cluster_log import NodeLog
from eventstore.cluster_node import Node
from eventstore.disk import Border
from scenarios.loop.nodes import NodeLoop
from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import PowerCut
from tests.contracts.scribe import Scribe


class Way:
    """A daemon's way to the database: words that never arrive, or answers that never come back."""

    def __init__(self) -> None:
        self.is_cut_to = False
        self.is_cut_from = False

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        if self.is_cut_to and border in {"before_read", "before_write"}:
            raise StoreUnavailable("the database does not hear this daemon")
        if self.is_cut_from and border == "before_read":
            raise StoreUnavailable("this daemon does not hear the database")
        if self.is_cut_from and border == "before_answer":
            raise AppendUnknown("this daemon does not hear the database")
        return None

    def mended(self) -> Awaitable[None]:
        return asyncio.sleep(1)


class Pair:
    """One that acts and one that stands by."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.ways = {1: Way(), 2: Way()}
        self.nodes: dict[int, Node] = {}

    async def come(self) -> tuple[Node, Node]:
        for identity, way in self.ways.items():
            self.nodes[identity] = await Node.arrive(self.cluster, identity, way)
        return self.nodes[1], self.nodes[2]


def now_s() -> float:
    """The present instant, by everybody's clock."""
    return asyncio.get_running_loop().time()


def in_pair(main: Callable[[Pair], Coroutine[Any, Any, None]]) -> None:
    """Runs a test's own story on virtual time."""

    async def run() -> None:
        pair = Pair()
        await pair.come()
        await main(pair)
        for node in pair.nodes.values():
            await node.close()

    run_virtual(run)


async def write(log: NodeLog, slot: int = 0) -> None:
    """Appends something, through the log of whoever acts."""
    assert await log.accept(Scribe(slot=slot, tenant=f"org{slot}").acceptance()) == Stored()


def test_one_that_is_alone_acts_at_once() -> None:
    """The first daemon waits for nobody, and those that come while it lives stand by for as long as it does."""

    async def main(pair: Pair) -> None:
        assert (pair.nodes[1].is_acting, pair.nodes[2].is_acting) == (True, False)
        log = await pair.nodes[1].acted()
        assert (now_s(), log.is_exclusive) == (0.0, True)
        await asyncio.sleep(3600)
        assert (pair.nodes[1].is_acting, pair.nodes[2].is_acting, pair.cluster.epoch) == (True, False, 1)
        assert log.may_send()

    in_pair(main)


@pytest.mark.parametrize("direction", ["is_cut_to", "is_cut_from"])
def test_one_that_is_not_heard_is_replaced_once_it_cannot_send_any_more(direction: str) -> None:
    """Whichever way it is cut, its trust is over before another acts; that one knows that attempts may be under way."""

    async def main(pair: Pair) -> None:
        former = await pair.nodes[1].acted()
        await asyncio.sleep(100)
        cut_s = now_s()
        setattr(pair.ways[1], direction, True)
        heir = asyncio.ensure_future(pair.nodes[2].acted())
        while former.may_send():
            assert not pair.nodes[2].is_acting
            await asyncio.sleep(0.1)
        assert now_s() - cut_s <= TRUST_S
        if direction == "is_cut_from":
            # It is heard, so nobody takes its place: it only cannot know.
            await asyncio.sleep(600)
            assert not heir.done()
            setattr(pair.ways[1], direction, False)
            await asyncio.sleep(4)
            assert former.may_send()
            heir.cancel()
            return
        log = await heir
        assert SILENCE_S - BEAT_S <= now_s() - cut_s <= SILENCE_S + 0.1
        assert (log.is_exclusive, log.may_send(), pair.cluster.epoch) == (False, True, 2)

    in_pair(main)


def test_whoever_was_replaced_writes_nothing_and_learns_it() -> None:
    """Once it reaches the database again its write is refused, nothing of it is there, and it is told to stop."""

    async def main(pair: Pair) -> None:
        former = await pair.nodes[1].acted()
        await write(former)
        pair.ways[1].is_cut_to = True
        await write(await pair.nodes[2].acted(), slot=2)
        rows = list(pair.cluster.durable.rows)
        pair.ways[1].is_cut_to = False
        with pytest.raises(StoreUnavailable):
            await write(former, slot=3)
        with pytest.raises(StoreUnavailable):
            await pair.nodes[1].door.accept(Scribe(slot=3, tenant="org3").acceptance())
        assert pair.cluster.durable.rows == rows
        assert not pair.cluster.durable.parking.rows
        with pytest.raises(StoreRefused):
            await pair.nodes[1].lost()
        with pytest.raises(StoreRefused):
            await pair.nodes[1].acted()
        assert not former.may_send()

    in_pair(main)


def test_a_sign_of_life_alone_tells_it_too() -> None:
    """One that has nothing to write learns that it was replaced by its next sign of life."""

    async def main(pair: Pair) -> None:
        pair.ways[1].is_cut_to = True
        await pair.nodes[2].acted()
        pair.ways[1].is_cut_to = False
        async with asyncio.timeout(4):
            with pytest.raises(StoreRefused):
                await pair.nodes[1].lost()
        assert not pair.nodes[1].is_acting

    in_pair(main)


def test_an_outage_of_the_database_replaces_nobody() -> None:
    """Where nobody can reach it for ever so long, the one that acts goes on as soon as it can."""

    async def main(pair: Pair) -> None:
        log = await pair.nodes[1].acted()
        for way in pair.ways.values():
            way.is_cut_to = True
        await asyncio.sleep(600)
        assert not log.may_send()
        assert log.health()[0] == "failing"
        for way in pair.ways.values():
            way.is_cut_to = False
        await asyncio.sleep(30)
        assert (log.may_send(), log.health(), pair.cluster.epoch) == (True, ("ok", ""), 1)

    in_pair(main)


def test_a_takeover_whose_answer_was_lost_is_one() -> None:
    """One that owns the log and was not told finds out by its next look; until then nobody acts."""

    async def main(pair: Pair) -> None:
        await pair.nodes[1].close()
        pair.ways[2].is_cut_from = True
        await asyncio.sleep(0)
        pair.cluster.take_over(2)
        await asyncio.sleep(5)
        assert not pair.nodes[2].is_acting
        pair.ways[2].is_cut_from = False
        log = await pair.nodes[2].acted()
        await write(log, slot=2)
        assert pair.cluster.epoch == 2

    in_pair(main)


def test_one_that_stands_by_and_died_is_forgotten() -> None:
    """Its slot is free for the next that comes, and nothing that it says afterwards counts."""

    async def main(pair: Pair) -> None:
        pair.ways[2].is_cut_to = True
        await asyncio.sleep(SILENCE_S + 5)
        assert list(pair.cluster.members) == [1]
        third = await Node.arrive(pair.cluster, 3)
        assert (pair.nodes[2].slot, third.slot) == (1, 1)
        pair.ways[2].is_cut_to = False
        with pytest.raises(StoreUnavailable):
            await pair.nodes[2].door.leave(b"news", tenant="org1")
        await third.close()

    in_pair(main)


def test_a_full_inbox_takes_no_more_until_there_is_room() -> None:
    """Past its bound messages and news are told when to come again; calls pass, since they may be what helps."""

    async def main(pair: Pair) -> None:
        door, parking = pair.nodes[2].door, pair.cluster.durable.parking
        await door.leave(b"news", tenant="org1")
        parking.rows |= dict.fromkeys(range(2, INBOX_ROWS_MAX + 1), parking.rows[1])
        for left in (door.leave(b"news", tenant="org1"), door.accept(Scribe(slot=1).acceptance())):
            with pytest.raises(Overloaded) as told:
                await left
            assert told.value.retry_after_s > 1
        with pytest.raises(StoreUnavailable, match="nothing was done"):
            await door.ask(b"resume", within_s=1)
        parking.remove(2)
        await door.leave(b"news", tenant="org1")

    in_pair(main)


def test_a_frozen_one_may_not_send_in_its_first_moment() -> None:
    """A process that stood still for longer than its trust knows it before it has spoken with anybody."""
    seen: list[bool] = []

    async def act(cluster: Cluster) -> None:
        log = await (await Node.arrive(cluster, 1)).acted()
        before_s = now_s()
        while now_s() - before_s < 1:
            before_s = now_s()
            await asyncio.sleep(0.5)
        seen.append(log.may_send())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NodeLoop)
        cluster = Cluster()
        frozen = loop.start_in(1, lambda: act(cluster), name="acts")
        await asyncio.sleep(1)
        other = await Node.arrive(cluster, 2)
        loop.hold(1)
        await other.acted()
        loop.let_go(1)
        await frozen
        loop.kill(1)
        loop.cut_power()
        await loop.create_future()

    with pytest.raises(PowerCut):
        run_virtual(main, kind=NodeLoop)
    assert seen == [False]
