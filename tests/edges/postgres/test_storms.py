"""What users rely on when PostgreSQL is what fails: a real daemon, a real server, and everything that comes between."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from anyio import to_thread

from tests.edges.postgres.proxy import Proxy
from tests.postgres_server import Server, own_cluster, remove
from tests.promises.test_storm import judge
from tests.storm.daemon import Daemon
from tests.storm.storm import Store, Weather, pause, storm

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WEATHER = Weather(messages=240, conversations=24, kills=3, per_s=60, seed=11, verify=False)
# As long as it takes for a daemon that is silent to count as dead.
AGE = "UPDATE tidings.beat SET at = at - interval '1 minute'"
CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()"""


async def test_nothing_is_lost_whatever_is_killed(tmp_path: Path, postgres_server: Server, postgres_url: str) -> None:
    """A daemon that is killed and started again goes on from what the database has."""

    async def killed(daemon: Daemon, weather: Weather) -> None:
        for nth in range(weather.kills):
            await pause(weather, nth)
            await daemon.kill()
            await to_thread.run_sync(lambda: postgres_server.run(AGE, url=postgres_url))
            await daemon.start()

    after = await storm(tmp_path, WEATHER, lightning=killed, store=Store(url=postgres_url, seen_at=postgres_url))
    assert judge(after, WEATHER)["received"] >= WEATHER.messages
    assert after.starts == WEATHER.kills + 1


async def test_nothing_is_lost_when_connections_are(tmp_path: Path, postgres_server: Server, postgres_url: str) -> None:
    """An administrator may end every connection at any time: the same daemon goes on through new ones."""
    ended = []

    async def cut(_: Daemon, weather: Weather) -> None:
        for nth in range(2 * weather.kills):
            await pause(weather, nth)
            ended.append(int(await to_thread.run_sync(lambda: postgres_server.run(CUT, url=postgres_url))))

    after = await storm(tmp_path, WEATHER, lightning=cut, store=Store(url=postgres_url, seen_at=postgres_url))
    assert judge(after, WEATHER)["received"] >= WEATHER.messages
    assert after.starts == 1
    assert all(ended)


async def test_nothing_is_lost_when_the_server_stops(tmp_path: Path) -> None:
    """While the server is away the daemon waits and says so; once it is back everything goes on without a restart."""
    cluster = await to_thread.run_sync(own_cluster)

    async def stopped(_: Daemon, weather: Weather) -> None:
        for nth in range(2):
            await pause(weather, nth)
            await to_thread.run_sync(cluster.stop if nth else cluster.crash)
            await pause(weather, nth)
            await to_thread.run_sync(cluster.start)

    try:
        store = Store(url=cluster.url, seen_at=cluster.url)
        after = await storm(tmp_path, WEATHER, lightning=stopped, store=store)
    finally:
        await to_thread.run_sync(remove, cluster.folder)
    assert judge(after, WEATHER)["received"] >= WEATHER.messages
    assert after.starts == 1


async def test_nothing_is_lost_or_doubled_when_an_answer_is(tmp_path: Path, postgres_url: str) -> None:
    """A batch whose connection breaks between its commit and the answer is in the log once, and counts as durable."""
    parts = urlsplit(postgres_url)
    assert parts.hostname is not None
    assert parts.port is not None

    async def nothing(_: Daemon, weather: Weather) -> None:
        await pause(weather, 0)

    async with Proxy(parts.hostname, parts.port, cut_every=9) as proxy:
        through = parts._replace(
            netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}", query="sslmode=disable"
        ).geturl()
        after = await storm(tmp_path, WEATHER, lightning=nothing, store=Store(url=through, seen_at=postgres_url))
    assert judge(after, WEATHER)["received"] >= WEATHER.messages
    assert after.starts == 1
    assert proxy.cuts > 5
