"""Pushes for real: a daemon that is killed, an application that repeats itself, and FCM's own wire format between."""

import asyncio
from pathlib import Path

import pytest

from tests.promises.push_daemon import UNAVAILABLE, UNREGISTERED, Together, first_of, together

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def token(name: str) -> str:
    """A token as long as FCM wants them."""
    return f"fRt-1_x:APA91b-{name:0>12}"


async def test_a_push_reaches_those_devices_that_can_be_reached(tmp_path: Path) -> None:
    """Of three devices one is dead and one out of reach at first: two get it, the dead one is given up for good."""
    async with together(tmp_path) as world:
        application, fcm = world.application, world.fcm
        for device in ("laptop", "phone", "tablet"):
            assert await application.register(f"ann/{device}", token(device))
        fcm.told = {token("phone"): [UNREGISTERED], token("tablet"): [UNAVAILABLE]}

        children = await application.settled(await application.push("ann"), devices=3)
        assert sorted(str(child["status"]) for child in children) == ["dead", "sent", "sent"]
        assert fcm.pushes() == {token("laptop"): 1, token("phone"): 1, token("tablet"): 2}
        _, listed = await application.call("GET", "/v1/devices/ann")
        statuses = {entry["device"]: (entry["status"], entry["code"]) for entry in listed["devices"]}  # type: ignore[attr-defined]
        assert statuses == {
            "laptop": ("active", None),
            "phone": ("invalid", "UNREGISTERED"),
            "tablet": ("active", None),
        }
        await application.settled(await application.push("ann"), devices=2)
        assert fcm.pushes()[token("phone")] == 1
        assert all(len(ids) == 2 for ids in fcm.ids().values())
        assert await world.daemon.stop() == 0


async def register_all(world: Together, wanted: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Registers all of these at once and kills the daemon as soon as one is answered; those without an answer."""
    tasks = [asyncio.create_task(world.application.register(path, name)) for path, name in wanted]
    await first_of(tasks)
    await world.daemon.kill()
    answered = await asyncio.gather(*tasks)
    assert any(answered)
    return [asked for asked, device in zip(wanted, answered, strict=True) if device is None]


async def test_registrations_survive_a_daemon_that_does_not(tmp_path: Path) -> None:
    """Killed between what it records and its answers, a daemon loses no answered device, and no token has two."""
    wanted = [(f"user{n % 7}/device{n % 4}", token(f"t{n % 5}")) for n in range(140)]
    async with together(tmp_path) as world:
        unanswered = wanted
        for _ in range(4):
            left = await register_all(world, unanswered)
            assert set((await world.holders()).values()) <= {1}
            await world.daemon.start()
            unanswered = left or wanted
        # Whoever repeats himself last has the token, whatever came of all the others.
        for n in range(5):
            assert await world.application.register(f"last/device{n}", token(f"t{n}"))
        await world.daemon.verify()
        assert await world.daemon.stop() == 0
        assert sorted((await world.holders()).values()) == [1] * 5


async def test_no_device_is_left_out_of_a_push_or_pushed_to_twice(tmp_path: Path) -> None:
    """Killed again and again while it goes out to fifty devices, a push comes to one message for each of them."""
    async with together(tmp_path) as world:
        application, fcm = world.application, world.fcm
        for n in range(50):
            assert await application.register(f"ann/device{n}", token(f"t{n}"))
        kills = [1, 10, 30]
        killed = asyncio.Event()

        async def kill_at(sends: int) -> None:
            if kills and sends >= kills[0]:
                kills.pop(0)
                await world.daemon.kill()
                killed.set()

        fcm.heard = kill_at
        message = await application.push("ann")
        while kills or killed.is_set():
            await killed.wait()
            killed.clear()
            await world.daemon.start()
        children = await application.settled(message, devices=50)
        assert {str(child["status"]) for child in children} == {"sent"}
        assert {name: len(ids) for name, ids in fcm.ids().items()} == {token(f"t{n}"): 1 for n in range(50)}
        attempts = sum(int(str(child["attempts"])) for child in children)
        assert 50 <= sum(fcm.pushes().values()) <= attempts
        await world.daemon.verify()


async def test_a_device_that_is_silent_for_too_long_gets_nothing(tmp_path: Path) -> None:
    """The time comes from the policy in the file: after it a device is stale, and active again once it speaks."""
    async with together(tmp_path, stale_after="500ms") as world:
        application = world.application
        assert await application.register("ann/phone", token("phone"))

        async def is_stale() -> bool:
            return (await application.call("GET", "/v1/devices/ann/phone"))[1]["status"] == "stale"

        await application.until(is_stale)
        message = await application.push("ann")

        async def is_dead() -> bool:
            state = await application.state(message)
            return (state["status"], state["last_error"]) == ("dead", {"code": "no_device", "detail": ""})

        await application.until(is_dead)
        device = await application.register("ann/phone", token("phone"))
        assert device is not None
        assert device["status"] == "active"
