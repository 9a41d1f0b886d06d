"""Trouble with the store: nothing that was accepted is lost, and everything goes on once it is over."""

from typing import Final

import anyio
import pytest

from core import events as e
from core.errors import AppendUnknown, Refused
from core.outcomes import Config, Outcome, Transient, name_of
from core.policies import SECOND_US, BreakerRule, Limits, Schedule
from core.records import MessageFilter
from eventstore.codec import UnknownEvent
from eventstore.disk import Border
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, TIGHT, House, ObedientDisk, Provider, address, living, under

UNKNOWN: Final[tuple[Border, ...]] = ("before_sync", "before_answer")
"""Where a commit may fail so that nobody can tell: nothing of it is written, or all of it is."""
OUT_OF_PLACE: Final = e.AttemptTaken(attempt=9, status="delivered", sent_at_us=0, took_us=0)


async def _accept(house: House, to: str, number: int) -> int | None:
    """The message's id, None where the door could not tell or refused."""
    try:
        return (await house.post(to, number)).id
    except (AppendUnknown, Refused):
        return None


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
            assert actor._late == ()  # noqa: SLF001 - what it remembers is nowhere else to be seen
            await house.system.errands.resume("calls")
            await house.pass_time(5)
            assert provider.numbers(address(1)) == list(range(300))

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
