"""The actors of two daemons on one real database: one acts, one stands by, and they change places."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from itertools import count

import anyio
import msgspec
import pytest

from actors.intake import Intake
from actors.standing_by import Standby
from actors.system import System, World
from adapters.chance import KeyedChance
from adapters.clock import SystemClock
from core.contents import submission_of
from core.errors import AppendUnknown
from core.policies import DAY_US
from core.ports import Log
from core.records import MessageFilter
from eventstore.postgres.node import Node
from eventstore.postgres.opening import open_node
from scenarios.draws import Draws
from scenarios.world.randomness import SimulatedSecrets
from tests.promises.house import PLAIN, address, settings_of
from tests.promises.other_side import Notes, Provider

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WITHIN_S = 30.0
SETTINGS = settings_of(PLAIN)


def world(node: Node, log: Log) -> World:
    """What a daemon's actors stand on, by real time."""
    return World(
        log=log,
        clock=SystemClock(floor_us=node.newest()[1]),
        secrets=SimulatedSecrets(Draws(7)),
        witness=Notes(),
        chance_of=KeyedChance,
        zone_of=lambda _: UTC,
        release="test",
        slot=node.slot,
    )


@asynccontextmanager
async def acting(node: Node, provider: Provider) -> AsyncIterator[System]:
    """The daemon that acts, once it does."""
    async with asyncio.timeout(WITHIN_S):
        log = await node.acted()
    system = await System.open(world(node, log), SETTINGS, {lane.name: provider for lane in SETTINGS.lanes})
    async with anyio.create_task_group() as group:
        await group.start(system.run)
        yield system
        await system.stop()


@asynccontextmanager
async def standing(node: Node) -> AsyncIterator[Standby]:
    """A daemon that stands by."""
    standby = await Standby.open(world(node, node.log_for_reading), SETTINGS, node.door)
    async with anyio.create_task_group() as group:
        await group.start(standby.run)
        yield standby
        group.cancel_scope.cancel()


async def post(intake: Intake, number: int) -> int:
    """Accepts a webhook with this number in it, to one of five peers."""
    content = {"type": "test", "data": {"n": number}}
    body = msgspec.json.encode({"channel": "webhook", "to": address(number % 5), "content": content})
    submission = submission_of(body, now_us=0, send_at_max_us=400 * DAY_US)
    return (await intake.accept("org1", submission)).id


async def delivered(log: Log, wanted: int) -> None:
    """Returns once so many messages are delivered."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            changed = asyncio.ensure_future(log.changed())
            if await log.count(MessageFilter(status=("delivered",)), at_most=wanted) == wanted:
                changed.cancel()
                return
            await changed


async def test_what_comes_to_either_is_delivered_once(postgres_url: str) -> None:
    """A hundred messages to two daemons in turn, all at once: each is sent once, and each peer has one conversation."""
    first, second = await open_node(postgres_url, identity=1), await open_node(postgres_url, identity=2)
    provider, numbers = Provider(), count()
    async with acting(first, provider) as system, standing(second) as standby:
        calls = [post(intake, next(numbers)) for _ in range(50) for intake in (system.intake, standby.intake)]
        streams = await asyncio.gather(*calls)
        await delivered(second.log_for_reading, 100)
        heads = await second.log_for_reading.heads_by(streams)
        assert len(heads) == 100
        assert len({head.conversation for head in heads.values()}) == 5
    assert Counter(seen.number for seen in provider.seen) == dict.fromkeys(range(100), 1)
    await second.close()
    await first.close()


async def test_one_takes_over_from_the_other_in_order(postgres_url: str) -> None:
    """What was taken in while nobody acted is delivered by the one that acts next, and nothing twice."""
    first, second = await open_node(postgres_url, identity=1), await open_node(postgres_url, identity=2)
    provider = Provider()
    async with acting(first, provider) as system:
        await post(system.intake, 0)
        await delivered(await first.acted(), 1)
    async with standing(second) as standby:
        for number in range(1, 21):
            await post(standby.intake, number)
    await first.close()
    async with acting(second, provider) as system:
        await post(system.intake, 21)
        await delivered(await second.acted(), 22)
    assert Counter(seen.number for seen in provider.seen) == dict.fromkeys(range(22), 1)
    await second.close()


async def test_requests_are_carried_out_by_the_one_that_acts(postgres_url: str) -> None:
    """What is asked of the one that stands by is done once by the other and answered, or nobody can tell."""
    first, second = await open_node(postgres_url, identity=1), await open_node(postgres_url, identity=2)
    carried: list[bytes] = []

    async def answer(request: bytes) -> bytes:
        carried.append(request)
        if request == b"slow":
            await anyio.sleep_forever()
        return request.upper()

    async with acting(first, Provider()) as system:
        system.answer_with(answer)
        asked = [second.door.ask(b"pause %d" % number, within_s=WITHIN_S) for number in range(40)]
        assert await asyncio.gather(*asked) == [b"PAUSE %d" % number for number in range(40)]
        with pytest.raises(AppendUnknown):
            await second.door.ask(b"slow", within_s=0.5)
    assert Counter(carried) == Counter([*(b"pause %d" % number for number in range(40)), b"slow"])
    await second.close()
    await first.close()
