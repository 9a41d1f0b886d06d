"""Events lie in a partition for each month, which is there before it is needed; and without it nothing is lost."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from anyio import fail_after, to_thread
from hypothesis import given
from hypothesis import strategies as st

from core.errors import CorruptLog, StoreUnavailable
from core.ids import ID_MAX, Mint
from core.records import Stored
from eventstore.copying.copying import copy_to_server
from eventstore.numbering import Numbering
from eventstore.postgres.checking import verify
from eventstore.postgres.connection import Connection, connect, create_pool
from eventstore.postgres.months import AGAIN_US, Month, Months, lacking, make, month_of, months_from
from eventstore.postgres.opening import open_log, open_node
from eventstore.postgres.reading import PostgresReading
from eventstore.sqlite.log import SqliteLog
from tests.contracts.scribe import START_US, Scribe
from tests.postgres_server import Server

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MONTH_US = 31 * 24 * 3_600 * 1_000_000
WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'event_default'::regclass)"
HOMES = "SELECT tableoid::regclass::text FROM event ORDER BY pos"
FAILING = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$;
CREATE TRIGGER failing BEFORE INSERT ON vault EXECUTE FUNCTION fail()"""
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'event'::regclass ORDER BY 1"
STANDING = ["event_before", "event_default"]


class Heard:
    """A witness that remembers."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []

    def note(self, name: str, /, **values: str | int | float | None) -> None:
        """One thing that happened."""
        self.notes.append((name, str(values.get("error"))))


@pytest.fixture
async def hand(postgres_url: str) -> AsyncIterator[Connection]:
    """A person's own connection to the database."""
    connection = await connect(postgres_url)
    yield connection
    connection.terminate()


async def names(connection: Connection, question: str) -> list[str]:
    """The tables that a question names."""
    return [row[0] for row in await connection.fetch(question)]


async def faults_of(url: str) -> list[str]:
    """What is wrong with a log."""
    return [str(fault) for fault in (await to_thread.run_sync(verify, url)).faults]


@given(stream=st.integers(0, ID_MAX), at_us=st.integers(-(1 << 62), 1 << 66))
def test_months_follow_each_other_without_a_gap(stream: int, at_us: int) -> None:
    """Each id lies in the one month that is named, whatever a clock says that is far off."""
    month = month_of(stream)
    assert month.first <= stream <= month.beyond
    assert stream < month.beyond or month.beyond == ID_MAX
    ahead = months_from(at_us)
    assert [first.beyond for first in ahead[:-1]] == [second.first for second in ahead[1:]]
    december = month_of(Mint().next(START_US - 1_000))
    january = month_of(december.beyond)
    assert (december.name, january.name) == ("event_2025_12", "event_2026_01")
    assert january.first == Mint().next(START_US)


async def test_months_are_made_ahead_of_what_is_written(postgres_url: str, hand: Connection) -> None:
    """The first event finds its month and two more; a border that is crossed finds its month and brings another."""
    log, scribe = await open_log(postgres_url, identity=1), Scribe()
    first = scribe.acceptance()
    await log.accept(first)
    assert await names(hand, PARTITIONS) == [*(f"event_2026_0{n}" for n in (1, 2, 3)), *STANDING]
    scribe.tick(MONTH_US)
    await log.accept(scribe.acceptance())
    await log.append(scribe.start(first.sealed.stream))
    while "event_2026_04" not in await names(hand, PARTITIONS):
        pass
    await log.close()
    assert await names(hand, HOMES) == ["event_2026_01", "event_2026_02", "event_2026_01"]
    assert await faults_of(postgres_url) == []


async def test_a_database_that_refuses_a_month_is_written_all_the_same(
    postgres_url: str, postgres_server: Server
) -> None:
    """What has no month goes to the default, a person is told why, and it goes along as soon as it may."""
    database = urlsplit(postgres_url).path[1:]
    postgres_server.run(f"CREATE ROLE {database} LOGIN; GRANT CREATE ON DATABASE {database} TO {database}")
    parts = urlsplit(postgres_url)
    url = parts._replace(netloc=f"{database}@{parts.netloc.rpartition('@')[2]}").geturl()
    scribe, heard = Scribe(), Heard()
    await (await open_log(url, identity=1)).close()
    hand = await connect(url)
    await hand.execute(f"REVOKE CREATE ON SCHEMA tidings FROM {database}")
    log = await (await open_node(url, identity=2, witness=heard)).acted()
    first = scribe.acceptance()
    for acceptance in (first, scribe.acceptance()):
        assert await log.accept(acceptance) == Stored()
    assert heard.notes == [("months_refused", "permission denied for schema tidings")]
    assert log.health() == ("ok", "")
    assert len(await log.events_of(first.sealed.stream)) == 1
    assert await names(hand, HOMES) == ["event_default"] * 2
    await hand.execute(f"GRANT CREATE ON SCHEMA tidings TO {database}")
    scribe.tick(AGAIN_US)
    await log.append(scribe.start(first.sealed.stream))
    assert await names(hand, HOMES) == ["event_2026_01"] * 3
    await log.close()
    assert await faults_of(url) == []
    hand.terminate()
    postgres_server.run(f"DROP OWNED BY {database} CASCADE", url=postgres_url)
    postgres_server.run(f"DROP ROLE {database}")


