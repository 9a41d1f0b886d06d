"""Two daemons on one log: whatever comes to the one that stands by is dealt with by the one that acts, once."""

import asyncio
from functools import partial
from typing import Literal

import pytest
from msgspec.structs import replace

from core import events as e
from core.errors import AppendUnknown, KeyReused, NotFound, StoreUnavailable
from core.news import PeerNews
from core.policies import SECOND_US
from eventstore.cluster import Cluster
from eventstore.disk import Border
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, address, living, mail, settings_of, under
from tests.promises.other_side import Provider
from tests.promises.two_daemons import acting, standing, two_daemons


def test_what_comes_to_the_one_that_stands_by_is_delivered() -> None:
    """It is acknowledged as if it acted, can be read there at once, and leaves by the other one within moments."""

    async def main() -> None:
        provider = Provider()
        async with two_daemons(provider=provider) as pair:
            answer = await pair.beside.post(address(1), 1)
            assert (answer.status, answer.duplicate) == ("queued", False)
            head = await pair.beside.node.log_for_reading.head_of(answer.id)
            assert head is not None
            assert (head.status, head.conversation) == ("queued", answer.conversation)
            await asyncio.sleep(1)
            assert pair.acting.message(answer.id).status == "delivered"
            assert [seen.number for seen in provider.seen] == [1]
            assert not pair.cluster.durable.parking.rows

    run_virtual(main)


def test_both_take_in_for_one_conversation_in_one_order() -> None:
    """Hundreds of messages to few peers, to either daemon in turn: each is sent once, each peer's in one order."""

    async def main() -> None:
        provider = Provider()
        async with two_daemons(provider=provider) as pair:
            for number in range(200):
                post = pair.beside.post if number % 3 else pair.acting.post
                await post(address(number % 5), number)
                await asyncio.sleep(0.02)
            await asyncio.sleep(60)
            assert sorted(seen.number for seen in provider.seen) == list(range(200))
            for peer in range(5):
                numbers = [seen.number for seen in provider.seen if seen.to == address(peer)]
                assert numbers == sorted(numbers)
            assert len({head.conversation for head in pair.cluster.durable.heads.values() if head.kind == "msg"}) == 5

    run_virtual(main)


@pytest.mark.parametrize("is_acting_late", [True, False])
def test_a_first_message_that_came_second_finds_the_conversation(is_acting_late: bool) -> None:  # noqa: FBT001 - a column
    """Where both minted a conversation for a new peer, the later acceptance goes to the one that is there."""

    async def main() -> None:
        async with two_daemons() as pair:
            house, beside = pair.acting, pair.beside
            early, late = (beside, house) if is_acting_late else (house, beside)
            peers = (house.system.intake if is_acting_late else beside.standby.intake).peers
            minted = await peers.of("org1", "webhook", address(1))
            first, second = await early.post(address(1), 1), await late.post(address(1), 2)
            assert first.conversation == second.conversation != minted.conversation
            assert (await late.post(address(1), 3)).conversation == first.conversation
            await asyncio.sleep(5)
            assert house.statuses() == {"delivered": 3}

    run_virtual(main)


def test_a_repeat_is_known_whichever_daemon_it_comes_to() -> None:
    """The same key is the same message at both, also before the acting one has taken it in, and never another's."""

    async def main() -> None:
        async with two_daemons() as pair:
            first = await pair.beside.post(address(1), 1, idempotency_key="k1")
            again = await pair.acting.post(address(1), 1, idempotency_key="k1")
            third = await pair.beside.post(address(1), 1, idempotency_key="k1")
            assert {answer.id for answer in (first, again, third)} == {first.id}
            assert (again.duplicate, third.duplicate) == (True, True)
            with pytest.raises(KeyReused):
                await pair.acting.post(address(1), 2, idempotency_key="k1")
            await asyncio.sleep(5)
            assert pair.acting.statuses() == {"delivered": 1}

    run_virtual(main)


def test_news_that_came_to_the_one_that_stands_by_are_heeded_first() -> None:
    """Who said stop there gets nothing that was taken in beside it."""

    async def main() -> None:
        provider = Provider()
        async with two_daemons(provider=provider) as pair:
            pair.acting.disk.is_unreadable = True
            await asyncio.sleep(1)
            message = await pair.beside.post(mail(1), 1)
            await pair.beside.tell(PeerNews(did="stopped", channel="email", address=mail(1)))
            pair.acting.disk.is_unreadable = False
            await asyncio.sleep(10)
            assert not pair.cluster.durable.parking.rows
            assert any(isinstance(event, e.PeerSuppressed) for event in pair.acting.all_events())
            assert (pair.acting.message(message.id).status, provider.seen) == ("dead", [])

    run_virtual(main)


