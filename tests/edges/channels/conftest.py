"""Answers for the clock of these tests, for parcels, for certificates, and for counting hand-overs."""

import ssl

import pytest
import trustme

from adapters.clock import SystemClock
from core.ports import Clock
from tests.edges.channels.parcels import Certificates


@pytest.fixture(params=[pytest.param(False, marks=pytest.mark.slow), True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The loop of tests and the loop of production: they buffer, flush and break differently.

    `make check` tries production's alone.
    """
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def clock() -> Clock:
    """The machine's own clock: these are real servers."""
    return SystemClock(floor_us=0)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority that only these tests trust, and a server certificate of it."""
    authority = trustme.CA()
    ca_file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    server, other = (ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) for _ in range(2))
    authority.issue_cert("localhost", "127.0.0.1", "hooks.example").configure_cert(server)
    authority.issue_cert("other.example").configure_cert(other)
    return Certificates(ca_file=str(ca_file), server=server, other=other)
