"""Why a database is not opened, said in one line that tells what to do, and never a password."""

import socket
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest
from anyio import to_thread

from core.errors import StoreRefused
from core.records import Stored
from eventstore.postgres.checking import verify
from eventstore.postgres.connection import Connection, connect
from eventstore.postgres.opening import open_log, read_log
from tests.contracts.scribe import Scribe
from tests.postgres_server import Cluster, Server, own_cluster, remove
from tests.promises.postgres_wire import Wire

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
async def hand(postgres_url: str) -> AsyncIterator[Connection]:
    """A person's own connection to the database."""
    connection = await connect(postgres_url)
    yield connection
    connection.terminate()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server of this test's own."""
    cluster = own_cluster()
    yield cluster
    remove(cluster.folder)


def changed(url: str, **parts: str) -> str:
    """The same URL with another user or database."""
    known = urlsplit(url)
    place = known.netloc.rpartition("@")[2]
    netloc = f"{parts['user']}@{place}" if "user" in parts else known.netloc
    return known._replace(netloc=netloc, path=f"/{parts['database']}" if "database" in parts else known.path).geturl()


async def refusal_of(url: str) -> str:
    """Why a daemon and a reader are refused: the same line for both."""
    with pytest.raises(StoreRefused) as refused:
        await open_log(url, identity=1)
    words = str(refused.value)
    assert "\n" not in words
    assert "secret" not in words
    return words


async def test_a_server_that_is_not_there() -> None:
    """The reason names the place, and not the password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        words = await refusal_of(f"postgresql://ann:secret@127.0.0.1:{port}/mail")
    assert words.startswith(f"the PostgreSQL database mail on 127.0.0.1:{port} cannot be reached:")
    assert words.endswith("is the server running?")


async def test_a_server_that_hangs(postgres_url: str) -> None:
    """One that takes the connection and says nothing is given up within seconds."""
    async with Wire(postgres_url) as wire:
        wire.is_mute = True
        words = await refusal_of(wire.url)
    assert "did not answer within 5 s" in words


async def test_a_database_that_is_missing(postgres_url: str) -> None:
    """It is named, with what makes one."""
    words = await refusal_of(changed(postgres_url, database="nowhere"))
    assert "the PostgreSQL database nowhere on" in words
    assert "does not exist: create it" in words


async def test_a_user_who_is_not_let_in(postgres_url: str) -> None:
    """The server's own words, and where to correct it."""
    words = await refusal_of(changed(postgres_url, user="nobody:secret"))
    assert "does not let us in" in words
    assert "correct user and password" in words


@pytest.mark.parametrize("url", ["postgresql://ann:secret@[::1/mail", "postgresql://ann:secret@host:mail/x"])
async def test_a_url_that_makes_no_sense(url: str) -> None:
    """It is not shown, since a password is in it."""
    assert "cannot be understood" in await refusal_of(url)


async def test_one_of_several_servers_is_the_primary(cluster: Cluster, postgres_url: str) -> None:
    """Of the servers in a URL the one that takes writes is found, past one that is gone and one that takes none."""
    name, user = urlsplit(postgres_url).path[1:], urlsplit(postgres_url).username
    cluster.run(f"CREATE DATABASE {name}")
    await to_thread.run_sync(cluster.stop)
    (cluster.folder / "standby.signal").touch()
    await to_thread.run_sync(cluster.start)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gone = f"127.0.0.1:{taken.getsockname()[1]}"
        standby, primary = (urlsplit(url).netloc.rpartition("@")[2] for url in (cluster.url, postgres_url))
        url = f"postgresql://{user}:secret@{gone},{standby},{primary}/{name}"
        log = await open_log(url, identity=1)
        assert await log.accept(Scribe().acceptance()) == Stored()
        await log.close()
        away = await refusal_of(f"postgresql://{user}:secret@{gone},{standby}/{name}")
    assert f"on {gone} or {standby} cannot be reached" in away
    nobody = await refusal_of(f"postgresql://{user}:secret@{standby},{standby}/{name}?target_session_attrs=primary")
    assert "has no server that takes writes: is one of them about to become the primary?" in nobody


