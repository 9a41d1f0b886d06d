"""What the messages for a user's devices come to is what their push comes to, whatever is killed in between."""

from typing import Final

import pytest

from core import events as e
from core.outcomes import Permanent, Recipient, Transient
from core.policies import HOUR_US, SECOND_US
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.other_side import ObedientDisk, Provider
from tests.promises.push_house import DEVICES, UnreliablePower, ends, family, pushing, to

UNREGISTERED: Final = Recipient(code="UNREGISTERED")
BORDERS: Final[tuple[Border, ...]] = ("before_sync", "before_answer")


def test_a_push_has_failed_once_all_of_its_messages_have() -> None:
    """While any device may still get it, it is sent; after the last refusal it says what most of them ended with."""

    async def main() -> None:
        provider = Provider()
        provider.always[to("phone")] = UNREGISTERED
        provider.always[to("laptop")] = UNREGISTERED
        provider.answers[to("tablet")].extend([Transient(code="UNAVAILABLE")] * 2 + [Permanent(code="BAD")])
        async with pushing(provider=provider) as house:
            await family(house)
            push = (await house.push("ann", 1)).id
            await house.pass_time(25)
            assert (house.message(push).status, house.message(push).code) == ("sent", "devices:3")
            await house.pass_time(10)
            ended = house.message(push)
            assert (ended.status, ended.code, ended.reason) == ("failed", "UNREGISTERED", "failed")
            assert [told.status for told in ended.receipts] == ["failed"]
            assert not any(house.durable.heads[child.id].owes for child in house.children(push).values())
            house.assert_sound()

    run_virtual(main)


def test_a_push_to_one_living_device_has_not_failed() -> None:
    """What some devices refused, and a person cancelled for others, is no failure of a push that one device got."""

    async def main() -> None:
        provider = Provider()
        provider.always[to("phone")] = UNREGISTERED
        provider.always[to("laptop")] = Transient(code="UNAVAILABLE")
        async with pushing(provider=provider) as house:
            await family(house)
            push = (await house.push("ann", 1)).id
            await house.pass_time(1)
            await house.system.errands.cancel(None, house.children(push)["laptop"].id)
            await house.pass_time(1)
            assert {end for end, _ in ends(house, push).values()} == {"dead", "cancelled", "sent"}
            assert house.message(push).status == "sent"

    run_virtual(main)


def test_a_push_that_reached_nobody_is_followed_by_its_fallback() -> None:
    """The user has devices, and all of their tokens are dead: another channel takes over, once."""

    async def main() -> None:
        provider = Provider()
        provider.always |= {to(device): UNREGISTERED for device in DEVICES}
        async with pushing(provider=provider) as house:
            await family(house)
            instead = {"channel": "push", "to": "ben", "content": {"title": "News", "body": ".", "data": {"n": "7"}}}
            await house.register("ben", "phone", "ben-phone")
            push = (await house.push("ann", 1, fallback=[instead])).id
            await house.pass_time(10)
            ended = house.message(push)
            assert (ended.status, bool(ended.fallback), ended.owes) == ("failed", True, False)
            assert provider.numbers(to("phone", "ben")) == [7]

    run_virtual(main)


def test_messages_that_end_while_their_push_is_made_are_not_forgotten() -> None:
    """Two devices have refused theirs before the third one's is accepted: the push fails once it is made."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        provider.always |= {to(device): UNREGISTERED for device in DEVICES}
        async with pushing(disk=disk, provider=provider) as house:
            await family(house)
            disk.commit_us = 900_000
            push = (await house.push("ann", 1)).id
            await house.pass_time(60)
            assert (house.message(push).status, house.message(push).code) == ("failed", "UNREGISTERED")

    run_virtual(main)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("nth", range(0, 16, 3))
def test_a_push_hears_of_its_messages_whatever_is_killed(border: Border, nth: int) -> None:
    """Wherever the power goes out between a push and the word of its last message, it has failed in the end, once."""
    durable, provider = Durable(), Provider()
    provider.always |= {to(device): UNREGISTERED for device in DEVICES}

    async def dies() -> None:
        disk = UnreliablePower()
        async with pushing(durable=durable, provider=provider, disk=disk) as house:
            await family(house)
            disk.go_out(border, after_commits=nth)
            await house.push("ann", 1, idempotency_key="k")
            await house.pass_time(60)
            await house.push("nobody", 2)
            for _ in range(nth):
                await house.push("nobody", 2)

    async def recovers() -> None:
        async with pushing(durable=durable, provider=provider) as house:
            push = (await house.push("ann", 1, idempotency_key="k")).id
            await house.pass_time(HOUR_US / SECOND_US)
            children = house.children(push)
            assert not any(house.durable.heads[child.id].owes for child in children.values())
            # One that died unheard of may have left no device to send to.
            failed = [event for event in house.events(push) if isinstance(event, e.ReceiptSeen)]
            assert (house.message(push).status, len(failed)) in (("failed", 1), ("dead", 0))
            house.assert_sound()

    with pytest.raises(PowerCut) as cut:
        run_virtual(dies)
    run_virtual(recovers, start_s=cut.value.now_s)


@pytest.mark.parametrize("doubts", ["hold", "fail"])
@pytest.mark.parametrize("nth", range(1, 5))
def test_a_push_that_was_cut_off_is_made_again(doubts: str, nth: int) -> None:
    """Whatever is to happen in doubt: there is none, since each device's message is made once."""
    durable, provider = Durable(), Provider()

    async def dies() -> None:
        disk = UnreliablePower()
        async with pushing(durable=durable, provider=provider, disk=disk) as house:
            await family(house)
            disk.go_out("before_answer", after_commits=nth)
            await house.push("ann", 1, idempotency_key="k", on_ambiguous=doubts)
            await house.pass_time(60)

    async def recovers() -> None:
        provider.hang_up()
        async with pushing(durable=durable, provider=provider) as house:
            push = (await house.push("ann", 1, idempotency_key="k", on_ambiguous=doubts)).id
            await house.pass_time(60)
            assert (house.message(push).status, house.message(push).code) == ("sent", "devices:3")
            assert len(house.children(push)) == 3
            assert not [event for event in house.events(push) if isinstance(event, e.AmbiguityResolved)]

    with pytest.raises(PowerCut) as cut:
        run_virtual(dies)
    run_virtual(recovers, start_s=cut.value.now_s)
