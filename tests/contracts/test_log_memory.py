"""What the memory log adds for scenarios: the borders of a commit, where a world may be slow, fail or end."""

import asyncio
from collections.abc import Awaitable

import pytest

from core.errors import AppendUnknown, Overloaded, StoreUnavailable
from core.records import Recorded, Stored
from eventstore.batches import QUEUED_BYTES_MAX
from eventstore.disk import Border
from eventstore.durable import Durable
from eventstore.integrity import check
from eventstore.memory import MemoryLog
from eventstore.memory_book import MemoryBook
from tests.contracts.scribe import Scribe

pytestmark = pytest.mark.anyio


class Gate:
    """A disk that stops at one border until it is opened, or fails there."""

    def __init__(self, border: Border, fault: Exception | None = None) -> None:
        self.border = border
        self.fault = fault
        self.opened = asyncio.Event()
        self.repaired = asyncio.Event()
        self.batches: list[int] = []

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        if border == "before_write":
            self.batches.append(rows)
        return self._wait() if border == self.border else None

    async def _wait(self) -> None:
        await self.opened.wait()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault

    def mended(self) -> Awaitable[None]:
        return self._repair()

    async def _repair(self) -> None:
        await self.repaired.wait()


async def events(log: MemoryLog) -> list[Recorded]:
    """All that is durable."""
    page, _ = await log.log_page({}, tenant=None, limit=100)
    return page


async def test_a_sound_disk_never_makes_a_call_wait(scribe: Scribe) -> None:
    """Without latency a call is through before it returns, so that a simulation takes no steps for it."""
    log = MemoryLog()
    answer = asyncio.ensure_future(log.accept(scribe.acceptance()))
    assert answer.done()
    assert answer.result() == Stored()


@pytest.mark.parametrize(
    ("border", "survives"), [("before_write", False), ("before_sync", False), ("before_answer", True)]
)
async def test_a_crash_keeps_what_was_durable_and_nothing_else(border: Border, survives: bool, scribe: Scribe) -> None:  # noqa: FBT001  # A column of the table above.
    """A log that ends at a border of a commit leaves all of the batch or none of it, and the next log goes on."""
    durable = Durable()
    first, second = scribe.acceptance("ann", key="k"), scribe.acceptance("ben")
    log = MemoryLog(durable, Gate(border))
    waiting = [log.accept(first), log.accept(second)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(asyncio.ensure_future(answer).done() for answer in waiting)

    # The crashed log is left as it is: nothing of it runs any more.
    again = MemoryLog(durable)
    assert len(await events(again)) == (1 if survives else 0)
    assert await again.head_of(second.sealed.stream) is None
    await again.accept(scribe.acceptance("carl"))
    assert check(MemoryBook(durable)).faults == ()


async def test_a_log_that_crashed_writes_no_more(scribe: Scribe) -> None:
    """Once another log was opened over the same durable part, a write of the former is a bug that shows."""
    former = MemoryLog()
    latter = MemoryLog(former.durable)
    with pytest.raises(AssertionError, match="crashed"):
        await former.accept(scribe.acceptance())
    assert await events(latter) == []


async def test_what_waits_meanwhile_shares_the_next_commit(scribe: Scribe) -> None:
    """Calls that arrive during a commit are taken together, and become durable together."""
    gate = Gate("before_sync")
    log = MemoryLog(disk=gate)
    calls = [log.accept(scribe.acceptance(f"peer{n}")) for n in range(6)]
    gate.opened.set()
    assert await asyncio.gather(*calls) == [Stored()] * 6
    assert gate.batches == [1, 5]


async def test_a_full_disk_refuses_and_comes_back(scribe: Scribe) -> None:
    """Nothing of a refused batch is written, nor of what queued behind it; until it is mended calls fail at once."""
    gate = Gate("before_write", StoreUnavailable("the disk is full"))
    log = MemoryLog(disk=gate)
    first = log.accept(scribe.acceptance("ann"))
    behind = log.accept(scribe.acceptance("ben"))
    gate.opened.set()
    for refused in (first, behind):
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await refused
    assert log.health() == ("failing", "the disk is full")
    with pytest.raises(StoreUnavailable):
        await log.accept(scribe.acceptance("carl"))
    gate.repaired.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert log.health() == ("ok", "")
    assert await log.accept(scribe.acceptance("dora")) == Stored()
    assert len(await events(log)) == 1


@pytest.mark.parametrize(("border", "count"), [("before_sync", 0), ("before_answer", 1)])
async def test_an_unknown_append_may_be_there_or_not(border: Border, count: int, scribe: Scribe) -> None:
    """The caller cannot tell, and a read tells the truth; what queued behind it was surely not written."""
    gate = Gate(border, AppendUnknown("the answer was lost"))
    log = MemoryLog(disk=gate)
    first = log.accept(scribe.acceptance("ann"))
    behind = log.accept(scribe.acceptance("ben"))
    followed = asyncio.ensure_future(log.changed())
    gate.opened.set()
    gate.repaired.set()
    with pytest.raises(AppendUnknown):
        await first
    with pytest.raises(StoreUnavailable):
        await behind
    assert len(await events(log)) == count
    assert followed.done() == bool(count)
    await log.accept(scribe.acceptance("carl"))
    await followed
    assert check(MemoryBook(log.durable)).faults == ()


async def test_a_read_may_fail_and_harms_nothing(scribe: Scribe) -> None:
    """A fault of a read is its caller's alone."""
    gate = Gate("before_read", StoreUnavailable("the disk does not answer"))
    gate.opened.set()
    log = MemoryLog(disk=gate)
    acceptance = scribe.acceptance()
    await log.accept(acceptance)
    with pytest.raises(StoreUnavailable):
        await log.head_of(acceptance.sealed.stream)
    assert log.health() == ("ok", "")
    assert await log.head_of(acceptance.sealed.stream) == acceptance.append.heads[0].head


async def test_too_many_waiting_bytes_are_refused(scribe: Scribe) -> None:
    """Past its bound the queue refuses at once, writes nothing of that call, and takes calls again when it drains."""
    gate = Gate("before_write")
    log = MemoryLog(disk=gate)
    waiting: list[Awaitable[object]] = []

    def flood() -> None:
        for _ in range(QUEUED_BYTES_MAX // 10_000):
            waiting.append(log.accept(scribe.acceptance("ann", reference="x" * 10_000)))  # noqa: PERF401  # What was taken before the refusal counts.

    with pytest.raises(Overloaded, match=str(QUEUED_BYTES_MAX)):
        flood()
    gate.opened.set()
    assert set(await asyncio.gather(*waiting)) == {Stored()}
    assert await log.accept(scribe.acceptance("ann")) == Stored()


async def test_a_closed_log_takes_nothing(scribe: Scribe) -> None:
    """Closing finishes what was queued; a call after that is refused."""
    gate = Gate("before_write")
    log = MemoryLog(disk=gate)
    queued = log.accept(scribe.acceptance("ann"))
    gate.opened.set()
    await log.close()
    assert await queued == Stored()
    with pytest.raises(StoreUnavailable):
        await log.accept(scribe.acceptance("ben"))
