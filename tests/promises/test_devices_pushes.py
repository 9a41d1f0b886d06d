"""A push to a user: one message for each active device, sent to the token that is there when its turn comes."""

from collections import Counter
from typing import Final

import pytest
from msgspec.structs import replace

from core import ids
from core.device_names import DeviceName, Token
from core.outcomes import Ambiguous, Outcome, Permanent, Recipient, Transient
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from core.settings import Lane
from scenarios.loop.run import run_virtual
from tests.promises.house import address
from tests.promises.other_side import ObedientDisk, Provider
from tests.promises.push_house import DEVICES, PUSHES, days, ends, family, pushing, settings_for, silent, to

UNREGISTERED: Final = Recipient(code="UNREGISTERED")
MALFORMED: Final = Recipient(code="INVALID_ARGUMENT", soft=True)


def test_a_push_goes_to_each_device_of_its_user() -> None:
    """Every active device of the user gets it once, nobody else's does, and the push says to how many it went."""

    async def main() -> None:
        provider = Provider()
        async with pushing(provider=provider) as house:
            await family(house)
            await house.register("ben", "phone", "ben-phone")
            await house.register("ann", "phone", "foreign", tenant="org2")
            await house.register("ann", "watch", "f-1", kind="fid")
            push = (await house.push("ann", 7)).id
            await house.pass_time(1)
            assert Counter(arrival.to for arrival in provider.seen) == Counter(
                [to("laptop"), to("phone"), to("tablet"), "fid:f-1"]
            )
            assert {arrival.number for arrival in provider.seen} == {7}
            assert (house.message(push).status, house.message(push).code) == ("sent", "devices:4")
            assert {message.status for message in house.children(push).values()} == {"sent"}
            assert {(message.cause, message.caused_by) for message in house.children(push).values()} == {(push, "msg")}

    run_virtual(main)


def test_what_was_asked_for_a_push_holds_for_each_device() -> None:
    """Priority, order, expiry, zone, policy and reference of the push are those of its messages, its key is not."""

    async def main() -> None:
        async with pushing() as house:
            await family(house)
            await house.system.errands.pause("push")
            expires_us = house.clock.now_us() + HOUR_US
            receipt = await house.push(
                "ann",
                priority=2,
                order="fifo",
                on_ambiguous="fail",
                policy="pushes",
                time_zone="Europe/Berlin",
                reference="event42",
                idempotency_key="k",
                expires_at=house.moment(expires_us),
            )
            await house.system.errands.resume("push")
            await house.pass_time(1)
            for message in house.children(receipt.id).values():
                asked = (message.priority, message.order, message.on_ambiguous, message.policy, message.zone)
                assert asked == (2, "fifo", "fail", "pushes", "Europe/Berlin")
                assert message.expires_us == expires_us
            reference = house.system.intake.reference_hash("org1", "event42")
            assert reference is not None
            assert len(house.durable.referenced[reference]) == 4
            assert (await house.push("ann", priority=2, idempotency_key="other")).duplicate is False

    run_virtual(main)


def test_no_client_can_take_the_key_of_a_devices_message() -> None:
    """Whatever keys a client chooses beforehand, each device gets its message."""

    async def main() -> None:
        provider = Provider()
        async with pushing(provider=provider) as house:
            device, _ = await house.register("ann", "phone", "ann-phone")
            await house.system.errands.pause("push")
            push = (await house.push("ann", 1)).id
            name = f"{ids.encode('msg', push)}/{ids.encode('device', device.state.id)}"
            for key in (name, f"fanout/{name}", f"fanout_key/{name}", "fanout"):
                await house.push("nobody", 2, idempotency_key=key)
            await house.system.errands.resume("push")
            await house.pass_time(1)
            assert ends(house, push) == {"phone": ("sent", "200")}
            assert provider.numbers(to("phone")) == [1]

    run_virtual(main)


