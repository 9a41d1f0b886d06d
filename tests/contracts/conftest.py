"""Answers for every contract test of the log running against every store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.ports import Log
from tests.contracts.nodes import MemoryNodes, Nodes, PostgresNodes
from tests.contracts.scribe import Scribe
from tests.contracts.stores import STORES, PostgresStore, Store

POSTGRES = "postgres"


@pytest.fixture(params=[*sorted(STORES), pytest.param(POSTGRES, marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    if request.param == POSTGRES:
        return PostgresStore(request.getfixturevalue("postgres_url"))
    return STORES[request.param](tmp_path)


@pytest.fixture
async def log(store: Store) -> AsyncIterator[Log]:
    """An empty log, closed at the end."""
    log = await store.open()
    yield log
    await log.close()


@pytest.fixture(params=["memory", pytest.param(POSTGRES, marks=pytest.mark.slow)])
def nodes(request: pytest.FixtureRequest) -> Nodes:
    """An empty database of each kind that several daemons share."""
    if request.param == POSTGRES:
        return PostgresNodes(request.getfixturevalue("postgres_url"))
    return MemoryNodes()


@pytest.fixture
def scribe() -> Scribe:
    """Somebody who writes calls that fit together."""
    return Scribe()
