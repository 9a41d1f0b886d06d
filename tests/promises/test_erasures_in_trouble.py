"""An erasure whose log fails, or whose asker leaves: it goes on, once, and nothing beside it ends."""

import asyncio
from collections.abc import Awaitable
from datetime import tzinfo

import anyio
import pytest

from core import events as e
from core.errors import AppendUnknown, NotFound, StoreUnavailable
from core.outcomes import OptOut, Transient
from core.policies import SECOND_US
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.house import House, living, mail, settings_of
from tests.promises.other_side import ObedientDisk, Provider
from tests.promises.test_erasures import ANN, LATER, assert_sound, private_of


class BadSector(ObedientDisk):
    """A disk of which some reads in a row fail, counted from when it is armed."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        """Called at a border of a commit or a read."""
        if border == "before_read" and self.left is not None:
            self.left -= 1
            self.is_unreadable = -3 <= self.left < 0
        return super().at(border, rows)


class CountingDisk(ObedientDisk):
    """A disk that counts its commits."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        """Called at a border of a commit or a read."""
        self.commits += border == "before_sync"
        return super().at(border, rows)


class LateAnswers(ObedientDisk):
    """A disk whose commits are there a while before anybody is told."""

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        """Called at a border of a commit or a read."""
        return asyncio.sleep(0.005) if border == "before_answer" and rows else super().at(border, rows)


@pytest.mark.parametrize("reads", range(0, 22, 2))
def test_reads_that_fail_only_delay_it(reads: int) -> None:
    """Whichever read it is, be it one of many at once: the daemon lives on, and so does the erasure."""

    async def main() -> None:
        disk = BadSector()
        async with living(disk=disk) as house:
            for number in range(5):
                await house.post(ANN, number, send_at=LATER)
            erasure = await house.system.erasures.begin("org1", "email", ANN)
            disk.left = reads
            await house.pass_time(10)
            state = await house.system.erasures.done("org1", erasure, within_us=60 * SECOND_US)
            assert (state.status, private_of(house.durable)) == ("erased", set())
            assert disk.left < 0
            assert_sound(house.durable)

    run_virtual(main)


def test_whoever_asked_and_left_before_the_answer_is_served() -> None:
    """What was on its way to the log is carried out once it is there, not first after the next start."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            await house.post(ANN, 1, send_at=LATER)
            disk.commit_us = 5_000
            async with anyio.create_task_group() as group:
                group.start_soon(house.system.erasures.begin, "org1", "email", ANN)
                await house.pass_time(0.002)
                group.cancel_scope.cancel()
            assert not [event for event in house.all_events() if isinstance(event, e.ErasureStarted)]
            await house.pass_time(30)
            assert [event.cancelled for event in house.all_events() if isinstance(event, e.SubjectErased)] == [1]
            assert private_of(house.durable) == set()

    run_virtual(main)


def test_whoever_asks_while_writing_fails_is_told_so_each_time() -> None:
    """Nobody is given the id of an erasure that there is none of, and once it works again one call does it."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            await house.post(ANN, 1, send_at=LATER)
            disk.fill()
            await _refused(house)
            await house.pass_time(0.3)
            await _refused(house)
            disk.empty()
            await house.pass_time(10)
            erasure = await house.system.erasures.begin("org1", "email", ANN)
            state = await house.system.erasures.done("org1", erasure, within_us=60 * SECOND_US)
            assert (state.status, private_of(house.durable)) == ("erased", set())

    run_virtual(main)


@pytest.mark.parametrize("border", ["before_write", "before_answer"])
def test_one_that_nobody_knows_of_is_begun_once(border: Border) -> None:
    """Whoever repeats the call gets an erasure that is there: the one that was recorded after all, or a new one."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            await house.post(ANN, 1, send_at=LATER)
            disk.fail_later(border)
            with pytest.raises(AppendUnknown):
                await house.system.erasures.begin("org1", "email", ANN)
            erasure = await _begun_in_time(house)
            state = await house.system.erasures.done("org1", erasure, within_us=60 * SECOND_US)
            await house.pass_time(10)
            assert (state.status, private_of(house.durable)) == ("erased", set())
            assert sum(isinstance(event, e.ErasureStarted) for event in house.all_events()) == 1

    run_virtual(main)


