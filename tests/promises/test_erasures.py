"""Somebody is forgotten: nothing is sent to them any more, nothing private is kept, and the log still tells it all."""

from contextlib import suppress
from typing import Final

import pytest

from actors.erasures import RUNNING_MAX
from actors.peers import EVERYWHERE, SPACE
from core import events as e
from core.errors import AppendUnknown, BeingForgotten, Forbidden, NotFound, Overloaded
from core.outcomes import Ambiguous, OptOut, Permanent, Transient
from core.policies import SECOND_US, Schedule
from core.records import NO_TENANT
from core.views import ErasureState
from eventstore.durable import Durable
from eventstore.integrity import check
from eventstore.memory_book import MemoryBook
from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.house import PLAIN, TIGHT, House, address, living, mail, under
from tests.promises.other_side import ObedientDisk, Provider

ONCE: Final = under(PLAIN, retry=Schedule(after_us=()))
LATER: Final = "2026-02-03T08:00:00Z"
ANN: Final = mail(1)


async def forgotten(house: House, to: str = ANN, *, within_s: float = 60) -> ErasureState:
    """Has somebody forgotten, and waits for it."""
    channel = "email" if "@" in to else "webhook"
    erasure = await house.system.erasures.begin("org1", channel, to)
    return await house.system.erasures.done("org1", erasure, within_us=round(within_s * SECOND_US))


def private_of(durable: Durable) -> set[int]:
    """The streams of which the vault holds something."""
    return set(durable.sealed)


def assert_sound(durable: Durable) -> None:
    """The whole check finds nothing wrong."""
    assert check(MemoryBook(durable)).faults == ()


def test_all_that_is_private_goes_and_what_is_open_is_cancelled() -> None:
    """Sent, dead, scheduled and retrying messages lose what they held; others are left alone, and the log is sound."""

    async def main() -> None:
        provider = Provider()
        provider.answers[ANN].append(Permanent(code="550"))
        provider.answers[ANN].append(Transient(code="451"))
        async with living(provider=provider) as house:
            dead = (await house.post(ANN, 1)).id
            await house.pass_time(1)
            retrying = (await house.post(ANN, 2, order="any")).id
            sent = (await house.post(ANN, 3, order="any")).id
            planned = (await house.post(ANN, 4, send_at=LATER)).id
            other = (await house.post(mail(2), 5)).id
            elsewhere = (await house.post(ANN, 6, tenant="org2")).id
            await house.pass_time(1)
            state = await forgotten(house)
            statuses = [house.message(stream).status for stream in (dead, retrying, sent, planned)]
            assert statuses == ["dead", "cancelled", "sent", "cancelled"]
            assert house.message(planned).reason == "erased"
            assert (state.status, state.messages, state.cancelled) == ("erased", 4, 2)
            assert private_of(house.durable) == {other, elsewhere}
            assert_sound(house.durable)
            await house.pass_time(7 * 86_400)
            assert sorted(provider.numbers(ANN)) == [1, 2, 3, 6]

    run_virtual(main)


def test_a_message_afterwards_is_the_first_of_a_new_conversation() -> None:
    """It is sent like any other, and nothing leads from it to what was before."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            before = await house.post(ANN, 1)
            await house.pass_time(1)
            await forgotten(house)
            assert house.durable.addresses == {}
            after = await house.post(ANN, 2)
            await house.pass_time(1)
            assert after.conversation != before.conversation
            assert provider.numbers(ANN) == [1, 2]
            assert private_of(house.durable) == {after.id}
            assert_sound(house.durable)

    run_virtual(main)


def test_what_is_in_flight_is_waited_for() -> None:
    """Until its provider has answered its row stays, and the erasure is under way; nothing is sent a second time."""

    async def main() -> None:
        provider = Provider()
        provider.hold()
        provider.answers[ANN].append(Transient(code="451"))
        async with living(provider=provider) as house:
            stream = (await house.post(ANN, 1)).id
            behind = (await house.post(ANN, 2)).id
            await house.pass_time(1)
            state = await forgotten(house, within_s=5)
            assert (state.status, house.message(behind).status) == ("erasing", "cancelled")
            assert stream in private_of(house.durable)
            provider.let_go()
            state = await house.system.erasures.done("org1", state.id, within_us=5 * SECOND_US)
            assert (state.status, state.messages, state.cancelled) == ("erased", 2, 2)
            assert (house.message(stream).status, house.message(stream).reason) == ("cancelled", "erased")
            assert private_of(house.durable) == set()
            await house.pass_time(600)
            assert provider.numbers(ANN) == [1]

    run_virtual(main)


def test_a_doubt_ends_with_the_erasure() -> None:
    """Whether it arrived will never be known, and nobody asks for it again."""

    async def main() -> None:
        provider = Provider()
        provider.answers[ANN].append(Ambiguous(code="timeout"))
        async with living(provider=provider) as house:
            stream = (await house.post(ANN, 1)).id
            await house.pass_time(1)
            await forgotten(house)
            assert house.message(stream).status == "cancelled"
            assert provider.numbers(ANN) == [1]
            assert_sound(house.durable)

    run_virtual(main)


def test_a_dead_letter_without_content_is_not_redriven() -> None:
    """It is refused with the reason, and nobody is told that they might."""

    async def main() -> None:
        provider = Provider()
        provider.always[ANN] = Permanent(code="550")
        async with living(provider=provider, policy=ONCE) as house:
            stream = (await house.post(ANN, 1)).id
            await house.pass_time(1)
            await forgotten(house)
            with pytest.raises(Forbidden, match="was erased"):
                await house.system.errands.redrive("org1", stream)
            conclusion = (await house.system.explainer.explain("org1", stream)).conclusion
            assert conclusion is not None
            assert conclusion.may_still == ()
            assert provider.numbers(ANN) == [1]

    run_virtual(main)


def test_a_key_that_is_repeated_afterwards_is_still_a_repeat() -> None:
    """The message of the key is told of, and nothing is sent a second time."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            first = await house.post(ANN, 1, idempotency_key="k")
            await house.pass_time(1)
            await forgotten(house)
            again = await house.post(ANN, 1, idempotency_key="k")
            await house.pass_time(1)
            assert (again.id, again.duplicate) == (first.id, True)
            assert provider.numbers(ANN) == [1]

    run_virtual(main)