def test_one_dead_token_is_not_the_user() -> None:
    """A device that its provider refuses is invalid from there on; the others have theirs, and the next push too."""

    async def main() -> None:
        provider = Provider()
        provider.always[to("phone")] = UNREGISTERED
        provider.answers[to("tablet")].append(Transient(code="UNAVAILABLE"))
        async with pushing(provider=provider) as house:
            await family(house)
            first = (await house.push("ann", 1)).id
            await house.pass_time(60)
            assert ends(house, first) == {
                "laptop": ("sent", "200"),
                "phone": ("dead", "UNREGISTERED"),
                "tablet": ("sent", "200"),
            }
            assert {device: house.status("ann", device) for device in DEVICES} == {
                "laptop": "active",
                "phone": "invalid",
                "tablet": "active",
            }
            second = (await house.push("ann", 2)).id
            await house.pass_time(60)
            assert ends(house, second) == {"laptop": ("sent", "200"), "tablet": ("sent", "200")}
            assert provider.numbers(to("phone")) == [1]
            house.assert_tokens_have_one_holder()

            provider.always.clear()
            await house.register("ann", "phone", "ann-phone-2")
            third = (await house.push("ann", 3)).id
            await house.pass_time(60)
            assert len(ends(house, third)) == 3
            assert provider.numbers("token:ann-phone-2") == [3]

    run_virtual(main)


def test_a_user_without_an_active_device_cannot_be_reached() -> None:
    """Nobody registered, or all are stale, invalid or removed: the push ends at once and nothing leaves."""

    async def main() -> None:
        provider = Provider()
        async with pushing(provider=provider, policy=silent(PUSHES, after_us=DAY_US)) as house:
            await house.register("stale", "phone", "t-1")
            await house.pass_time(days(2))
            await house.register("invalid", "phone", "t-2")
            await house.register("removed", "phone", "t-3")
            dead = Token(kind="token", value="t-2")
            await house.system.devices.refuse("org1", DeviceName(user="invalid", device="phone"), dead, "UNREGISTERED")
            await house.system.devices.remove("org1", DeviceName(user="removed", device="phone"))
            assert house.status("stale", "phone") == "stale"
            pushes = [(await house.push(user)).id for user in ("stale", "invalid", "removed", "unknown")]
            await house.pass_time(1)
            for push in pushes:
                message = house.message(push)
                assert (message.status, message.reason, message.code) == ("dead", "refused", "no_device")
                assert house.children(push) == {}
            assert provider.seen == []
            # The user is no dead address: with a device there, the next push goes out.
            await house.register("unknown", "phone", "t-4")
            assert (await house.push("unknown", 5)).id
            await house.pass_time(1)
            assert provider.numbers("token:t-4") == [5]

    run_virtual(main)


def test_whoever_has_no_device_gets_it_another_way() -> None:
    """The fallback of a push begins where no device is active, and only there."""

    async def main() -> None:
        provider = Provider()
        calls = Lane(name="calls", channel="webhook", provider="test", policy=PUSHES)
        async with pushing(provider=provider) as house:
            settings = settings_for()
            await house.reload(replace(settings, lanes=(*settings.lanes, calls)))
            await house.register("ann", "phone", "t-1")
            other = {"channel": "webhook", "to": address(1), "content": {"type": "test", "data": {"n": 9}}}
            for user in ("ann", "ben"):
                await house.push(user, fallback=[other])
            await house.pass_time(10)
            assert [(arrival.to, arrival.number) for arrival in provider.seen] == [("token:t-1", 1), (address(1), 9)]

    run_virtual(main)


def test_a_provider_that_takes_users_gets_those_without_devices() -> None:
    """Such a provider is handed a user of whom no device was ever heard, and no other."""

    async def main() -> None:
        provider = Provider()
        async with pushing(provider=provider, takes_users=True) as house:
            await house.register("ann", "phone", "t-1")
            await house.register("gone", "phone", "t-2")
            await house.system.devices.remove("org1", DeviceName(user="gone", device="phone"))
            pushes = [(await house.push(user)).id for user in ("nobody", "ann", "gone")]
            await house.pass_time(1)
            assert [arrival.to for arrival in provider.seen] == ["nobody", "token:t-1"]
            assert [house.message(push).code for push in pushes] == ["200", "devices:1", "no_device"]

    run_virtual(main)


def test_a_message_finds_its_device_as_it_is_by_then() -> None:
    """A token that changed meanwhile is used as it is; a device that went, moved or grew stale gets nothing more."""

    async def main() -> None:
        provider = Provider()
        async with pushing(provider=provider, policy=silent(PUSHES, after_us=10 * MINUTE_US)) as house:
            for user, device in (("ann", "renews"), ("ann", "leaves"), ("ann", "moves"), ("ann", "rests")):
                await house.register(user, device, f"{device}-1")
                provider.always[f"token:{device}-1"] = Transient(code="503", after_us=30 * MINUTE_US)
            push = (await house.push("ann", 1)).id
            await house.pass_time(60)
            await house.register("ann", "renews", "renews-2")
            await house.system.devices.remove("org1", DeviceName(user="ann", device="leaves"))
            await house.register("ben", "phone", "moves-1")
            for _ in range(10):
                await house.pass_time(4 * 60)
                await house.register("ann", "renews", "renews-2")
            provider.soothe()
            await house.pass_time(3_600)
            assert ends(house, push) == {
                "renews": ("sent", "200"),
                "leaves": ("dead", "device_removed"),
                "moves": ("dead", "device_removed"),
                "rests": ("dead", "device_stale"),
            }
            assert provider.numbers("token:renews-2") == [1]
            assert Counter(arrival.to for arrival in provider.seen)["token:moves-1"] == 1

    run_virtual(main)


