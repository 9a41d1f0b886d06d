"""Lanes: what a person, a broken set-up, a provider's wish or an outage does to a lane, and how it comes back."""

from collections import Counter
from typing import Final

import pytest

from core import events as e
from core.outcomes import Ambiguous, Config, Rate, Recipient, Taken, Transient
from core.policies import HOUR_US, SECOND_US, BreakerRule, Limits, Schedule
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, House, Provider, address, living, mail, settings_of, under

FRAGILE: Final = under(
    PLAIN,
    retry=Schedule(after_us=(SECOND_US,) * 1_000, jitter=0.0),
    breaker=BreakerRule(share=0.5, of=10, within_us=60 * SECOND_US, cooldown_us=30 * SECOND_US),
)


async def _state(house: House, lane: str) -> tuple[str | None, str, int | None]:
    """(paused by, breaker, throttled until) of a lane as people see it."""
    (state,) = [state for state in await house.system.errands.lanes() if state.name == lane]
    return state.paused_by, state.breaker, state.throttled_until_us


# -- pauses ------------------------------------------------------------------------------------------------------


def test_a_paused_lane_keeps_everything_and_holds_up_no_other() -> None:
    """Nothing goes out until a person resumes it; what waited then goes in order, and other lanes never notice."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            await house.system.errands.pause("calls")
            for number in range(20):
                await house.post(address(number % 2), number)
                await house.post(mail(number % 2), number)
            await house.pass_time(86_400)
            assert house.statuses() == {"queued": 20, "sent": 20}
            assert {seen.to for seen in provider.seen} == {mail(0), mail(1)}
            assert house.system.errands.paused_lanes == {"calls"}
            await house.system.errands.resume("calls")
            await house.pass_time(5)
            assert provider.numbers(address(0)) == list(range(0, 20, 2))
            assert provider.numbers(address(1)) == list(range(1, 20, 2))

    run_virtual(main)


def test_pausing_twice_is_pausing_once() -> None:
    """A pause of a paused lane and a resumption of a running one change nothing and record nothing."""

    async def main() -> None:
        async with living() as house:
            errands = house.system.errands
            for _ in range(2):
                await errands.resume("calls")
                await errands.pause("calls")
                await errands.pause("calls")
            await errands.resume("calls")
            found = Counter(type(event) for event in house.all_events())
            assert (found[e.LanePaused], found[e.LaneResumed]) == (2, 2)

    run_virtual(main)


def test_broken_credentials_pause_the_lane_and_cost_no_message_anything() -> None:
    """A hundred messages in flight with a wrong key: one pause, no attempt used, and all go out once it is mended."""

    async def main() -> None:
        provider = Provider()
        provider.takes_us = 50_000
        async with living(provider=provider) as house:
            for number in range(100):
                provider.answers[mail(number)].append(Config(code="401"))
                await house.post(mail(number), number)
            await house.pass_time(600)
            assert await _state(house, "mail") == ("config", "closed", None)
            assert sum(isinstance(event, e.LanePaused) for event in house.all_events()) == 1
            assert set(house.statuses()) == {"retrying"}
            await house.system.errands.resume("mail")
            await house.pass_time(60)
            assert house.statuses() == {"sent": 100}
            assert {head.attempts for head in house.durable.heads.values() if head.kind == "msg"} == {2}

    run_virtual(main)


# -- throttles ---------------------------------------------------------------------------------------------------


def test_a_provider_that_asks_for_a_slower_pace_silences_its_lane() -> None:
    """A 429 of the sender or account stops the whole lane until then, and no attempt is used up by it."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            provider.answers[mail(1)].append(Rate(scope="account", after_us=90 * SECOND_US))
            await house.post(mail(1), 1)
            await house.pass_time(1)
            asked_us = house.clock.now_us() - SECOND_US
            for number in range(2, 9):
                await house.post(mail(number), number)
                await house.post(address(number), number)
            await house.pass_time(200)
            later = [seen for seen in provider.seen[1:] if seen.to.endswith("@example.com")]
            assert len(later) == 8
            assert min(seen.at_us for seen in later) >= asked_us + 90 * SECOND_US
            assert max(seen.at_us for seen in provider.seen if seen.to == address(8)) < asked_us + 3 * SECOND_US

    run_virtual(main)


def test_the_longest_of_several_wishes_holds() -> None:
    """Of refusals that come back one after another the last may name the shortest wait; the longest is kept."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            provider.hold()
            for number, wait_s in ((1, 100), (2, 5)):
                provider.answers[mail(number)].append(Rate(scope="lane", after_us=wait_s * SECOND_US))
                await house.post(mail(number), number)
            await house.pass_time(1)
            provider.let_go()
            await house.pass_time(99)
            assert len(provider.seen) == 2
            await house.pass_time(5)
            assert len(provider.seen) == 4

    run_virtual(main)


def test_a_429_of_one_url_pauses_that_url_only() -> None:
    """An endpoint's limit is its own: another URL of the same host goes on."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            provider.answers[address(1)].append(Rate(scope="pair", after_us=60 * SECOND_US))
            for number in (1, 1, 2, 2):
                await house.post(address(number), number)
            await house.pass_time(30)
            assert [seen.number for seen in provider.seen] == [1, 2, 2]
            await house.pass_time(40)
            assert provider.numbers(address(1)) == [1, 1, 1]

    run_virtual(main)


