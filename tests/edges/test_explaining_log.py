"""Answers for an explanation from the log alone saying what nobody but a daemon could know is not known."""

from pathlib import Path

import pytest

from adapters.explaining import RELEASES, words_of
from adapters.explaining_log import explained
from core.explain import Standing, releases_of
from eventstore.sqlite.log import SqliteLog
from tests.contracts.scribe import Scribe

pytestmark = pytest.mark.anyio


async def _standing(path: Path, stream: int) -> Standing:
    standing = (await explained(path, stream)).standing
    assert standing is not None
    return standing


async def test_an_attempt_is_out_for_as_long_as_a_daemon_has_the_log(tmp_path: Path) -> None:
    """Beside its daemon an attempt is out; once the daemon is gone nobody knows, and the next start resolves it."""
    path, scribe = tmp_path / "tidings.db", Scribe()
    log = await SqliteLog.open(path)
    acceptance = scribe.acceptance("peer")
    stream = acceptance.sealed.stream
    await log.accept(acceptance)
    await log.append(scribe.start(stream))
    beside = await _standing(path, stream)
    await log.close()
    alone = await _standing(path, stream)
    path.with_name("tidings.db.lock").unlink()
    of_a_copy = await _standing(path, stream)
    assert (beside.binding.kind, alone.binding.kind, of_a_copy.binding.kind) == ("in_flight", "cut_off", "cut_off")
    said = words_of(alone.binding, "mail", "")
    assert said == "Its daemon ended while its attempt was out: nobody knows what became of that."
    (release,) = releases_of(alone.binding, (await explained(path, stream)).message)
    assert RELEASES[release][0] == "a daemon that starts on this log: it takes the attempt for one of unknown fate"
    await (await SqliteLog.open(path)).close()  # Whoever looked keeps no daemon out.
