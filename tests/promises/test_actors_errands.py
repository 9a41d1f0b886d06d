"""What people ask for: cancels, moves, releases, resets and redrives happen exactly, whatever is under way."""

from collections.abc import Awaitable
from functools import partial
from typing import Final

import pytest

from core import events as e
from core.errors import AppendUnknown, Forbidden, NotFound
from core.outcomes import Ambiguous, Permanent, Rate, Transient
from core.policies import HOUR_US, SECOND_US, CircuitRule, Limits, Poison, Quota
from core.records import MessageFilter
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, TIGHT, address, living, under
from tests.promises.other_side import ObedientDisk, Provider

PARK: Final = under(
    PLAIN, circuit=CircuitRule(failures=1, cooldown_us=SECOND_US, ceiling_us=SECOND_US), poison=Poison(kind="park")
)


# -- cancel ------------------------------------------------------------------------------------------------------


def test_a_cancelled_message_never_goes_out() -> None:
    """One that waits is ended at once, its successor takes its turn, and a second cancel is refused."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            later = house.moment(house.clock.now_us() + 60 * SECOND_US)
            first = (await house.post(address(1), 1, send_at=later)).id
            second = (await house.post(address(1), 2, send_at=later)).id
            cancelled = await house.system.errands.cancel("org1", first, reason="event42 moved")
            assert (cancelled.status, cancelled.reason) == ("cancelled", "event42 moved")
            with pytest.raises(Forbidden, match="is cancelled cannot be cancelled"):
                await house.system.errands.cancel("org1", first)
            await house.pass_time(120)
            assert provider.numbers(address(1)) == [2]
            assert house.message(second).status == "delivered"

    run_virtual(main)


@pytest.mark.parametrize(("is_taken", "status"), [(True, "delivered"), (False, "cancelled")])
def test_a_cancel_that_races_a_send(is_taken: bool, status: str) -> None:  # noqa: FBT001 - a column
    """While an attempt is out a cancel holds unless that attempt is taken; it is asked for once."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            if not is_taken:
                provider.answers[address(1)].append(Transient(code="503"))
            provider.hold()
            stream = (await house.post(address(1))).id
            await house.pass_time(1)
            for _ in range(2):
                asked = await house.system.errands.cancel("org1", stream)
                assert (asked.status, asked.cancel) == ("sending", "requested")
            provider.let_go()
            await house.pass_time(120)
            assert house.message(stream).status == status
            assert len(provider.seen) == 1
            assert sum(isinstance(event, e.CancelRequested) for event in house.events(stream)) == 1

    run_virtual(main)


def test_a_cancel_holds_over_a_stop_before_anything_was_sent() -> None:
    """An attempt that a stop aborts was never sent, so the cancel that waited for it ends the message."""

    async def main() -> None:
        provider, durable = Provider(), Durable()
        provider.hold_connections()
        async with living(provider=provider, durable=durable) as house:
            stream = (await house.post(address(1))).id
            await house.pass_time(1)
            assert (await house.system.errands.cancel("org1", stream)).status == "sending"
        assert provider.seen == []
        provider.let_go()
        async with living(provider=provider, durable=durable) as house:
            await house.pass_time(10)
            assert house.message(stream).status == "cancelled"
        assert provider.seen == []

    run_virtual(main)


# -- reschedule --------------------------------------------------------------------------------------------------


def test_a_moved_message_goes_out_at_its_new_instant() -> None:
    """Earlier or later, alone among its neighbours, as long as it was not tried."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, bounds=TIGHT) as house:
            start_us = house.clock.now_us()
            streams = [
                (await house.post(address(1), n, send_at=house.moment(start_us + n * 100 * SECOND_US))).id
                for n in range(1, 6)
            ]
            await house.system.errands.reschedule("org1", streams[4], start_us + 50 * SECOND_US)
            await house.system.errands.reschedule("org1", streams[0], start_us + 450 * SECOND_US)
            await house.pass_time(1_000)
            assert [(seen.number, (seen.at_us - start_us) // SECOND_US) for seen in provider.seen] == [
                (5, 50), (2, 200), (3, 300), (4, 400), (1, 450)
            ]  # fmt: skip
            with pytest.raises(Forbidden, match="is delivered cannot be moved"):
                await house.system.errands.reschedule("org1", streams[0], start_us)

    run_virtual(main)


# -- release and reset -------------------------------------------------------------------------------------------


def test_a_held_message_waits_for_a_person() -> None:
    """Its outcome is unknown, so nothing is sent again until somebody releases it; those behind it go on."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=under(PLAIN, on_ambiguous="hold")) as house:
            provider.answers[address(1)].append(Ambiguous(code="timeout"))
            held = await house.post(address(1), 1)
            await house.post(address(1), 2)
            await house.pass_time(86_400)
            assert provider.numbers(address(1)) == [1, 2]
            assert house.message(held.id).held_by == "unknown"
            assert await house.system.errands.release("org1", held.conversation) == 1
            await house.pass_time(1)
            assert provider.numbers(address(1)) == [1, 2, 1]
            assert house.message(held.id).status == "delivered"
            assert await house.system.errands.release("org1", held.conversation) == 0

    run_virtual(main)


