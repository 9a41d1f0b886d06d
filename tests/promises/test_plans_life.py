"""Reminder plans on virtual time: everybody gets each reminder once, at its moment, however the plan changes."""

from collections import Counter
from typing import Final

import pytest

from core import events as e
from core.errors import Invalid, NotFound
from core.outcomes import Ambiguous, Transient
from core.policies import HOUR_US, MINUTE_US, Limits, Quota
from core.records import MessageFilter
from scenarios.laws.replay import as_it_lies
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, House, address, living, under
from tests.promises.other_side import START_US, Provider
from tests.promises.planning import REFERENCE, cancel, counts, hours, messages, plan, plan_rows_broken, put, show, whys

HOUR_S: Final = 3_600
KINDS: Final = ("activation", "day_before", "hour_before", "event_end")


def seen(provider: Provider, number: int) -> list[float]:
    """When somebody's reminders came, in hours from the beginning."""
    return [round(hours(arrival.at_us) or 0, 2) for arrival in provider.seen if arrival.to == address(number)]


def assert_the_laws_hold(house: House) -> None:
    """What lies in the log makes sense, and each plan's row is the one that it commits to."""
    assert list(as_it_lies(house.durable)) == []
    assert plan_rows_broken(house.durable) == []


def test_everybody_is_reminded_at_each_moment() -> None:
    """At once, at nine the day before, an hour before and at the end: each of them once."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            change = await put(house, plan(*KINDS))
            assert (counts(change), change.revision, change.skipped) == ((12, 0, 0, 0), 1, ())
            await house.pass_time(60 * HOUR_S)
            # The event begins at 08:00 two days from the beginning, and at 09:00 the day before is hour 25.
            for number in range(3):
                assert seen(provider, number) == [0.0, 25.0, 47.0, 50.0]
            assert house.statuses() == {"delivered": 12}
            assert_the_laws_hold(house)

    run_virtual(main)


def test_the_same_again_changes_nothing_at_any_time() -> None:
    """Whoever sets the same plan every hour adds neither messages nor events of the plan."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            await put(house, plan(*KINDS))
            for _ in range(60):
                again = await put(house, plan(*KINDS))
                assert (counts(again), again.revision, again.skipped) == ((0, 0, 0, 12), 1, ())
                await house.pass_time(HOUR_S)
            events = Counter(type(event) for event in house.all_events())
            assert (events[e.PlanSet], events[e.PlanApplied], events[e.MessageAccepted]) == (1, 1, 12)
            assert len(provider.seen) == 12

    run_virtual(main)


def test_an_event_that_moves_takes_its_reminders_along() -> None:
    """What is open moves and keeps its id; what was sent stays as it is."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            first = await put(house, plan(*KINDS, people=[1]))
            await house.pass_time(30 * HOUR_S)
            moved = await put(house, plan(*KINDS, people=[1], starts_h=72))
            assert counts(moved) == (0, 2, 0, 2)
            assert set(moved.moved) <= set(first.created)
            await house.pass_time(60 * HOUR_S)
            assert seen(provider, 1) == [0.0, 25.0, 71.0, 74.0]
            assert_the_laws_hold(house)

    run_virtual(main)


def test_a_moment_that_has_passed_is_left_out() -> None:
    """A plan that is set late reminds of what is still to come, and says what it leaves out."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            change = await put(house, plan("activation", "week_before", "day_before", "hour_before", starts_h=20))
            assert (counts(change), whys(change)) == ((9, 0, 0, 0), {"past": 3})
            await house.pass_time(30 * HOUR_S)
            assert seen(provider, 2) == [0.0, 1.0, 19.0]
            again = await put(house, plan("activation", "week_before", "day_before", "hour_before", starts_h=20))
            assert (counts(again), whys(again), again.revision) == ((0, 0, 0, 9), {"past": 3}, 1)

    run_virtual(main)


def test_a_reminder_that_would_be_late_is_withdrawn() -> None:
    """An event that is brought forward past a reminder's new moment takes that reminder away, and back it returns."""

    async def main() -> None:
        async with living() as house:
            await put(house, plan("day_before", "hour_before", people=[1]))
            sooner = await put(house, plan("day_before", "hour_before", people=[1], starts_h=10))
            assert (counts(sooner), whys(sooner)) == ((0, 1, 1, 0), {"past": 1})
            later = await put(house, plan("day_before", "hour_before", people=[1], starts_h=48))
            assert (counts(later), whys(later)) == ((1, 1, 0, 0), {})
            assert house.statuses() == {"scheduled": 2, "cancelled": 1}
            assert_the_laws_hold(house)

    run_virtual(main)


