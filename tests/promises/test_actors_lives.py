"""Lives: a stop keeps its bound, a crash loses nothing, and a start goes on where the log is."""

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import pytest
from msgspec.structs import replace

from core import events as e
from core.errors import AppendUnknown, KeyReused
from core.outcomes import Transient
from core.policies import SECOND_US, CircuitRule, Poison, Policy, Schedule
from core.records import MessageFilter
from core.settings import Bounds
from eventstore.durable import Durable
from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.house import PLAIN, TIGHT, House, address, living, under
from tests.promises.other_side import ObedientDisk, Provider

pytestmark = pytest.mark.slow

ANY: Final = under(PLAIN, order="any", in_flight_max=4)


# -- stops -------------------------------------------------------------------------------------------------------


def test_a_stop_lets_attempts_in_flight_end() -> None:
    """What is answered within the bound is recorded as answered, and nothing new begins."""

    async def main() -> None:
        provider = Provider()
        provider.takes_us = 5 * SECOND_US
        async with living(provider=provider) as house:
            durable = house.durable
            await house.post(address(1), 1)
            await house.post(address(1), 2)
            await house.pass_time(1)
        assert [seen.number for seen in provider.seen] == [1]
        assert Counter(head.status for head in durable.heads.values() if head.kind == "msg") == {
            "delivered": 1, "queued": 1
        }  # fmt: skip
        assert isinstance(durable.events[-1].event, e.DaemonStopped)

    run_virtual(main)


@pytest.mark.parametrize("is_sent", [True, False])
def test_a_stop_gives_up_what_does_not_end_within_its_bound(is_sent: bool) -> None:  # noqa: FBT001 - a column
    """What has left is ambiguous, what has not left was never sent; the stop takes its bound and no longer."""

    async def main() -> None:
        provider = Provider()
        if is_sent:
            provider.hold()
        else:
            provider.hold_connections()
        async with living(provider=provider, bounds=Bounds(stop_within_us=3 * SECOND_US)) as house:
            stream = (await house.post(address(1))).id
            await house.pass_time(1)
            asked_us = house.clock.now_us()
            await house.system.stop()
            assert house.clock.now_us() - asked_us == 3 * SECOND_US
            last = house.events(stream)[-1]
            if is_sent:
                assert isinstance(last, e.AmbiguityResolved)
                assert house.message(stream).used == 1
            else:
                assert isinstance(last, e.AttemptAborted)
                assert house.message(stream).used == 0
        provider.let_go()
        async with living(provider=provider, durable=house.durable) as house:
            await house.pass_time(60)
            assert house.message(stream).status == "delivered"

    run_virtual(main)


def test_a_stopping_daemon_takes_nothing_new() -> None:
    """The door is closed from the first moment of a stop, and says to come back."""

    async def main() -> None:
        async with living() as house:
            await house.system.stop()
            with pytest.raises(Exception, match="takes nothing new"):
                await house.post(address(1))
            assert house.system.ready() == ["the daemon is stopping"]

    run_virtual(main)


# -- crashes -----------------------------------------------------------------------------------------------------


def _crash(
    durable: Durable,
    provider: Provider,
    prepare: Callable[[House, Provider], Awaitable[None]],
    *,
    policy: Policy,
    bounds: Bounds = TIGHT,
) -> float:
    """One life that ends without warning a second after it was prepared; answers the virtual second of its end."""

    async def main() -> None:
        async with living(durable=durable, provider=provider, policy=policy, bounds=bounds) as house:
            await prepare(house, provider)
            await house.pass_time(1)
            await cut_power()

    with pytest.raises(PowerCut) as cut:
        run_virtual(main)
    provider.hang_up()
    return cut.value.now_s


async def _backlog(house: House, provider: Provider) -> None:
    """A hundred messages in any order to one peer, all due before those that fly have begun."""
    provider.hold()
    await house.system.errands.pause("calls")
    for number in range(100):
        await house.post(address(1), number)
    await house.pass_time(1)
    await house.system.errands.resume("calls")


