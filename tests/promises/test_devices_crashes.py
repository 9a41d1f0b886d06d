"""A push that is interrupted: whatever is killed or fails in between, each device gets exactly one message."""

from typing import Final

import pytest

from core import events as e
from core.outcomes import Recipient
from core.policies import HOUR_US, SECOND_US
from core.settings import Bounds
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.other_side import ObedientDisk, Provider
from tests.promises.push_house import DEVICES, PushHouse, UnreliablePower, ends, family, pushing, to

pytestmark = pytest.mark.slow

BORDERS: Final[tuple[Border, ...]] = ("before_sync", "before_answer")
"""Where the power may go out or a commit fail: nothing of it is written, or all of it is and nobody was told."""


def assert_each_device_once(house: PushHouse, push: int, provider: Provider) -> None:
    """The push came to one message for each device, each was taken, and none left more often than it was tried."""
    assert house.message(push).code == "devices:3"
    assert {device: end[0] for device, end in ends(house, push).items()} == dict.fromkeys(DEVICES, "sent")
    for device, message in house.children(push).items():
        assert 1 <= len(provider.numbers(to(device))) <= message.attempt
    house.assert_sound()


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("nth", range(13))
def test_the_power_may_go_out_at_any_commit_of_a_push(border: Border, nth: int) -> None:
    """Wherever a process dies between a push and the end of its messages, each device gets exactly one message."""
    durable, provider = Durable(), Provider()

    async def dies() -> None:
        disk = UnreliablePower()
        async with pushing(durable=durable, provider=provider, disk=disk) as house:
            await family(house)
            disk.go_out(border, after_commits=nth)
            await house.push("ann", 1, idempotency_key="k")
            await house.pass_time(60)

    async def recovers() -> None:
        provider.hang_up()
        async with pushing(durable=durable, provider=provider) as house:
            push = (await house.push("ann", 1, idempotency_key="k")).id
            await house.pass_time(HOUR_US / SECOND_US)
            assert_each_device_once(house, push, provider)

    with pytest.raises(PowerCut) as cut:
        run_virtual(dies)
    run_virtual(recovers, start_s=cut.value.now_s)


def test_a_push_in_the_making_is_never_in_doubt_for_a_stop() -> None:
    """A stop between two devices' messages leaves nothing that could have been sent, whatever is said of doubts."""

    async def main() -> None:
        durable, disk, provider = Durable(), ObedientDisk(), Provider()
        bounds = Bounds(stop_within_us=SECOND_US)
        async with pushing(durable=durable, disk=disk, provider=provider, bounds=bounds) as house:
            await family(house)
            disk.commit_us = 900_000
            push = (await house.push("ann", 1, on_ambiguous="fail")).id
            await house.pass_time(2)
        made = len(house.children(push))
        async with pushing(durable=durable, provider=provider) as house:
            await house.pass_time(60)
            assert 1 <= made <= 2
            assert house.message(push).code == "devices:3"
            assert len(house.children(push)) == 3
            assert not [event for event in house.events(push) if isinstance(event, e.AmbiguityResolved)]

    run_virtual(main)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("nth", range(1, 13))
def test_a_commit_of_unknown_fate_during_a_push_is_made_good(border: Border, nth: int) -> None:
    """Whichever commit between a push and the end of its messages fails, each device gets exactly one message."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with pushing(disk=disk, provider=provider) as house:
            await family(house)
            disk.fail_later(border, after_commits=nth)
            push = (await house.push("ann", 1)).id
            await house.pass_time(HOUR_US / SECOND_US)
            assert_each_device_once(house, push, provider)

    run_virtual(main)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("nth", range(6))
def test_the_power_may_go_out_around_a_verdict(border: Border, nth: int) -> None:
    """A verdict is recorded before the attempt's end: whatever is killed in between, the dead token is given up."""
    durable, provider = Durable(), Provider()
    provider.always["token:dead"] = Recipient(code="UNREGISTERED")

    async def dies() -> None:
        disk = UnreliablePower()
        async with pushing(durable=durable, provider=provider, disk=disk) as house:
            await house.register("ann", "phone", "dead")
            push = await house.push("ann", 1)
            provider.hold()
            await house.pass_time(1)
            assert len(house.children(push.id)) == 1
            disk.go_out(border, after_commits=nth)
            provider.let_go()
            await house.pass_time(60)
            await house.push("ann", 2)
            await house.pass_time(60)

    async def recovers() -> None:
        async with pushing(durable=durable, provider=provider) as house:
            await house.pass_time(HOUR_US / SECOND_US)
            assert house.status("ann", "phone") == "invalid"
            invalidated = [event for event in house.all_events() if isinstance(event, e.DeviceInvalidated)]
            assert len(invalidated) == 1
            assert "sending" not in house.statuses()
            house.assert_tokens_have_one_holder()
            house.assert_sound()

    with pytest.raises(PowerCut) as cut:
        run_virtual(dies)
    run_virtual(recovers, start_s=cut.value.now_s)


def test_a_full_disk_delays_a_push_and_uses_up_no_attempt() -> None:
    """While the log takes nothing the push waits, however long; then each device gets it."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with pushing(disk=disk, provider=provider) as house:
            await family(house)
            await house.system.errands.pause("push")
            push = (await house.push("ann", 1)).id
            await house.system.errands.resume("push")
            disk.fill()
            await house.pass_time(600)
            disk.empty()
            await house.pass_time(60)
            assert_each_device_once(house, push, provider)
            assert house.message(push).used <= 1

    run_virtual(main)


def test_a_full_disk_is_not_asked_again_and_again_to_tell_a_push() -> None:
    """What a push is owed is tried once a second while nothing can be written, and told as soon as it can."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        provider.always |= {to(device): Recipient(code="UNREGISTERED") for device in DEVICES}
        async with pushing(disk=disk, provider=provider) as house:
            await family(house)
            instead = {"channel": "push", "to": "ben", "content": {"title": "News", "body": ".", "data": {"n": "7"}}}
            await house.register("ben", "phone", "ben-phone")
            await house.push("ann", 1, fallback=[instead])
            disk.read_us = 50_000
            while house.statuses().get("dead", 0) < len(DEVICES):
                await house.pass_time(0.001)
            disk.fill()
            disk.read_us = 0
            await house.pass_time(30)
            assert 25 <= house.notes.count("fallback_refused") <= 31
            disk.empty()
            await house.pass_time(5)
            assert provider.numbers(to("phone", "ben")) == [7]

    run_virtual(main)
