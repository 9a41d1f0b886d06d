"""Doubt: a commit whose fate nobody can tell is read back, and nothing is lost, doubled or stuck over it."""

from typing import Final

import pytest

from core import events as e
from core.errors import AppendUnknown, Refused
from core.outcomes import Config, Outcome, Transient
from core.policies import SECOND_US, BreakerRule, Schedule
from eventstore.disk import Border
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, TIGHT, House, address, living, under
from tests.promises.other_side import ObedientDisk, Provider

UNKNOWN: Final[tuple[Border, ...]] = ("before_sync", "before_answer")
"""Where a commit may fail so that nobody can tell: nothing of it is written, or all of it is."""


async def _accept(house: House, to: str, number: int) -> int | None:
    """The message's id, None where the door could not tell or refused."""
    try:
        return (await house.post(to, number)).id
    except (AppendUnknown, Refused):
        return None


def assert_all_delivered(house: House, accepted: list[int]) -> None:
    """Whatever was accepted has arrived."""
    assert {house.message(stream).status for stream in accepted} == {"delivered"}


@pytest.mark.parametrize("border", UNKNOWN)
@pytest.mark.parametrize("nth", range(14))
def test_a_commit_of_unknown_fate_is_read_back(border: Border, nth: int) -> None:
    """Whichever commit of six messages' lives fails so that nobody can tell, each accepted message arrives once."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        disk.commit_us = 200
        async with living(provider=provider, disk=disk, bounds=TIGHT) as house:
            disk.fail_later(border, after_commits=nth)
            accepted = []
            for number in range(6):
                accepted.append(await _accept(house, address(number % 2), number))
                await house.pass_time(0.01)
            await house.pass_time(30)
            known = [stream for stream in accepted if stream is not None]
            assert len(known) >= 5
            assert set(house.statuses()) == {"delivered"}
            assert_all_delivered(house, known)
            for peer in range(2):
                numbers = provider.numbers(address(peer))
                assert numbers == sorted(set(numbers))

    run_virtual(main)


def test_an_acceptance_of_unknown_fate_is_delivered_where_it_is_durable() -> None:
    """The client hears that nobody can tell, but its message is in the log, so it goes out without a restart."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            disk.fail_later("before_answer")
            with pytest.raises(AppendUnknown):
                await house.post(address(1), idempotency_key="k")
            await house.pass_time(10)
            receipt = await house.post(address(1), idempotency_key="k")
            assert (receipt.duplicate, receipt.status) == (True, "delivered")

    run_virtual(main)


def test_a_redrive_of_unknown_fate_is_carried_out() -> None:
    """A person's wish that is durable though nobody could say so happens without waiting for a restart."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with living(policy=under(PLAIN, retry=Schedule(after_us=())), disk=disk, provider=provider) as house:
            provider.answers[address(1)].append(Transient())
            dead = (await house.post(address(1))).id
            await house.pass_time(1)
            assert house.message(dead).status == "dead"
            disk.fail_later("before_answer")
            with pytest.raises(AppendUnknown):
                await house.system.errands.redrive("org1", dead)
            await house.pass_time(10)
            assert house.message(dead).status == "delivered"

    run_virtual(main)


@pytest.mark.parametrize("border", UNKNOWN)
def test_a_key_can_be_revoked_after_a_commit_of_unknown_fate(border: Border) -> None:
    """Asked again, the revocation that nobody could answer for holds, in this life and the next."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            keys = house.system.keys
            key, secret = await keys.add(tenant="org1", role="send", label="shop")
            disk.fail_later(border)
            with pytest.raises(AppendUnknown):
                await keys.revoke(key.id)
            await house.pass_time(1)
            await keys.revoke(key.id)
            assert keys.holder(secret) is None
        async with living(durable=house.durable) as house:
            assert house.system.keys.holder(secret) is None
            assert [known.revoked for known in house.system.keys.all()] == [True]

    run_virtual(main)


@pytest.mark.parametrize("border", UNKNOWN)
def test_a_lane_goes_on_after_a_commit_of_unknown_fate(border: Border) -> None:
    """A pause whose commit nobody can answer for is read back, and the lane can be resumed and paused again."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with living(disk=disk, provider=provider) as house:
            errands = house.system.errands
            disk.fail_later(border)
            with pytest.raises(AppendUnknown):
                await errands.pause("calls")
            await house.pass_time(1)
            await errands.pause("calls")
            assert errands.paused_lanes == {"calls"}
            await errands.resume("calls")
            await house.post(address(1))
            await house.pass_time(1)
            assert house.statuses() == {"delivered": 1}
            assert [type(event) for event in house.all_events() if isinstance(event, e.LanePaused)] == [e.LanePaused]

    run_virtual(main)


@pytest.mark.parametrize("border", UNKNOWN)
@pytest.mark.parametrize("after_commits", [0, 1])
@pytest.mark.parametrize(
    ("outcome", "expected"), [(Config(code="401"), e.LanePaused), (Transient(code="503"), e.BreakerOpened)]
)
def test_what_an_outcome_means_for_its_lane_is_recorded_once(
    border: Border, after_commits: int, outcome: Outcome, expected: type[e.Event]
) -> None:
    """However the commits around it fail, a broken set-up pauses the lane once, and faults open its breaker once."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        policy = under(PLAIN, breaker=BreakerRule(share=0.5, of=2, cooldown_us=5 * SECOND_US))
        async with living(policy=policy, disk=disk, provider=provider) as house:
            provider.answers[address(1)].append(outcome)
            provider.hold()
            accepted = [(await house.post(address(1))).id]
            await house.pass_time(0.1)
            disk.fail_later(border, after_commits=after_commits)
            provider.let_go()
            await house.pass_time(3)
            assert sum(isinstance(event, expected) for event in house.all_events()) == 1
            if expected is e.LanePaused:
                await house.system.errands.resume("calls")
            await house.pass_time(60)
            assert_all_delivered(house, accepted)

    run_virtual(main)
