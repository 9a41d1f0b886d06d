"""Limits through the whole house: exact in every window, over restarts too, and never a reason to wait needlessly."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise, product
from typing import Final

import pytest

from core.outcomes import Transient
from core.policies import DAY_US, HOUR_US, MINUTE_US, PRESETS, SECOND_US, Limits, Quota, Schedule
from eventstore.durable import Durable
from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.house import PLAIN, TIGHT, House, address, living, mail, settings_of, under
from tests.promises.other_side import Arrival, Provider

pytestmark = pytest.mark.slow

MINUTELY: Final = Quota(count=10, window_us=MINUTE_US)


def fullest_window(seen: list[Arrival], window_us: int, key: Callable[[Arrival], object] = lambda _: None) -> int:
    """The most hand-overs that any window of this length holds, wherever it starts, within one key."""
    most = 0
    for group in {key(arrival) for arrival in seen}:
        instants = sorted(arrival.at_us for arrival in seen if key(arrival) == group)
        for start_us in instants:
            most = max(most, sum(start_us <= instant < start_us + window_us for instant in instants))
    return most


async def _posts(house: House, count: int, *, tenants: tuple[str, ...] = ("org1",)) -> None:
    for number in range(count):
        for tenant in tenants:
            await house.post(mail(number), number, tenant=tenant)


@pytest.mark.parametrize("takes_us", [1_000, 25 * SECOND_US])
def test_a_lanes_rate_is_kept_and_used(takes_us: int) -> None:
    """Ten a minute: no window holds eleven, and each minute holds ten, however long each attempt takes."""

    async def main() -> None:
        provider = Provider()
        provider.takes_us = takes_us
        async with living(provider=provider, policy=under(PLAIN, limits=Limits(lane=MINUTELY)), bounds=TIGHT) as house:
            await _posts(house, 60)
            start_us = provider.seen[0].at_us if provider.seen else house.clock.now_us()
            await house.pass_time(360)
            assert fullest_window(provider.seen, MINUTE_US) == 10
            minutes = Counter((seen.at_us - start_us) // MINUTE_US for seen in provider.seen)
            assert [minutes[minute] for minute in range(6)] == [10] * 6

    run_virtual(main)


def test_a_gap_is_kept_and_does_not_wait_for_answers() -> None:
    """Two seconds between two of a lane, though each of them takes half a minute to be answered."""

    async def main() -> None:
        provider = Provider()
        provider.takes_us = 30 * SECOND_US
        policy = under(PLAIN, limits=Limits(gap_us=2 * SECOND_US))
        async with living(provider=provider, policy=policy) as house:
            await _posts(house, 20)
            await house.pass_time(120)
            instants = [seen.at_us for seen in provider.seen]
            gaps = [later - one for one, later in pairwise(instants)]
            assert gaps == [2 * SECOND_US] * 19

    run_virtual(main)


def test_each_tenant_has_its_own_share() -> None:
    """A tenant that has used up its quota waits alone; the others' messages go out at once."""

    async def main() -> None:
        provider = Provider()
        async with living(
            provider=provider, policy=under(PLAIN, limits=Limits(tenant=MINUTELY)), bounds=TIGHT
        ) as house:
            await _posts(house, 40)
            await house.post(mail(99), 99, tenant="org2")
            await house.pass_time(1)
            assert sorted(seen.number for seen in provider.seen) == [*range(10), 99]
            await house.pass_time(200)
            assert house.statuses() == {"sent": 41}
            tenants = {mail(99): "org2"}
            assert fullest_window(provider.seen, MINUTE_US, lambda seen: tenants.get(seen.to, "org1")) == 10

    run_virtual(main)