def test_interrupted_attempts_are_ambiguous_however_long_their_line_is() -> None:
    """Four attempts in flight before a backlog of a hundred: the next life finds each of them, and sends it again."""
    durable, provider, bounds = Durable(), Provider(), replace(TIGHT, window_max=4)
    now_s = _crash(durable, provider, _backlog, policy=ANY, bounds=bounds)
    assert [head.status for head in durable.heads.values()].count("sending") == 4

    async def main() -> None:
        async with living(durable=durable, provider=provider, policy=ANY, bounds=bounds) as house:
            assert [head.status for head in durable.heads.values()].count("sending") == 0
            assert _interrupted(house) == 4
            await house.pass_time(120)
            assert house.statuses() == {"delivered": 100}

    run_virtual(main, start_s=now_s)
    assert len(provider.seen) == 104
    assert set(provider.numbers(address(1))) == set(range(100))


def _interrupted(house: House) -> int:
    failed = [event for event in house.all_events() if isinstance(event, e.AttemptFailed)]
    return sum(event.outcome.code == "interrupted" for event in failed)


# The first fault parks a message, and a second later its conversation goes on.
PARK: Final = under(
    PLAIN, circuit=CircuitRule(failures=1, cooldown_us=SECOND_US, ceiling_us=SECOND_US), poison=Poison(kind="park")
)


async def _parked_and_flying(house: House, provider: Provider) -> None:
    """Nine messages that were parked and let go again, while a tenth is in flight."""
    for number in range(9):
        provider.answers[address(1)].append(Transient(code="503"))
        await house.post(address(1), number)
        await house.pass_time(2)
    assert house.statuses() == {"held": 9}
    provider.hold()
    receipt = await house.post(address(1), 9)
    await house.pass_time(2)
    await house.system.errands.release("org1", receipt.conversation)


def test_an_interrupted_attempt_behind_released_messages_is_found() -> None:
    """Nine released messages stand before the one in flight when the power goes out: it is found at once."""
    durable, provider = Durable(), Provider()
    now_s = _crash(durable, provider, _parked_and_flying, policy=PARK)

    async def main() -> None:
        async with living(durable=durable, provider=provider, policy=PARK, bounds=TIGHT) as house:
            assert _interrupted(house) == 1
            await house.pass_time(60)
            assert house.statuses() == {"delivered": 9, "held": 1}
            assert provider.numbers(address(1)).count(9) == 1

    run_virtual(main, start_s=now_s)


def test_an_answer_reaches_its_message_behind_released_ones() -> None:
    """Though memory went in doubt meanwhile, and what is kept of the line does not reach that far, it is recorded."""

    async def main() -> None:
        provider, disk = Provider(), ObedientDisk()
        async with living(provider=provider, policy=PARK, bounds=TIGHT, disk=disk) as house:
            await _parked_and_flying(house, provider)
            last, *_, first = house.durable.messages[::-1]
            disk.fail_later("before_sync")
            with pytest.raises(AppendUnknown):
                await house.system.errands.cancel("org1", first)
            await house.pass_time(1)
            await house.system.errands.conversation("org1", house.durable.heads[first].conversation)
            provider.let_go()
            await house.pass_time(60)
            assert house.message(last).status == "delivered"
            assert house.statuses() == {"delivered": 10}
            assert provider.numbers(address(1)).count(9) == 1

    run_virtual(main)


async def _steady(house: House, *, from_number: int) -> None:
    for number in range(from_number, from_number + 30):
        await house.post(address(number % 3), number, idempotency_key=f"k{number}")
        await house.pass_time(0.05)


@pytest.mark.parametrize("takes_us", [1_000, 400_000])
def test_many_lives_lose_nothing_and_double_only_what_is_ambiguous(takes_us: int) -> None:
    """Killed every second and a half, under the tightest bounds: all arrive, and twice only where the log says so."""
    durable, provider, now_s = Durable(), Provider(), 0.0
    provider.takes_us = takes_us
    policy = under(PLAIN, retry=Schedule(after_us=(SECOND_US,) * 50, jitter=0.0))
    for life in range(8):

        async def main(life: int = life) -> None:
            async with living(durable=durable, provider=provider, policy=policy, bounds=TIGHT) as house:
                await _steady(house, from_number=30 * life)
                await cut_power()

        with pytest.raises(PowerCut) as cut:
            run_virtual(main, start_s=now_s)
        now_s = cut.value.now_s

    async def last() -> None:
        async with living(durable=durable, provider=provider, policy=policy, bounds=TIGHT) as house:
            await house.pass_time(300)
            assert house.statuses() == {"delivered": 240}
            ambiguous = sum(isinstance(event, e.AmbiguityResolved) for event in house.all_events())
            assert len(provider.seen) - 240 <= ambiguous

    run_virtual(last, start_s=now_s)
    for peer in range(3):
        numbers = provider.numbers(address(peer))
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(peer, 240, 3))


