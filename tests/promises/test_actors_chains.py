"""Answers for causal chains where callers name causes as they please: other tenants', none at all, one another."""

from collections.abc import AsyncIterator

import pytest

from actors.chains import Chains
from core.explain import Link
from core.message import fold
from eventstore.memory import MemoryLog
from tests.contracts.scribe import Scribe

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    """An empty log."""
    found = MemoryLog()
    yield found
    await found.close()


async def chain_of(log: MemoryLog, stream: int, tenant: str) -> tuple[tuple[Link, ...], bool]:
    """What its tenant hears of a message's chain."""
    return await Chains(log).of(fold(await log.events_of(stream)), tenant)


async def test_a_cause_of_another_tenant_says_nothing(log: MemoryLog) -> None:
    """Whoever names another tenant's push learns as little as whoever names what was never there."""
    theirs = Scribe("org2", slot=1).acceptance("user", lane="push", channel="push")
    await log.accept(theirs)
    scribe = Scribe()
    for cause in (theirs.sealed.stream, theirs.sealed.stream + 4_096):
        mine = scribe.acceptance("device", lane="push", channel="push", cause=cause)
        await log.accept(mine)
        (link,), goes_on = await chain_of(log, mine.sealed.stream, "org1")
        assert (link.id, link.how, goes_on) == (mine.sealed.stream, "caused", False)


async def test_a_chain_that_is_told_whole_does_not_go_on(log: MemoryLog) -> None:
    """As many links above as are told at most, and not one more: nothing was cut off."""
    scribe, cause, streams = Scribe(), 0, []
    for _ in range(34):
        accepted = scribe.acceptance(cause=cause)
        await log.accept(accepted)
        cause = accepted.sealed.stream
        streams.append(cause)
    for place, goes_on in ((32, False), (33, True)):
        links, is_cut = await chain_of(log, streams[place], "org1")
        assert [link.id for link in links] == streams[place - 32 :]
        assert is_cut == goes_on