def test_a_raised_limit_is_felt_at_once() -> None:
    """A tenant that has used up its day goes on when a reload gives it more, not a day later."""

    async def main() -> None:
        provider = Provider()
        daily = [under(PLAIN, limits=Limits(tenant=Quota(count=count, window_us=DAY_US))) for count in (10, 25)]
        async with living(provider=provider, policy=daily[0]) as house:
            await _posts(house, 40)
            await house.pass_time(60)
            assert house.statuses() == {"sent": 10, "queued": 30}
            await house.reload(settings_of(daily[1]))
            await house.pass_time(1)
            assert house.statuses() == {"sent": 25, "queued": 15}

    run_virtual(main)


def test_each_recipient_has_its_own_share() -> None:
    """Three a minute for each peer, in order, and nobody waits for another one's share."""

    async def main() -> None:
        provider = Provider()
        limits = Limits(recipient=Quota(count=3, window_us=MINUTE_US))
        async with living(provider=provider, policy=under(PLAIN, limits=limits), bounds=TIGHT) as house:
            for number, peer in product(range(12), range(4)):
                await house.post(mail(peer), number)
            await house.pass_time(1)
            assert len(provider.seen) == 12
            await house.pass_time(240)
            assert fullest_window(provider.seen, MINUTE_US, lambda seen: seen.to) == 3
            assert [provider.numbers(mail(peer)) for peer in range(4)] == [list(range(12))] * 4

    run_virtual(main)


def test_retries_draw_on_the_same_limits() -> None:
    """An attempt is an attempt: a lane that fails sends no more than one that does not."""

    async def main() -> None:
        provider = Provider()
        policy = under(PLAIN, limits=Limits(lane=MINUTELY), retry=Schedule(after_us=(1,) * 9, jitter=0.0))
        async with living(provider=provider, policy=policy) as house:
            for number in range(5):
                provider.always[mail(number)] = Transient(code="503")
            await _posts(house, 5)
            await house.pass_time(600)
            assert house.statuses() == {"dead": 5}
            assert len(provider.seen) == 50
            assert fullest_window(provider.seen, MINUTE_US) == 10

    run_virtual(main)


def test_attempts_that_never_left_take_nothing_away() -> None:
    """Refused connections use no slot of any window, so they keep nobody waiting."""

    async def main() -> None:
        provider = Provider()
        provider.refuse_connections(lambda parcel: parcel.attempt == 1)
        policy = under(PLAIN, limits=Limits(tenant=MINUTELY), retry=Schedule(after_us=(SECOND_US,) * 3, jitter=0.0))
        async with living(provider=provider, policy=policy) as house:
            for number in range(10):
                provider.answers[mail(number)].append(Transient(code="connect"))
            await _posts(house, 10)
            await house.pass_time(3)
            assert house.statuses() == {"sent": 10}

    run_virtual(main)


@pytest.mark.parametrize("down_s", [0.0, 20.0])
@pytest.mark.parametrize("quota", [MINUTELY, Quota(count=10, window_us=2 * HOUR_US)])
def test_limits_hold_over_crashes(down_s: float, quota: Quota) -> None:
    """Killed again and again in mid-flight, with a window of a minute or of hours: none is ever too full."""
    durable, provider, now_s = Durable(), Provider(), 0.0
    provider.takes_us = 3 * SECOND_US
    policy = under(PLAIN, limits=Limits(lane=quota), retry=Schedule(after_us=(SECOND_US,) * 99, jitter=0.0))
    step_s = quota.window_us / SECOND_US / 4
    for life in range(12):

        async def main(life: int = life) -> None:
            async with living(durable=durable, provider=provider, policy=policy) as house:
                await _posts(house, 0 if life else 25)
                await house.pass_time(step_s)
                await cut_power()

        with pytest.raises(PowerCut) as cut:
            run_virtual(main, start_s=now_s)
        now_s = cut.value.now_s + down_s
    assert fullest_window(provider.seen, quota.window_us) == 10
    assert len(provider.seen) >= 20
    assert {seen.number for seen in provider.seen} >= set(range(20))