# -- what a start goes on with -----------------------------------------------------------------------------------


def test_a_restart_knows_pauses_breakers_keys_and_jobs() -> None:
    """What was decided is in the log: a paused lane stays paused, a key opens, a running redrive goes on."""

    async def main() -> None:
        provider = Provider()
        policy = under(PLAIN, retry=Schedule(after_us=()))
        async with living(provider=provider, policy=policy) as house:
            for number in range(6):
                provider.answers[address(number)].append(Transient(code="503"))
                await house.post(address(number), number)
            await house.pass_time(1)
            job = await house.system.redrives.start("org1", MessageFilter(), 1.0)
            await house.pass_time(2.5)
            key, secret = await house.system.keys.add(tenant="org1", role="send", label="shop")
            revoked, old_secret = await house.system.keys.add(tenant=None, role="admin", label="old")
            await house.system.keys.revoke(revoked.id)
            await house.system.errands.pause("mail")
        async with living(provider=provider, policy=policy, durable=house.durable) as house:
            assert house.system.errands.paused_lanes == {"mail"}
            assert house.system.keys.holder(secret) == key
            assert house.system.keys.holder(old_secret) is None
            await house.pass_time(30)
            assert house.statuses() == {"delivered": 6}
            state = await house.system.redrives.job("org1", job)
            assert (state.status, state.moved) == ("done", 6)

    run_virtual(main)


def test_the_same_request_is_the_same_message_over_lives() -> None:
    """Same key and content: one message, in this life and the next. Same key, other content: refused."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            first = await house.post(address(1), 1, idempotency_key="k")
            again = await house.post(address(1), 1, idempotency_key="k")
            other = await house.post(address(1), 1, idempotency_key="k", tenant="org2")
            assert (first.duplicate, again.duplicate, other.duplicate) == (False, True, False)
            assert again.id == first.id != other.id
            with pytest.raises(KeyReused) as reused:
                await house.post(address(1), 2, idempotency_key="k")
            assert reused.value.stream == first.id
            await house.pass_time(1)
        async with living(provider=provider, durable=house.durable) as house:
            assert (await house.post(address(1), 1, idempotency_key="k")).id == first.id
            with pytest.raises(KeyReused):
                await house.post(address(1), 2, idempotency_key="k")
            await house.pass_time(1)
        assert provider.numbers(address(1)) == [1, 1]

    run_virtual(main)


def test_repeats_at_one_instant_are_one_message() -> None:
    """However many callers send the same request at once, one message is accepted and all are told its id."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            receipts = []

            async def ask() -> None:
                receipts.append(await house.post(address(1), 1, idempotency_key="k"))

            await house.all_at_once([ask] * 20)
            assert len({receipt.id for receipt in receipts}) == 1
            assert sum(not receipt.duplicate for receipt in receipts) == 1
            await house.pass_time(1)
        assert provider.numbers(address(1)) == [1]

    run_virtual(main)


def test_first_messages_to_a_new_peer_share_one_conversation() -> None:
    """However many are accepted at once for an address that nobody knew, they stand in one line in their order."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, bounds=TIGHT) as house:
            house.disk.read_us, house.disk.commit_us = 900, 700
            receipts = []

            async def write(number: int) -> None:
                receipts.append(await house.post(address(1), number))

            await house.all_at_once([partial(write, number) for number in range(20)])
            assert len({receipt.conversation for receipt in receipts}) == 1
            await house.pass_time(5)
        assert provider.numbers(address(1)) == list(range(20))

    run_virtual(main)
