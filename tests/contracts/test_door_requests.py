"""What every store promises of what daemons that stand by ask and tell: one text, every store that several share."""

import asyncio

import pytest

from core.errors import AppendUnknown, StoreUnavailable
from core.ports import Inbox
from core.records import Waiting
from tests.contracts.nodes import AnyNode, Nodes
from tests.contracts.scribe import Scribe

pytestmark = pytest.mark.anyio

# Long enough for whatever answers at all; nothing waits so long unless a promise is broken.
PATIENCE_S = 30.0


async def two(nodes: Nodes) -> tuple[AnyNode, AnyNode, Inbox]:
    """One that acts, one that stands by, and what is left for the first."""
    acting, standing = await nodes.arrive(), await nodes.arrive()
    log = await acting.acted()
    assert log.inbox is not None
    return acting, standing, log.inbox


async def close(*nodes: AnyNode) -> None:
    """Those that stand by first, so that nobody takes over."""
    for node in nodes[::-1]:
        await node.close()


async def next_row(inbox: Inbox, after: int = 0) -> int:
    """The id of the next row, once there is one."""
    while not (rows := await inbox.waiting(after=after, limit=1)):
        await inbox.stirred()
    return rows[0].id


async def test_a_request_is_answered_to_the_one_who_asked(nodes: Nodes) -> None:
    """Each asker gets the answer to its own request, however they cross."""
    acting, standing, inbox = await two(nodes)
    third = await nodes.arrive()
    asked = [
        asyncio.ensure_future(node.door.ask(b"from %d" % number, within_s=PATIENCE_S))
        for number, node in enumerate((standing, third, standing))
    ]
    rows: list[Waiting] = []
    while len(rows) < 3:
        rows = await inbox.waiting(after=0, limit=10)
        if len(rows) < 3:
            await inbox.stirred()
    assert {row.kind for row in rows} == {"request"}
    assert await inbox.take([row.id for row in rows]) == [row.id for row in rows]
    assert await inbox.waiting(after=0, limit=10) == []
    for row in reversed(rows):
        await inbox.answer(row.id, b"answer " + row.body)
    assert await asyncio.gather(*asked) == [b"answer from 0", b"answer from 1", b"answer from 2"]
    await close(acting, standing, third)


async def test_a_request_that_nobody_took_was_never_made(nodes: Nodes) -> None:
    """Whoever gives up before anybody took its request may say that nothing was done: it can be taken no more."""
    acting, standing, inbox = await two(nodes)
    asked = asyncio.ensure_future(standing.door.ask(b"pause", within_s=0.1))
    row = await next_row(inbox)
    with pytest.raises(StoreUnavailable):
        await asked
    assert await inbox.take([row]) == []
    assert await inbox.waiting(after=0, limit=10) == []
    await close(acting, standing)


async def test_of_a_request_that_was_taken_nobody_can_tell(nodes: Nodes) -> None:
    """Where somebody may have begun with it and no answer came, the asker is told just that; a late answer is lost."""
    acting, standing, inbox = await two(nodes)
    asked = asyncio.ensure_future(standing.door.ask(b"pause", within_s=0.3))
    row = await next_row(inbox)
    assert await inbox.take([row]) == [row]
    assert await inbox.take([row]) == []
    with pytest.raises(AppendUnknown):
        await asked
    await inbox.answer(row, b"paused")
    assert await standing.door.accept(Scribe(slot=1).acceptance()) is not None
    await close(acting, standing)


async def test_news_wait_until_they_are_dropped(nodes: Nodes) -> None:
    """What a hook told is there until somebody has dealt with it, and dropping it again changes nothing."""
    acting, standing, inbox = await two(nodes)
    await standing.door.leave(b"read by ann", tenant="org1")
    (row,) = await inbox.waiting(after=0, limit=10)
    assert (row.kind, row.tenant, row.body) == ("news", "org1", b"read by ann")
    await inbox.drop([row.id])
    await inbox.drop([row.id, row.id + 100])
    assert await inbox.waiting(after=0, limit=10) == []
    await close(acting, standing)


async def test_whoever_waits_hears_of_what_comes(nodes: Nodes) -> None:
    """The acting daemon need not ask again and again: what is left while it waits ends its waiting."""
    acting, standing, inbox = await two(nodes)
    found = asyncio.ensure_future(next_row(inbox))
    await standing.door.leave(b"news", tenant="org1")
    async with asyncio.timeout(PATIENCE_S):
        first = await found
    found = asyncio.ensure_future(next_row(inbox, after=first))
    await standing.door.accept(Scribe(slot=1).acceptance())
    async with asyncio.timeout(PATIENCE_S):
        assert await found > first
    await close(acting, standing)


async def test_what_is_left_outlives_both(nodes: Nodes) -> None:
    """Messages and news wait for whoever acts next; requests of one that is gone are nobody's any more."""
    acting, standing, inbox = await two(nodes)
    acceptance = Scribe(slot=1).acceptance()
    await standing.door.accept(acceptance)
    await standing.door.leave(b"news", tenant="org1")
    asked = asyncio.ensure_future(standing.door.ask(b"pause", within_s=PATIENCE_S))
    assert await next_row(inbox, after=(await inbox.waiting(after=0, limit=2))[1].id) > 0
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await standing.close()
    await acting.close()

    heir = await nodes.arrive()
    log = await heir.acted()
    assert log.inbox is not None
    assert [row.kind for row in await log.inbox.waiting(after=0, limit=10)] == ["message", "news"]
    await heir.close()


async def test_one_that_stops_in_order_is_followed_at_once(nodes: Nodes) -> None:
    """Its end frees what it had: one that stands by acts, knows that nothing is under way, and the next to stop too."""
    acting, standing, _ = await two(nodes)
    before = standing.is_acting
    await acting.close()
    async with asyncio.timeout(PATIENCE_S):
        log = await standing.acted()
    assert (before, standing.is_acting) == (False, True)
    assert log.is_exclusive
    assert log.may_send()
    await log.accept(Scribe(slot=1).acceptance())
    await standing.close()
