"""A policy in shadow: asked on all traffic, without effect, kept over restarts, and promoted by one call."""

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from core import events as e
from core.errors import Invalid, NotFound
from core.outcomes import Transient
from core.policies import MINUTE_US, SECOND_US, CircuitRule, Limits, Policy, Quota, Schedule
from core.settings import Settings
from eventstore.durable import Durable
from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.house import PLAIN, House, address, living, settings_of, under
from tests.promises.other_side import Provider

FAULT = Transient(code="503")
# Gives up where PLAIN tries again, and lets four a minute out.
HASTY = Policy(
    name="hasty",
    retry=Schedule(after_us=(5 * SECOND_US,), jitter=0.0),
    circuit=CircuitRule(failures=2),
    limits=Limits(lane=Quota(count=4, window_us=MINUTE_US)),
)


def settings(policy: Policy = PLAIN) -> Settings:
    """Lanes under a policy, with HASTY known beside it."""
    plain = settings_of(policy)
    return replace(plain, policies={**plain.policies, "hasty": HASTY})


@dataclass
class Kept:
    """What outlives the daemon."""

    durable: Durable
    provider: Provider


@pytest.fixture
def kept() -> Kept:
    """An empty log and an obedient provider."""
    return Kept(Durable(), Provider())


def events_of_lane(house: House) -> list[e.Event]:
    """Everything about shadows and policies that the log holds."""
    kinds = e.ShadowBegan | e.ShadowTold | e.ShadowEnded | e.PolicyPromoted
    return [event for event in house.all_events() if isinstance(event, kinds)]


def test_a_shadow_says_what_it_would_have_decided(kept: Kept) -> None:
    """Retries, the end of a schedule and circuits are compared from the same state, with an example of each."""

    async def main() -> None:
        kept.provider.answers[address(1)] += [FAULT, FAULT]
        async with living(settings=settings(), provider=kept.provider) as house:
            await house.system.shadows.begin("calls", "hasty", house.system.policies)
            stream = (await house.post(address(1))).id
            await house.pass_time(60)
            assert house.message(stream).status == "delivered"
            tally = house.system.shadows.of("calls").tally
            # Three attempts begun and three over.
            assert (tally.decisions, tally.alike, tally.starts) == (6, 4, 3)
            assert tally.contrasts == {
                ("retried", "retried, sooner"): 1,
                ("retried", "dead, circuit opened"): 1,
            }
            first, second = tally.samples
            assert (first.message, first.attempt, second.attempt) == (stream, 1, 2)
            assert (first.was_due_us or 0) - (first.would_due_us or 0) == 5 * SECOND_US
            assert second.would_due_us is None

    run_virtual(main)


def events_of_traffic(*, shadow: str | None) -> list[e.Event]:
    """What eight messages come to, some of which fail at first, without what is said of shadows."""
    provider = Provider()
    for number in range(8):
        provider.answers[address(number)] += [FAULT] * (number % 3)

    async def main() -> list[e.Event]:
        async with living(settings=settings(), provider=provider) as house:
            if shadow is not None:
                await house.system.shadows.begin("calls", shadow, house.system.policies)
            for number in range(8):
                await house.post(address(number), number)
            await house.pass_time(120)
        kinds = e.ShadowBegan | e.ShadowTold | e.ShadowEnded
        return [event for event in house.all_events() if not isinstance(event, kinds)]

    return run_virtual(main)


def test_a_shadow_changes_nothing() -> None:
    """The same traffic has the same events with a shadow as without, but for those about the shadow."""
    without = events_of_traffic(shadow=None)
    assert len(without) > 30
    assert events_of_traffic(shadow="hasty") == without


def test_a_shadow_says_how_long_its_limits_would_hold_back(kept: Kept) -> None:
    """Ten attempts at once under four a minute: six wait, four for a minute and two for two."""

    async def main() -> None:
        async with living(settings=settings(), provider=kept.provider) as house:
            await house.system.shadows.begin("calls", "hasty", house.system.policies)
            await house.all_at_once([lambda n=n: house.post(address(n), n) for n in range(10)])  # type: ignore[misc]
            await house.pass_time(1)
            tally = house.system.shadows.of("calls").tally
            assert (tally.starts, tally.delayed, tally.longest_us) == (10, 6, 2 * MINUTE_US)
            assert tally.delayed_us == 8 * MINUTE_US

    run_virtual(main)


def test_a_shadow_is_kept_over_a_clean_stop(kept: Kept) -> None:
    """It goes on counting after a restart, from where it was."""

    async def first() -> None:
        async with living(settings=settings(), provider=kept.provider, durable=kept.durable) as house:
            await house.system.shadows.begin("calls", "hasty", house.system.policies)
            await house.post(address(1))
            await house.pass_time(1)

    async def second() -> None:
        async with living(settings=settings(), provider=kept.provider, durable=kept.durable) as house:
            assert house.system.shadows.of("calls").tally.decisions == 2
            await house.post(address(1))
            await house.pass_time(1)
            tally = house.system.shadows.of("calls").tally
            assert (tally.decisions, tally.alike, tally.starts) == (4, 4, 2)

    run_virtual(first)
    run_virtual(second)


