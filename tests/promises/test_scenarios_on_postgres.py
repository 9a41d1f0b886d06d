"""One scenario on the real PostgreSQL log and in memory: the same log, and a database that holds just that."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from typing import cast

import pytest
from typer.testing import CliRunner

from adapters.cli.ending import Ended
from core.errors import StoreRefused
from core.ports import Log
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from eventstore.postgres.opening import open_log
from scenarios.console import whole
from scenarios.file.scenario import Scenario
from scenarios.laws.evidence import Evidence
from scenarios.loop.real import RealLoop
from scenarios.run import followed
from scenarios.run.on_postgres import DistantLog, parts_on
from scenarios.run.own_database import OwnDatabase, begun_in, own_database
from scenarios.run.running import run_once
from scenarios.world.ground import Parts
from tests.postgres_server import Server
from tests.promises.on_a_database import written_in
from tests.promises.on_a_store import FIT, ROOT, UNLIKE, alike, loaded, sound
from tests.promises.simulated import scenario

pytestmark = pytest.mark.slow

_DATABASES = "SELECT count(*) FROM pg_database WHERE datname LIKE 'tidings_simulated_%'"


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> Iterator[OwnDatabase]:
    """A database for all runs of this module, one after another."""
    with own_database(postgres_server.url) as made:
        yield made


class _Memory:
    """The reference: a log in memory that is asked as one on a database is, in the same turns."""

    def __init__(self, real: RealLoop) -> None:
        self._real = real
        self._durable = Durable()

    async def opened(self) -> Log:
        """The next life's log."""

        async def made() -> Log:
            return MemoryLog(self._durable)

        return cast("Log", DistantLog(self._real, self._real.at_once(made)))

    async def let_go(self, log: Log) -> None:
        """Nothing is left of it."""


def _in_memory(real: RealLoop) -> Parts:
    return followed.parts_with(partial(_Memory, real))


def _run(world: Scenario, database: OwnDatabase, crash_at: tuple[int, ...] = ()) -> Evidence:
    evidence = sound(world, parts_on(database), crash_at)
    assert written_in(database) == evidence.durable.rows
    reference = run_once(world, world.seed, parts=_in_memory(database.real), crash_at=crash_at)
    assert evidence.digest == reference.digest
    return evidence


@pytest.mark.parametrize("name", FIT)
def test_shipped_scenarios_hold_on_a_database(name: str, database: OwnDatabase) -> None:
    """Each keeps every law on PostgreSQL, crashes, stops, freezes and the wire among them, and gives memory's very log.

    Where a store's turns change what comes first in an instant, that is the log of a memory that is asked in turns too.
    """
    evidence = _run(loaded(name), database)
    assert name in UNLIKE or alike(evidence)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.9])
def test_a_database_survives_a_crash_anywhere(share: float, database: OwnDatabase) -> None:
    """The power goes out somewhere, and again in the recovery: the next life takes over, and nothing is lost."""
    world = loaded("in_doubt_with_a_receipt_and_without")
    boundary = 1 + int(share * run_once(world, world.seed, parts=_in_memory(database.real)).boundaries)
    evidence = _run(world, database, (boundary, boundary + 3))
    assert sum("boundary" in life.where for life in evidence.lives) == 2


def test_only_its_own_database_is_touched(postgres_server: Server, postgres_url: str) -> None:
    """Runs leave the database that they were given, and the log in it, as they were; theirs is gone afterwards."""

    async def begun() -> None:
        await (await open_log(postgres_url, identity=77)).close()

    asyncio.run(begun())
    others, threads = postgres_server.run(_DATABASES), threading.active_count()
    kept = "SELECT * FROM tidings.node, tidings.meta, tidings.shard ORDER BY 1, 8, 10"
    before = postgres_server.run(kept, url=postgres_url)
    world = loaded("several_pauses_of_one_conversation")
    with own_database(postgres_url) as one, own_database(postgres_url) as other:
        assert len({postgres_url, one.url, other.url}) == 3
        assert sound(world, parts_on(one)).digest == sound(world, parts_on(other)).digest
    assert postgres_server.run(kept, url=postgres_url) == before
    assert postgres_server.run(_DATABASES) == others
    assert threading.active_count() == threads


def test_a_name_that_leads_elsewhere_is_refused(postgres_server: Server, postgres_url: str) -> None:
    """A pooler may lead our database's name to one that holds somebody's log: that is noticed before a word to it."""
    with own_database(postgres_server.url) as made, pytest.raises(StoreRefused, match="leads to the database"):
        made.real.at_once(partial(begun_in, made.real, postgres_url, "tidings_simulated_1"))
    assert postgres_server.run("SELECT to_regnamespace('tidings')", url=postgres_url) == ""


def test_a_run_that_gets_nowhere_leaves_nothing_open(postgres_server: Server) -> None:
    """A life that was never ended holds nobody up: the next run begins on an empty log, and the database goes."""
    world = scenario('[[arrive]]\ncount = 3\nchannel = "email"\nto = "reader{n}@example.com"\n')
    with own_database(postgres_server.url) as database:
        parts = parts_on(database)
        lost = Parts(log_of=parts.log_of, opening=parts.opening, loop=parts.loop, steps_max=100)
        assert "more than 100 steps" in run_once(world, 1, parts=lost).stuck
        assert len(sound(world, parts).lives) == 1


def test_the_command_keeps_the_log_in_a_database_while_it_runs(postgres_server: Server) -> None:
    """`--store postgresql://...` tells the same as without it, and says without a password what is in its way."""
    file = str(ROOT / "several_pauses_of_one_conversation.toml")
    command = CliRunner().invoke(whole(), ["simulate", file, "--store", postgres_server.url])
    usual = CliRunner().invoke(whole(), ["simulate", file])
    assert (command.exit_code, command.output) == (0, usual.output)
    away = "postgresql://ann:open%20sesame@127.0.0.1:1/tidings"
    for store, words in (
        (away, "cannot be reached"),
        ("postgresql://127.0.0.1", "--store is memory, sqlite or postgresql://"),
    ):
        refused = CliRunner().invoke(whole(), ["simulate", file, "--store", store])
        assert isinstance(refused.exception, Ended)
        assert words in str(refused.exception)
        assert "sesame" not in str(refused.exception)