def test_released_messages_take_their_old_places_one_at_a_time() -> None:
    """Parked ones that are let go while a later one is being sent wait for it, and then go in their own order."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=PARK, bounds=TIGHT) as house:
            receipts = []
            for number in range(6):
                provider.answers[address(1)].append(Permanent() if number == 3 else Transient())
                receipts.append(await house.post(address(1), number))
                await house.pass_time(2)
            assert house.statuses() == {"held": 5, "dead": 1}
            provider.hold()
            await house.post(address(1), 9)
            await house.post(address(1), 10, order="any", send_at=house.moment(house.clock.now_us() + 3 * SECOND_US))
            await house.pass_time(2)
            provider.seen.clear()
            await house.system.errands.release("org1", receipts[0].conversation)
            await house.pass_time(10)
            assert provider.in_flight <= 2
            provider.let_go()
            await house.pass_time(60)
            assert [n for n in provider.numbers(address(1)) if n != 10] == [0, 1, 2, 4, 5]

    run_virtual(main)


def test_what_was_released_before_the_store_failed_goes_out() -> None:
    """A release that breaks off halfway says so; those that it had let go are sent, the others are held as before."""

    async def main() -> None:
        provider, disk = Provider(), ObedientDisk()
        async with living(provider=provider, policy=under(PLAIN, on_ambiguous="hold"), disk=disk) as house:
            provider.answers[address(1)] += [Ambiguous(code="timeout")] * 3
            receipts = [await house.post(address(1), number) for number in range(3)]
            await house.pass_time(60)
            assert house.statuses() == {"held": 3}
            provider.seen.clear()
            disk.fail_later("before_sync", after_commits=1)
            with pytest.raises(AppendUnknown):
                await house.system.errands.release("org1", receipts[0].conversation)
            await house.pass_time(5)
            assert provider.numbers(address(1)) == [0]
            assert house.statuses() == {"delivered": 1, "held": 2}

    run_virtual(main)


def test_a_release_finds_its_conversation_whatever_falls_asleep_meanwhile() -> None:
    """Under pressure from others, with a slow log, a released message is not forgotten by an actor of yesterday."""

    async def main() -> None:
        provider, disk = Provider(), ObedientDisk()
        async with living(provider=provider, policy=PARK, bounds=TIGHT, disk=disk) as house:
            provider.answers[address(1)].append(Transient())
            held = await house.post(address(1), 1)
            await house.pass_time(5)
            disk.read_us = 2_000
            release = partial(house.system.errands.release, "org1", held.conversation)
            others = [partial(house.post, address(number), number) for number in range(2, 8)]
            await house.all_at_once([release, *others, partial(house.post, address(1), 2)])
            await house.pass_time(30)
            assert house.statuses() == {"delivered": 8}
            assert sorted(provider.numbers(address(1))) == [1, 1, 2]

    run_virtual(main)


@pytest.mark.parametrize("outcome", [Transient(code="503"), Rate(scope="pair", after_us=HOUR_US)])
def test_a_reset_closes_the_circuit_and_ends_the_pause(outcome: Transient | Rate) -> None:
    """After a person's word the next message goes out at once; where nothing is open, it is refused."""

    async def main() -> None:
        provider = Provider()
        policy = under(PLAIN, order="any", circuit=CircuitRule(failures=1, cooldown_us=HOUR_US))
        async with living(provider=provider, policy=policy) as house:
            provider.answers[address(1)].append(outcome)
            receipt = await house.post(address(1), 1)
            await house.pass_time(5)
            await house.post(address(1), 2)
            await house.pass_time(60)
            assert provider.numbers(address(1)) == [1]
            await house.system.errands.reset("org1", receipt.conversation)
            await house.pass_time(5)
            assert 2 in provider.numbers(address(1))
            with pytest.raises(Forbidden, match="closed already"):
                await house.system.errands.reset("org1", receipt.conversation)

    run_virtual(main)


# -- whose it is -------------------------------------------------------------------------------------------------


def test_another_tenants_things_do_not_exist() -> None:
    """Nobody can see, cancel, move, redrive, release or reset what belongs to somebody else."""

    async def main() -> None:
        async with living(policy=under(PLAIN, limits=Limits(tenant=Quota(count=1, window_us=HOUR_US)))) as house:
            receipt = await house.post(address(1))
            job = await house.system.redrives.start("org1", MessageFilter(), None)
            errands, redrives = house.system.errands, house.system.redrives
            for call in (
                errands.message("org2", receipt.id),
                errands.cancel("org2", receipt.id),
                errands.redrive("org2", receipt.id),
                errands.reschedule("org2", receipt.id, house.clock.now_us()),
                errands.conversation("org2", receipt.conversation),
                errands.reset("org2", receipt.conversation),
                errands.release("org2", receipt.conversation),
                redrives.job("org2", job),
                redrives.cancel("org2", job),
                errands.cancel("org1", 12345),
                errands.pause("nowhere"),
            ):
                assert await _is_not_found(call)

    run_virtual(main)


async def _is_not_found(call: Awaitable[object]) -> bool:
    try:
        await call
    except NotFound:
        return True
    return False