def test_a_429_of_five_urls_pauses_their_host() -> None:
    """Five of them within ten seconds speak for the host: its sixth URL waits too, and other hosts do not."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            for number in range(5):
                provider.answers[address(number)].append(Rate(scope="pair", after_us=60 * SECOND_US))
                await house.post(address(number), number)
            await house.pass_time(1)
            assert [event.until_us - house.clock.now_us() > 50 * SECOND_US for event in _throttles(house)] == [True]
            await house.post(address(9), 9)
            await house.post(address(9, host="b.example"), 10)
            await house.pass_time(30)
            assert [seen.number for seen in provider.seen[5:]] == [10]
            await house.pass_time(60)
            assert 9 in provider.numbers(address(9))
            assert set(house.statuses()) == {"delivered"}

    run_virtual(main)


def test_429s_far_apart_or_of_few_urls_pause_no_host() -> None:
    """Four URLs, or five within more than ten seconds, are everybody's own limits."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            for number in range(8):
                provider.answers[address(number)].append(Rate(scope="pair", after_us=SECOND_US))
                await house.post(address(number), number)
                await house.pass_time(2.6)
            assert _throttles(house) == []

    run_virtual(main)


def _throttles(house: House) -> list[e.LaneThrottled]:
    return [event for event in house.all_events() if isinstance(event, e.LaneThrottled)]


# -- outages -----------------------------------------------------------------------------------------------------


def test_an_outage_opens_the_breaker_and_one_probe_asks() -> None:
    """Ten faults of ten stop a lane; one attempt asks after each of growing pauses, and success lets it go on."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=FRAGILE) as house:
            for number in range(40):
                provider.always[mail(number)] = Transient(code="503")
                await house.post(mail(number), number)
            await house.pass_time(5)
            assert (await _state(house, "mail"))[1] == "open"
            before = len(provider.seen)
            await house.pass_time(24)
            assert len(provider.seen) == before
            await house.pass_time(240)
            opened = [event for event in house.all_events() if isinstance(event, e.BreakerOpened)]
            assert [event.openings for event in opened] == [1, 2, 3, 4]
            assert len(provider.seen) == before + 3
            provider.always.clear()
            await house.pass_time(400)
            assert house.statuses() == {"sent": 40}
            assert sum(isinstance(event, e.BreakerClosed) for event in house.all_events()) == 1
            assert (await _state(house, "mail"))[1] == "closed"

    run_virtual(main)


def test_traffic_comes_back_slowly_after_an_outage() -> None:
    """In the first ten seconds after the probe one attempt a second, then two, then four."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=FRAGILE) as house:
            for number in range(200):
                provider.always[mail(number)] = Transient(code="503")
                await house.post(mail(number), number)
            await house.pass_time(5)
            provider.always.clear()
            provider.seen.clear()
            await house.pass_time(120)
            (closed_us,) = [entry.at_us for entry in house.durable.events if isinstance(entry.event, e.BreakerClosed)]
            tens = Counter((seen.at_us - closed_us) // (10 * SECOND_US) for seen in provider.seen[1:])
            assert [tens[ten] for ten in range(4)] == [10, 20, 40, 80]
            assert house.statuses() == {"sent": 200}

    run_virtual(main)


def test_a_broken_host_stops_itself_and_no_other() -> None:
    """Webhook lanes have a breaker a host: one that fails waits for its probe while the others are served."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=FRAGILE) as house:
            for number in range(30):
                provider.always[address(number, host="broken.example")] = Transient(code="503")
                await house.post(address(number, host="broken.example"), number)
                await house.post(address(number, host="sound.example"), number)
            await house.pass_time(25)
            sound = [seen for seen in provider.seen if "sound" in seen.to]
            broken = [seen for seen in provider.seen if "broken" in seen.to]
            assert (len(sound), len(broken) <= 20) == (30, True)
            provider.always.clear()
            await house.pass_time(300)
            assert house.statuses() == {"delivered": 60}

    run_virtual(main)


def test_all_of_a_hosts_room_is_used_once_it_is_back() -> None:
    """After its outage has long passed, a host's backlog goes out with as many attempts at once as it may have."""

    async def main() -> None:
        provider = Provider()
        policy = under(FRAGILE, limits=Limits(host_concurrency=5))
        async with living(provider=provider, policy=policy) as house:
            for number in range(400):
                provider.always[address(number)] = Transient(code="503")
                await house.post(address(number), number)
            await house.pass_time(20)
            provider.always.clear()
            provider.takes_us = 2 * SECOND_US
            provider.in_flight_most = 0
            await house.pass_time(400)
            assert house.statuses() == {"delivered": 400}
            assert provider.in_flight_most == 5

    run_virtual(main)


@pytest.mark.parametrize("answer", [Recipient(code="410"), Taken(code="200")])
def test_a_probe_that_gets_any_answer_closes_the_breaker(answer: Recipient | Taken) -> None:
    """A refusal too shows that the other side is back."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, policy=FRAGILE) as house:
            for number in range(12):
                provider.answers[mail(number)].append(Ambiguous(code="timeout"))
                provider.always[mail(number)] = answer
                await house.post(mail(number), number)
            await house.pass_time(300)
            assert sum(isinstance(event, e.BreakerClosed) for event in house.all_events()) == 1

    run_virtual(main)


# -- reloads -----------------------------------------------------------------------------------------------------


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