def test_what_one_person_did_is_heeded_in_its_order() -> None:
    """News of several hooks that are heeded together come to what they would have come to one after another."""

    async def main() -> None:
        async with two_daemons() as pair:
            first = await pair.beside.post(mail(1), 1)
            pair.acting.disk.is_unreadable = True
            await asyncio.sleep(1)
            wishes: tuple[Literal["stopped", "resumed"], ...] = ("stopped", "resumed", "stopped", "resumed")
            for did in wishes:
                await pair.beside.tell(PeerNews(did=did, channel="email", address=mail(1)))
            pair.acting.disk.is_unreadable = False
            await asyncio.sleep(5)
            told = [entry.event for entry in pair.cluster.durable.streams[first.conversation]]
            assert [type(event) for event in told] == [e.PeerSuppressed, e.PeerRestored] * 2
            assert not pair.cluster.durable.parking.rows

    run_virtual(main)


@pytest.mark.parametrize("border", ["before_sync", "before_answer"])
def test_taking_in_with_an_unknown_result_comes_to_once(border: Border) -> None:
    """Whether the append had landed or not, each message is in the log once and on the agenda."""

    async def main() -> None:
        provider = Provider()
        async with two_daemons(provider=provider) as pair:
            pair.acting.disk.fail_later(border)
            for number in range(20):
                await pair.beside.post(address(number), number)
            await asyncio.sleep(30)
            assert sorted(seen.number for seen in provider.seen) == list(range(20))
            assert pair.acting.statuses() == {"delivered": 20}
            accepted = [event for event in pair.acting.all_events() if isinstance(event, e.MessageAccepted)]
            assert len(accepted) == 20
            assert pair.acting.notes.count("inbox_refused") > 0

    run_virtual(main)


def test_a_full_disk_delays_what_was_taken_in_and_loses_nothing() -> None:
    """The rows stay while nothing can be written, and go in order once it can."""

    async def main() -> None:
        provider = Provider()
        async with two_daemons(provider=provider) as pair:
            pair.acting.disk.fill()
            for number in range(5):
                await pair.beside.post(address(1), number)
            await asyncio.sleep(8)
            assert (len(pair.cluster.durable.parking.rows), provider.seen) == (5, [])
            pair.acting.disk.empty()
            await asyncio.sleep(10)
            assert [seen.number for seen in provider.seen] == list(range(5))

    run_virtual(main)


def test_what_was_just_taken_in_elsewhere_can_be_cancelled() -> None:
    """Who cancels a message at the acting daemon before that has taken it in need not know: it is cancelled."""

    async def main() -> None:
        provider = Provider()
        async with two_daemons(provider=provider) as pair:
            house = pair.acting
            at_us = house.clock.now_us() + 60 * SECOND_US
            house.disk.is_unreadable = True
            await pair.beside.post(address(2), 2, send_at=house.moment(at_us))
            await asyncio.sleep(0.5)
            # For another half a second it does not look at what is left for it.
            house.disk.is_unreadable = False
            message = await pair.beside.post(address(1), 1, send_at=house.moment(at_us))
            cancelled = await house.system.errands.cancel("org1", message.id)
            assert (cancelled.status, house.message(message.id).status) == ("cancelled", "cancelled")
            await asyncio.sleep(120)
            assert [seen.number for seen in provider.seen] == [2]

    run_virtual(main)


def test_what_makes_no_sense_waits_and_others_go_on() -> None:
    """A row of a newer release stays where it is; those before and behind it are dealt with."""

    async def main() -> None:
        async with two_daemons() as pair:
            pair.acting.disk.is_unreadable = True
            await asyncio.sleep(1)
            for number in range(3):
                await pair.beside.post(address(number), number)
            await pair.beside.tell(PeerNews(did="stopped", channel="email", address=mail(1)))
            rows = pair.cluster.durable.parking.rows
            rows[2] = replace(rows[2], body=b"\x93\x7f\x01\x90")
            rows[4] = replace(rows[4], body=b"\x80")
            pair.acting.disk.is_unreadable = False
            await asyncio.sleep(10)
            assert sorted(rows) == [2, 4]
            assert pair.acting.statuses() == {"delivered": 2}
            assert pair.acting.notes.count("inbox_parked") == 2

    run_virtual(main)


def test_a_request_is_carried_out_by_whoever_acts_once_it_can() -> None:
    """It waits for somebody who carries requests out; many cross, and each asker gets its own answer."""

    async def main() -> None:
        carried: list[bytes] = []

        async def answer(request: bytes) -> bytes:
            carried.append(request)
            await asyncio.sleep(1)
            return b"done: " + request

        async with two_daemons() as pair:
            ask = partial(pair.beside.node.door.ask, within_s=30)
            asked = [asyncio.ensure_future(ask(b"%d" % number)) for number in range(40)]
            await asyncio.sleep(5)
            assert carried == []
            pair.acting.system.answer_with(answer)
            # Whatever comes next wakes it; a daemon says who carries requests out before it runs.
            asked.append(asyncio.ensure_future(ask(b"40")))
            assert await asyncio.gather(*asked) == [b"done: %d" % number for number in range(41)]
            assert len(carried) == len(set(carried)) == 41
            with pytest.raises(AppendUnknown):
                await pair.beside.node.door.ask(b"slow", within_s=0.5)

    run_virtual(main)


