"""Trouble with the store: nothing that was accepted is lost, and everything goes on once it is over."""

import asyncio

import anyio
import pytest

from core import events as e
from core.errors import AppendUnknown, Refused
from core.outcomes import Transient, name_of
from core.policies import SECOND_US, Schedule
from core.records import MessageFilter
from core.settings import Bounds
from eventstore.disk import Border
from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import VirtualLoop
from tests.promises.house import PLAIN, TIGHT, House, address, living, under
from tests.promises.other_side import ObedientDisk, Provider


async def _accept(house: House, to: str, number: int) -> int | None:
    """The message's id, None where the door could not tell or refused."""
    try:
        return (await house.post(to, number)).id
    except (AppendUnknown, Refused):
        return None


async def _accept_within(seconds: float, house: House, to: str, number: int) -> None:
    """Somebody whose patience is over after a time."""
    with anyio.move_on_after(seconds):
        await house.post(to, number)


def assert_all_delivered(house: House, accepted: list[int]) -> None:
    """Whatever was accepted has arrived."""
    assert {house.message(stream).status for stream in accepted} == {"delivered"}


@pytest.mark.parametrize("full_s", [0.05, 3.0, 60.0])
def test_a_full_disk_refuses_new_work_and_loses_none(full_s: float) -> None:
    """While nothing can be written the door refuses; what was accepted before goes on by itself once it can."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        provider.takes_us = 10_000
        async with living(bounds=TIGHT, provider=provider, disk=disk) as house:
            accepted = [(await house.post(address(n % 3), n)).id for n in range(30)]
            await house.pass_time(0.05)
            disk.fill()
            assert [await _accept(house, address(9), number) for number in range(5)] == [None] * 5
            assert house.system.ready() == ["the store is failing: no space is left on the disk"]
            await house.pass_time(full_s)
            disk.empty()
            await house.pass_time(30)
            assert house.system.ready() == []
            assert_all_delivered(house, accepted)
            assert provider.numbers(address(9)) == []
            assert sorted(arrival.number for arrival in provider.seen) == list(range(30))

    run_virtual(main)


def test_an_unpaced_redrive_waits_for_a_failing_store() -> None:
    """It tries again now and then, not without end at one instant."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with living(policy=under(PLAIN, retry=Schedule(after_us=())), disk=disk, provider=provider) as house:
            for number in range(5):
                provider.answers[address(number)].append(Transient())
                await house.post(address(number))
            await house.pass_time(1)
            job = await house.system.redrives.start("org1", MessageFilter(), None)
            disk.fill()
            await house.pass_time(20)
            assert house.notes.count("redrive_refused") <= 40
            disk.empty()
            await house.pass_time(10)
            assert house.statuses() == {"delivered": 5}
            assert (await house.system.redrives.job("org1", job)).status == "done"

    run_virtual(main)


@pytest.mark.parametrize(("border", "statuses"), [("before_answer", {"delivered": 1}), ("before_sync", {"queued": 1})])
def test_a_resumption_that_nobody_answered_for_lets_messages_go_if_it_landed(
    border: Border, statuses: dict[str, int]
) -> None:
    """A lane that cannot tell what became of its last append finds out by itself, and nothing waits for the next."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            await house.system.errands.pause("calls")
            await house.post(address(1))
            disk.fail_later(border)
            with pytest.raises(AppendUnknown):
                await house.system.errands.resume("calls")
            await house.pass_time(2)
            assert house.statuses() == statuses

    run_virtual(main)


@pytest.mark.parametrize(("border", "statuses"), [("before_answer", {"delivered": 3}), ("before_sync", {"dead": 3})])
def test_a_redrive_that_nobody_answered_for_is_carried_out_if_it_landed(
    border: Border, statuses: dict[str, int]
) -> None:
    """A job that is in the log after all begins now, not with the next start."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with living(policy=under(PLAIN, retry=Schedule(after_us=())), disk=disk, provider=provider) as house:
            for number in range(3):
                provider.answers[address(number)].append(Transient())
                await house.post(address(number))
            await house.pass_time(1)
            disk.fail_later(border)
            with pytest.raises(AppendUnknown):
                await house.system.redrives.start("org1", MessageFilter(), None)
            await house.pass_time(3)
            assert house.statuses() == statuses

    run_virtual(main)


def test_a_conversation_in_doubt_remembers_nothing_that_the_log_holds() -> None:
    """While its lane is paused, however much arrives for one whose memory is gone waits in the log alone."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with living(disk=disk, provider=provider) as house:
            await house.system.errands.pause("calls")
            first = await house.post(address(1), 0)
            disk.fail_later("before_sync")
            with pytest.raises(AppendUnknown):
                await house.system.errands.cancel("org1", first.id)
            await house.pass_time(1)
            for number in range(1, 300):
                await house.post(address(1), number)
            actor = house.system.roster.find(first.conversation)
            assert actor is not None
            assert actor._lines._late == ()  # noqa: SLF001 - what it remembers is nowhere else to be seen
            await house.system.errands.resume("calls")
            await house.pass_time(5)
            assert provider.numbers(address(1)) == list(range(300))

    run_virtual(main)


def test_an_acceptance_that_nobody_waited_for_is_delivered_as_soon_as_it_is_durable() -> None:
    """A caller whose patience ends before a slow commit leaves its message with us, and on the agenda."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            await house.post(address(1))
            await house.pass_time(1)
            disk.commit_us = 5 * SECOND_US
            await _accept_within(3, house, address(2), 1)
            await house.pass_time(60)
            first, second = house.durable.messages
            assert house.message(first).status == house.message(second).status == "delivered"

    run_virtual(main)


