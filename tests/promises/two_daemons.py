"""Answers for two daemons over one memory cluster on virtual time: a house that acts, and one that stands by beside it.

It must never judge.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Final

import anyio
import msgspec

from actors.hooks import Brought
from actors.intake import Acknowledgement
from actors.standing_by import Standby
from actors.world import World
from adapters.chance import KeyedChance
from core.contents import Submission, submission_of
from core.news import News
from core.policies import DAY_US, SECOND_US
from core.settings import Settings
from eventstore.cluster import Cluster
from eventstore.cluster_node import Node
from scenarios.draws import Draws
from scenarios.world.clock import SimulatedClock, Timepiece
from scenarios.world.randomness import SimulatedSecrets
from tests.promises.house import House, living, settings_of
from tests.promises.other_side import START_US, Notes, ObedientDisk, Provider

_LANES: Final = settings_of()


class Beside:
    """The daemon that stands by, and its way to the database."""

    def __init__(self, node: Node, disk: ObedientDisk, settings: Settings, *, behind_us: int = 0) -> None:
        self.node = node
        self.disk = disk
        self.notes = Notes()
        true_us = round(asyncio.get_running_loop().time() * SECOND_US)
        piece = Timepiece(start_us=START_US - behind_us, floor_us=node.newest()[1], steps=(), true_us=true_us)
        self.clock = SimulatedClock(piece)
        self.world = World(
            log=node.log_for_reading,
            clock=self.clock,
            # The installation key is the same for all daemons; what is drawn under it is not asked about here.
            secrets=SimulatedSecrets(Draws(7)),
            witness=self.notes,
            chance_of=KeyedChance,
            zone_of=lambda _: UTC,
            release="test",
            slot=node.slot,
        )
        self.settings = settings
        self.standby: Standby

    async def post(self, to: str, number: int = 1, *, tenant: str = "org1", **fields: object) -> Acknowledgement:
        """Accepts one mail or webhook with this number in it."""
        return await self.standby.intake.accept(tenant, self.submission(to, number, **fields))

    def submission(self, to: str, number: int, **fields: object) -> Submission:
        """The request for it."""
        is_mail = "@" in to
        content = {"subject": str(number), "text": "."} if is_mail else {"type": "test", "data": {"n": number}}
        body = {"channel": "email" if is_mail else "webhook", "to": to, "content": content, **fields}
        return submission_of(msgspec.json.encode(body), now_us=self.clock.now_us(), send_at_max_us=400 * DAY_US)

    async def tell(self, *news: News, tenant: str = "org1", **about: tuple[str, ...]) -> None:
        """A hook brings news."""
        await self.standby.hooks.heed(Brought(tenant=tenant, news=news, **about))


class Pair(msgspec.Struct, frozen=True):
    """Both, over one cluster."""

    acting: House
    beside: Beside
    cluster: Cluster


@asynccontextmanager
async def standing(
    cluster: Cluster, identity: int, settings: Settings = _LANES, *, behind_us: int = 0
) -> AsyncIterator[Beside]:
    """A daemon that stands by, from its arrival to its end in order; its wall clock may be behind."""
    disk = ObedientDisk()
    node = await Node.arrive(cluster, identity, disk)
    beside = Beside(node, disk, settings, behind_us=behind_us)
    beside.standby = await Standby.open(beside.world, settings, node.door)
    async with anyio.create_task_group() as group:
        await group.start(beside.standby.run)
        yield beside
        group.cancel_scope.cancel()
    await node.close()


@asynccontextmanager
async def acting(
    cluster: Cluster, identity: int, *, provider: Provider | None = None, settings: Settings = _LANES
) -> AsyncIterator[House]:
    """A daemon that acts once it is its turn, from then to its end in order."""
    disk = ObedientDisk()
    node = await Node.arrive(cluster, identity, disk)
    log = await node.acted()
    provider = provider if provider is not None else Provider()
    async with living(durable=cluster.durable, disk=disk, provider=provider, log=log, settings=settings) as house:
        yield house
    await node.close()


@asynccontextmanager
async def two_daemons(*, provider: Provider | None = None, settings: Settings = _LANES) -> AsyncIterator[Pair]:
    """One that acts and one that stands by; the second ends first, so that nobody takes over."""
    cluster = Cluster()
    async with (
        acting(cluster, 1, provider=provider, settings=settings) as house,
        standing(cluster, 2, settings) as beside,
    ):
        yield Pair(house, beside, cluster)
