"""Reminder plans in any weather: set, changed and called off by chance, while messages fail and power goes out."""

from collections import defaultdict
from typing import Final

import anyio
import pytest

from core.outcomes import Ambiguous, Outcome, Permanent, Transient
from eventstore.durable import Durable
from scenarios.draws import Draws
from scenarios.laws.replay import as_it_lies
from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.house import House, address, living
from tests.promises.other_side import ObedientDisk, Provider
from tests.promises.planning import Json, cancel, plan, plan_rows_broken, put, show
from tests.seeds import seeds

KINDS: Final[tuple[Json, ...]] = (
    {"kind": "activation"},
    {"kind": "hour_before"},
    {"kind": "event_end"},
    {"kind": "expiring", "offset": "-PT3H", "expires_after": "PT20M"},
)
ANSWERS: Final[tuple[Outcome, ...]] = (Transient(code="503"), Ambiguous(code="timeout"), Permanent(code="410"))
STEPS: Final = 14


def some_plan(draws: Draws, step: int) -> Json:
    """Some people, some kinds, one of two contents, and an event within ten hours of its step."""
    people = [n for n in range(4) if draws.draw("who", step, n) < 0.7]
    version = draws.integer("version", step, below=2)
    kinds = [kind | _words(n, version) for n, kind in enumerate(KINDS) if draws.draw("kind", step, n) < 0.8]
    return plan(*kinds, people=people, starts_h=step / 2 + draws.integer("starts", step, below=10))


def _words(kind: int, version: int) -> Json:
    """A content that tells its kind (the tens) and its version (the ones)."""
    return {"content": {"webhook": {"type": "test", "data": {"n": 10 * kind + version}}}}


async def take_step(house: House, provider: Provider, draws: Draws, step: int) -> None:
    """Something happens to the plan or on the other side, then half an hour goes by, or the power goes out."""
    for number in range(4):
        if draws.draw("fails", step, number) < 0.2:
            provider.answers[address(number)].append(draws.choice("answer", step, number, among=ANSWERS))
    async with anyio.create_task_group() as group:
        group.start_soon(_wish, house, draws, step)
        if draws.draw("crash", step) < 0.3:
            # While the plan is carried out, or soon after that.
            await house.pass_time(draws.draw("after", step) * 0.01)
            await cut_power()
    await house.pass_time(1_800)


async def _wish(house: House, draws: Draws, step: int) -> None:
    if draws.draw("what", step) < 0.8:
        await put(house, some_plan(draws, step))
    else:
        await cancel(house)


def lives(seed: int, durable: Durable, provider: Provider) -> None:
    """One life after another until all steps are taken and a day has gone by."""
    draws, start_s, steps = Draws(seed), 0.0, list(range(STEPS))

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 300
        async with living(provider=provider, durable=durable, disk=disk) as house:
            if len(steps) == STEPS:
                await put(house, some_plan(draws, STEPS))
            while steps:
                await take_step(house, provider, draws, steps.pop(0))
            final = some_plan(draws, STEPS)
            await put(house, final)
            again = await put(house, final)
            assert (again.created, again.moved, again.cancelled) == ((), (), ())
            await house.pass_time(86_400)
            assert (await show(house)).is_applied

    while True:
        try:
            run_virtual(main, start_s=start_s)
        except PowerCut as cut:
            start_s = cut.now_s + 5
            provider.hang_up()
        else:
            return


@pytest.mark.parametrize("seed", seeds(40, fast=8))
def test_nobody_gets_two_of_a_kind_in_any_weather(seed: int) -> None:
    """Of all messages ever made for a participant and kind one at most was tried, and all that was wanted is over."""
    durable, provider = Durable(), Provider()
    lives(seed, durable, provider)
    assert list(as_it_lies(durable)) == []
    assert plan_rows_broken(durable) == []
    tried: dict[tuple[str, int], set[int]] = defaultdict(set)
    for arrival in provider.seen:
        tried[arrival.to, arrival.number // 10].add(arrival.stream)
    assert {len(streams) for streams in tried.values()} == {1}
    left = {head.status for head in durable.heads.values() if head.kind == "msg"}
    assert left <= {"delivered", "cancelled", "expired", "dead"}
