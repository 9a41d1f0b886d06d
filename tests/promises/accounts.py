"""A house with several lanes, each with an account of its own at some provider: they obey a test, one by one.

This file answers for such accounts, for a house that has them, and for a life of it that ends without warning. It must
never judge, and never reach into an actor.
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC

import anyio
import pytest

from core import events as e
from core.news import Receipt
from core.outcomes import Ambiguous, Outcome, Recipient, Taken
from core.policies import PRESETS, Policy
from core.ports import Channel, Parcel
from core.records import MessageFilter
from core.settings import Bounds, Lane, Settings
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import cut_power, run_virtual
from scenarios.loop.virtual import PowerCut
from tests.promises.house import PLAIN, House, address, mail
from tests.promises.other_side import ObedientDisk


class Account:
    """One account at a provider: it takes everything a millisecond after it came, under an id of its own."""

    def __init__(self, name: str = "a") -> None:
        self.name = name
        self.sent: list[Parcel] = []
        self.answers: deque[Outcome] = deque()
        self.always: Outcome | None = None
        self._gate: anyio.Event | None = None

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Answers to order, else takes it."""
        handed_over()
        self.sent.append(parcel)
        number = len(self.sent)
        outcome = self.answers.popleft() if self.answers else self.always
        if self._gate is not None:
            await self._gate.wait()
        await anyio.sleep(0.001)
        return outcome or Taken(code="250", provider_id=f"{self.name}-{number}")

    def hold(self) -> None:
        """Lets requests come in, and answers none of them until `let_go`."""
        self._gate = anyio.Event()

    def let_go(self) -> None:
        """Goes on with what it held."""
        if self._gate is not None:
            self._gate.set()
        self._gate = None

    def hang_up(self) -> None:
        """Whoever it held is gone, with the life that called; it holds nobody else."""
        self._gate = None

    async def close(self) -> None:
        """There is nothing to close."""

    def attempts(self) -> list[tuple[int, int]]:
        """Every message that came, and which of its attempts it was."""
        return [(parcel.stream, parcel.attempt) for parcel in self.sent]


class AskedAccount(Account):
    """One that can be asked what became of an attempt."""

    def __init__(self, name: str = "a") -> None:
        super().__init__(name)
        self.asked: list[tuple[Parcel, int]] = []
        self.finds: Taken | None = None
        self.bug: Exception | None = None
        self.thinks_s = 0.0

    async def look_up(self, parcel: Parcel, started_us: int) -> Taken | None:
        """Answers to order."""
        self.asked.append((parcel, started_us))
        await anyio.sleep(self.thinks_s)
        if self.bug is not None:
            raise self.bug
        return self.finds


class CuttingDisk(ObedientDisk):
    """A disk under which the power goes out at one border of one commit."""

    def __init__(self, border: Border, nth: int) -> None:
        super().__init__()
        self._border: Border = border
        self._left = nth

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        if rows and border == self._border:
            self._left -= 1
            if self._left < 0:
                return cut_power()
        return None


