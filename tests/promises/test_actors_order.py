"""Order: what arrives, wakes, falls asleep and is read again in whatever sequence goes out once, and in its turn."""

from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Final

import anyio
import pytest
from msgspec.structs import replace

from core.outcomes import Outcome, Rate, Taken, Transient
from core.policies import HOUR_US, SECOND_US, BreakerRule, Policy, Schedule
from scenarios.draws import Draws
from scenarios.loop.run import run_virtual
from scenarios.loop.schedules import Walk
from tests.promises.house import PLAIN, TIGHT, House, address, living, mail, under
from tests.promises.other_side import ObedientDisk, Provider
from tests.seeds import seeds

pytestmark = pytest.mark.slow

PEERS: Final = 6
EACH: Final = 25
# Retries within the second, as often as it takes.
STUBBORN: Final = under(PLAIN, retry=Schedule(after_us=(SECOND_US // 7,) * 60, jitter=0.5))
LOOSE: Final = under(STUBBORN, order="any", in_flight_max=3)


def assert_each_in_its_turn(provider: Provider) -> None:
    """Every peer got its numbers from 0 on; none was tried before the one before it had been taken."""
    for peer in range(PEERS):
        numbers = provider.numbers(address(peer))
        assert numbers == sorted(numbers), f"{address(peer)}: {numbers}"
        assert set(numbers) == set(range(EACH)), address(peer)


def assert_each_taken_once(provider: Provider) -> None:
    """Of the attempts of each message exactly one was taken."""
    taken = [(to, number) for to, number, outcome in provider.given if isinstance(outcome, Taken)]
    assert sorted(taken) == [(address(peer), number) for peer in range(PEERS) for number in range(EACH)]


def _moods(seed: int) -> Iterator[Outcome]:
    """A provider in changing moods: two of three attempts are taken, the others refused in this way or that."""
    draws = Draws(seed)
    among: tuple[Outcome, ...] = (Taken(), Taken(), Taken(), Taken(), Transient(), Rate(after_us=SECOND_US))
    for nth in count():
        yield draws.choice("mood", nth, among=among)


async def _write(house: House, *, every_s: float, ahead_s: float = 0.0) -> None:
    """All peers are written to at once, at an uneven pace; a message may be scheduled a little ahead."""

    async def write_to(peer: int) -> None:
        for number in range(EACH):
            due_us = house.clock.now_us() + round(ahead_s * SECOND_US)
            await house.post(address(peer), number, send_at=house.moment(due_us) if ahead_s else None)
            await anyio.sleep(every_s * ((peer * 7 + number * 3) % 5))

    async with anyio.create_task_group() as group:
        for peer in range(PEERS):
            group.start_soon(write_to, peer)


async def _storm(
    provider: Provider,
    *,
    policy: Policy = STUBBORN,
    every_s: float,
    read_us: int = 0,
    commit_us: int = 0,
    ahead_s: float = 0.0,
) -> None:
    disk = ObedientDisk()
    disk.read_us, disk.commit_us = read_us, commit_us
    async with living(policy=policy, bounds=TIGHT, provider=provider, disk=disk) as house:
        await _write(house, every_s=every_s, ahead_s=ahead_s)
        await house.pass_time(600)
        assert house.statuses() == {"delivered": PEERS * EACH}
        assert house.notes.count("record_again") == house.notes.count("begin_refused") == 0


@pytest.mark.parametrize("every_s", [0.0, 0.0007, 0.02])
@pytest.mark.parametrize("read_us", [0, 900])
@pytest.mark.parametrize("commit_us", [0, 1_100])
def test_tight_bounds_lose_and_swap_nothing(every_s: float, read_us: int, commit_us: int) -> None:
    """Hundreds of messages through windows of two and two awake conversations arrive once and in order."""
    provider = Provider()
    run_virtual(partial(_storm, provider, every_s=every_s, read_us=read_us, commit_us=commit_us))
    assert_each_in_its_turn(provider)
    assert_each_taken_once(provider)


@pytest.mark.parametrize("seed", seeds(4))
def test_a_moody_provider_swaps_nothing(seed: int) -> None:
    """Refused attempts, limits and retries in between: still each in its turn, and each taken once."""
    provider = Provider(moods=_moods(seed))
    run_virtual(partial(_storm, provider, every_s=0.003, read_us=700, commit_us=500))
    assert_each_in_its_turn(provider)
    assert_each_taken_once(provider)


@pytest.mark.parametrize("seed", seeds(4))
def test_any_order_of_steps_loses_and_swaps_nothing(seed: int) -> None:
    """Whichever ready task runs next, the promise is the same."""
    provider = Provider(moods=_moods(seed))
    run_virtual(
        partial(_storm, provider, every_s=0.003, read_us=700, commit_us=500), schedule=partial(Walk, draws=Draws(seed))
    )
    assert_each_in_its_turn(provider)
    assert_each_taken_once(provider)


@pytest.mark.parametrize("seed", seeds(4))
def test_what_was_scheduled_ahead_goes_out_in_the_order_of_its_instants(seed: int) -> None:
    """Messages for later come due while others are being sent, read and forgotten, and lose neither life nor place."""
    provider = Provider(moods=_moods(seed))
    run_virtual(partial(_storm, provider, every_s=0.003, ahead_s=5.0, read_us=300, commit_us=200))
    assert_each_in_its_turn(provider)
    assert_each_taken_once(provider)


@pytest.mark.parametrize("seed", seeds(4))
def test_any_order_loses_nothing(seed: int) -> None:
    """Without order each message is still taken exactly once, and no more fly at once than the policy allows."""
    provider = Provider(moods=_moods(seed))
    provider.takes_us = 20_000
    run_virtual(partial(_storm, provider, policy=LOOSE, every_s=0.003, read_us=300, commit_us=200))
    assert_each_taken_once(provider)
    assert 3 < provider.in_flight_most <= 3 * PEERS


@pytest.mark.parametrize("after_ms", range(0, 240, 20))
def test_whoever_was_put_to_sleep_does_not_speak_for_those_who_came_meanwhile(after_ms: int) -> None:
    """A conversation that falls asleep while its lane records what its attempt meant forgets no later arrival."""
    policy = under(
        PLAIN,
        order="any",
        retry=Schedule(after_us=(HOUR_US,), jitter=0.0),
        breaker=BreakerRule(share=0.5, of=2, cooldown_us=5 * SECOND_US),
    )

    async def main() -> None:
        provider, disk = Provider(), ObedientDisk()
        async with living(policy=policy, bounds=replace(TIGHT, awake_max=1), provider=provider, disk=disk) as house:
            provider.answers[mail(1)].append(Transient(code="503"))
            await house.post(mail(1), 0)
            await house.pass_time(1)
            await house.post(mail(1), 1)
            disk.commit_us = 50_000
            await house.pass_time(4 + after_ms / 1_000)
            await house.all_at_once([partial(house.post, mail(2), 2), partial(house.post, mail(1), 3)])
            await house.pass_time(10)
            assert provider.numbers(mail(1)) == [0, 1, 3]

    run_virtual(main)