async def _refused(house: House) -> None:
    with pytest.raises(StoreUnavailable):
        await house.system.erasures.begin("org1", "email", ANN)


async def _begun_in_time(house: House) -> int:
    while True:
        try:
            return await house.system.erasures.begin("org1", "email", ANN)
        except StoreUnavailable:
            await house.pass_time(0.05)


@pytest.mark.parametrize("later_ms", range(0, 30, 3))
def test_one_that_begins_while_others_are_found_again_is_carried_out_once(later_ms: int) -> None:
    """Whoever looks for those under way may come upon it before it is known here to have begun."""

    async def main() -> None:
        disk = LateAnswers()
        house = House(Durable(), settings_of(), provider=Provider(), disk=disk, zone_of=_nowhere)
        await house.open()
        disk.read_us = 5_000
        erasures = house.system.erasures
        async with anyio.create_task_group() as group:
            group.start_soon(erasures.begin, "org1", "email", mail(2))
            await house.pass_time(later_ms / 1_000)
            group.start_soon(erasures.run)
            await house.pass_time(1)
            group.cancel_scope.cancel()
        assert [type(event) for event in house.all_events()] == [e.ErasureStarted, e.SubjectErased]

    run_virtual(main)


def test_many_that_wait_are_cancelled_in_few_commits() -> None:
    """Whoever has hundreds of reminders to come is forgotten in a moment, each of them cancelled for that reason."""

    async def main() -> None:
        disk = CountingDisk()
        async with living(disk=disk) as house:
            streams = [(await house.post(ANN, number, send_at=LATER, order="any")).id for number in range(300)]
            disk.commits = 0
            erasure = await house.system.erasures.begin("org1", "email", ANN)
            state = await house.system.erasures.done("org1", erasure, within_us=60 * SECOND_US)
            assert (state.status, state.messages, state.cancelled) == ("erased", 300, 300)
            assert {house.message(stream).reason for stream in streams} == {"erased"}
            assert disk.commits < 20
            assert_sound(house.durable)

    run_virtual(main)


def test_a_conversation_that_makes_no_sense_keeps_nothing_private_of_its_messages() -> None:
    """It waits for a person, who is told; nothing can be sent of it any more, and nobody else is held up."""

    async def main() -> None:
        async with living() as house:
            streams = [(await house.post(ANN, number, send_at=LATER, order="any")).id for number in range(5)]
            await house.write_behind(streams[2], e.DaemonStopped(boot=1))
            erasures = house.system.erasures
            erasure = await erasures.begin("org1", "email", ANN)
            assert (await erasures.done("org1", erasure, within_us=60 * SECOND_US)).status == "erasing"
            assert private_of(house.durable) == {erasure}
            assert house.notes.count("erasure_parked")
            other = await erasures.begin("org1", "email", mail(2))
            assert (await erasures.done("org1", other, within_us=60 * SECOND_US)).status == "erased"

    run_virtual(main)


def test_a_conversation_that_began_without_its_peer_is_released_by_a_person() -> None:
    """Whoever was forgotten and wanted no more is taken back by its id, whatever the conversation began with."""

    async def main() -> None:
        provider = Provider()
        provider.answers[ANN] += (Transient(code="451"), OptOut(code="complaint"))
        async with living(provider=provider) as house:
            before = await house.post(ANN, 1)
            await house.pass_time(60)
            erasure = await house.system.erasures.begin("org1", "email", ANN)
            await house.system.erasures.done("org1", erasure, within_us=60 * SECOND_US)
            errands = house.system.errands
            assert (await errands.conversation("org1", before.conversation)).suppressed == "all"
            await errands.release("org1", before.conversation)
            after = await house.post(ANN, 2)
            await house.pass_time(1)
            assert house.message(after.id).status == "sent"
            with pytest.raises(NotFound):
                await errands.release("org2", before.conversation)

    run_virtual(main)


def _nowhere(_: str) -> tzinfo:
    raise AssertionError("nobody asks for a zone")