def test_who_comes_later_is_welcomed_then() -> None:
    """A new participant gets an activation now and all that is still to come; the others get nothing twice."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            await put(house, plan(*KINDS, people=[1]))
            await house.pass_time(30 * HOUR_S)
            change = await put(house, plan(*KINDS, people=[1, 2]))
            assert (counts(change), whys(change)) == ((3, 0, 0, 4), {"past": 1})
            await house.pass_time(30 * HOUR_S)
            assert seen(provider, 1) == [0.0, 25.0, 47.0, 50.0]
            assert seen(provider, 2) == [30.0, 47.0, 50.0]

    run_virtual(main)


def test_who_leaves_and_what_is_dropped_is_cancelled() -> None:
    """Who or what is no longer in the plan is reminded of nothing more; who returns gets what is still to come."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            await put(house, plan(*KINDS, people=[1, 2]))
            await house.pass_time(1)
            gone = await put(house, plan("activation", "day_before", "event_end", people=[1]))
            assert counts(gone) == (0, 0, 4, 3)
            back = await put(house, plan("activation", "day_before", "event_end", people=[1, 2]))
            assert (counts(back), whys(back)) == ((2, 0, 0, 4), {})
            await house.pass_time(60 * HOUR_S)
            assert seen(provider, 1) == seen(provider, 2) == [0.0, 25.0, 50.0]
            assert_the_laws_hold(house)

    run_virtual(main)


def test_a_cancelled_plan_reminds_of_nothing_until_it_is_set_again() -> None:
    """Cancelling takes away what is open, twice is as once; set again, all that nobody got is made anew."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            await put(house, plan(*KINDS, people=[1]))
            await house.pass_time(HOUR_S)
            assert counts(await cancel(house)) == (0, 0, 3, 0)
            assert (counts(await cancel(house)), (await show(house)).revision) == ((0, 0, 0, 0), 2)
            assert (await show(house)).is_cancelled
            await house.pass_time(30 * HOUR_S)
            assert seen(provider, 1) == [0.0]
            again = await put(house, plan(*KINDS, people=[1]))
            assert (counts(again), whys(again)) == ((2, 0, 0, 1), {"past": 1})
            await house.pass_time(30 * HOUR_S)
            assert seen(provider, 1) == [0.0, 47.0, 50.0]
            with pytest.raises(NotFound):
                await cancel(house, "event43")

    run_virtual(main)


def test_another_content_takes_the_place_of_what_is_open() -> None:
    """An open message is cancelled and made anew; a sent one stays, since its receiver has read it."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            await put(house, plan(*KINDS, people=[1]))
            await house.pass_time(30 * HOUR_S)
            assert counts(await put(house, plan(*KINDS, people=[1], version=2))) == (2, 0, 2, 2)
            await house.pass_time(30 * HOUR_S)
            assert [(arrival.number, round(hours(arrival.at_us) or 0)) for arrival in provider.seen] == [
                (1, 0), (1, 25), (2, 47), (2, 50),
            ]  # fmt: skip
            assert_the_laws_hold(house)

    run_virtual(main)


def test_a_message_that_is_out_is_left_to_its_end() -> None:
    """While an attempt is in flight no other content matters; withdrawn, the message is cancelled if that fails."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            provider.answers[address(1)].append(Transient(code="503"))
            provider.hold()
            await put(house, plan("activation", people=[1, 2]))
            await house.pass_time(1)
            assert counts(await put(house, plan("activation", people=[1, 2], version=2))) == (0, 0, 0, 2)
            taken_away = await put(house, plan("activation", people=[], version=2))
            assert counts(taken_away) == (0, 0, 2, 0)
            returned = await put(house, plan("activation", people=[1, 2], version=2))
            assert (counts(returned), whys(returned)) == ((0, 0, 0, 0), {"in_flight": 2})
            provider.let_go()
            await house.pass_time(1)
            assert house.statuses() == {"cancelled": 1, "delivered": 1}
            settled = await put(house, plan("activation", people=[1, 2], version=2))
            assert (counts(settled), whys(settled)) == ((0, 0, 0, 1), {"tried": 1})
            assert_the_laws_hold(house)

    run_virtual(main)


@pytest.mark.parametrize("fault", [Transient(code="503"), Ambiguous(code="timeout")])
def test_a_tried_message_goes_on_by_its_own_schedule(fault: Transient | Ambiguous) -> None:
    """One that failed once is neither moved nor replaced: nobody could say that it went nowhere."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            provider.answers[address(1)].append(fault)
            await put(house, plan("hour_before", people=[1], starts_h=1))
            await house.pass_time(1)
            changed = await put(house, plan("hour_before", people=[1], starts_h=30, version=2))
            assert counts(changed) == (0, 0, 0, 1)
            await house.pass_time(60)
            assert [arrival.attempt for arrival in provider.seen] == [1, 2]
            assert house.statuses() == {"delivered": 1}

    run_virtual(main)


