"""Lanes: what a person, a broken set-up, a provider's wish or an outage does to a lane, and how it comes back."""

from collections import Counter

from core import events as e
from core.outcomes import Config, Permanent, Rate, Transient
from core.policies import SECOND_US, BreakerRule
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, House, address, living, mail, under
from tests.promises.other_side import Provider


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


def test_a_person_lifts_a_throttle() -> None:
    """Resumed before its time is over, the lane goes on at once, over a restart too; what was asked for is past."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            durable = house.durable
            provider.answers[mail(1)].append(Rate(scope="account", after_us=3_600 * SECOND_US))
            await house.post(mail(1), 1)
            await house.pass_time(1)
            await house.post(mail(2), 2)
            await house.pass_time(60)
            assert len(provider.seen) == 1
            await house.system.errands.resume("mail")
            await house.system.errands.resume("mail")
            await house.pass_time(1)
            # The one that was refused waits for its own time, which its provider named.
            assert [seen.to for seen in provider.seen] == [mail(1), mail(2)]
            assert sum(isinstance(event, e.LaneResumed) for event in house.all_events()) == 1
        async with living(provider=provider, durable=durable) as house:
            assert await _state(house, "mail") == (None, "closed", None)
            await house.post(mail(3), 3)
            await house.pass_time(1)
            assert provider.numbers(mail(3)) == [3]

    run_virtual(main)


def test_what_nobody_was_asked_about_proves_no_provider() -> None:
    """The probe of an open breaker whose content is gone closes nothing: the next one asks."""

    async def main() -> None:
        provider = Provider()
        breaker = BreakerRule(share=0.5, of=2, cooldown_us=60 * SECOND_US)
        async with living(policy=under(PLAIN, breaker=breaker), provider=provider) as house:
            provider.answers[mail(1)].append(Transient(code="503"))
            provider.answers[mail(2)].append(Permanent(code="content_gone", unasked=True))
            await house.post(mail(1), 1)
            await house.pass_time(1)
            await house.post(mail(2), 2)
            await house.pass_time(62)
            assert [seen.to for seen in provider.seen[1:2]] == [mail(2)]
            states = [
                type(event) for event in house.all_events() if isinstance(event, e.BreakerOpened | e.BreakerClosed)
            ]
            assert states == [e.BreakerOpened, e.BreakerClosed]
            assert provider.seen[2].to == mail(1)

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
    """Five within ten seconds speak for the host: its other URLs wait, whoever resumes the lane; other hosts do not."""

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
            await house.system.errands.resume("calls")
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
