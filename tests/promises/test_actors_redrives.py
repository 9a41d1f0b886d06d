"""Redrives: dead letters are back on the agenda once, at the pace that was asked for."""

from itertools import pairwise
from typing import Final

import pytest

from actors.redrives import ENDED_MAX, RUNNING_MAX
from core.errors import Forbidden, NotFound, Overloaded
from core.outcomes import Transient
from core.policies import SECOND_US, Schedule
from core.records import MessageFilter
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, TIGHT, House, address, living, under
from tests.promises.other_side import Provider

ONCE: Final = under(PLAIN, retry=Schedule(after_us=()))


def test_a_redriven_message_has_its_whole_schedule_before_it() -> None:
    """Four attempts to its death, four more after a redrive, and only a dead one can be redriven."""

    async def main() -> None:
        provider = Provider()
        provider.always[address(1)] = Transient(code="503")
        async with living(provider=provider) as house:
            stream = (await house.post(address(1))).id
            await house.pass_time(120)
            assert (house.message(stream).status, len(provider.seen)) == ("dead", 4)
            await house.system.errands.redrive("org1", stream)
            with pytest.raises(Forbidden, match="only a dead one"):
                await house.system.errands.redrive("org1", stream)
            await house.pass_time(120)
            assert (house.message(stream).status, len(provider.seen)) == ("dead", 8)
            waits = [later.at_us - one.at_us for one, later in pairwise(provider.seen[4:])]
            assert [round(wait / SECOND_US) for wait in waits] == [10, 20, 40]

    run_virtual(main)


def test_a_bulk_redrive_keeps_its_pace_and_ends() -> None:
    """Two a second, in the order of acceptance, with its progress to be seen, and nothing else is touched."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=ONCE, bounds=TIGHT) as house:
            for number in range(12):
                provider.answers[address(number)].append(Transient(code="503"))
                await house.post(address(number), number)
            await house.pass_time(1)
            provider.seen.clear()
            plan = await house.system.redrives.plan(MessageFilter(tenant="org1"), 2.0)
            assert (plan.count, plan.estimate_s) == (12, 6.0)
            start_us = house.clock.now_us()
            job = await house.system.redrives.start("org1", MessageFilter(), 2.0)
            await house.pass_time(3)
            assert 5 <= len(provider.seen) <= 8
            await house.pass_time(30)
            assert [seen.number for seen in provider.seen] == list(range(12))
            assert [round((seen.at_us - start_us) / SECOND_US * 2) for seen in provider.seen] == list(range(12))
            state = await house.system.redrives.job("org1", job)
            assert (state.status, state.count, state.moved) == ("done", 12, 12)

    run_virtual(main)


def test_a_redrive_of_long_ago_is_still_known() -> None:
    """However many came after it, it is told as it ended, cannot be called off, and is nobody else's."""

    async def main() -> None:
        async with living() as house:
            redrives = house.system.redrives
            first = await redrives.start("org1", MessageFilter(), None)
            await house.pass_time(1)
            told = await redrives.job("org1", first)
            for _ in range(ENDED_MAX + 1):
                await redrives.start("org1", MessageFilter(), None)
                await house.pass_time(1)
            assert await redrives.job("org1", first) == told
            assert told.status == "done"
            with pytest.raises(Forbidden, match="done cannot be cancelled"):
                await redrives.cancel("org1", first)
            message = (await house.post(address(1))).id
            with pytest.raises(NotFound):
                await redrives.job("org2", first)
            with pytest.raises(NotFound):
                await redrives.job("org1", message)

    run_virtual(main)


def test_a_bulk_redrive_passes_over_what_died_after_it_began() -> None:
    """Those are not meant, but they neither end the job nor keep it from the ones behind them."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=ONCE) as house:
            for number in range(3):
                provider.answers[address(number)].append(Transient(code="503"))
                due_us = house.clock.now_us() + (5 * SECOND_US if number == 1 else 0)
                await house.post(address(number), number, send_at=house.moment(due_us))
            await house.pass_time(1)
            job = await house.system.redrives.start("org1", MessageFilter(), 0.1)
            await house.pass_time(60)
            assert [seen.number for seen in provider.seen] == [0, 2, 0, 1, 2]
            assert house.statuses() == {"delivered": 2, "dead": 1}
            assert (await house.system.redrives.job("org1", job)).status == "done"

    run_virtual(main)


def test_a_cancelled_redrive_stops_where_it_is() -> None:
    """What it has moved stays on the agenda, the rest stays dead, and it cannot be cancelled twice."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=ONCE) as house:
            for number in range(10):
                provider.answers[address(number)].append(Transient(code="503"))
                await house.post(address(number), number)
            await house.pass_time(1)
            job = await house.system.redrives.start("org1", MessageFilter(), 1.0)
            await house.pass_time(3.5)
            state = await house.system.redrives.cancel("org1", job)
            await house.pass_time(60)
            assert state.status == "cancelled"
            assert house.statuses() == {"delivered": state.moved, "dead": 10 - state.moved}
            assert 3 <= state.moved <= 5
            with pytest.raises(Forbidden, match="cancelled cannot be cancelled"):
                await house.system.redrives.cancel("org1", job)

    run_virtual(main)


def test_a_tenant_runs_so_many_redrives_at_once() -> None:
    """One more is refused, though all are asked for at one instant; others go on, and one that ends makes room."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=ONCE) as house:
            for number in range(50):
                provider.answers[address(number)].append(Transient(code="503"))
                await house.post(address(number), number)
            await house.pass_time(1)
            jobs: list[int | None] = []

            async def start() -> None:
                jobs.append(await _started(house, "org1"))

            await house.all_at_once([start] * (RUNNING_MAX + 3))
            assert jobs.count(None) == 3
            assert await _started(house, "org2") is not None
            await house.system.redrives.cancel("org1", next(job for job in jobs if job is not None))
            assert await _started(house, "org1") is not None
            assert await _started(house, "org1") is None

    run_virtual(main)


async def _started(house: House, tenant: str) -> int | None:
    """A slow job of a tenant; None where it may not run another."""
    try:
        return await house.system.redrives.start(tenant, MessageFilter(), 0.01)
    except Overloaded:
        return None