def test_a_plan_moves_while_its_reminders_go_out() -> None:
    """Of forty people half have been reminded when the event moves by a day: nobody is reminded twice, and all are."""

    async def main() -> None:
        provider = Provider()
        slow = under(PLAIN, limits=Limits(lane=Quota(count=2, window_us=MINUTE_US)))
        async with living(provider=provider, policy=slow) as house:
            await put(house, plan("hour_before", people=range(40), starts_h=2))
            await house.pass_time(HOUR_S + 10 * 60)
            change = await put(house, plan("hour_before", people=range(40), starts_h=26))
            assert 15 <= change.kept <= 25
            assert counts(change) == (0, 40 - change.kept, 0, change.kept)
            await house.pass_time(60)
            assert len(provider.seen) == change.kept
            # Once more in the midst of the second burst, with other words.
            await house.pass_time(24 * HOUR_S - 300)
            late = await put(house, plan("hour_before", people=range(40), starts_h=26.2, version=2))
            assert (late.kept + len(late.created), len(late.cancelled)) == (40, len(late.created))
            assert late.created
            await house.pass_time(2 * HOUR_S)
            assert Counter(arrival.to for arrival in provider.seen) == {address(n): 1 for n in range(40)}
            assert {arrival.number for arrival in provider.seen[-3:]} == {2}
            assert_the_laws_hold(house)

    run_virtual(main)


def test_what_a_person_cancels_by_itself_stays_cancelled() -> None:
    """By its id or by the plan's reference: the next setting of the plan does not bring it back."""

    async def main() -> None:
        async with living() as house:
            change = await put(house, plan("day_before", "hour_before", people=[1]))
            await house.system.errands.cancel("org1", change.created[0])
            assert counts(await put(house, plan("day_before", "hour_before", people=[1], starts_h=50))) == (0, 1, 0, 1)
            keyed = house.system.intake.reference_hash("org1", REFERENCE)
            assert keyed is not None
            (left,) = await house.system.errands.of_reference("org1", keyed)
            await house.system.errands.cancel("org1", left)
            again = await put(house, plan("day_before", "hour_before", people=[1], starts_h=60))
            assert (counts(again), house.statuses()) == ((0, 0, 0, 2), {"cancelled": 2})

    run_virtual(main)


def test_reminders_that_were_posted_without_a_plan_are_taken_over() -> None:
    """A message under the plan's key is its message: one not yet tried gives way, one that was tried is kept."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            at = house.moment(START_US + 20 * HOUR_US)
            posted = await house.post(address(1), 7, idempotency_key=f"{REFERENCE}/p1/hour_before", send_at=at)
            await house.post(address(2), 7, idempotency_key=f"{REFERENCE}/p2/hour_before")
            await house.pass_time(1)
            change = await put(house, plan("hour_before", people=[1, 2, 3]))
            assert (counts(change), change.cancelled) == ((2, 0, 1, 1), (posted.id,))
            assert counts(await put(house, plan("hour_before", people=[1, 2, 3]))) == (0, 0, 0, 3)
            await house.pass_time(60 * HOUR_S)
            assert [provider.numbers(address(n)) for n in (1, 2, 3)] == [[1], [7], [1]]
            assert_the_laws_hold(house)

    run_virtual(main)


def test_a_reminder_that_expires_moves_as_another() -> None:
    """When a message expires is part of it, so with a time to expire it is cancelled and made anew."""

    async def main() -> None:
        async with living() as house:
            kind: dict[str, object] = {"kind": "hour_before", "expires_after": "PT30M"}
            await put(house, plan(kind, people=[1]))
            assert counts(await put(house, plan(kind, people=[1], starts_h=50))) == (1, 0, 1, 0)
            message = (await messages(house))["p1", "hour_before"]
            assert (hours(message.due_us), hours(message.expires_us)) == (49.0, 49.5)

    run_virtual(main)


def test_a_plan_is_refused_whole() -> None:
    """A lane that is not there, or a moment too far ahead: nothing is recorded, neither the plan nor a message."""

    async def main() -> None:
        async with living() as house:
            events = len(house.all_events())
            asked = plan("activation")
            asked["participants"][2]["lane"] = "pigeon"  # type: ignore[index]  # It is a list.
            with pytest.raises(Invalid, match="/participants/2/lane: no webhook lane is called 'pigeon'"):
                await put(house, asked)
            with pytest.raises(Invalid, match="/reminders/1: lies more than 400 days ahead"):
                await put(house, plan("activation", "follow_up_3mo", starts_h=330 * 24))
            assert len(house.all_events()) == events
            with pytest.raises(NotFound):
                await show(house)

    run_virtual(main)


def test_plans_of_tenants_and_references_are_their_own() -> None:
    """The same reference of another tenant is another plan, and so is another reference."""

    async def main() -> None:
        async with living() as house:
            await put(house, plan("day_before", people=[1]))
            other = await put(house, plan("day_before", people=[1]), "event43")
            assert (counts(other), other.reference) == ((1, 0, 0, 0), "event43")
            with pytest.raises(NotFound):
                await house.system.plans.show("org2", REFERENCE)
            await cancel(house)
            (left,) = (await show(house, "event43")).messages
            assert left.head.status == "scheduled"
            found = await house.log.heads(MessageFilter(tenant="org1"), limit=10)
            assert sorted(head.status for head in found) == ["cancelled", "scheduled"]

    run_virtual(main)
