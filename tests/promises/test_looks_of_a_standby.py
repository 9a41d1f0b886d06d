"""How a daemon that stands by looks for keys that it does not know: fresh for each asker, and little work for many."""

import asyncio

from core.policies import SECOND_US
from scenarios.loop.run import run_virtual
from tests.promises.two_daemons import two_daemons


def test_a_flood_of_strangers_costs_two_looks() -> None:
    """Whoever asks with a key that is none shares the next look with all others; one that is new is found by it."""

    async def main() -> None:
        async with two_daemons() as pair:
            standby, disk = pair.beside.standby, pair.beside.disk
            await asyncio.sleep(5)
            before = disk.reads
            await standby.look_again()
            one_look = disk.reads - before
            disk.read_us = SECOND_US
            strangers = [asyncio.ensure_future(standby.look_again()) for _ in range(100)]
            await asyncio.sleep(0.5)
            # Made after a look has begun, which may therefore not see it.
            _, secret = await pair.acting.system.keys.add(tenant="org1", role="send", label="shop")
            before = disk.reads
            strangers += [asyncio.ensure_future(standby.look_again()) for _ in range(100)]
            await asyncio.gather(*strangers)
            assert standby.keys.holder(secret) is not None
            assert disk.reads - before <= 4 * one_look

    run_virtual(main)
