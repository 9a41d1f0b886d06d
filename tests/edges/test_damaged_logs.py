"""Answers for what reads a damaged log: whatever stands in it, it ends with a clear sentence that names `verify`."""

from pathlib import Path

import anyio
import pytest

from adapters.explaining_log import explained
from adapters.hindsight import seen_at
from core.errors import CorruptLog
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.rebuilding import rebuild
from eventstore.sqlite.searching import Wanted, search
from tests.contracts.scribe import Scribe
from tests.contracts.test_log_integrity import damaged, lived


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a log with some life in it, closed."""
    path = tmp_path / "tidings.db"
    anyio.run(_lived, path)
    return path


async def _lived(path: Path) -> None:
    log = await SqliteLog.open(path)
    await lived(log, Scribe())
    await log.close()


@pytest.mark.parametrize("change", ["shard = 256", "shard = -1", "schema_version = -1"])
def test_an_event_that_no_store_writes_ends_what_follows_the_chain(path: Path, change: str) -> None:
    """A start, an explanation and a rebuild refuse a shard or a schema that there cannot be."""
    damaged(path, f"UPDATE event SET {change} WHERE pos = 10")  # noqa: S608  # Of this file's own words.
    with pytest.raises(CorruptLog, match="tidings verify"):
        anyio.run(SqliteLog.open, path)
    with pytest.raises(CorruptLog, match="tidings verify"):
        anyio.run(explained, path, 1)
    with pytest.raises(CorruptLog):
        rebuild(path)


@pytest.mark.parametrize("change", ["at_us = 1 << 62", "at_us = -1", "stream = -5", "cause = -5"])
def test_an_event_without_a_form_outside_ends_a_search(path: Path, change: str) -> None:
    """Instants behind the year 9999 and ids that are none can be printed by nobody; the last event has one."""
    damaged(path, f"UPDATE event SET {change} WHERE pos = 34")  # noqa: S608  # Of this file's own words.
    with pytest.raises(CorruptLog, match="tidings verify"):
        list(search(path, Wanted()))
    if change.startswith("at_us"):
        with pytest.raises(CorruptLog, match="tidings verify"):
            seen_at(path, None, None, lambda _events: None)


def test_a_message_that_lost_its_events_is_not_explained(path: Path) -> None:
    """Its head alone says nothing."""
    [message] = [found.recorded.stream for found in search(path, Wanted(types=("MessageAccepted",)))][:1]
    damaged(path, "DELETE FROM event")
    with pytest.raises(CorruptLog, match="tidings verify"):
        anyio.run(explained, path, message)
