"""Answers for several daemons on one database, as tests start them: each on a data directory of its own, with one key.

It must never make a daemon act that would stand by.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from adapters.cli.remote import Daemon
from tests.edges.cli.processes import Served, serving

# A lane for mails, and a source of hooks.
CONFIG: Final = """
[lanes.mail]
channel = "email"
provider = "sandbox"

[hooks.stripe]
scheme = "stripe"
secrets = ["whsec_test"]
"""


@contextmanager
def one_that_acts(room: Path, url: str, config: str = CONFIG) -> Iterator[Served]:
    """The first daemon of a database."""
    (room / "one").mkdir()
    with serving(room / "one" / "data", config=config, environ={"TIDINGS_STORE__URL": url}) as served:
        assert acts(served)
        yield served


@contextmanager
def one_that_stands_by(
    room: Path, url: str, beside: Served, *, name: str = "two", config: str = CONFIG
) -> Iterator[Served]:
    """Another one, with the keys of the one beside it."""
    (room / name / "data").mkdir(parents=True)
    for key in beside.data.glob("*.key"):
        shutil.copy(key, room / name / "data")
    with serving(room / name / "data", config=config, environ={"TIDINGS_STORE__URL": url}) as served:
        assert not acts(served)
        yield served


def acts(served: Served) -> bool:
    """Whether a daemon acts, as its own health tells. It must be ready."""
    health = served.daemon.get("health", "ready")
    assert health["status"] == "ready", health
    return health["acts"] is True


def of_tenant(served: Served) -> Daemon:
    """The API of a daemon for one tenant, with the admin key."""
    return Daemon(served.url, (served.data / "admin.key").read_text().strip(), "default")
