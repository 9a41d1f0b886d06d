"""A user of pushes is forgotten with all their devices, and with every message that their pushes came to."""

import pytest

from core import events as e
from core.outcomes import Transient
from core.policies import SECOND_US
from core.views import ErasureState
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.other_side import Provider
from tests.promises.push_house import DEVICES, PushHouse, UnreliablePower, family, insisting, pushing, to


async def forgotten(house: PushHouse, user: str = "ann") -> ErasureState:
    """Has a user forgotten, and waits for it."""
    erasure = await house.system.erasures.begin("org1", "push", user)
    return await house.system.erasures.done("org1", erasure, within_us=60 * SECOND_US)


def assert_nothing_is_kept(durable: Durable) -> None:
    """Nothing private of anybody, and no name or address that leads to them."""
    assert (durable.sealed, durable.addresses, durable.aliases) == ({}, {}, {})


def test_nothing_is_kept_of_a_user_and_their_devices() -> None:
    """Pushes that were sent, and one that a device still waits for, go with the devices; nobody gets another one."""

    async def main() -> None:
        provider = Provider()
        async with pushing(provider=provider) as house:
            await family(house)
            await house.push("ann", 1)
            await house.pass_time(1)
            provider.always[to("phone")] = Transient(code="UNAVAILABLE")
            second = (await house.push("ann", 2)).id
            await house.pass_time(1)
            waiting = house.children(second)["phone"].id
            sent = len(provider.seen)
            state = await forgotten(house)
            assert (state.status, state.messages, state.devices) == ("erased", 2, len(DEVICES))
            assert (house.message(waiting).status, house.message(waiting).reason) == ("cancelled", "erased")
            erased = [event for event in house.all_events() if isinstance(event, e.SubjectErased)]
            assert sum(event.messages for event in erased) == 2 + 2 * len(DEVICES)
            assert_nothing_is_kept(house.durable)
            await house.pass_time(600)
            assert len(provider.seen) == sent
            house.assert_sound()

    run_virtual(main)


def test_other_users_keep_what_is_theirs() -> None:
    """Bob's devices and pushes are as they were, and get the next one."""

    async def main() -> None:
        provider = Provider()
        async with pushing(provider=provider) as house:
            await family(house)
            await family(house, "bob")
            for user in ("ann", "bob"):
                await house.push(user)
            await house.pass_time(1)
            await forgotten(house)
            assert {house.status("bob", device) for device in DEVICES} == {"active"}
            provider.seen.clear()
            push = (await house.push("bob", 2)).id
            await house.pass_time(1)
            assert len(provider.seen) == len(house.children(push)) == len(DEVICES)

    run_virtual(main)


def test_a_user_who_comes_back_is_a_new_one() -> None:
    """Their device registers as if it had never been there, and gets pushes again."""

    async def main() -> None:
        provider = Provider()
        async with pushing(provider=provider) as house:
            await family(house)
            await house.push("ann", 1)
            await house.pass_time(1)
            await forgotten(house)
            provider.seen.clear()
            _, is_new = await house.register("ann", "phone", "ann-phone")
            push = (await house.push("ann", 2)).id
            await house.pass_time(1)
            assert (is_new, [seen.to for seen in provider.seen]) == (True, [to("phone")])
            assert house.message(push).status == "sent"
            house.assert_sound()
            house.assert_tokens_have_one_holder()

    run_virtual(main)


def test_a_push_that_is_being_shared_out_leaves_nothing() -> None:
    """What it comes to while its user is forgotten goes as well."""

    async def main() -> None:
        provider = Provider()
        provider.hold()
        async with pushing(provider=provider) as house:
            await family(house)
            erasures = house.system.erasures
            await house.push("ann", 1)
            erasure = await erasures.begin("org1", "push", "ann")
            await house.pass_time(5)
            provider.let_go()
            state = await erasures.done("org1", erasure, within_us=60 * SECOND_US)
            assert state.status == "erased"
            assert_nothing_is_kept(house.durable)
            house.assert_sound()

    run_virtual(main)


@pytest.mark.parametrize("after_commits", range(12))
def test_a_crash_anywhere_leaves_nothing_behind(after_commits: int) -> None:
    """Devices, pushes and what they came to: the next life ends what was begun."""
    durable, provider = Durable(), Provider()

    async def first() -> None:
        disk = UnreliablePower()
        async with pushing(durable=durable, provider=provider, disk=disk) as house:
            await family(house)
            provider.always[to("phone")] = Transient(code="UNAVAILABLE")
            await house.push("ann", 1)
            await house.pass_time(1)
            disk.go_out("before_answer", after_commits=after_commits)
            await insisting(lambda: forgotten(house))
            await house.pass_time(120)

    async def second() -> None:
        async with pushing(durable=durable, provider=provider) as house:
            await house.pass_time(30)
            assert_nothing_is_kept(durable)
            assert not any(head.status == "erasing" for head in durable.heads.values())
            house.assert_sound()

    with pytest.raises(PowerCut) as cut:
        run_virtual(first)
    run_virtual(second, start_s=cut.value.now_s)


def test_whoever_got_a_fallback_of_their_push_is_somebody_else() -> None:
    """Bob keeps his devices and pushes where one to Ann came to one for him, and Ann is forgotten all the same."""

    async def main() -> None:
        async with pushing() as house:
            await family(house, "bob")
            await house.push("ann", 1, fallback=[_push_to("bob")])
            await house.pass_time(5)
            state = await forgotten(house)
            assert (state.status, state.messages) == ("erased", 1)
            assert {house.status("bob", device) for device in DEVICES} == {"active"}
            assert sum(isinstance(event, e.ErasureStarted) for event in house.all_events()) == 1
            house.assert_sound()

    run_virtual(main)


def test_nobody_is_forgotten_while_one_of_their_devices_is_not() -> None:
    """Where a device's messages make no sense its user waits for a person as well, and nothing else goes wrong."""

    async def main() -> None:
        provider = Provider()
        async with pushing(provider=provider) as house:
            await family(house)
            provider.always[to("phone")] = Transient(code="UNAVAILABLE")
            push = (await house.push("ann", 1)).id
            await house.pass_time(1)
            await house.write_behind(house.children(push)["phone"].id, e.DaemonStopped(boot=1))
            erasure = await house.system.erasures.begin("org1", "push", "ann")
            await house.pass_time(60)
            assert (await house.system.erasures.state("org1", erasure)).status == "erasing"
            assert sum(head.status == "erasing" for head in house.durable.heads.values()) == 2
            assert house.notes.count("erasure_parked")

    run_virtual(main)


@pytest.mark.parametrize("other", ["ann", "bob"])
def test_pushes_that_fall_back_in_a_circle_are_no_circle_of_erasures(other: str) -> None:
    """Nobody waits for themselves, nor for whoever waits for them."""

    async def main() -> None:
        async with pushing() as house:
            await house.push("ann", 1, fallback=[_push_to(other)])
            await house.push(other, 2, fallback=[_push_to("ann")])
            await house.pass_time(5)
            assert ((await forgotten(house)).status, (await forgotten(house, other)).status) == ("erased", "erased")
            assert house.durable.sealed == {}

    run_virtual(main)


def _push_to(user: str) -> dict[str, object]:
    return {"channel": "push", "to": user, "content": {"title": "News", "body": ".", "data": {"n": "9"}}}
