"""Daemons on one log with different configurations: what one takes in and the other cannot send is told, and kept."""

import asyncio

from eventstore.cluster import Cluster
from scenarios.loop.run import run_virtual
from tests.promises.house import address, mail, settings_of
from tests.promises.two_daemons import acting, standing


def test_a_message_for_a_lane_that_the_acting_daemon_lacks_is_told_once() -> None:
    """It waits for a configuration that has the lane, people hear of it as it comes, and others go on."""

    async def main() -> None:
        cluster = Cluster()
        async with (
            acting(cluster, 1, settings=settings_of(lanes=("calls",))) as house,
            standing(cluster, 2, settings_of()) as beside,
        ):
            for number in range(3):
                await beside.post(mail(1), number)
                await beside.post(address(1), number)
            await asyncio.sleep(10)
            assert house.statuses() == {"queued": 3, "delivered": 3}
            assert [values for name, values in house.notes.said if name == "lane_missing"] == [{"lane": "mail"}]

    run_virtual(main)