@pytest.mark.slow
def test_a_crash_costs_a_shadow_an_eighth_at_most(kept: Kept) -> None:
    """Its sum is recorded as it grows, in few events however much there is to count."""

    async def first() -> None:
        async with living(settings=settings(), provider=kept.provider, durable=kept.durable) as house:
            await house.system.shadows.begin("calls", "hasty", house.system.policies)
            for number in range(1_000):
                await house.post(address(number), number)
            await house.pass_time(600)
            assert house.system.shadows.of("calls").tally.decisions == 2_000
            await cut_power()

    async def second() -> None:
        async with living(settings=settings(), provider=kept.provider, durable=kept.durable) as house:
            assert 1_700 <= house.system.shadows.of("calls").tally.decisions <= 2_000
            told = [event for event in house.all_events() if isinstance(event, e.ShadowTold)]
            assert 3 <= len(told) <= 8

    with pytest.raises(PowerCut):
        run_virtual(first)
    run_virtual(second, start_s=1_000)


def test_a_shadow_is_promoted_by_one_call(kept: Kept) -> None:
    """From the call on it decides, under a version of its own, also after a restart with the same configuration."""

    async def first() -> None:
        async with living(settings=settings(), provider=kept.provider, durable=kept.durable) as house:
            await house.system.shadows.begin("calls", "hasty", house.system.policies)
            actor = await house.system.promote("calls")
            assert (actor.policy.name, actor.policy_version) == ("hasty", 2)
            with pytest.raises(NotFound):
                house.system.shadows.of("calls")

    async def second() -> None:
        kept.provider.answers[address(1)] += [FAULT, FAULT]
        async with living(settings=settings(), provider=kept.provider, durable=kept.durable) as house:
            dead = (await house.post(address(1))).id
            others = [(await house.post(address(number), number)).id for number in range(2, 12)]
            await house.pass_time(30)
            # Four a minute is the lane's own limit now.
            assert sum(house.message(stream).status == "delivered" for stream in others) == 3
            await house.pass_time(200)
            assert house.message(dead).status == "dead"
            started = [event for event in house.events(dead) if isinstance(event, e.AttemptStarted)]
            assert [event.policy_version for event in started] == [2, 2]
            assert [type(event) for event in events_of_lane(house)] == [e.ShadowBegan, e.PolicyPromoted]

    run_virtual(first)
    run_virtual(second)


def test_a_changed_configuration_wins_over_a_promoted_policy(kept: Kept) -> None:
    """Whoever edits the lane's policy after a promotion means it."""

    async def main() -> None:
        async with living(settings=settings(), provider=kept.provider) as house:
            await house.system.shadows.begin("calls", "hasty", house.system.policies)
            await house.system.promote("calls")
            calls = house.system.errands.lane_actors["calls"]
            await house.reload(settings())
            assert calls.policy.name == "hasty"
            await house.reload(settings(under(PLAIN, timeout_us=7 * SECOND_US)))
            assert calls.policy.timeout_us == 7 * SECOND_US
            await house.reload(settings())
            assert calls.policy == PLAIN

    run_virtual(main)


def test_another_shadow_takes_the_place_of_the_first(kept: Kept) -> None:
    """Each begins at nothing; one that is ended is asked no more."""

    async def main() -> None:
        async with living(settings=settings(), provider=kept.provider) as house:
            shadows = house.system.shadows
            await shadows.begin("calls", "hasty", house.system.policies)
            await house.post(address(1))
            await house.pass_time(1)
            await shadows.begin("calls", "webhook", house.system.policies)
            assert (shadows.of("calls").name, shadows.of("calls").tally.decisions) == ("webhook", 0)
            await shadows.end("calls")
            await house.post(address(1))
            await house.pass_time(1)
            with pytest.raises(NotFound):
                shadows.of("calls")
            kinds = [type(event) for event in events_of_lane(house)]
            assert kinds == [e.ShadowBegan, e.ShadowTold, e.ShadowEnded, e.ShadowBegan, e.ShadowEnded]

    run_virtual(main)


def test_what_is_not_there_cannot_be_asked(kept: Kept) -> None:
    """An unknown policy or lane is refused with what is known, and changes nothing."""

    async def main() -> None:
        async with living(settings=settings(), provider=kept.provider) as house:
            with pytest.raises(Invalid, match="hasty, hook"):
                await house.system.shadows.begin("calls", "nobody", house.system.policies)
            with pytest.raises(NotFound):
                await house.system.shadows.begin("nowhere", "hasty", house.system.policies)
            with pytest.raises(NotFound):
                await house.system.promote("calls")
            assert events_of_lane(house) == []

    run_virtual(main)


def test_a_message_with_a_policy_of_its_own_has_no_shadow(kept: Kept) -> None:
    """The lane's policy does not decide about it, so nobody asks what another one would."""

    async def main() -> None:
        async with living(settings=settings(), provider=kept.provider) as house:
            await house.system.shadows.begin("calls", "hasty", house.system.policies)
            await house.post(address(1), policy="webhook")
            await house.pass_time(1)
            assert house.system.shadows.of("calls").tally.decisions == 0

    run_virtual(main)
