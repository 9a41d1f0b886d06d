"""A server that is lost in the very moment of a commit: the log says only what it knows, finds out, and goes on."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from anyio import to_thread

from core.errors import AppendUnknown, StoreUnavailable
from core.records import Stored
from eventstore.postgres.checking import verify
from eventstore.postgres.log import PostgresLog
from eventstore.postgres.opening import open_log
from tests.contracts.scribe import Scribe
from tests.promises.postgres_wire import Break, Wire

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
async def wire(postgres_url: str) -> AsyncIterator[Wire]:
    """A wire to an empty database."""
    async with Wire(postgres_url) as wire:
        yield wire


@pytest.fixture
async def log(wire: Wire) -> AsyncIterator[PostgresLog]:
    """A log over the wire."""
    log = await open_log(wire.url, identity=1)
    yield log
    await log.close()


async def accepted(log: PostgresLog, scribe: Scribe) -> int:
    """A message that was taken, and its id."""
    acceptance = scribe.acceptance()
    assert await log.accept(acceptance) == Stored()
    return acceptance.sealed.stream


async def recovered(log: PostgresLog, scribe: Scribe) -> None:
    """Waits until a call is taken again."""
    while True:
        try:
            await accepted(log, scribe)
        except StoreUnavailable:
            await asyncio.sleep(0)
        else:
            return


async def is_sound(url: str, events: int) -> bool:
    """Whether the log verifies and has so many events."""
    report = await to_thread.run_sync(verify, url)
    return report.faults == () and report.events == events


@pytest.mark.parametrize("how", ["before it arrives", "before its answer", "and it arrives late"])
async def test_a_batch_whose_connection_broke_is_written_once(log: PostgresLog, wire: Wire, how: Break) -> None:
    """Whether the server had it or not, the same batch is there once, its caller is told so, and nothing else is."""
    scribe = Scribe()
    await accepted(log, scribe)
    before = wire.connections
    wire.break_at_next_batch(how)
    stream = await accepted(log, scribe)
    assert wire.connections == before + 1
    assert len(await log.events_of(stream)) == 1
    if how == "and it arrives late":
        # The very bytes, on a connection whose turn is over: the fence lets none of it through.
        assert b"ERROR" not in await wire.deliver_late()
    assert await is_sound(wire.url, 2)
    await accepted(log, scribe)
    assert log.health() == ("ok", "")
    assert await is_sound(wire.url, 3)


async def test_what_is_asked_as_connections_break_is_answered(log: PostgresLog, wire: Wire) -> None:
    """Every connection is cut at once, readers' as well: the next question and the next call know nothing of it."""
    scribe = Scribe()
    stream = await accepted(log, scribe)
    wire.go_down()
    wire.is_down = False
    assert len(await log.events_of(stream)) == 1
    await accepted(log, scribe)
    assert await is_sound(wire.url, 2)


async def test_a_server_that_is_down_is_told_and_comes_back(log: PostgresLog, wire: Wire) -> None:
    """Calls are refused with the reason while it is away, and taken again, without a restart, once it is back."""
    scribe = Scribe()
    stream = await accepted(log, scribe)
    wire.go_down()
    with pytest.raises((StoreUnavailable, AppendUnknown), match="the log"):
        await log.accept(scribe.acceptance())
    state, reason = log.health()
    assert (state, "the log" in reason) == ("failing", True)
    with pytest.raises(StoreUnavailable, match="cannot be read now"):
        await log.events_of(stream)
    with pytest.raises(StoreUnavailable):
        await log.accept(scribe.acceptance())
    wire.is_down = False
    await recovered(log, scribe)
    assert await is_sound(wire.url, 2)


@pytest.mark.parametrize(("how", "events"), [("before it arrives", 2), ("before its answer", 3)])
async def test_what_nobody_can_tell_is_called_unknown(log: PostgresLog, wire: Wire, how: Break, events: int) -> None:
    """A batch that was sent as the server went away is neither promised nor denied; a follower sees what it came to."""
    scribe = Scribe()
    await accepted(log, scribe)
    wire.break_at_next_batch(how, for_good=True)
    changed = asyncio.ensure_future(log.changed())
    with pytest.raises(AppendUnknown):
        await log.accept(scribe.acceptance())
    wire.is_down = False
    await recovered(log, scribe)
    await changed
    assert await is_sound(wire.url, events)


async def test_an_idle_log_tells_that_its_server_is_away(log: PostgresLog, wire: Wire) -> None:
    """Nobody has to write to learn it: signs of life that are not heard tell, and one that is heard again."""
    wire.go_down()
    while log.health()[0] == "ok":  # noqa: ASYNC110  # Health is asked, it does not call.
        await asyncio.sleep(0)
    assert "the log's database cannot be reached now" in log.health()[1]
    wire.is_down = False
    while log.health() != ("ok", ""):  # noqa: ASYNC110  # Health is asked, it does not call.
        await asyncio.sleep(0)
    await accepted(log, Scribe())


async def test_a_log_is_closed_while_its_server_is_away(wire: Wire) -> None:
    """Closing does not wait for a server, and what was queued is refused."""
    log = await open_log(wire.url, identity=2)
    scribe = Scribe()
    await accepted(log, scribe)
    wire.go_down()
    waiting = log.accept(scribe.acceptance())
    await log.close()
    with pytest.raises((StoreUnavailable, AppendUnknown)):
        await waiting