def test_an_acceptance_that_nobody_waited_for_keeps_its_place_in_its_line() -> None:
    """What was asked for after it, and was durable in the same commit, does not go first."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        provider.takes_us = 3_300_000
        async with living(disk=disk, provider=provider) as house:
            await house.post(address(1), 1)
            await house.pass_time(0.01)
            disk.commit_us, disk.read_us = 5 * SECOND_US, 1_000
            async with anyio.create_task_group() as group:
                group.start_soon(house.post, address(2), 1)
                group.start_soon(_accept_within, 3, house, address(1), 2)
                await house.pass_time(3.5)
                disk.commit_us = 0
                await house.post(address(1), 3)
            await house.pass_time(60)
            assert provider.numbers(address(1)) == [1, 2, 3]

    run_virtual(main)


def test_an_outcome_is_recorded_however_long_the_store_is_down() -> None:
    """What happened outside while nothing could be written is written afterwards, and happens only once."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with living(disk=disk, provider=provider) as house:
            provider.hold()
            stream = (await house.post(address(1))).id
            await house.pass_time(0.1)
            disk.fill()
            provider.let_go()
            await house.pass_time(3_600)
            assert house.message(stream).status == "sending"
            disk.empty()
            await house.pass_time(6)
            assert house.message(stream).status == "delivered"
            assert len(provider.seen) == 1

    run_virtual(main)


def test_those_that_are_busy_for_long_are_looked_at_together() -> None:
    """While outcomes wait for a disk, the scheduler wakes once in the time of one that idles, and not for each."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        provider.takes_us = 30 * SECOND_US
        async with living(disk=disk, provider=provider, bounds=Bounds(idle_us=SECOND_US // 100)) as house:
            for number in range(50):
                await house.post(address(number), number)
                await house.pass_time(0.0002)
            disk.fill()
            await house.pass_time(1)
            steps = loop.steps
            await house.pass_time(10)
            assert loop.steps - steps < 5_000

    run_virtual(main)


@pytest.mark.parametrize(("is_sent", "code"), [(True, "ambiguous"), (False, "transient")])
def test_a_channel_that_forgets_its_deadline_is_cut_off(is_sent: bool, code: str) -> None:  # noqa: FBT001 - a column
    """No attempt outlasts its deadline by more than moments: the message goes on, and its permit comes back."""

    async def main() -> None:
        provider = Provider()
        if is_sent:
            provider.hold()
        else:
            provider.hold_connections()
        async with living(provider=provider, policy=under(PLAIN, timeout_us=5 * SECOND_US)) as house:
            stream = (await house.post(address(1))).id
            await house.pass_time(14)
            failed = [event for event in house.events(stream) if isinstance(event, e.AttemptFailed)]
            assert [(name_of(event.outcome), event.outcome.code) for event in failed] == [(code, "overdue")]
            provider.let_go()
            await house.pass_time(60)
            assert house.message(stream).status == "delivered"

    run_virtual(main)


def test_a_content_that_cannot_be_read_now_costs_no_attempt() -> None:
    """Our own disk's trouble is no failure of the other side: no attempt is used, no circuit counts it."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with living(disk=disk, provider=provider) as house:
            due_us = house.clock.now_us() + 10 * SECOND_US
            stream = (await house.post(address(1), send_at=house.moment(due_us))).id
        async with living(disk=disk, provider=provider, durable=house.durable) as house:
            disk.commit_us = 20_000
            await house.pass_time(10.01 - house.seconds)
            disk.is_unreadable = True
            await house.pass_time(0.05)
            disk.is_unreadable = False
            await house.pass_time(5)
            message = house.message(stream)
            assert (message.status, message.used, message.attempt) == ("delivered", 0, 2)
            assert len(provider.seen) == 1
            assert house.events(message.conversation) == []

    run_virtual(main)


async def _stopped_within(house: House, bound_s: float) -> bool:
    with anyio.move_on_after(bound_s):
        await house.system.stop()
        return True
    return False


@pytest.mark.parametrize("prepare", ["idle", "sending", "unsent"])
def test_a_stop_comes_to_its_end_though_the_store_is_down(prepare: str) -> None:
    """With nothing, or with something in flight that cannot be recorded, a stop keeps to its bound."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with living(disk=disk, provider=provider) as house:
            if prepare != "idle":
                provider.hold()
                await house.post(address(1))
                await house.pass_time(0.1)
            disk.fill()
            if prepare == "unsent":
                provider.let_go()
                await house.pass_time(1)
            assert await _stopped_within(house, 15)
            disk.empty()

    run_virtual(main)
