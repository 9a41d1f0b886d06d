"""Fallbacks begin exactly once, whatever fails, is killed or comes between, and however many there are."""

from typing import Final

import anyio
import pytest

from core import events as e
from core import ids
from core.errors import AppendUnknown, Forbidden, KeyReused, Refused
from core.news import Receipt
from core.outcomes import Permanent
from core.policies import SECOND_US, Schedule
from core.records import MessageFilter
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.accounts import (
    Branches,
    CuttingDisk,
    a_bounce,
    a_call,
    accounts_for,
    caused_by,
    followed,
    lane,
    last_of,
    open_branches,
    settings_with,
)
from tests.promises.house import PLAIN, mail, under
from tests.promises.other_side import ObedientDisk

ONCE: Final = under(PLAIN, name="once", retry=Schedule(after_us=()))
CHANNELS: Final = settings_with(lane("post", ONCE), lane("calls", channel="webhook", has_receipts=False))
LANES: Final = ("post", "calls")
UNKNOWN: Final[tuple[Border, ...]] = ("before_sync", "before_answer")
REFUSED: Final = Permanent(code="554")


def test_no_client_can_take_the_key_of_a_fallback() -> None:
    """Whatever key a client chooses, the fallback begins; and a client's own key means what it meant."""

    async def main() -> None:
        given = accounts_for(*LANES)
        async with open_branches(CHANNELS, given) as house:
            due = house.moment(house.clock.now_us() + 10 * SECOND_US)
            stream = (await house.post(mail(1), send_at=due, fallback=[a_call()])).id
            name = ids.encode("msg", stream)
            keys = (name, f"fallback/{name}", f"fallback_key/{name}", "fallback")
            taken = [(await house.post(mail(9), 9, idempotency_key=key)).id for key in keys]
            await house.pass_time(1)
            given["post"].always = REFUSED
            await house.pass_time(10)
            fallback = await followed(house, stream, given["calls"])
            assert fallback not in taken
            assert [(await house.post(mail(9), 9, idempotency_key=key)).id for key in keys] == taken
            with pytest.raises(KeyReused):
                await house.post(mail(9), 10, idempotency_key=keys[0])

    run_virtual(main)


def test_a_dead_letter_with_a_fallback_is_not_redriven() -> None:
    """Another channel has taken its place, or is about to: sent again as well, it would arrive twice."""

    async def main() -> None:
        given = accounts_for(*LANES)
        given["post"].always = REFUSED
        async with open_branches(CHANNELS, given) as house:
            stream = (await house.post(mail(1), fallback=[a_call()])).id
            house.system.intake.is_open = False
            await house.pass_time(0.5)
            assert house.durable.heads[stream].owes
            with pytest.raises(Forbidden, match="has a fallback on another channel"):
                await house.system.errands.redrive("org1", stream)
            house.system.intake.is_open = True
            await house.pass_time(5)
            with pytest.raises(Forbidden, match="has a fallback on another channel"):
                await house.system.errands.redrive("org1", stream)
            job = await house.system.redrives.start("org1", MessageFilter(), None)
            await house.pass_time(5)
            assert (await house.system.redrives.job("org1", job)).moved == 0

    run_virtual(main)


async def _post_and_die(house: Branches) -> int | None:
    try:
        return (await house.post(mail(1), fallback=[a_call()])).id
    except (AppendUnknown, Refused):
        return None


@pytest.mark.parametrize("border", UNKNOWN)
@pytest.mark.parametrize("nth", range(9))
def test_a_fallback_begins_once_over_a_commit_of_unknown_fate(border: Border, nth: int) -> None:
    """Whichever commit of both messages' lives fails so that nobody can tell, one follows the other once."""

    async def main() -> None:
        given, disk = accounts_for(*LANES), ObedientDisk()
        given["post"].always = REFUSED
        disk.commit_us = 100
        async with open_branches(CHANNELS, given, disk=disk) as house:
            disk.fail_later(border, after_commits=nth)
            await _post_and_die(house)
            await house.pass_time(60)
            if house.durable.messages:
                await followed(house, house.durable.messages[0], given["calls"])
            assert len(house.durable.messages) in {0, 2}
            assert nth > 0 or border == "before_answer" or not house.durable.messages

    run_virtual(main)


