"""Answers for what several daemons take in while the answers of their database get lost on the way."""

from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest

from tests.cluster.clients import Load
from tests.cluster.judging import judge
from tests.cluster.lightning import Storm
from tests.cluster.storm import Site, storm_over
from tests.edges.postgres.proxy import OF_A_DOOR, OF_THE_LOG, Proxy
from tests.postgres_server import Server

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LOAD = Load(messages=240, conversations=24, per_s=60, per_lane_s=60, bursts=1, seed=13)


async def calm(storm: Storm) -> None:
    """Nothing strikes but what the proxies do."""
    storm.clients.begin_burst()
    await anyio.lowlevel.checkpoint()


def through(url: str, proxy: Proxy) -> str:
    """The URL of a database behind a proxy, in the clear."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{user}@127.0.0.1:{proxy.port}", query="sslmode=disable").geturl()


async def test_nothing_is_lost_or_doubled_at_any_door(
    tmp_path: Path, postgres_server: Server, postgres_url: str
) -> None:
    """The connection breaks between the commit and its answer, of what the acting daemon writes and of what the other
    one takes in: each message is there once, and nobody has to be started again.
    """
    parts = urlsplit(postgres_url)
    assert parts.hostname is not None
    assert parts.port is not None
    place = parts.hostname, parts.port
    async with (
        Proxy(*place, cut_every=9, batch=OF_THE_LOG) as acting,
        Proxy(*place, cut_every=4, batch=OF_A_DOOR) as standing,
    ):
        seen_as = through(postgres_url, acting), through(postgres_url, standing)
        after = await storm_over(tmp_path, LOAD, calm, Site(server=postgres_server, url=postgres_url, seen_as=seen_as))
    assert judge(after, LOAD).counted["received"] >= LOAD.messages
    assert after.ends == [[0], [0]]
    assert acting.cuts > 5
    assert standing.cuts > 5
