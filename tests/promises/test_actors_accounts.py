"""Accounts: what a provider says of one reaches the lanes that share it, and never undoes what a person decided."""

from itertools import pairwise
from typing import Final

import msgspec
import pytest

from core import events as e
from core.news import LaneNews, PeerNews
from core.outcomes import Config, Rate, RateScope, Window
from core.policies import HOUR_US, SECOND_US
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.accounts import (
    Account,
    Branches,
    accounts_for,
    crashed,
    lane,
    open_branches,
    path_of,
    settings_with,
)
from tests.promises.house import PLAIN, mail, under
from tests.promises.other_side import ObedientDisk

ONE: Final = settings_with(lane("post"))
DOWN, UP, ALERT = (LaneNews(state=state, code="notAuthorized") for state in ("down", "up", "alert"))
TEXT: Final = {"text": "hello", "fallback_template": {"name": "hello", "language": "en"}}


@pytest.mark.parametrize(("scope", "reached"), [("account", {"one", "two"}), ("sender", {"one"}), ("lane", {"one"})])
def test_an_accounts_limiter_pauses_every_lane_of_the_account(scope: RateScope, reached: set[str]) -> None:
    """Nothing of it leaves before the instant that was asked for; lanes of other accounts go on."""

    async def main() -> None:
        given = accounts_for("one", "two", "other")
        accounts = {"one": "acme", "two": "acme", "other": "evil"}
        settings = settings_with(*(lane(name, account=account) for name, account in accounts.items()))
        async with open_branches(settings, given) as house:
            given["one"].answers.append(Rate(code="80007", scope=scope, after_us=60 * SECOND_US))
            await house.post(mail(1), lane="one")
            await house.pass_time(1)
            for number, name in enumerate(given, 2):
                await house.post(mail(number), lane=name)
            await house.pass_time(58)
            assert [len(account.sent) for account in given.values()] == [1, 0 if "two" in reached else 1, 1]
            await house.pass_time(5)
            assert house.statuses() == {"sent": 4}

    run_virtual(main)


def test_an_accounts_pause_is_recorded_though_the_store_is_down() -> None:
    """Each of its lanes says so once it can be written, and once."""

    async def main() -> None:
        given, disk = accounts_for("one", "two"), ObedientDisk()
        settings = settings_with(lane("one", account="acme"), lane("two", account="acme"))
        async with open_branches(settings, given, disk=disk) as house:
            given["one"].answers.append(Rate(scope="account", after_us=300 * SECOND_US))
            given["one"].hold()
            await house.post(mail(1), lane="one")
            await house.pass_time(1)
            disk.fill()
            given["one"].let_go()
            await house.pass_time(10)
            disk.empty()
            await house.pass_time(10)
            throttled = [event for event in house.all_events() if isinstance(event, e.LaneThrottled)]
            assert len(throttled) == 2

    run_virtual(main)


def test_a_lane_goes_by_what_its_provider_says_of_the_account() -> None:
    """Logged out, it keeps its messages; logged in again, they leave at once, though nobody did anything here."""

    async def main() -> None:
        account = Account()
        async with open_branches(ONE, {"post": account}) as house:
            await house.system.errands.told("post", DOWN)
            stream = (await house.post(mail(1))).id
            await house.pass_time(3_600)
            assert account.sent == []
            (state,) = await house.system.errands.lanes()
            assert (state.paused_by, state.pause_code) == ("provider", "notAuthorized")
            await house.system.errands.told("post", UP)
            await house.pass_time(0.1)
            assert house.message(stream).status == "sent"

    run_virtual(main)


def test_what_is_said_twice_is_recorded_once() -> None:
    """Hooks come again: a lane that is down or up already says nothing new, and an alert only warns."""

    async def main() -> None:
        async with open_branches(ONE, {"post": Account()}) as house:
            for news in (UP, ALERT, DOWN, DOWN, ALERT, UP, UP):
                await house.system.errands.told("post", news)
            changes = [type(event) for event in house.all_events() if isinstance(event, e.LanePaused | e.LaneResumed)]
            assert changes == [e.LanePaused, e.LaneResumed]
            assert house.notes.count("lane_alert") == 2

    run_virtual(main)


@pytest.mark.parametrize("first", ["operator", "provider"])
def test_what_a_person_paused_only_a_person_resumes(first: str) -> None:
    """Whichever came first, the pause of a person outlasts all that a provider says, and a restart."""
    durable, account = Durable(), Account()

    async def pause(house: Branches) -> None:
        errands = house.system.errands
        if first == "operator":
            await errands.pause("post")
            await errands.told("post", DOWN)
        else:
            await errands.told("post", DOWN)
            await errands.pause("post")
        await errands.told("post", UP)
        assert errands.paused_lanes == {"post"}

    async def again() -> None:
        async with open_branches(ONE, {"post": account}, durable=durable) as house:
            errands = house.system.errands
            await errands.told("post", DOWN)
            await errands.told("post", UP)
            stream = (await house.post(mail(1))).id
            await house.pass_time(60)
            assert account.sent == []
            await errands.resume("post")
            await house.pass_time(1)
            assert house.message(stream).status == "sent"

    run_virtual(again, start_s=crashed(ONE, {"post": account}, durable, pause))


