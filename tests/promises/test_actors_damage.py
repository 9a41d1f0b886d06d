"""Damage: what makes no sense to this release stops its own conversation, and nobody else."""

from typing import Final

from core import events as e
from core.outcomes import Transient
from core.policies import Limits, Schedule
from core.records import MessageFilter
from eventstore.codec import UnknownEvent
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, address, living, under
from tests.promises.other_side import Provider

OUT_OF_PLACE: Final = e.AttemptTaken(attempt=9, status="delivered", sent_at_us=0, took_us=0)


def test_one_conversation_that_makes_no_sense_stops_nobody_else() -> None:
    """A damaged stream parks its own conversation, and its permit is free for the next in a lane that is full."""

    async def main() -> None:
        provider = Provider()
        narrow = under(PLAIN, limits=Limits(concurrency=1))
        async with living(policy=narrow, provider=provider) as house:
            await house.system.errands.pause("calls")
            broken = (await house.post(address(1))).id
            sound = (await house.post(address(2))).id
            await house.write_behind(broken, OUT_OF_PLACE)
            await house.system.errands.resume("calls")
            await house.pass_time(5)
            assert house.notes.count("conversation_parked") == 1
            assert house.message(sound).status == "delivered"
            assert provider.numbers(address(1)) == []

    run_virtual(main)


def test_an_event_of_a_newer_release_parks_its_conversation_only() -> None:
    """A stream that this release cannot read waits for a newer one, while everybody else is served."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            await house.system.errands.pause("calls")
            newer = (await house.post(address(1))).id
            sound = (await house.post(address(2))).id
            await house.write_behind(newer, UnknownEvent(type="MessageTeleported", schema_version=1, body=b""))
            await house.system.errands.resume("calls")
            await house.pass_time(5)
            assert house.message(sound).status == "delivered"
            assert provider.numbers(address(1)) == []

    run_virtual(main)


def test_a_redrive_passes_over_what_makes_no_sense() -> None:
    """One damaged dead letter among many neither stops a bulk redrive nor the daemon."""

    async def main() -> None:
        provider = Provider()
        async with living(policy=under(PLAIN, retry=Schedule(after_us=())), provider=provider) as house:
            streams = []
            for number in range(4):
                provider.answers[address(number)].append(Transient())
                streams.append((await house.post(address(number))).id)
            await house.pass_time(1)
            await house.write_behind(streams[1], OUT_OF_PLACE)
            job = await house.system.redrives.start("org1", MessageFilter(), None)
            await house.pass_time(5)
            assert [house.message(stream).status for stream in (streams[0], *streams[2:])] == ["delivered"] * 3
            assert (await house.system.redrives.job("org1", job)).status == "done"

    run_virtual(main)
