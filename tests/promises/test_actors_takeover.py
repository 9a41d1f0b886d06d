"""Takeovers: whoever may not be the one that acts sends nothing, and what a former one began is left to its time."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Final

import anyio
import pytest

from core import events as e
from core.policies import SECOND_US, Limits, Policy, Quota
from core.records import Append
from eventstore.codec import UnknownEvent
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.house import PLAIN, House, address, living, under
from tests.promises.other_side import ObedientDisk, Provider

DEADLINE_S: Final = 30


class LeasedLog(MemoryLog):
    """A log that may have had a writer who still lives, and may get another one."""

    def __init__(self, durable: Durable, disk: ObedientDisk, *, is_exclusive: bool = False) -> None:
        super().__init__(durable, disk)
        self.is_sure = True
        self.ends_at_an_intent = False
        self._was_orderly = is_exclusive

    @property
    def is_exclusive(self) -> bool:
        return self._was_orderly

    def may_send(self) -> bool:
        return self.is_sure

    def append(self, append: Append) -> Awaitable[None]:
        if self.ends_at_an_intent and isinstance(append.drafts[0].event, e.AttemptStarted):
            self.is_sure = False
        return super().append(append)


@asynccontextmanager
async def after_another(
    durable: Durable, provider: Provider, *, policy: Policy = PLAIN, is_exclusive: bool = False
) -> AsyncIterator[House]:
    """A life that follows one whose end nobody has seen."""
    disk = ObedientDisk()
    log = LeasedLog(durable, disk, is_exclusive=is_exclusive)
    async with living(durable=durable, disk=disk, provider=provider, log=log, policy=policy) as house:
        yield house


def interrupted(policy: Policy = PLAIN, *, posts: int = 2) -> Durable:
    """A log whose former process had an attempt out, and more of the same conversation waiting."""
    durable = Durable()

    async def main() -> None:
        provider = Provider()
        provider.hold()
        async with living(durable=durable, provider=provider, policy=policy) as house:
            for number in range(1, posts + 1):
                await house.post(address(1), number)
            await house.pass_time(2)
            await cut_power()

    with pytest.raises(PowerCut):
        run_virtual(main)
    return durable


def open_attempt(house: House) -> tuple[int, e.AttemptStarted]:
    """The message whose attempt the former process left open, and that attempt."""
    for stream, recorded in house.durable.streams.items():
        started = recorded[-1].event
        if isinstance(started, e.AttemptStarted):
            return stream, started
    raise AssertionError("no attempt is open")


# -- the lease ---------------------------------------------------------------------------------------------------


def test_nothing_begins_while_somebody_else_may_act() -> None:
    """A process that is not sure to act grants nothing; once it is sure again it goes on within a second."""

    async def main() -> None:
        provider, durable = Provider(), Durable()
        async with after_another(durable, provider, is_exclusive=True) as house:
            assert isinstance(house.log, LeasedLog)
            house.log.is_sure = False
            stream = (await house.post(address(1))).id
            await house.pass_time(60)
            assert (provider.seen, len(house.events(stream))) == ([], 1)
            house.log.is_sure = True
            await house.pass_time(1.1)
            assert house.message(stream).status == "delivered"

    run_virtual(main)


def test_an_attempt_that_has_begun_is_given_up_before_a_byte_leaves() -> None:
    """Where the right to send ends between intent and send, the log says that nothing was sent; it is due again."""

    async def main() -> None:
        provider, durable = Provider(), Durable()
        async with after_another(durable, provider, is_exclusive=True) as house:
            log = house.log
            assert isinstance(log, LeasedLog)
            log.ends_at_an_intent = True
            stream = (await house.post(address(1))).id
            await house.pass_time(60)
            assert provider.seen == []
            aborted = house.events(stream)[-1]
            assert isinstance(aborted, e.AttemptAborted)
            assert (aborted.reason, house.message(stream).status) == ("lease", "queued")
            log.is_sure, log.ends_at_an_intent = True, False
            await house.pass_time(2)
            message = house.message(stream)
            assert (message.status, message.attempt, message.used, len(provider.seen)) == ("delivered", 2, 0, 1)

    run_virtual(main)


# -- what a former process began -----------------------------------------------------------------------------------


def test_an_attempt_of_one_that_may_live_is_left_to_its_deadline() -> None:
    """Until then its conversation waits and everything else goes on; then it is ambiguous, and tried again."""
    durable = interrupted()

    async def main() -> None:
        provider = Provider()
        async with after_another(durable, provider) as house:
            stream, started = open_attempt(house)
            other = (await house.post(address(2))).id
            await house.pass_time((started.deadline_us - house.clock.now_us()) / SECOND_US - 0.5)
            assert house.message(other).status == "delivered"
            assert house.message(stream).in_flight == 1
            assert {seen.to for seen in provider.seen} == {address(2)}

            await house.pass_time(1)
            resolved = house.events(stream)[house.message(stream).version - 1 :]
            assert house.message(stream).in_flight == 0, resolved
            entry = house.durable.streams[stream][2]
            assert isinstance(entry.event, e.AttemptFailed)
            assert (entry.event.outcome.code, entry.at_us) == ("interrupted", started.deadline_us)
            await house.pass_time(60)
            assert house.statuses() == {"delivered": 3}

    run_virtual(main)


def test_an_attempt_whose_deadline_has_passed_is_resolved_at_once() -> None:
    """Nobody sends after a deadline, so nothing waits for one that is over."""
    durable = interrupted()

    async def main() -> None:
        await anyio.sleep(2 * DEADLINE_S + 60)
        provider = Provider()
        async with after_another(durable, provider) as house:
            await house.pass_time(15)
            assert house.statuses() == {"delivered": 2}

    run_virtual(main)


def test_an_attempt_of_one_that_surely_ended_is_resolved_at_once() -> None:
    """Where the log proves that nobody else lives, an open attempt need not be waited for."""
    durable = interrupted()

    async def main() -> None:
        provider = Provider()
        async with after_another(durable, provider, is_exclusive=True) as house:
            await house.pass_time(15)
            assert house.statuses() == {"delivered": 2}

    run_virtual(main)


def test_its_place_in_limits_stays_taken() -> None:
    """A window counts what a former process may still send, as if it were sent at the last moment."""
    policy = under(PLAIN, limits=Limits(lane=Quota(count=1, window_us=20 * SECOND_US)))
    durable = interrupted(policy, posts=1)

    async def main() -> None:
        provider = Provider()
        async with after_another(durable, provider, policy=policy) as house:
            stream, started = open_attempt(house)
            other = (await house.post(address(2))).id
            await house.pass_time((started.deadline_us - house.clock.now_us()) / SECOND_US + 19)
            assert provider.seen == []
            await house.pass_time(2)
            assert [seen.to for seen in provider.seen] in ([address(1)], [address(2)])
            await house.pass_time(60)
            assert house.message(stream).status == house.message(other).status == "delivered"
            assert provider.seen[0].at_us >= started.deadline_us + 20 * SECOND_US

    run_virtual(main)


def test_its_place_is_counted_from_what_was_recorded_of_it() -> None:
    """However long a slow disk takes to record that it is over, a window begins with its last moment."""
    policy = under(PLAIN, limits=Limits(lane=Quota(count=1, window_us=20 * SECOND_US)))
    durable = interrupted(policy, posts=1)

    async def main() -> None:
        provider = Provider()
        async with after_another(durable, provider, policy=policy) as house:
            _, started = open_attempt(house)
            await house.post(address(2))
            await house.pass_time((started.deadline_us - house.clock.now_us()) / SECOND_US - 0.5)
            house.disk.commit_us = 5 * SECOND_US
            await house.pass_time(6)
            house.disk.commit_us = 0
            await house.pass_time(16)
            over_us = started.deadline_us + 20 * SECOND_US
            assert [over_us <= seen.at_us < over_us + SECOND_US for seen in provider.seen] == [True]

    run_virtual(main)


def test_a_wish_to_cancel_it_is_kept_until_then() -> None:
    """Who cancels what may be under way gets it cancelled once it is over, and it is not sent again."""
    durable = interrupted(posts=1)

    async def main() -> None:
        provider = Provider()
        async with after_another(durable, provider) as house:
            stream, _ = open_attempt(house)
            await house.system.errands.cancel("org1", stream)
            assert house.message(stream).in_flight == 1
            await house.pass_time(DEADLINE_S + 30)
            assert house.message(stream).status == "cancelled"
            assert provider.seen == []

    run_virtual(main)


def test_what_makes_no_sense_is_parked_at_its_deadline() -> None:
    """An attempt whose stream a newer release went on with waits for one; its place in limits is free by then."""
    policy = under(PLAIN, limits=Limits(concurrency=1))
    durable = interrupted(policy, posts=1)

    async def main() -> None:
        provider = Provider()
        async with after_another(durable, provider, policy=policy) as house:
            stream, started = open_attempt(house)
            other = (await house.post(address(2))).id
            await house.write_behind(stream, UnknownEvent(type="MessageBlessed", schema_version=1, body=b"\x90"))
            await house.pass_time((started.deadline_us - house.clock.now_us()) / SECOND_US - 1)
            assert provider.seen == []
            await house.pass_time(3)
            assert house.message(other).status == "delivered"
            assert house.notes.count("conversation_parked") == 1

    run_virtual(main)


def test_one_that_makes_no_sense_hurries_none_that_may_be_under_way() -> None:
    """Of three open attempts one cannot be read: its conversation waits, and the others keep their time."""
    durable = Durable()

    async def crash() -> None:
        provider = Provider()
        provider.hold()
        async with living(durable=durable, provider=provider) as house:
            streams = [(await house.post(address(number))).id for number in range(1, 4)]
            await house.pass_time(2)
            await house.write_behind(streams[1], UnknownEvent(type="MessageBlessed", schema_version=1, body=b"\x90"))
            await cut_power()

    with pytest.raises(PowerCut):
        run_virtual(crash)

    async def main() -> None:
        provider = Provider()
        async with after_another(durable, provider) as house:
            assert house.notes.count("conversation_parked") == 1
            await house.pass_time(DEADLINE_S - 8)
            assert provider.seen == []
            await house.pass_time(DEADLINE_S)
            assert len(provider.seen) == 2

    run_virtual(main)


def test_trouble_with_the_log_delays_a_resolution_and_loses_none() -> None:
    """Where the log refuses at the deadline, the attempt is resolved once it can be."""
    durable = interrupted(posts=1)

    async def main() -> None:
        provider = Provider()
        async with after_another(durable, provider) as house:
            stream, _ = open_attempt(house)
            house.disk.fill()
            await house.pass_time(DEADLINE_S + 20)
            assert house.message(stream).in_flight == 1
            house.disk.empty()
            await house.pass_time(30)
            assert house.message(stream).status == "delivered"
            assert house.notes.count("interrupted_refused") > 0

    run_virtual(main)