def test_a_daily_limit_that_a_restart_brings_counts_what_went_before() -> None:
    """Where the snapshot was taken under other limits, the log is read back as far as the new ones reach."""
    durable, provider, now_s = Durable(), Provider(), 0.0
    hourly = Limits(lane=Quota(count=100, window_us=2 * HOUR_US))
    # The snapshot holds the lane's hand-overs; those of each tenant it never counted.
    for limits in (hourly, Limits(lane=hourly.lane, tenant=Quota(count=10, window_us=2 * HOUR_US))):

        async def main(limits: Limits = limits) -> None:
            async with living(durable=durable, provider=provider, policy=under(PLAIN, limits=limits)) as house:
                await _posts(house, 12)
                await house.pass_time(1_200)
                await cut_power()

        with pytest.raises(PowerCut) as cut:
            run_virtual(main, start_s=now_s)
        now_s = cut.value.now_s
    assert len(provider.seen) == 12


def test_a_flood_does_not_delay_a_quiet_tenant() -> None:
    """Beside ten thousand waiting messages of one tenant, another one's go out as if they were alone in the lane."""

    async def main() -> None:
        provider = Provider()
        policy = under(PLAIN, limits=Limits(lane=Quota(count=20, window_us=SECOND_US), concurrency=20))
        async with living(provider=provider, policy=policy, bounds=TIGHT) as house:
            for number in range(1_500):
                await house.post(mail(number), number, tenant="flood")
            await house.pass_time(5)
            for number in range(10):
                await house.post(mail(90_000 + number), 90_000 + number, tenant="quiet")
            asked_us = house.clock.now_us()
            await house.pass_time(3)
            quiet = [seen for seen in provider.seen if seen.number >= 90_000]
            assert len(quiet) == 10
            assert max(seen.at_us for seen in quiet) - asked_us <= 2 * SECOND_US

    run_virtual(main)


def test_urgent_messages_of_a_tenant_go_first() -> None:
    """Of conversations that wait for the same room the most urgent goes; equals go as they came."""

    async def main() -> None:
        provider = Provider()
        policy = under(PLAIN, limits=Limits(gap_us=SECOND_US))
        async with living(provider=provider, policy=policy) as house:
            await house.system.errands.pause("mail")
            for number, (peer, priority) in enumerate([(1, 0), (2, 5), (3, 9), (4, 5)]):
                await house.post(mail(peer), number, priority=priority)
            await house.system.errands.resume("mail")
            await house.pass_time(10)
            assert [seen.number for seen in provider.seen] == [2, 1, 3, 0]

    run_virtual(main)


def test_any_order_uses_all_of_its_room_after_a_restart() -> None:
    """A backlog in any order flies as many at once as its policy allows, though nothing arrives any more."""

    async def main() -> None:
        provider = Provider()
        provider.takes_us = SECOND_US
        async with living(provider=provider) as house:
            await house.system.errands.pause("calls")
            for number in range(30):
                await house.post(address(1), number, order="any")
            durable = house.durable
        async with living(provider=provider, durable=durable, policy=under(PLAIN, in_flight_max=5)) as house:
            await house.system.errands.resume("calls")
            await house.pass_time(6.5)
            assert provider.in_flight_most == 5
            assert house.statuses() == {"delivered": 30}

    run_virtual(main)


def test_presets_keep_what_they_promise() -> None:
    """30 a minute a tenant with a gap of two seconds, as WhatsApp wants it, over ten minutes of backlog."""

    async def main() -> None:
        provider = Provider()
        provider.takes_us = 300_000
        async with living(provider=provider, policy=under(PRESETS["whatsapp"], order="fifo")) as house:
            await _posts(house, 100, tenants=("org1", "org2"))
            await house.pass_time(600)
            assert house.statuses() == {"sent": 200}
            assert fullest_window(provider.seen, 2 * SECOND_US) == 1
            assert provider.seen[-1].at_us - provider.seen[0].at_us == 199 * 2 * SECOND_US

    run_virtual(main)
