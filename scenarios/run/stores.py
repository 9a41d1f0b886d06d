"""Where the log of a run is, in the words of whoever asks for it.

This file answers for which stores there are. It must never show a password.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from adapters.config.store import PostgresUrl, place_of
from scenarios.file.scenario import Scenario
from scenarios.world.ground import Parts

SQLITE: Final = "sqlite"


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """A real store. `parts` are what a daemon is built from whose log is there, for a while; `name` has no secret.

    `unfit` says why a scenario cannot be run there, None where it can. `parts` raises StoreRefused.
    """

    name: str
    unfit: Callable[[Scenario], str | None]
    parts: Callable[[], AbstractContextManager[Parts]]


def store_of(words: str) -> Store | None:
    """What `sqlite` or `postgresql://user@host/database` names; None for anything else."""
    if words == SQLITE:
        from scenarios.run.on_sqlite import unfit  # noqa: PLC0415  # A driver is loaded by whoever needs it.

        return Store(name=SQLITE, unfit=unfit, parts=_in_a_file)
    place = place_of(words, Path())
    if not isinstance(place, PostgresUrl):
        return None
    from scenarios.run import on_postgres  # noqa: PLC0415  # Likewise.

    return Store(name=str(place), unfit=_nothing, parts=partial(on_postgres.parts_beside, words))


def _nothing(_scenario: Scenario) -> None:
    """There is no scenario that could not be run there."""


@contextmanager
def _in_a_file() -> Iterator[Parts]:
    from scenarios.run.on_sqlite import parts_on  # noqa: PLC0415  # Likewise.

    with TemporaryDirectory() as directory:
        yield parts_on(Path(directory))
