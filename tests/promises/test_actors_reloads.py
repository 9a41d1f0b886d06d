"""Reloads: another configuration is adopted while everything runs, and is in the log before it counts."""

import pytest
from msgspec.structs import replace

from core import events as e
from core.errors import AppendUnknown, Refused
from core.outcomes import Transient
from core.policies import HOUR_US, PRESETS, SECOND_US, Schedule
from core.settings import Settings
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, address, living, mail, settings_of, under
from tests.promises.other_side import ObedientDisk, Provider


def test_a_changed_policy_is_recorded_and_named_by_each_attempt() -> None:
    """A reload that changes something is an event with the next version; one that changes nothing is none."""

    async def main() -> None:
        async with living() as house:
            await house.reload(house.settings)
            first = (await house.post(address(1))).id
            await house.pass_time(1)
            await house.reload(settings_of(under(PLAIN, timeout_us=5 * SECOND_US)))
            second = (await house.post(address(1))).id
            await house.pass_time(1)
            adopted = [event.version for event in house.all_events() if isinstance(event, e.PolicyAdopted)]
            assert adopted == [1, 1, 2, 2]
            started = [event for event in house.all_events() if isinstance(event, e.AttemptStarted)]
            assert [event.policy_version for event in started] == [1, 2]
            assert {house.message(stream).status for stream in (first, second)} == {"delivered"}

    run_virtual(main)


@pytest.mark.parametrize("border", ["before_write", "before_sync", "before_answer"])
@pytest.mark.parametrize("nth", [0, 1])
def test_a_reload_that_the_log_refuses_changes_no_lane(border: Border, nth: int) -> None:
    """Whichever lane's policy cannot be recorded, both go by the old one; repeated, the reload holds for both."""

    async def main() -> None:
        disk, provider = ObedientDisk(), Provider()
        async with living(disk=disk, provider=provider) as house:
            usual, brief = house.settings, settings_of(under(PLAIN, timeout_us=5 * SECOND_US))
            disk.fail_later(border, after_commits=nth)
            with pytest.raises((AppendUnknown, Refused)):
                await house.reload(brief)
            house.settings = usual
            disk.calm()
            await house.pass_time(60)
            for to in (address(1), mail(1)):
                await house.post(to)
            await house.pass_time(1)
            await house.reload(brief)
            for to in (address(1), mail(1)):
                await house.post(to)
            await house.pass_time(1)
            started = [entry for entry in house.durable.events if isinstance(entry.event, e.AttemptStarted)]
            spans = [(one.event.deadline_us - one.at_us, one.event.policy_version) for one in started]  # type: ignore[attr-defined]
            assert spans == [(30 * SECOND_US, 1)] * 2 + [(5 * SECOND_US, 2)] * 2

    run_virtual(main)


def test_a_policy_that_messages_name_has_versions_of_its_own() -> None:
    """What it says is in the log under its name; each attempt of a message that names it names the version."""

    def with_patient(timeout_us: int) -> Settings:
        plain = settings_of()
        return replace(plain, policies={**PRESETS, "plain": PLAIN, "patient": under(PLAIN, timeout_us=timeout_us)})

    async def main() -> None:
        durable = Durable()
        async with living(settings=with_patient(5 * SECOND_US), durable=durable) as house:
            first = (await house.post(address(1), policy="patient")).id
            await house.pass_time(1)
        async with living(settings=with_patient(5 * SECOND_US), durable=durable) as house:
            await house.reload(with_patient(6 * SECOND_US))
            second = (await house.post(address(1), policy="patient")).id
            third = (await house.post(address(1))).id
            built_in = (await house.post(address(1), policy="webhook")).id
            await house.pass_time(1)
            told = [event for event in house.all_events() if isinstance(event, e.PolicySet)]
            assert [(event.name, event.version) for event in told] == [("patient", 1), ("plain", 1), ("patient", 2)]
            assert b"6000000" in told[-1].body
            versions = [
                event.policy_version
                for stream in (first, second, third, built_in)
                for event in house.events(stream)
                if isinstance(event, e.AttemptStarted)
            ]
            assert versions == [1, 2, 1, 0]

    run_virtual(main)


def test_a_policy_whose_recording_nobody_can_tell_of_is_recorded_once() -> None:
    """After an append of unknown result the log is asked, and the next reload goes on from what it says."""

    async def main() -> None:
        disk, durable = ObedientDisk(), Durable()
        async with living(disk=disk, durable=durable) as house:
            changed = replace(settings_of(), policies={**PRESETS, "plain": under(PLAIN, timeout_us=SECOND_US)})
            disk.fail_later("before_answer", after_commits=0)
            with pytest.raises(AppendUnknown):
                await house.reload(changed)
            disk.calm()
            await house.pass_time(60)
            await house.reload(changed)
            told = [event for event in house.all_events() if isinstance(event, e.PolicySet)]
            assert [(event.name, event.version) for event in told] == [("plain", 1), ("plain", 2)]

    run_virtual(main)


def test_a_lane_taken_out_keeps_its_messages_until_it_is_back() -> None:
    """Nothing of it is tried or lost meanwhile, and coming back it is the lane that it was."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            later = house.moment(house.clock.now_us() + 100 * SECOND_US)
            streams = [(await house.post(address(number), number, send_at=later)).id for number in range(5)]
            await house.reload(settings_of(lanes=("mail",)))
            await house.pass_time(7_200)
            assert provider.seen == []
            assert [state.name for state in await house.system.errands.lanes()] == ["mail"]
            await house.reload(settings_of())
            await house.pass_time(5)
            assert {house.message(stream).status for stream in streams} == {"delivered"}
            opened = [event.name for event in house.all_events() if isinstance(event, e.LaneOpened)]
            assert sorted(opened) == ["calls", "mail"]

    run_virtual(main)


def test_an_attempt_goes_by_its_lanes_policy_though_the_lane_is_taken_out() -> None:
    """What is in flight when a lane goes ends under the schedule that it began under, not under some preset."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=under(PLAIN, retry=Schedule(after_us=()))) as house:
            provider.answers[address(1)].append(Transient(code="503"))
            provider.hold()
            stream = (await house.post(address(1))).id
            await house.pass_time(1)
            await house.reload(settings_of(lanes=("mail",)))
            provider.let_go()
            await house.pass_time(1)
            assert (house.message(stream).status, house.message(stream).reason) == ("dead", "exhausted")

    run_virtual(main)


def test_a_lane_that_is_brought_back_after_a_restart_finds_its_messages() -> None:
    """Started without it and given it again by a reload, the daemon goes on with the lane and what waits for it."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            durable = house.durable
            await house.system.errands.pause("calls")
            for number in range(5):
                await house.post(address(number), number)
        async with living(provider=provider, durable=durable, settings=settings_of(lanes=("mail",))) as house:
            await house.pass_time(HOUR_US / SECOND_US)
            await house.reload(settings_of())
            await house.pass_time(5)
            assert provider.seen == []
            await house.system.errands.resume("calls")
            await house.pass_time(5)
            assert house.statuses() == {"delivered": 5}
            assert sum(isinstance(event, e.LaneOpened) for event in house.all_events()) == 2

    run_virtual(main)