class CountingDisk(ObedientDisk):
    """A disk that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.reads = 0

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        self.asked += 1
        self.reads += border == "before_read"
        return super().at(border, rows)


class Branches(House):
    """A house whose lanes have accounts of their own."""

    accounts: Mapping[str, Account]

    def _channels(self) -> dict[str, Channel]:
        return {lane.name: self.accounts[lane.name] for lane in self.settings.lanes}


def lane(
    name: str, policy: Policy = PLAIN, *, channel: str = "email", account: str = "", has_receipts: bool = True
) -> Lane:
    """A lane whose provider tells afterwards what became of a message."""
    return Lane(name=name, channel=channel, provider="test", policy=policy, account=account, has_receipts=has_receipts)


def settings_with(*lanes: Lane, bounds: Bounds = Bounds()) -> Settings:  # noqa: B008 - it is frozen
    """Settings with these lanes; their policies may be named by a message."""
    policies = {one.policy.name: one.policy for one in lanes}
    return Settings(lanes=lanes, policies={**PRESETS, **policies}, bounds=bounds)


@asynccontextmanager
async def open_branches(
    settings: Settings,
    accounts: Mapping[str, Account],
    *,
    durable: Durable | None = None,
    disk: ObedientDisk | None = None,
) -> AsyncIterator[Branches]:
    """A house with these lanes, from its recovery to its clean stop."""
    house = Branches(
        durable if durable is not None else Durable(),
        settings,
        provider=Account(),
        disk=disk if disk is not None else ObedientDisk(),
        zone_of=lambda _: UTC,
    )
    house.accounts = accounts
    await house.open()
    async with anyio.create_task_group() as group:
        await group.start(house.system.run)
        yield house
        await house.system.stop()


def crashed(
    settings: Settings,
    accounts: Mapping[str, Account],
    durable: Durable,
    work: Callable[[Branches], Awaitable[None]],
    *,
    start_s: float = 0.0,
) -> float:
    """One life in which this work is done, and which ends without warning right after; answers when that was."""

    async def main() -> None:
        async with open_branches(settings, accounts, durable=durable) as house:
            await work(house)
            await cut_power()

    with pytest.raises(PowerCut) as cut:
        run_virtual(main, start_s=start_s)
    for account in accounts.values():
        account.hang_up()
    return cut.value.now_s


def a_bounce(provider_id: str = "", *, echo: str = "", soft: bool = False) -> Receipt:
    """The provider tells that a mail it took came back."""
    failure = Recipient(code="550 5.1.1", soft=soft)
    return Receipt(status="failed", provider_id=provider_id, echo=echo, code="550", failure=failure)


def a_call(number: int = 1, **fields: str) -> dict[str, object]:
    """A fallback: a webhook to a peer."""
    return {"channel": "webhook", "to": address(number), "content": {"type": "t", "data": {"n": number}}, **fields}


def a_mail(number: int = 1, **fields: str) -> dict[str, object]:
    """A fallback: a mail to a peer."""
    return {"channel": "email", "to": mail(number), "content": {"subject": "7", "text": "."}, **fields}


async def caused_by(house: House, stream: int) -> list[int]:
    """The messages that a message led to."""
    return [head.stream for head in await house.log.heads(MessageFilter(cause=stream), limit=9)]


def last_of(house: House, stream: int) -> e.Event:
    """The last that is recorded of a message."""
    return house.events(stream)[-1]


async def followed(house: House, stream: int, account: Account) -> int:
    """The one message that took the place of another, and that was sent."""
    (fallback,) = await caused_by(house, stream)
    event = last_of(house, stream)
    assert isinstance(event, e.FallbackStarted)
    assert (event.message, event.channel) == (fallback, house.message(fallback).channel)
    assert [parcel.stream for parcel in account.sent].count(fallback) == 1
    assert not house.durable.heads[stream].owes
    return fallback


async def doubted(house: House, account: Account, number: int = 1, **fields: object) -> int:
    """A mail whose attempt has just become one of unknown fate."""
    account.answers.append(Ambiguous(code="timeout"))
    stream = (await house.post(mail(number), 1, tenant="org1", **fields)).id
    await house.pass_time(0.01)
    assert house.message(stream).doubt_us is not None
    return stream


def resolution_of(house: House, stream: int) -> tuple[str, str]:
    """How a message's doubt was resolved, and on what evidence."""
    (event,) = [event for event in house.events(stream) if isinstance(event, e.AmbiguityResolved)]
    return event.resolution, event.evidence


def told_of(house: House, stream: int) -> list[str]:
    """The statuses that are recorded of a message, in order."""
    return [event.status for event in house.events(stream) if isinstance(event, e.ReceiptSeen)]


def strays(house: House) -> list[str]:
    """What is known of each stray: that it is kept, or how it ended."""
    heads = [head for head in house.durable.heads.values() if head.kind == "stray"]
    return [head.status for head in sorted(heads, key=lambda head: head.stream)]


def accounts_for(*names: str) -> dict[str, Account]:
    """An account for each lane."""
    return {name: Account(name) for name in names}


def path_of(house: House, stream: int) -> list[str]:
    """The lane of each attempt of a message."""
    return [event.lane for event in house.events(stream) if isinstance(event, e.AttemptStarted)]


def moves_of(house: House, stream: int) -> list[tuple[str, str]]:
    """Where a message went on, and why."""
    return [(event.lane, event.reason) for event in house.events(stream) if isinstance(event, e.LaneChanged)]


async def counted_in(house: House) -> dict[tuple[str, str], int]:
    """How many messages each lane has of each status, as the tallies say."""
    tallies = await house.log.tallies(None)
    return {(tally.lane, tally.status): tally.count for tally in tallies if tally.count}
