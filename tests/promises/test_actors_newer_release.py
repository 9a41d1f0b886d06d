"""A daemon of an older release, beside or after one that writes what it cannot read."""

import asyncio

from eventstore.codec import UnknownEvent
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.house import address, living
from tests.promises.two_daemons import two_daemons


def test_what_a_newer_release_wrote_ends_no_one_that_stands_by() -> None:
    """A key that it cannot read opens nothing there, be it new or known, and it says so once; others open as ever."""

    async def main() -> None:
        async with two_daemons() as pair:
            house, standby = pair.acting, pair.beside.standby
            made = [await house.system.keys.add(tenant="org1", role="send", label=label) for label in "abc"]
            await asyncio.sleep(2)
            assert all(standby.keys.holder(secret) for _, secret in made)
            (_, known), (second, revoked), (_, other) = made
            blessed = UnknownEvent(type="KeyBlessed", schema_version=1, body=b"\x90")
            await house.system.keys.revoke(second.id)
            await house.write_behind(second.id, blessed)
            added, fresh = await house.system.keys.add(tenant="org1", role="send", label="d")
            await house.write_behind(added.id, blessed)
            lanes = {head.lane: head.stream for head in await house.log.heads_of_kind("lane")}
            await house.write_behind(lanes["mail"], blessed)
            for number in range(10):
                await pair.beside.post(address(number), number)
                await asyncio.sleep(2)
            holders = [standby.keys.holder(secret) for secret in (known, revoked, other, fresh)]
            assert [None if holder is None else holder.label for holder in holders] == ["a", None, "c", None]
            assert pair.beside.notes.count("key_parked") == 2
            assert pair.beside.notes.count("lane_parked") == 1
            assert house.statuses() == {"delivered": 10}
            assert standby.ready() == []

    run_virtual(main)


def test_what_a_newer_release_wrote_of_the_installation_keeps_nobody_from_starting() -> None:
    """A key that it cannot read opens nothing; the other keys open, and messages go out as ever."""
    durable = Durable()

    async def first() -> list[str]:
        async with living(durable=durable) as house:
            made = [await house.system.keys.add(tenant="org1", role="send", label=label) for label in "ab"]
            await house.write_behind(made[0][0].id, UnknownEvent(type="KeyBlessed", schema_version=1, body=b"\x90"))
            return [secret for _, secret in made]

    async def second(secrets: list[str]) -> None:
        async with living(durable=durable) as house:
            await house.post(address(1), 1)
            await house.pass_time(1)
            holders = [house.system.keys.holder(secret) for secret in secrets]
            assert [None if holder is None else holder.label for holder in holders] == [None, "b"]
            assert (house.statuses(), house.notes.count("sys_parked")) == ({"delivered": 1}, 1)

    secrets = run_virtual(first)
    run_virtual(lambda: second(secrets), start_s=10)