def test_requests_do_not_hold_up_messages() -> None:
    """While slow requests are carried out, what was taken in is delivered."""

    async def main() -> None:
        async def answer(request: bytes) -> bytes:
            await asyncio.sleep(600)
            return request

        async with two_daemons() as pair:
            pair.acting.system.answer_with(answer)
            asked = [asyncio.ensure_future(pair.beside.node.door.ask(b"x", within_s=20)) for _ in range(50)]
            await asyncio.sleep(1)
            message = await pair.beside.post(address(1))
            await asyncio.sleep(1)
            assert pair.acting.message(message.id).status == "delivered"
            ends = await asyncio.gather(*asked, return_exceptions=True)
            # Those that a worker took may have been done; of the others it is certain that they were not.
            assert {type(end) for end in ends} == {AppendUnknown, StoreUnavailable}

    run_virtual(main)


def test_one_that_stood_by_acts_on_what_it_took_in_itself() -> None:
    """It takes in while nobody is heard of, and then acts: what the former one began waits for its deadline."""

    async def main() -> None:
        cluster, former, provider = Cluster(), Provider(), Provider()
        former.hold()
        async with acting(cluster, 1, provider=former) as house, standing(cluster, 2) as beside:
            begun = await house.post(address(1), 1)
            await asyncio.sleep(1)
            house.disk.fill()
            await beside.post(address(1), 2)
            await beside.post(address(2), 3)
            log = await beside.node.acted()
            async with living(durable=cluster.durable, disk=beside.disk, provider=provider, log=log) as heir:
                await asyncio.sleep(5)
                assert (heir.message(begun.id).status, [seen.number for seen in provider.seen]) == ("sending", [3])
                await asyncio.sleep(60)
                assert [seen.number for seen in provider.seen] == [3, 1, 2]
                assert heir.statuses() == {"delivered": 3}
            # It wants to say how its attempt ended, and is not heard any more.
            written = len(cluster.durable.rows)
            house.disk.empty()
            former.let_go()
            await asyncio.sleep(5)
            assert len(cluster.durable.rows) == written
            assert house.log.may_send() is False

    run_virtual(main)


def test_keys_are_known_everywhere_within_moments() -> None:
    """A key that was made or revoked at the acting daemon opens, or opens nothing, at the other one."""

    async def main() -> None:
        async with two_daemons() as pair:
            keys = pair.beside.standby.keys
            added, secret = await pair.acting.system.keys.add(tenant="org1", role="send", label="shop")
            await asyncio.sleep(2)
            holder = keys.holder(secret)
            assert holder is not None
            assert (holder.id, holder.role) == (added.id, "send")
            await pair.acting.system.keys.revoke(added.id)
            await asyncio.sleep(2)
            holder = keys.holder(secret)
            assert holder is None or holder.revoked
            other, secret = await pair.acting.system.keys.add(tenant="org1", role="read", label="page")
            await pair.beside.standby.look_again()
            assert keys.holder(secret) == replace(other, revoked=False)

    run_virtual(main)


def test_a_new_message_begins_in_a_lane_that_is_up() -> None:
    """What a person paused at the acting daemon is known at the other one: a message that may go elsewhere does."""

    async def main() -> None:
        policy = under(PLAIN, failover=("calls", "spare"), failover_after_us=3600 * SECOND_US)
        settings = settings_of(policy, lanes=("calls", "spare"))
        async with two_daemons(settings=settings) as pair:
            standby = pair.beside.standby
            first = await pair.beside.post(address(1))
            await pair.acting.system.errands.pause("calls")
            await asyncio.sleep(2)
            assert (standby.paused_lanes, standby.lane_names) == ({"calls"}, {"calls", "spare"})
            second = await pair.beside.post(address(2))
            assert [(await standby.message("org1", one.id)).lane for one in (first, second)] == ["calls", "spare"]
            with pytest.raises(NotFound):
                await standby.message("org2", first.id)

    run_virtual(main)


def test_a_promoted_policy_is_in_force_everywhere() -> None:
    """What was promoted at the acting daemon decides of messages that the other one takes in."""

    async def main() -> None:
        async with two_daemons() as pair:
            system = pair.acting.system
            loose = under(PLAIN, name="loose", order="any")
            await system.shadows.begin("calls", "loose", {"loose": loose})
            await system.promote("calls")
            await asyncio.sleep(2)
            answer = await pair.beside.post(address(1))
            await asyncio.sleep(1)
            accepted = pair.acting.events(answer.id)[0]
            assert isinstance(accepted, e.MessageAccepted)
            assert accepted.order == "any"

    run_virtual(main)


def test_whoever_stands_by_says_when_it_cannot_take_in() -> None:
    """It is ready while it runs and the database hears it, and closed afterwards."""

    async def main() -> None:
        async with two_daemons() as pair:
            beside = pair.beside
            assert beside.standby.ready() == []
            beside.disk.fill()
            await asyncio.sleep(4)
            assert len(beside.standby.ready()) == 1
            beside.disk.empty()
            await asyncio.sleep(4)
            assert beside.standby.ready() == []
        assert beside.standby.ready() != []
        with pytest.raises(StoreUnavailable):
            await beside.post(address(1))
        assert pair.acting.clock.now_us() > SECOND_US

    run_virtual(main)
