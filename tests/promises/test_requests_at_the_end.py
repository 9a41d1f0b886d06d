"""Requests of a daemon that stands by while the one that acts stops: carried out whole, or left for the next one."""

import asyncio

from core.policies import SECOND_US
from scenarios.loop.run import run_virtual
from tests.promises.two_daemons import two_daemons


def test_a_request_that_was_taken_is_carried_out_though_no_more_are_taken() -> None:
    """A daemon that stops leaves what it has not taken to the next one, and ends what it has."""

    async def main() -> None:
        carried: list[bytes] = []

        async def answer(request: bytes) -> bytes:
            carried.append(request)
            return b"done"

        async with two_daemons() as pair:
            system, door = pair.acting.system, pair.beside.node.door
            system.answer_with(answer)
            pair.acting.disk.commit_us = 2 * SECOND_US
            first = asyncio.ensure_future(door.ask(b"first", within_s=30))
            await asyncio.sleep(1)
            system.answer_with(None)
            second = asyncio.ensure_future(door.ask(b"second", within_s=30))
            assert await first == b"done"
            assert carried == [b"first"]
            assert [row.body for row in pair.cluster.durable.parking.rows.values()] == [b"second"]
            second.cancel()

    run_virtual(main)