def test_a_suppression_outlives_all_the_rest() -> None:
    """Whoever wanted no more gets none, though nothing tells any more what they got; a keyed hash leads there."""

    async def main() -> None:
        provider = Provider()
        provider.answers[ANN].append(OptOut(code="complaint"))
        async with living(provider=provider) as house:
            first = await house.post(ANN, 1)
            await house.pass_time(1)
            await forgotten(house)
            subject = house.secrets.keyed_hash("address", "org1", "email", ANN)
            assert house.durable.aliases == {(SPACE, "org1", subject): [first.conversation]}
            after = await house.post(ANN, 2)
            await house.pass_time(1)
            assert (house.message(after.id).status, house.message(after.id).reason) == ("dead", "suppressed")
            assert provider.numbers(ANN) == [1]
            await forgotten(house)
            assert private_of(house.durable) == set()
            assert (await house.post(ANN, 3)).conversation == first.conversation
            assert_sound(house.durable)

    run_virtual(main)


def test_no_name_leads_to_whom_nothing_is_kept_of() -> None:
    """Neither the address nor what the person is called over all tenants, of which another tenant's stays."""

    async def main() -> None:
        async with living() as house:
            await house.post(ANN, 1)
            other = await house.post(ANN, 2, tenant="org2")
            await house.pass_time(1)
            await forgotten(house)
            person = house.secrets.keyed_hash("person", "email", ANN)
            assert house.durable.aliases == {(EVERYWHERE, NO_TENANT, person): [other.id]}
            assert [tenant for tenant, _, _ in house.durable.addresses] == ["org2"]

    run_virtual(main)


def test_somebody_who_was_never_written_to_is_forgotten_too() -> None:
    """That they asked is recorded, and nothing else happens."""

    async def main() -> None:
        async with living() as house:
            state = await forgotten(house)
            assert (state.status, state.conversation, state.messages) == ("erased", None, 0)
            assert [type(event) for event in house.events(state.id)] == [e.ErasureStarted, e.SubjectErased]
            assert private_of(house.durable) == set()
            assert_sound(house.durable)

    run_virtual(main)


def test_asking_again_while_it_is_under_way_is_the_same_erasure() -> None:
    """Afterwards it is another one, which finds nothing."""

    async def main() -> None:
        provider = Provider()
        provider.hold()
        async with living(provider=provider) as house:
            await house.post(ANN, 1)
            await house.pass_time(1)
            erasures = house.system.erasures
            first = await erasures.begin("org1", "email", ANN)
            assert await erasures.begin("org1", "email", ANN) == first
            provider.let_go()
            await house.pass_time(2)
            second = await forgotten(house)
            assert (second.id != first, second.messages) == (True, 0)
            with pytest.raises(NotFound):
                await erasures.state("org2", first)

    run_virtual(main)


