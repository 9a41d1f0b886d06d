"""The virtual loop: when things run, and what a run that gets nowhere says."""

import asyncio
from itertools import count

import anyio
import pytest
from anyio.lowlevel import checkpoint

from scenarios.loop.run import run_virtual
from scenarios.loop.stuck import Budget, DeadlockError, LivelockError, RunawayError
from scenarios.loop.virtual import UnhandledError, VirtualLoop

DAY_S = 86_400.0
YEAR_S = 365 * DAY_S


def test_a_hundred_years_pass_at_once() -> None:
    """A sleep of a hundred years ends exactly a hundred years later, without waiting."""

    async def main() -> float:
        await anyio.sleep(100 * YEAR_S)
        return anyio.current_time()

    assert run_virtual(main) == 100 * YEAR_S


@pytest.mark.parametrize("start_s", [0.0, 2.0**24, 1.7e9])
def test_long_sleeps_are_exact(start_s: float) -> None:
    """Beyond 194 days, where asyncio's own arithmetic stops, a timer still fires at its deadline and not later."""

    async def main() -> list[float]:
        woke_at_s = []
        for deadline_s in (start_s + 200 * DAY_S, start_s + 200 * DAY_S + 1e-6, start_s + 400 * DAY_S):
            await anyio.sleep_until(deadline_s)
            woke_at_s.append(anyio.current_time() - deadline_s)
        return woke_at_s

    assert run_virtual(main, start_s=start_s) == [0.0, 0.0, 0.0]


def test_equal_deadlines_fire_in_the_order_in_which_they_were_set() -> None:
    """Forty timers with one deadline come out as they went in."""

    async def main() -> list[int]:
        fired: list[int] = []
        for number in range(40):
            asyncio.get_running_loop().call_at(5.0, fired.append, number)
        await anyio.sleep(6)
        return fired

    assert run_virtual(main) == list(range(40))


def test_deadlines_fire_in_their_order_however_they_were_set() -> None:
    """Timers set in any order fire by deadline, and each sees exactly its own instant."""

    async def main() -> list[tuple[int, float]]:
        loop = asyncio.get_running_loop()
        fired: list[tuple[int, float]] = []

        def note(deadline: int) -> None:
            fired.append((deadline, loop.time()))

        for deadline in (7, 3, 9, 1, 8, 2, 6, 4, 5):
            loop.call_at(deadline, note, deadline)
        await anyio.sleep(10)
        return fired

    assert run_virtual(main) == [(deadline, float(deadline)) for deadline in range(1, 10)]


def test_cancelled_timers_do_not_pile_up() -> None:
    """Two thousand timeouts that did not fire leave a bounded number of timers behind."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        longest = 0
        for _ in range(2_000):
            with anyio.fail_after(YEAR_S):
                await anyio.sleep(0.001)
            longest = max(longest, loop.timers)
        return longest

    assert run_virtual(main) < 250


def test_a_run_goes_on_from_the_instant_it_is_given() -> None:
    """A run that starts at a virtual instant counts on from there."""

    async def main() -> float:
        await anyio.sleep(2.5)
        return anyio.current_time()

    assert run_virtual(main, start_s=1_000.0) == 1_002.5


def test_a_deadlock_names_each_task_and_what_it_waits_in() -> None:
    """With nothing ready and no timer set the run fails, and says for each task where it stands."""

    async def worker(event: anyio.Event) -> None:
        await event.wait()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(worker, anyio.Event(), name="outbox:whatsapp")
            await anyio.sleep(3)

    with pytest.raises(DeadlockError) as caught:
        run_virtual(main)
    report = str(caught.value)
    assert report.startswith("nothing is ready and no timer is set, at 3.000000 s of virtual time")
    assert "outbox:whatsapp: worker (test_virtual_loop.py:" in report
    assert ") > Event.wait > Event.wait" in report
    assert "main: main (test_virtual_loop.py:" in report


def test_sleeping_for_ever_is_a_deadlock() -> None:
    """A task that sleeps for ever does not keep a run alive."""
    with pytest.raises(DeadlockError, match="sleep_forever"):
        run_virtual(anyio.sleep_forever)


def test_a_livelock_is_reported() -> None:
    """Tasks that keep each other busy while time stands still fail the run."""

    async def main() -> None:
        for _ in count():
            await checkpoint()

    with pytest.raises(LivelockError, match=r"(?s)^10\d\d steps without time advancing, at 0.0.*main: main"):
        run_virtual(main, budget=Budget(steps_at_one_instant_max=1_000))


@pytest.mark.parametrize(
    ("budget", "finding"),
    [
        (Budget(steps_max=1_000), "more than 1000 steps were taken"),
        (Budget(virtual_s_max=3_600), "more than 3600 s of virtual time have passed"),
    ],
)
def test_a_runaway_is_reported(budget: Budget, finding: str) -> None:
    """A run that neither blocks nor stops time, a message retried for ever say, ends with its budget."""

    async def retry_for_ever() -> None:
        for _ in count():
            await anyio.sleep(5)

    with pytest.raises(RunawayError, match=f"(?s)^{finding}.*retry_for_ever"):
        run_virtual(retry_for_ever, budget=budget)


def test_an_exception_that_nobody_waits_for_ends_the_run() -> None:
    """What asyncio would only log fails the run, with the exception itself."""

    def fail() -> None:
        raise LookupError("in a callback")

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, fail)
        await anyio.sleep(2)

    with pytest.raises(LookupError, match="in a callback"):
        run_virtual(main)


def test_a_complaint_without_an_exception_ends_the_run() -> None:
    """So does a complaint to the loop that carries a message only."""

    async def main() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "a transport was lost"})
        await anyio.sleep(2)

    with pytest.raises(UnhandledError, match="a transport was lost"):
        run_virtual(main)


def test_the_hook_sees_each_round_of_callbacks() -> None:
    """The hook after each batch sees time never going back and steps going up, and may end the run."""
    seen: list[tuple[float, int]] = []

    def look(loop: VirtualLoop) -> None:
        seen.append((loop.time(), loop.steps))
        if loop.time() >= 5:
            raise LookupError("an invariant is broken")

    async def main() -> None:
        for _ in count():
            await anyio.sleep(1)

    with pytest.raises(LookupError, match="invariant"):
        run_virtual(main, after_batch=look)
    assert seen == sorted(seen)
    assert {instant for instant, _ in seen} == {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}


@pytest.mark.parametrize("name", ["CancelScope", "Event"])
def test_what_a_run_is_first_to_use_is_left_as_it_was(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of anyio that nobody used before a run is the same afterwards as if the run had not been."""
    before = getattr(anyio, name)
    monkeypatch.delitem(vars(anyio), name)

    async def main() -> None:
        getattr(anyio, name)()

    run_virtual(main)
    assert getattr(anyio, name) is before
