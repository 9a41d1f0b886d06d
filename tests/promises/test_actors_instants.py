"""Instants: what is due goes out when it is due, and ends when its time ends, however little is kept in memory."""

from collections.abc import Iterable
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from core import events as e
from core.outcomes import Transient
from core.policies import HOUR_US, MINUTE_US, SECOND_US, Poison, QuietHours, Schedule
from core.settings import Bounds
from eventstore.durable import Durable
from scenarios.draws import Draws
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, TIGHT, House, address, living, under
from tests.promises.other_side import START_US, ObedientDisk, Provider
from tests.seeds import seeds

pytestmark = pytest.mark.slow

# Reads and commits take a millisecond here, and an attempt may need several of them.
AT_ONCE_US: Final = 30_000


async def _post_three(house: House, to: str) -> None:
    for number in range(3):
        await house.post(to, number)


async def _post_in_each(house: House, zones: Iterable[str], number: int) -> None:
    for peer, zone in enumerate(zones):
        await house.post(address(peer), number, time_zone=zone)


def _ended_us(house: House, stream: int) -> int:
    """When the last thing happened to a message."""
    return house.durable.streams[stream][-1].at_us


@pytest.mark.parametrize("bounds", [Bounds(), TIGHT], ids=["wide", "tight"])
@pytest.mark.parametrize("seed", seeds(3))
def test_each_message_goes_out_at_its_instant(bounds: Bounds, seed: int) -> None:
    """Hundreds of messages for different instants, tenants and priorities: none is early, none is late."""
    draws, dues_us = Draws(seed), dict[int, int]()

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        disk.read_us = disk.commit_us = 1_000
        async with living(bounds=bounds, provider=provider, disk=disk) as house:
            for number in range(300):
                dues_us[number] = START_US + (20 + draws.integer("due", number, below=100)) * SECOND_US
                await house.post(
                    address(number),
                    number,
                    tenant=f"org{number % 3}",
                    priority=number % 4,
                    send_at=house.moment(dues_us[number]),
                )
            await house.pass_time(200)
            late_us = [seen.at_us - dues_us[seen.number] for seen in provider.seen]
            assert len(late_us) == 300
            assert min(late_us) >= 0
            assert max(late_us) <= AT_ONCE_US * 5

    run_virtual(main)


@pytest.mark.parametrize("bounds", [Bounds(), TIGHT], ids=["wide", "tight"])
def test_retries_come_at_their_instants(bounds: Bounds) -> None:
    """Whatever else waits, a retry is neither early nor late."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        disk.read_us = disk.commit_us = 1_000
        async with living(bounds=bounds, provider=provider, disk=disk) as house:
            for number in range(60):
                provider.always[address(number)] = Transient(code="503")
                await house.post(address(number), number, tenant=f"org{number % 3}")
            await house.pass_time(200)
            dues = {
                (entry.stream, entry.event.attempt + 1): entry.event.due_us
                for entry in house.durable.events
                if isinstance(entry.event, e.AttemptFailed)
            }
            retries = [seen for seen in provider.seen if seen.attempt > 1]
            assert len(retries) == 180
            for seen in retries:
                due_us = dues[seen.stream, seen.attempt]
                assert due_us is not None
                assert 0 <= seen.at_us - due_us <= AT_ONCE_US * 3

    run_virtual(main)


def test_messages_end_when_their_time_ends() -> None:
    """Behind a failing head, and long before its next try, each one's expiry comes to the instant."""

    async def main() -> None:
        provider = Provider()
        policy = under(PLAIN, retry=Schedule(after_us=(HOUR_US,), jitter=0.0))
        async with living(policy=policy, provider=provider) as house:
            provider.always[address(1)] = Transient(code="503")
            await house.post(address(1), 99)
            ends_us = {}
            for number in range(20):
                until_us = START_US + (60 + 10 * number) * SECOND_US
                stream = (await house.post(address(1), number, expires_at=house.moment(until_us))).id
                ends_us[stream] = until_us
            await house.pass_time(600)
            assert house.statuses() == {"expired": 20, "retrying": 1}
            assert [_ended_us(house, stream) - end_us for stream, end_us in ends_us.items()] == [0] * 20
            assert len(provider.seen) == 1

    run_virtual(main)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_retry_ends_when_its_time_ends(is_restarted: bool) -> None:  # noqa: FBT001 - a column
    """Due again in an hour and expiring in a minute, messages expire in a minute, after a restart as well."""

    async def main() -> None:
        provider = Provider()
        policy = under(PLAIN, retry=Schedule(after_us=(HOUR_US,), jitter=0.0))
        durable, until_us = Durable(), START_US + MINUTE_US
        async with living(policy=policy, bounds=TIGHT, provider=provider, durable=durable) as house:
            for number in range(30):
                provider.always[address(number)] = Transient(code="503")
                await house.post(address(number), number, expires_at=house.moment(until_us))
            await house.pass_time(20 if is_restarted else 90)
        async with living(policy=policy, bounds=TIGHT, provider=provider, durable=durable) as house:
            await house.pass_time(90)
            assert house.statuses() == {"expired": 30}
            assert {_ended_us(house, stream) - until_us for stream in durable.messages} == {0}

    run_virtual(main)


@pytest.mark.parametrize("bounds", [Bounds(), TIGHT], ids=["wide", "tight"])
def test_poison_steps_aside_on_time(bounds: Bounds) -> None:
    """After a minute at the head of its line a failing message lets the others pass, long before its next try."""

    async def main() -> None:
        provider = Provider()
        policy = under(
            PLAIN,
            retry=Schedule(after_us=(HOUR_US,), jitter=0.0),
            poison=Poison(kind="skip", skip_after_us=MINUTE_US),
        )
        async with living(policy=policy, bounds=bounds, provider=provider) as house:
            for peer in range(3):
                provider.answers[address(peer)].append(Transient(code="503"))
                await _post_three(house, address(peer))
            await house.pass_time(59)
            assert {seen.number for seen in provider.seen} == {0}
            await house.pass_time(2)
            assert [provider.numbers(address(peer)) for peer in range(3)] == [[0, 1, 2]] * 3
            await house.pass_time(3_600)
            assert house.statuses() == {"delivered": 9}

    run_virtual(main)


def test_the_recipients_night_is_kept() -> None:
    """Quiet from 21:00 to 08:00 by each recipient's own clock: nothing is sent then, and nothing is late after it."""
    zones = {name: ZoneInfo(name) for name in ("UTC", "Asia/Jerusalem", "America/New_York")}
    quiet = QuietHours(from_minute=21 * 60, to_minute=8 * 60, zone="UTC")

    async def main() -> None:
        provider = Provider()
        policy = under(PLAIN, quiet_hours=quiet)
        async with living(policy=policy, provider=provider, zone_of=zones.__getitem__) as house:
            for hour in range(48):
                await _post_in_each(house, zones, hour)
                await house.pass_time(3_600)
            await house.pass_time(86_400)
            assert house.statuses() == {"delivered": 144}
            for number, place in enumerate(zones.values()):
                assert provider.numbers(address(number)) == list(range(48))
                hours = {house.local(seen.at_us, place).hour for seen in provider.seen if seen.to == address(number)}
                assert hours == set(range(8, 21))
            deferred = sum(isinstance(event, e.MessageDeferred) for event in house.all_events())
            assert deferred <= 144

    run_virtual(main)