async def test_nobody_waits_for_a_month_behind_a_long_reader(postgres_url: str, hand: Connection) -> None:
    """Somebody who reads all partitions for hours keeps a month from being made, and neither writers nor readers."""
    log, scribe = await open_log(postgres_url, identity=1), Scribe()
    async with hand.transaction():
        await hand.execute("LOCK TABLE event IN ACCESS SHARE MODE")
        first = scribe.acceptance()
        assert await log.accept(first) == Stored()
        assert len(await log.events_of(first.sealed.stream)) == 1
        assert await names(hand, PARTITIONS) == STANDING
    scribe.tick(AGAIN_US)
    await log.accept(scribe.acceptance())
    await log.close()
    assert await names(hand, HOMES) == ["event_2026_01"] * 2


async def test_a_month_that_has_grown_in_the_default_stays_there(
    postgres_url: str, hand: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moving much would hold everybody up, so it is left where it is, and the months behind it are made."""
    monkeypatch.setattr("eventstore.postgres.months.MOVED_MAX", 1)
    log, scribe = await open_log(postgres_url, identity=1), Scribe()
    async with hand.transaction():
        await hand.execute("LOCK TABLE event IN ACCESS SHARE MODE")
        for _ in range(2):
            await log.accept(scribe.acceptance())
    scribe.tick(AGAIN_US)
    await log.accept(scribe.acceptance())
    await log.close()
    assert await names(hand, PARTITIONS) == ["event_2026_02", "event_2026_03", *STANDING]
    assert await names(hand, HOMES) == ["event_default"] * 3
    assert await faults_of(postgres_url) == []


async def test_a_question_goes_to_the_months_that_it_is_about(postgres_url: str, hand: Connection) -> None:
    """Of five years a stream's events are sought in one month, and a page of the log is found by the indices of all."""
    await (await open_log(postgres_url, identity=1)).close()
    months: list[Month] = months_from(START_US)
    while len(months) < 60:
        months.append(month_of(months[-1].beyond))
    for month, strayed in (await lacking(hand, months)).items():
        await make(hand, month, strayed=strayed)
    pool = await create_pool(postgres_url, most=1, most_anew=1)
    reading, stream = PostgresReading(pool, Numbering()), months[40].first
    await reading.events_of(stream)
    await reading.events_of_many([stream, stream + 1])
    await reading.log_page({}, tenant=None, limit=10)
    async with pool.acquire(timeout=5) as connection:
        asked = "SELECT statement, name FROM pg_prepared_statements WHERE statement LIKE '%FROM event WHERE%'"
        values = {"= $1": f"{stream}, 0", "ANY($1": f"'{{{stream}}}', {stream}, {stream}", "pos >=": "1, 20"}
        plans = {}
        for statement, name in await connection.fetch(asked):
            example = next((value for part, value in values.items() if part in statement), None)
            if example is not None:
                plan = await connection.fetch(f'EXPLAIN EXECUTE "{name}" ({example})')
                plans[statement] = [row[0] for row in plan if "Scan" in row[0]]
    await reading.close()
    pages = [plan for statement, plan in plans.items() if "pos >=" in statement]
    assert [len(plan) for plan in pages] == [len(months) + len(STANDING)]
    assert all("Index Scan using" in scan and "_pkey" in scan for scan in pages[0])
    for statement, plan in plans.items():
        if "pos >=" not in statement:
            assert [months[40].name in scan for scan in plan if " event_" in scan] == [True], statement
    assert len(plans) == 4, "a stream, the same in the inbox as well, several streams, a page"


async def test_a_place_that_is_taken_in_another_month_shows(postgres_url: str, hand: Connection) -> None:
    """No index is over all months: the check of the log and the next start see what somebody else has written there."""
    log, scribe = await open_log(postgres_url, identity=1), Scribe()
    await log.accept(scribe.acceptance())
    await hand.execute(
        "INSERT INTO event SELECT pos, shard, seq, 77, 1, type, schema_version, at_us, tenant, cause, body, link, epoch"
        " FROM event"
    )
    await log.close()
    assert "its link does not follow" in (await faults_of(postgres_url))[0]
    with pytest.raises(CorruptLog, match="its link does not follow"):
        await open_log(postgres_url, identity=2)


async def test_a_month_that_is_taken_away_is_missed(postgres_url: str, hand: Connection) -> None:
    """The log needs all of them: its check names what a detached month had."""
    log, scribe = await open_log(postgres_url, identity=1), Scribe()
    await log.accept(scribe.acceptance())
    await log.close()
    await hand.execute("ALTER TABLE event DETACH PARTITION event_2026_01")
    assert "there is a head, but no event" in (await faults_of(postgres_url))[0]


@pytest.mark.parametrize("months_later", [0, 1], ids=["the newest", "an older one"])
async def test_numbers_never_begin_anew_where_a_month_was_taken_away(
    postgres_url: str, hand: Connection, months_later: int
) -> None:
    """The last events may have lain in any month: nobody acts before all are there, and the next event follows on."""
    log, scribe = await open_log(postgres_url, identity=1), Scribe()
    first = scribe.acceptance()
    await log.accept(first)
    scribe.tick(months_later * MONTH_US)
    if months_later:
        await log.accept(scribe.acceptance())
    await log.append(scribe.start(first.sealed.stream))
    await log.close()
    await hand.execute("ALTER TABLE event DETACH PARTITION event_2026_01")
    with pytest.raises(CorruptLog, match="it has 2 events, and 0 are there; was event_2026_01 detached or dropped"):
        await open_log(postgres_url, identity=2)
    bounds = month_of(first.sealed.stream)
    await hand.execute(
        f"ALTER TABLE event ATTACH PARTITION event_2026_01 FOR VALUES FROM ({bounds.first}) TO ({bounds.beyond})"
    )
    log = await open_log(postgres_url, identity=3)
    await log.accept(scribe.acceptance())
    await log.close()
    assert await faults_of(postgres_url) == []


async def test_a_writer_that_misses_a_month_says_so_and_waits_for_it(postgres_url: str, hand: Connection) -> None:
    """Under a running daemon no number is given out twice either: it looks where the log stands after each fault."""
    log, scribe = await open_log(postgres_url, identity=1), Scribe()
    first = scribe.acceptance()
    await log.accept(first)
    month = month_of(first.sealed.stream)
    await hand.execute(f"ALTER TABLE event DETACH PARTITION {month.name}")
    await hand.execute(FAILING)
    with pytest.raises(StoreUnavailable, match="no room"):
        await log.accept(scribe.acceptance())
    await hand.execute("DROP FUNCTION fail CASCADE")
    with fail_after(10):
        while f"was {month.name} detached or dropped" not in log.health()[1]:
            await hand.fetchval("SELECT 1")
    await hand.execute(
        f"ALTER TABLE event ATTACH PARTITION {month.name} FOR VALUES FROM ({month.first}) TO ({month.beyond})"
    )
    while log.health() != ("ok", ""):
        await hand.fetchval("SELECT 1")
    assert await log.accept(scribe.acceptance()) == Stored()
    await log.close()
    assert await faults_of(postgres_url) == []


async def test_a_month_that_is_made_under_a_batch_costs_it_nothing(postgres_url: str, hand: Connection) -> None:
    """What was on its way to the default goes to its month instead, in one go, and nobody is told a contradiction."""
    log, scribe = await open_log(postgres_url, identity=1), Scribe()
    await log.accept(scribe.acceptance())
    # As of a daemon whose clock is ahead.
    month = month_of(Mint().next(START_US + 5 * MONTH_US))
    scribe.mint = Mint(floor=month.first)
    async with hand.transaction():
        await make(hand, month, strayed=0)
        answer = log.accept(scribe.acceptance())
        while not await hand.fetchval(WAITING):
            pass
    assert await answer == Stored()
    assert await names(hand, HOMES) == ["event_2026_01", month.name]
    await log.close()
    assert await faults_of(postgres_url) == []


async def test_a_database_that_hangs_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch waits for a month, for a while; those behind it find the making under way and go on."""
    monkeypatch.setattr("eventstore.postgres.months.WAIT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        months = Months(f"postgresql://127.0.0.1:{hanging.getsockname()[1]}/any?sslmode=disable", None)
        await months.heed(START_US)
        monkeypatch.setattr("eventstore.postgres.months.WAIT_S", 60.0)
        with fail_after(5):
            await months.heed(START_US)
        assert months.due_us == 0
        await months.close()


async def test_a_log_that_is_copied_there_lies_in_its_months(
    postgres_url: str, hand: Connection, tmp_path: Path
) -> None:
    """Those in which its streams were born are made for it, however long ago that was."""
    source, scribe = tmp_path / "tidings.db", Scribe()
    log = await SqliteLog.open(source)
    for months in (-7, 0, 3):
        scribe.now_us = START_US + months * MONTH_US
        await log.accept(scribe.acceptance(f"{months}@example.com"))
    await log.close()
    await copy_to_server(source, postgres_url, identity=1)
    assert await names(hand, HOMES) == ["event_2025_05", "event_2026_01", "event_2026_04"]
    assert await faults_of(postgres_url) == []