@pytest.mark.parametrize("border", UNKNOWN)
@pytest.mark.parametrize("nth", range(7))
def test_a_fallback_begins_once_over_a_crash(border: Border, nth: int) -> None:
    """Whichever commit of both messages' lives is the last one of the daemon's, one follows the other once."""
    durable, given = Durable(), accounts_for(*LANES)
    given["post"].always = REFUSED

    async def begin() -> None:
        async with open_branches(CHANNELS, given, durable=durable):
            pass

    async def main() -> None:
        disk = CuttingDisk(border, nth + 1)
        async with open_branches(CHANNELS, given, durable=durable, disk=disk) as house:
            await _post_and_die(house)
            await house.pass_time(5)

    async def again() -> None:
        async with open_branches(CHANNELS, given, durable=durable) as house:
            await house.pass_time(60)
            if not durable.messages:
                return
            first, fallback = durable.messages
            assert await caused_by(house, first) == [fallback]
            assert isinstance(last_of(house, first), e.FallbackStarted)
            assert house.message(fallback).status == "delivered"

    run_virtual(begin)
    with pytest.raises(PowerCut) as cut:
        run_virtual(main, start_s=10)
    run_virtual(again, start_s=cut.value.now_s)


def test_a_fallback_owed_at_a_stop_begins_after_the_start() -> None:
    """While we stop nothing new is taken: what ended then is followed in the next life."""
    durable, given = Durable(), accounts_for(*LANES)
    given["post"].always = REFUSED
    given["post"].hold()

    async def stop() -> None:
        async with open_branches(CHANNELS, given, durable=durable) as house:
            await house.post(mail(1), fallback=[a_call()])
            await house.pass_time(1)
            async with anyio.create_task_group() as group:
                group.start_soon(house.system.stop)
                await house.pass_time(1)
                given["post"].let_go()
        (stream,) = durable.messages
        assert durable.heads[stream].owes

    async def start() -> None:
        async with open_branches(CHANNELS, given, durable=durable) as house:
            await house.pass_time(1)
            await followed(house, durable.messages[0], given["calls"])

    run_virtual(stop)
    run_virtual(start, start_s=100)


def test_a_provider_that_speaks_up_while_its_fallback_begins_changes_no_fact() -> None:
    """A delivery told after all, between the fallback's acceptance and its record: the log says what happened."""

    async def main() -> None:
        given, disk = accounts_for(*LANES), ObedientDisk()
        async with open_branches(CHANNELS, given, disk=disk) as house:
            stream = (await house.post(mail(1), fallback=[a_call()])).id
            await house.pass_time(1)
            disk.commit_us = 10_000
            await house.system.receipts.take(("post",), a_bounce("post-1"))
            await house.pass_time(0.005)
            assert house.durable.heads[stream].owes
            await house.system.receipts.take(("post",), Receipt(status="delivered", provider_id="post-1"))
            await house.pass_time(5)
            assert house.message(stream).status == "delivered"
            assert house.events(stream)[-1] == e.FallbackStarted(
                message=(await caused_by(house, stream))[0], channel="webhook"
            )

    run_virtual(main)


def test_many_fallbacks_begin_together() -> None:
    """Those of hundreds of messages that end at one instant share commits; they do not begin one after another."""

    async def main() -> None:
        given, disk = accounts_for(*LANES), ObedientDisk()
        given["post"].always = REFUSED
        async with open_branches(CHANNELS, given, disk=disk) as house:
            due = house.moment(house.clock.now_us() + 10 * SECOND_US)
            for number in range(300):
                await house.post(mail(number), send_at=due, fallback=[a_call(number)])
            disk.commit_us = 2_000
            await house.pass_time(10.4)
            assert house.statuses() == {"dead": 300, "delivered": 300}

    run_virtual(main)
