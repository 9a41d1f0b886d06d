"""Answers for what every test shares: the loop that waiting tests run on, whom they trust, how properties are searched,
which tests come first, and the PostgreSQL server of those that ask for one.

It must never hold fixtures of a single room; those live in the room's own conftest.
"""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import hypothesis
import pytest

from tests.postgres_server import Server, shared_server

# No deadline: a test never judges by the time it took, since the machine is shared and the figures have `make bench`.
# The blob in a failure's report replays it, which random search needs to be worth anything.
hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
# What `make check` searches with, so that it stays under a minute; `make test` searches the whole house.
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("house"), max_examples=20)
hypothesis.settings.load_profile("house")

# No test leaves the machine, so none needs the authorities that the machine trusts: hundreds of certificates, which
# every TLS context would read anew, in every process. The one that stands in for them belongs to nobody any more.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("nobody.pem"))

# What is longest comes first, so that no process has it still before it when the others are done: daemons that wait for
# each other's silence, which leave the cores to others, and the reading of every file.
_FIRST: Final = ("tests/edges/postgres/", "tests/test_house_rules.py")


def pytest_configure() -> None:
    """Nothing that is collected is garbage, so none is looked for until all of it is there."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts first what is longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(_FIRST))


def pytest_collection_finish() -> None:
    """From here on garbage is looked for among what tests make, and not among the tests."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests that wait run on plain asyncio; what runs on uvloop is the daemon that edge tests start as a process."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A PostgreSQL server, the same for all workers of the run."""
    room = tmp_path_factory.getbasetemp()
    with shared_server(room.parent if "PYTEST_XDIST_WORKER" in os.environ else room) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """The URL of an empty database of a test's own."""
    with postgres_server.fresh() as url:
        yield url
