"""Answers for the order of a conversation whose messages come to several daemons."""

import asyncio

import pytest

from core.errors import StoreUnavailable
from core.policies import SECOND_US
from eventstore.cluster import Cluster
from scenarios.loop.run import run_virtual
from tests.promises.house import address
from tests.promises.other_side import Provider
from tests.promises.two_daemons import acting, standing, two_daemons


def test_what_was_taken_in_elsewhere_before_leaves_before() -> None:
    """A client that has its answer from one daemon and goes to the other has its messages in that order.

    While what others took in cannot be brought in, the acting daemon takes nothing itself.
    """

    async def main() -> None:
        provider = Provider()
        async with two_daemons(provider=provider) as pair:
            pair.acting.disk.read_us = 50_000
            for number in range(20):
                post = pair.acting.post if number % 2 else pair.beside.post
                await post(address(1), number)
            await asyncio.sleep(60)
            assert [seen.number for seen in provider.seen] == list(range(20))
            pair.acting.disk.is_unreadable = True
            await pair.beside.post(address(1), 20)
            with pytest.raises(StoreUnavailable):
                await pair.acting.post(address(1), 21)
            pair.acting.disk.is_unreadable = False
            await asyncio.sleep(10)
            await pair.acting.post(address(1), 21)
            await asyncio.sleep(10)
            assert [seen.number for seen in provider.seen] == list(range(22))

    run_virtual(main)


def test_a_clock_that_is_behind_changes_no_order() -> None:
    """What waits in a lane leaves in the order in which it came, also where a daemon's clock is a minute behind."""

    async def main() -> None:
        provider, cluster = Provider(), Cluster()
        async with (
            acting(cluster, 1, provider=provider) as house,
            standing(cluster, 2, behind_us=60 * SECOND_US) as late,
            standing(cluster, 3) as other,
        ):
            await asyncio.sleep(20)
            await house.system.errands.pause("calls")
            for number in range(12):
                await (house.post, late.post, other.post)[number % 3](address(1), number)
                await asyncio.sleep(0.01)
            await house.system.errands.resume("calls")
            await asyncio.sleep(60)
            assert [seen.number for seen in provider.seen] == list(range(12))

    run_virtual(main)


@pytest.mark.slow
@pytest.mark.parametrize("comes_after_s", [2, 7, 60])
def test_a_long_inbox_keeps_nobody_waiting_for_long(comes_after_s: int) -> None:
    """Whoever comes to the acting daemon while it takes in very much is told to come again, and is taken afterwards."""

    async def main() -> None:
        async with two_daemons() as pair:
            pair.acting.disk.is_unreadable = True
            await asyncio.sleep(1)
            for number in range(600):
                await pair.beside.post(address(number % 50), number)
            # So they take three commits, of 9 s together.
            pair.acting.disk.commit_us = 3 * SECOND_US
            pair.acting.disk.is_unreadable = False
            await asyncio.sleep(comes_after_s)
            began_s = asyncio.get_running_loop().time()
            (end,) = await asyncio.gather(pair.acting.post(address(1), 600), return_exceptions=True)
            assert isinstance(end, StoreUnavailable) == (comes_after_s < 60)
            assert asyncio.get_running_loop().time() - began_s < 6
            pair.acting.disk.commit_us = 0
            await asyncio.sleep(20)
            await pair.acting.post(address(1), 601)

    run_virtual(main)
