"""Outages: who is broken waits for a probe and comes back slowly, and who is not never notices."""

from collections import Counter
from typing import Final

import pytest

from core import events as e
from core.outcomes import Ambiguous, Recipient, Taken, Transient
from core.policies import SECOND_US, BreakerRule, Limits, Schedule
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, House, address, living, mail, under
from tests.promises.other_side import Provider

pytestmark = pytest.mark.slow

FRAGILE: Final = under(
    PLAIN,
    retry=Schedule(after_us=(SECOND_US,) * 1_000, jitter=0.0),
    breaker=BreakerRule(share=0.5, of=10, within_us=60 * SECOND_US, cooldown_us=30 * SECOND_US),
)


async def _state(house: House, lane: str) -> tuple[str | None, str, int | None]:
    """(paused by, breaker, throttled until) of a lane as people see it."""
    (state,) = [state for state in await house.system.errands.lanes() if state.name == lane]
    return state.paused_by, state.breaker, state.throttled_until_us


def test_an_outage_opens_the_breaker_and_one_probe_asks() -> None:
    """Ten faults of ten stop a lane; one attempt asks after each of growing pauses, and success lets it go on."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=FRAGILE) as house:
            for number in range(40):
                provider.always[mail(number)] = Transient(code="503")
                await house.post(mail(number), number)
            await house.pass_time(5)
            assert (await _state(house, "mail"))[1] == "open"
            before = len(provider.seen)
            await house.pass_time(24)
            assert len(provider.seen) == before
            await house.pass_time(240)
            opened = [event for event in house.all_events() if isinstance(event, e.BreakerOpened)]
            assert [event.openings for event in opened] == [1, 2, 3, 4]
            assert len(provider.seen) == before + 3
            provider.always.clear()
            await house.pass_time(400)
            assert house.statuses() == {"sent": 40}
            assert sum(isinstance(event, e.BreakerClosed) for event in house.all_events()) == 1
            assert (await _state(house, "mail"))[1] == "closed"

    run_virtual(main)


def test_traffic_comes_back_slowly_after_an_outage() -> None:
    """In the first ten seconds after the probe one attempt a second, then two, then four."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=FRAGILE) as house:
            for number in range(200):
                provider.always[mail(number)] = Transient(code="503")
                await house.post(mail(number), number)
            await house.pass_time(5)
            provider.always.clear()
            provider.seen.clear()
            await house.pass_time(120)
            (closed_us,) = [entry.at_us for entry in house.durable.events if isinstance(entry.event, e.BreakerClosed)]
            tens = Counter((seen.at_us - closed_us) // (10 * SECOND_US) for seen in provider.seen[1:])
            assert [tens[ten] for ten in range(4)] == [10, 20, 40, 80]
            assert house.statuses() == {"sent": 200}

    run_virtual(main)


def test_a_broken_host_stops_itself_and_no_other() -> None:
    """Webhook lanes have a breaker a host: one that fails waits for its probe while the others are served."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=FRAGILE) as house:
            for number in range(30):
                provider.always[address(number, host="broken.example")] = Transient(code="503")
                await house.post(address(number, host="broken.example"), number)
                await house.post(address(number, host="sound.example"), number)
            await house.pass_time(25)
            sound = [seen for seen in provider.seen if "sound" in seen.to]
            broken = [seen for seen in provider.seen if "broken" in seen.to]
            assert (len(sound), len(broken) <= 20) == (30, True)
            provider.always.clear()
            await house.pass_time(300)
            assert house.statuses() == {"delivered": 60}

    run_virtual(main)


def test_all_of_a_hosts_room_is_used_once_it_is_back() -> None:
    """After its outage has long passed, a host's backlog goes out with as many attempts at once as it may have."""

    async def main() -> None:
        provider = Provider()
        policy = under(FRAGILE, limits=Limits(host_concurrency=5))
        async with living(provider=provider, policy=policy) as house:
            for number in range(400):
                provider.always[address(number)] = Transient(code="503")
                await house.post(address(number), number)
            await house.pass_time(20)
            provider.always.clear()
            provider.takes_us = 2 * SECOND_US
            provider.in_flight_most = 0
            await house.pass_time(400)
            assert house.statuses() == {"delivered": 400}
            assert provider.in_flight_most == 5

    run_virtual(main)


@pytest.mark.parametrize("answer", [Recipient(code="410"), Taken(code="200")])
def test_a_probe_that_gets_any_answer_closes_the_breaker(answer: Recipient | Taken) -> None:
    """A refusal too shows that the other side is back."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=FRAGILE) as house:
            for number in range(12):
                provider.answers[mail(number)].append(Ambiguous(code="timeout"))
                provider.always[mail(number)] = answer
                await house.post(mail(number), number)
            await house.pass_time(300)
            assert sum(isinstance(event, e.BreakerClosed) for event in house.all_events()) == 1

    run_virtual(main)
