"""One text for every channel: deadlines are kept, hand-overs are told before they matter, faults are outcomes.

Each provider is driven against a real counterpart that behaves as ordered, on both event loops.
"""

from pathlib import Path
from typing import Final, get_args

import anyio
import pytest

from adapters.channels.building import CHANNELS_OF
from adapters.clock import SystemClock
from core.outcomes import Ambiguous, Outcome, Taken, Transient
from core.policies import MINUTE_US, SECOND_US
from core.ports import Clock
from tests.contracts.counterparts import Line, Provider, line_to
from tests.edges.channels.parcels import HandOver

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# What an attempt comes to that left without an answer: doubt, but where a repeat is the same message to the provider.
_UNANSWERED: Final[dict[Provider, type[Outcome]]] = {"resend": Transient}


@pytest.fixture(params=[pytest.param(False, marks=pytest.mark.slow), True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The loop of tests and the loop of production, of which `make check` tries the second alone."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(params=get_args(Provider))
def provider(request: pytest.FixtureRequest) -> Provider:
    """Each provider in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def clock() -> Clock:
    """The machine's own clock."""
    return SystemClock(floor_us=0)


def test_every_provider_is_held_to_the_contract() -> None:
    """A provider that can be configured is one of those that are driven here."""
    assert set(CHANNELS_OF) == set(get_args(Provider))


async def test_a_taken_message_was_handed_over_once(provider: Provider, clock: Clock, tmp_path: Path) -> None:
    """Success is told once, after the first byte left, and again for the next attempt."""
    async with line_to(provider, "well", clock, tmp_path) as line:
        for attempt in (1, 2, 3):
            assert isinstance(await line.channel.send(line.parcel(attempt=attempt), line.handed_over), Taken)
            assert line.handed_over.count == attempt


async def test_an_outcome_comes_after_the_hand_over(provider: Provider, clock: Clock, tmp_path: Path) -> None:
    """Whoever counts hand-overs has counted this one before its outcome is known."""
    async with line_to(provider, "well", clock, tmp_path) as line:
        order: list[str] = []
        await line.channel.send(line.parcel(), lambda: order.append("handed over"))
        order.append("outcome")
    assert order == ["handed over", "outcome"]


async def test_a_refusal_is_an_outcome(provider: Provider, clock: Clock, tmp_path: Path) -> None:
    """A counterpart that says not now is believed."""
    async with line_to(provider, "refusing", clock, tmp_path) as line:
        assert isinstance(await line.channel.send(line.parcel(), line.handed_over), Transient)
        assert line.handed_over.count == 1


async def test_no_answer_is_ambiguous_by_the_deadline(provider: Provider, clock: Clock, tmp_path: Path) -> None:
    """Silence ends with the deadline, not later, and leaves the message in doubt unless a repeat is harmless."""
    async with line_to(provider, "silent", clock, tmp_path) as line:
        parcel = line.parcel(within_us=200_000)
        with anyio.fail_after(30):
            outcome = await line.channel.send(parcel, line.handed_over)
        assert isinstance(outcome, _UNANSWERED.get(provider, Ambiguous))
        assert line.handed_over.count == 1
        assert clock.now_us() >= parcel.deadline_us - 1_000


async def test_a_counterpart_that_vanishes_is_ambiguous(provider: Provider, clock: Clock, tmp_path: Path) -> None:
    """An answer that never comes after the message left is doubt, at once, unless a repeat is harmless."""
    async with line_to(provider, "vanishing", clock, tmp_path) as line:
        with anyio.fail_after(30):
            outcome = await line.channel.send(line.parcel(within_us=60 * MINUTE_US), line.handed_over)
        assert isinstance(outcome, _UNANSWERED.get(provider, Ambiguous))
        assert line.handed_over.count == 1


async def test_a_deadline_that_has_passed_sends_nothing(provider: Provider, clock: Clock, tmp_path: Path) -> None:
    """An attempt that comes too late is given up without doubt."""
    async with line_to(provider, "well", clock, tmp_path) as line:
        for within_us in (0, -60 * SECOND_US):
            assert isinstance(await line.channel.send(line.parcel(within_us=within_us), line.handed_over), Transient)
        assert line.handed_over.count == 0


async def test_many_at_once_each_get_their_outcome(provider: Provider, clock: Clock, tmp_path: Path) -> None:
    """Parcels in flight together do not mix their hand-overs or outcomes."""
    async with line_to(provider, "well", clock, tmp_path) as line:
        counts = [HandOver() for _ in range(50)]

        async def send(attempt: int, handed_over: HandOver) -> None:
            assert isinstance(await line.channel.send(line.parcel(attempt=attempt), handed_over), Taken)

        async with anyio.create_task_group() as group:
            for attempt, handed_over in enumerate(counts, start=1):
                group.start_soon(send, attempt, handed_over)
        assert [handed_over.count for handed_over in counts] == [1] * 50


async def test_a_send_can_be_cancelled(provider: Provider, clock: Clock, tmp_path: Path) -> None:
    """Stopping ends a send that waits, and the hand-over was told before."""

    async def send(line: Line) -> None:
        await line.channel.send(line.parcel(within_us=60 * MINUTE_US), line.handed_over)

    async def stopped(line: Line) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(send, line)
            while not line.handed_over.count:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    async with line_to(provider, "silent", clock, tmp_path) as line:
        with anyio.fail_after(30):
            await stopped(line)
        assert line.handed_over.count == 1


async def test_closing_can_be_done_twice_and_before_anything_was_sent(
    provider: Provider, clock: Clock, tmp_path: Path
) -> None:
    """A channel that never sent closes like one that did, and closing again does nothing."""
    for sends in (False, True):
        async with line_to(provider, "well", clock, tmp_path) as line:
            if sends:
                await line.channel.send(line.parcel(), line.handed_over)
            await line.channel.close()
            await line.channel.close()
        assert line.handed_over.count == sends