def test_a_broken_account_goes_on_when_its_provider_says_that_it_is_mended() -> None:
    """Refused for its credentials, the lane waits for a person or for the provider's own word; nothing else ends it."""

    async def main() -> None:
        account = Account()
        account.always = Config(code="401")
        async with open_branches(ONE, {"post": account}) as house:
            stream = (await house.post(mail(1))).id
            await house.pass_time(86_400)
            assert len(account.sent) == 1
            await house.system.errands.told("post", DOWN)
            assert (await house.system.errands.lanes())[0].paused_by == "config"
            account.always = None
            await house.system.errands.told("post", UP)
            await house.pass_time(1)
            assert house.message(stream).status == "sent"

    run_virtual(main)


def test_a_lane_that_is_told_to_be_down_is_left() -> None:
    """For a failover the provider's word is as good as an outage."""

    async def main() -> None:
        given = accounts_for("one", "two")
        policy = under(PLAIN, failover=("one", "two"))
        async with open_branches(settings_with(lane("one", policy), lane("two", policy)), given) as house:
            await house.system.errands.told("one", DOWN)
            streams = [(await house.post(mail(1))).id]
            await house.system.errands.told("one", UP)
            streams.append((await house.post(mail(2))).id)
            await house.pass_time(1)
            assert [path_of(house, stream) for stream in streams] == [["two"], ["one"]]

    run_virtual(main)


# -- windows -----------------------------------------------------------------------------------------------------


def test_a_closed_window_is_answered_with_the_template() -> None:
    """Refused once, then known: the next message begins with its template, until the person writes."""

    async def main() -> None:
        account = Account()
        account.answers.append(Window(code="131047"))
        settings = settings_with(lane("chat", channel="whatsapp"))
        async with open_branches(settings, {"chat": account}) as house:
            first = await house.post("+4930123456", channel="whatsapp", content=TEXT)
            await house.pass_time(0.1)
            second = await house.post("+4930123456", channel="whatsapp", content=TEXT)
            await house.pass_time(0.1)
            wrote = PeerNews(did="wrote", channel="whatsapp", address="+4930123456")
            await house.system.errands.heard("org1", first.conversation, wrote)
            third = await house.post("+4930123456", channel="whatsapp", content=TEXT)
            await house.pass_time(0.1)
            assert [parcel.outside_window for parcel in account.sent] == [False, True, True, False]
            assert [house.message(receipt.id).used for receipt in (first, second, third)] == [0, 0, 0]
            assert house.statuses() == {"sent": 3}
            await house.pass_time(86_400)
            await house.post("+4930123456", channel="whatsapp", content=TEXT)
            await house.pass_time(0.1)
            assert account.sent[-1].outside_window

    run_virtual(main)


def test_a_limiter_that_grows_is_heeded_over_restarts() -> None:
    """One, four, sixteen seconds between the tries, and the daemon that dies in between goes on counting."""
    durable, account = Durable(), Account()
    account.always = Rate(code="131056", after_us=SECOND_US, growth=4)
    settings = settings_with(lane("chat", channel="whatsapp"))

    async def begin(house: Branches) -> None:
        await house.post("+4930123456", channel="whatsapp", content={"text": "hello"})
        await house.pass_time(3)

    async def again() -> None:
        async with open_branches(settings, {"chat": account}, durable=durable) as house:
            await house.pass_time(90 - house.seconds)
            account.always = None
            await house.pass_time(600)
            (stream,) = durable.messages
            started = [entry.at_us for entry in durable.streams[stream] if isinstance(entry.event, e.AttemptStarted)]
            waits = [(after - before) // SECOND_US for before, after in pairwise(started)]
            assert waits == [1, 4, 16, 64, 256]
            assert house.message(stream).status == "sent"
            await house.post("+4930123456", channel="whatsapp", content={"text": "hello"})
            await house.pass_time(1)
            assert house.statuses() == {"sent": 2}

    run_virtual(again, start_s=crashed(settings, {"chat": account}, durable, begin))


def test_chatty_peers_leave_a_short_log_to_wake_with() -> None:
    """Hundreds of things that a person did are a snapshot and a few events, though no message was sent meanwhile."""

    async def main() -> None:
        settings = settings_with(lane("chat", channel="whatsapp"))
        async with open_branches(settings, {"chat": Account()}) as house:
            receipt = await house.post("+4930123456", channel="whatsapp", content={"text": "hello"})
            for _ in range(300):
                await house.pass_time(60)
                wrote = PeerNews(did="wrote", channel="whatsapp", address="+4930123456")
                await house.system.errands.heard("org1", receipt.conversation, wrote)
            kept = house.durable.snapshots[receipt.conversation]
            assert kept.version == 256
            state = msgspec.msgpack.decode(kept.body)
            assert state["window_until_us"] > house.clock.now_us() + 22 * HOUR_US

    run_virtual(main)