def test_a_verdict_on_a_token_that_was_replaced_meanwhile_counts_for_nothing() -> None:
    """What a provider says of the old token, after the application told us the new one, ends no device."""

    async def main() -> None:
        provider = Provider()
        provider.always["token:old"] = UNREGISTERED
        async with pushing(provider=provider) as house:
            await house.register("ann", "phone", "old")
            provider.hold()
            push = (await house.push("ann", 1)).id
            await house.pass_time(1)
            await house.register("ann", "phone", "new")
            provider.let_go()
            await house.pass_time(1)
            assert ends(house, push) == {"phone": ("dead", "UNREGISTERED")}
            assert house.status("ann", "phone") == "active"
            house.assert_tokens_have_one_holder()

    run_virtual(main)


def test_a_refusal_that_may_mean_the_message_is_weighed() -> None:
    """A doubtful refusal ends a device where another took the same message, or the third time in a row."""

    async def main() -> None:
        provider = Provider()
        async with pushing(provider=provider) as house:
            await family(house)
            for device in DEVICES:
                provider.answers[to(device)].append(MALFORMED)
            await house.push("ann", 1)
            await house.pass_time(1)
            assert {house.status("ann", device) for device in DEVICES} == {"active"}
            provider.always[to("tablet")] = MALFORMED
            provider.takes_us = 1_000
            await house.push("ann", 2)
            await house.pass_time(60)
            await house.push("ann", 3)
            await house.pass_time(60)
            assert {device: house.status("ann", device) for device in DEVICES} == {
                "laptop": "active",
                "phone": "active",
                "tablet": "invalid",
            }

            await house.register("ben", "phone", "ben-phone")
            for number, status in enumerate(("active", "active", "invalid"), start=4):
                provider.answers[to("phone", "ben")].append(MALFORMED)
                await house.push("ben", number)
                await house.pass_time(1)
                assert house.status("ben", "phone") == status, number

    run_virtual(main)


@pytest.mark.parametrize("outcome", [Permanent(code="too_large"), Ambiguous(code="timeout"), Transient(code="503")])
def test_what_says_nothing_of_the_token_leaves_the_device_alone(outcome: Outcome) -> None:
    """A fault of the message, of the provider or of the network ends no device, however often it comes."""

    async def main() -> None:
        provider = Provider()
        provider.always[to("phone")] = outcome
        async with pushing(provider=provider) as house:
            await family(house)
            for number in range(4):
                await house.push("ann", number)
                await house.pass_time(HOUR_US / SECOND_US)
            assert house.status("ann", "phone") == "active"

    run_virtual(main)


def test_a_push_goes_on_through_the_lanes_that_are_left() -> None:
    """Devices' messages keep to the lanes of their push; a lane that was taken out meanwhile is left out."""

    async def main() -> None:
        provider = Provider()
        async with pushing(provider=provider) as house:
            await house.reload(settings_for(lanes=("push", "spare", "third")))
            await family(house)
            for lane in ("push", "spare", "third"):
                await house.system.errands.pause(lane)
            push = (await house.push("ann", 1, failover=["push", "spare", "third"])).id
            await house.reload(settings_for(lanes=("push", "third")))
            await house.system.errands.resume("third")
            await house.pass_time(300)
            assert {end[0] for end in ends(house, push).values()} == {"sent"}
            assert {message.lanes for message in house.children(push).values()} == {("third", "push")}

    run_virtual(main)


def test_a_push_whose_time_ends_while_it_is_made_expires() -> None:
    """A push that is just too late for its devices' messages ends as expired, not as a refusal of our own."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with pushing(disk=disk, provider=provider) as house:
            await family(house)
            expires_at = house.moment(house.clock.now_us() + SECOND_US)
            disk.commit_us = 600_000
            push = (await house.push("ann", 1, expires_at=expires_at)).id
            await house.pass_time(60)
            assert house.message(push).status == "expired"
            assert provider.seen == []

    run_virtual(main)