def test_only_so_many_are_under_way_at_once() -> None:
    """One more is refused, and nothing of it is recorded; whoever asks again for one of them gets that one."""

    async def main() -> None:
        provider = Provider()
        provider.hold()
        async with living(provider=provider) as house:
            for number in range(RUNNING_MAX):
                await house.post(mail(number), number)
            await house.pass_time(1)
            begun = [await house.system.erasures.begin("org1", "email", mail(number)) for number in range(RUNNING_MAX)]
            with pytest.raises(Overloaded, match="under way"):
                await house.system.erasures.begin("org1", "email", "one@more.example")
            assert await house.system.erasures.begin("org1", "email", mail(0)) == begun[0]
            assert sum(isinstance(event, e.ErasureStarted) for event in house.all_events()) == RUNNING_MAX
            provider.let_go()
            await house.pass_time(5)
            assert private_of(house.durable) == set()

    run_virtual(main)


def test_nothing_slips_in_behind_the_sweep() -> None:
    """Messages that come all the while are erased with the others, or refused, or begin anew; none is lost."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider, bounds=TIGHT, disk=_slow()) as house:
            for number in range(40):
                await house.post(ANN, number)
            await house.pass_time(1)
            erasure = await house.system.erasures.begin("org1", "email", ANN)
            answers = [await _posted(house, number) for number in range(40, 200)]
            accepted = [stream for stream in answers if stream is not None]
            state = await house.system.erasures.done("org1", erasure, within_us=60 * SECOND_US)
            await house.pass_time(60)
            assert (state.status, len(accepted) < len(answers)) == ("erased", True)
            ended = [house.message(stream) for stream in accepted]
            assert {message.status for message in ended} == {"cancelled", "sent", "scheduled"}
            kept = private_of(house.durable)
            anew = {message.id for message in ended if message.conversation != state.conversation}
            assert kept == anew
            assert {message.status for message in ended if message.id in anew} == {"sent", "scheduled"}
            assert {message.status for message in ended if message.id not in anew} == {"sent", "cancelled"}
            assert_sound(house.durable)

    run_virtual(main)


@pytest.mark.parametrize("after_commits", range(6))
def test_a_crash_anywhere_is_gone_on_from(after_commits: int) -> None:
    """The next life ends what was begun, whichever commit the power went out at."""
    durable, provider = Durable(), Provider()

    async def first() -> None:
        disk = ObedientDisk()
        async with living(durable=durable, provider=provider, disk=disk) as house:
            provider.answers[ANN].append(Transient(code="451"))
            for number in range(3):
                await house.post(ANN, number, order="any")
            await house.pass_time(1)
            disk.fail_later("before_answer", after_commits=after_commits)
            with suppress(AppendUnknown):
                await house.system.erasures.begin("org1", "email", ANN)
            await house.pass_time(after_commits / 1_000)
            await cut_power()

    async def second() -> None:
        async with living(durable=durable, provider=provider) as house:
            await house.pass_time(10)
            assert private_of(durable) == set()
            assert durable.addresses == {}
            assert sum(isinstance(event, e.SubjectErased) for event in house.all_events()) == 1
            assert_sound(durable)

    with pytest.raises(PowerCut) as cut:
        run_virtual(first)
    run_virtual(second, start_s=cut.value.now_s)


def test_trouble_with_the_disk_only_delays_it() -> None:
    """Each commit whose fate is unknown is asked about, and what it was to do is done once."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(disk=disk) as house:
            for number in range(5):
                await house.post(ANN, number, send_at=LATER)
            disk.fail_later("before_answer", after_commits=2)
            erasure = await house.system.erasures.begin("org1", "email", ANN)
            await house.pass_time(0.01)
            disk.fill()
            await house.pass_time(30)
            disk.calm()
            state = await house.system.erasures.done("org1", erasure, within_us=60 * SECOND_US)
            assert (state.status, house.statuses()) == ("erased", {"cancelled": 5})
            assert private_of(house.durable) == set()
            assert_sound(house.durable)

    run_virtual(main)


def test_an_endpoint_is_forgotten_like_a_person() -> None:
    """A webhook's URL leads nowhere afterwards."""

    async def main() -> None:
        async with living() as house:
            await house.post(address(1), 1)
            await house.pass_time(1)
            state = await forgotten(house, address(1))
            assert (state.channel, state.messages) == ("webhook", 1)
            assert (private_of(house.durable), house.durable.addresses) == (set(), {})

    run_virtual(main)


async def _posted(house: House, number: int) -> int | None:
    """A message, every third of them for later; None where it is refused because the peer is just being forgotten."""
    later = {} if number % 3 else {"send_at": LATER, "order": "any"}
    await house.pass_time(0.002)
    try:
        return (await house.post(ANN, number, **later)).id
    except BeingForgotten:
        return None


def _slow() -> ObedientDisk:
    disk = ObedientDisk()
    disk.commit_us = disk.read_us = 500
    return disk