async def test_a_newer_schema_is_left_alone(postgres_url: str, hand: Connection) -> None:
    """A daemon and a reader of an older release change nothing in it."""
    await (await open_log(postgres_url, identity=1)).close()
    await hand.execute("UPDATE meta SET value = 9 WHERE name = 'schema_version'")
    words = await refusal_of(postgres_url)
    assert "has schema version 9, and this release knows up to 3: run the release that wrote it" in words
    with pytest.raises(StoreRefused, match="schema version 9"):
        await read_log(postgres_url)
    assert await hand.fetchval("SELECT count(*) FROM node") == 1
    await hand.execute("UPDATE meta SET value = 0 WHERE name = 'schema_version'")
    assert "schema version 0, which no release wrote" in await refusal_of(postgres_url)


async def test_tables_of_another_program_are_left_alone(postgres_url: str, hand: Connection) -> None:
    """A schema of our name that is not ours is refused; other schemas of the database are none of our business."""
    await hand.execute("CREATE TABLE public.event (id int)")
    await (await open_log(postgres_url, identity=1)).close()
    await hand.execute("DROP SCHEMA tidings CASCADE")
    await hand.execute("CREATE SCHEMA tidings")
    await (await open_log(postgres_url, identity=2)).close()
    await hand.execute("DROP SCHEMA tidings CASCADE")
    await hand.execute("CREATE SCHEMA tidings")
    await hand.execute("CREATE TABLE tidings.song (id int)")
    assert "has a schema named tidings with tables of another program" in await refusal_of(postgres_url)


async def test_a_database_that_cannot_be_written(postgres_url: str, hand: Connection) -> None:
    """A read-only one, as a standby is, is refused before anything is promised."""
    name = urlsplit(postgres_url).path[1:]
    await hand.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    words = await refusal_of(postgres_url)
    assert "is read-only" in words
    assert "the primary" in words


async def test_a_standby_is_read_and_never_written(cluster: Cluster) -> None:
    """A real one: a daemon is sent to the primary, while reading and checking are welcome."""
    log = await open_log(cluster.url, identity=1)
    acceptance = Scribe().acceptance()
    assert await log.accept(acceptance) == Stored()
    await log.close()
    await to_thread.run_sync(cluster.stop)
    (cluster.folder / "standby.signal").touch()
    await to_thread.run_sync(cluster.start)
    words = await refusal_of(cluster.url)
    assert "is on a read-only standby: give the store's URL of the primary" in words
    reading = await read_log(cluster.url)
    assert await reading.head_of(acceptance.sealed.stream) is not None
    await reading.close()
    report = await to_thread.run_sync(verify, cluster.url)
    assert (report.faults, report.events) == ((), 1)


async def test_a_user_who_may_not_make_tables(postgres_url: str, postgres_server: Server) -> None:
    """What is missing is said, and nothing is half made."""
    postgres_server.run("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN")
    try:
        words = await refusal_of(changed(postgres_url, user="guest"))
        assert "does not let this user do what is needed: permission denied" in words
    finally:
        postgres_server.run("DROP ROLE guest")


@pytest.mark.parametrize("room", [1, 2])
async def test_too_few_connections(postgres_url: str, postgres_server: Server, hand: Connection, room: int) -> None:
    """A daemon needs three at least; what was taken before that showed is given back."""
    name = urlsplit(postgres_url).path[1:]
    postgres_server.run(f"DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN CONNECTION LIMIT {room}")
    postgres_server.run(f"GRANT CREATE ON DATABASE {name} TO poor")
    url = changed(postgres_url, user="poor")
    try:
        words = await refusal_of(url)
        assert "has too few connections" in words
        postgres_server.run("ALTER ROLE poor CONNECTION LIMIT 3")
        log = await open_log(url, identity=2)
        assert await log.accept(Scribe().acceptance()) == Stored()
        assert await log.head_of(5) is None
        await log.close()
    finally:
        await hand.execute("DROP OWNED BY poor CASCADE")
        postgres_server.run("DROP ROLE poor")
