"""Several daemons of a world on the real PostgreSQL: every law holds there too, and one seed gives one log."""

from collections.abc import Iterator
from functools import cache

import pytest
from msgspec.structs import replace

from core.ports import Log
from eventstore.postgres.log import PostgresLog
from scenarios.file.loading import load
from scenarios.file.scenario import Scenario
from scenarios.laws.evidence import Evidence
from scenarios.laws.registry import breaches
from scenarios.run.on_postgres import parts_on
from scenarios.run.own_database import OwnDatabase, own_database
from scenarios.run.running import run_once
from tests.postgres_server import Server
from tests.promises.on_a_database import written_in
from tests.promises.on_a_store import ROOT, sound

pytestmark = pytest.mark.slow

_SEVERAL = {file.stem: load(file) for file in sorted(ROOT.glob("*.toml")) if "\ndaemons = " in file.read_text()}


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> Iterator[OwnDatabase]:
    """A database for all runs of this module, one after another."""
    with own_database(postgres_server.url) as made:
        yield made


def _run(world: Scenario, database: OwnDatabase, crash_at: tuple[int, ...] = ()) -> Evidence:
    evidence = sound(world, parts_on(database), crash_at)
    assert written_in(database) == evidence.durable.rows
    return evidence


@cache
def _shipped(name: str, database: OwnDatabase) -> Evidence:
    return _run(_SEVERAL[name], database)


@pytest.mark.parametrize("name", _SEVERAL)
def test_shipped_scenarios_of_several_daemons_hold_on_a_database(name: str, database: OwnDatabase) -> None:
    """Takeovers, freezes, cut ways, lost answers, clocks apart: each keeps every law, and the database has it all."""
    evidence = _shipped(name, database)
    assert len({life.machine for life in evidence.lives}) > 1 or name in {
        "database_fails_over_with_a_lost_answer",
        "forgotten_while_a_door_hears_nothing",
        "several_daemons_crash_at_boundaries",
    }


def test_the_same_seed_gives_the_same_log_on_a_database(database: OwnDatabase) -> None:
    """However long the server takes, and whatever was run in between, two runs are the same byte for byte."""
    name = "two_that_believe_they_act"
    first, again = _shipped(name, database), _run(_SEVERAL[name], database)
    assert (first.digest, first.crossed_us) == (again.digest, again.crossed_us)


class _Hopeful(PostgresLog):
    """Believes for ever what it was once told."""

    def may_send(self) -> bool:
        return True


def _hopeful(log: Log) -> Log:
    assert isinstance(log, PostgresLog), "daemons on a database act on production's log"
    log.__class__ = _Hopeful
    return log


def test_a_lease_that_nobody_looks_at_is_seen_on_a_database(database: OwnDatabase) -> None:
    """Laws can fail here too: a daemon that was replaced while it was held, and sends all the same, breaks its own."""
    world = _SEVERAL["two_that_believe_they_act"]
    evidence = run_once(world, world.seed, parts=replace(parts_on(database), acting=_hopeful))
    assert 15 in {breach.law for breach in breaches(evidence)}


def test_a_daemon_that_dies_at_a_boundary_is_replaced_on_a_database(database: OwnDatabase) -> None:
    """Its power goes out before, while or after something is written or sent: the others go on and nothing is lost."""
    world = _SEVERAL["several_daemons_crash_at_boundaries"]
    boundaries = _shipped("several_daemons_crash_at_boundaries", database).boundaries
    for share in (0.3, 0.7):
        assert len(_run(world, database, (int(share * boundaries),)).books.gone_us) == 1
