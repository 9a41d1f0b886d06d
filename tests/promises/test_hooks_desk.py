"""What senders of hooks rely on in bad times: an answer means durable, and nothing that comes again counts twice."""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import pytest

from actors.hooks import Brought
from adapters.hooks.accounts import StripeHooks
from adapters.hooks.requests import RawHook
from adapters.hooks.sources import Source
from adapters.hooks.taking import items_in, submission_of
from core import events as e
from core.content_shapes import HookContent
from core.contents import Submission
from core.errors import AppendUnknown, Overloaded, StoreUnavailable
from core.events import Event
from core.news import PeerNews, Receipt
from core.outcomes import OptOut, Outcome, Taken
from core.policies import PRESETS
from core.ports import Parcel
from core.settings import Bounds, Lane, Settings
from eventstore.disk import Border
from eventstore.durable import Durable
from scenarios.loop.run import run_virtual
from tests.promises.house import PLAIN, House, living, mail, settings_of
from tests.promises.other_side import ObedientDisk, Provider

SHOP = Source(
    name="shop",
    tenant="org1",
    settings=StripeHooks(secrets=("s",)),
    body_bytes_max=1 << 20,
    order_by="/customer",
    lanes=("mail",),
)


class Handler(Provider):
    """The other side of every lane; of hooks it notes the keys, in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        if not parcel.message.startswith("hook_"):
            await super().send(parcel, handed_over)
            return Taken(code="250", provider_id=f"at-{parcel.to}")
        handed_over()
        self.keys.append(msgspec.json.decode(parcel.content, type=HookContent).key)
        return Taken(code="200")


class CountingDisk(ObedientDisk):
    """A disk that counts its commits."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[int] = []

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        if border == "before_sync":
            self.commits.append(rows)
        return super().at(border, rows)


def settings(*, bounds: Bounds = Bounds()) -> Settings:  # noqa: B008  # It is frozen.
    """The usual lanes, whose mail has receipts, and the handler of the source `shop`."""
    usual = settings_of(PLAIN, bounds=bounds)
    receipted = [msgspec.structs.replace(lane, has_receipts=lane.name == "mail") for lane in usual.lanes]
    handler = Lane(name="shop", channel="hook", provider="forward", policy=PRESETS["hook"])
    return msgspec.structs.replace(usual, lanes=(*receipted, handler))


def hooks(*numbers: int, customer: str = "ann") -> list[Submission]:
    """What events of these numbers come to."""
    made: list[Submission] = []
    for number in numbers:
        body = msgspec.json.encode({"id": f"evt_{number}", "customer": customer})
        hook = RawHook(method="POST", raw_path="/hooks/shop", headers=(), body=body)
        made += [submission_of(SHOP, hook, item, trace="") for item in items_in(SHOP, hook)]
    return made


def of_type(house: House, kind: type[Event]) -> list[Event]:
    """All events of a type in the log."""
    return [event for event in house.all_events() if isinstance(event, kind)]


def test_what_was_cut_off_between_news_and_message_is_done_anew() -> None:
    """The process dies after a receipt was heeded: the sender comes again, and receipt and message count once."""
    durable, told = Durable(), Brought(
        tenant="org1", news=[Receipt(status="delivered", provider_id=f"at-{mail(1)}")], lanes=("mail",)
    )  # fmt: skip  # One hook.

    async def first() -> None:
        async with living(settings=settings(), durable=durable, provider=Handler()) as house:
            await house.post(mail(1))
            await house.pass_time(1)
            await house.system.hooks.heed(told)

    async def second() -> None:
        async with living(settings=settings(), durable=durable, provider=Handler()) as house:
            for duplicate in (False, True):
                await house.system.hooks.heed(told)
                [taken] = await house.system.hooks.take("org1", hooks(1), count=1)
                assert taken.duplicate is duplicate
            await house.pass_time(1)
            assert len(of_type(house, e.ReceiptSeen)) == 1
            assert house.statuses() == {"delivered": 2}

    run_virtual(first)
    run_virtual(second)


def test_what_a_person_does_reaches_everybody_who_writes_to_them_there() -> None:
    """Tenants share an account: a stop towards it holds for each that wrote to them through it, and for nobody else."""
    told = Brought(
        tenant="org1",
        news=[PeerNews(did="stopped", channel="email", address=mail(1), marketing=True)],
        lanes=("mail",),
        accounts=("mail",),
    )

    async def main() -> None:
        usual = settings()
        (post,) = [lane for lane in usual.lanes if lane.name == "mail"]
        elsewhere = msgspec.structs.replace(post, name="elsewhere", account="another")
        lanes = msgspec.structs.replace(usual, lanes=(*usual.lanes, elsewhere))
        async with living(settings=lanes, provider=Handler()) as house:
            there, other, another = [
                [(await house.post(mail(to), number, tenant=tenant, lane=lane)).id for number in (1, 2)]
                for to, tenant, lane in ((1, "org2", "mail"), (1, "org3", "elsewhere"), (2, "org2", "mail"))
            ]
            await house.pass_time(1)
            for _ in range(2):
                await house.system.hooks.heed(told)
            suppressed = {
                stream
                for stream in (house.message(one[0]).conversation for one in (there, other, another))
                if any(isinstance(event, e.PeerSuppressed) for event in house.events(stream))
            }
            assert suppressed == {house.message(there[0]).conversation}
            assert len(of_type(house, e.PeerSuppressed)) == 2

    run_virtual(main)


@pytest.mark.slow
def test_a_thousand_messages_of_one_hook_share_commits() -> None:
    """They are durable after a handful of commits, in their order, and reach the handler so."""

    async def main() -> None:
        disk, handler = CountingDisk(), Handler()
        disk.commit_us = 1_000
        async with living(settings=settings(), disk=disk, provider=handler) as house:
            await house.system.errands.pause("shop")
            before = len(disk.commits)
            taken = await house.system.hooks.take("org1", hooks(*range(1_000)), count=1_000)
            assert len(disk.commits) - before <= 4
            assert [receipt.duplicate for receipt in taken] == [False] * 1_000
            assert [receipt.id for receipt in taken] == sorted({receipt.id for receipt in taken})
            await house.system.errands.resume("shop")
            await house.pass_time(60)
            assert handler.keys == [f"evt_{number}" for number in range(1_000)]

    run_virtual(main)


@pytest.mark.parametrize("border", ["before_write", "before_sync", "before_answer"])
def test_after_an_unknown_end_a_hook_is_taken_once(border: Border) -> None:
    """Nobody could tell whether it was durable: the sender is told to come again, and every event is there once."""

    async def main() -> None:
        disk, handler = ObedientDisk(), Handler()
        async with living(settings=settings(), disk=disk, provider=handler) as house:
            disk.fail_later(border)
            with pytest.raises(AppendUnknown):
                await house.system.hooks.take("org1", hooks(1, 2, 3), count=3)
            disk.calm()
            await house.pass_time(5)
            await house.system.hooks.take("org1", hooks(1, 2, 3), count=3)
            await house.pass_time(5)
            assert sorted(handler.keys) == ["evt_1", "evt_2", "evt_3"]
            assert len(of_type(house, e.MessageAccepted)) == 3

    run_virtual(main)


def test_a_full_disk_takes_nothing_and_forgets_nothing() -> None:
    """While it is full neither news nor messages are promised; afterwards the same hook is taken whole."""

    async def main() -> None:
        disk = ObedientDisk()
        async with living(settings=settings(), disk=disk, provider=Handler()) as house:
            disk.fill()
            wrote = Brought(tenant="org1", news=[PeerNews(did="wrote", channel="email", address=mail(7))])
            with pytest.raises(StoreUnavailable):
                await house.system.hooks.heed(wrote)
            with pytest.raises(StoreUnavailable):
                await house.system.hooks.take("org1", hooks(1, 2), count=2)
            disk.empty()
            await house.pass_time(1)
            await house.system.hooks.heed(wrote)
            assert [receipt.duplicate for receipt in await house.system.hooks.take("org1", hooks(1, 2), count=2)] == [
                False
            ] * 2
            assert len(of_type(house, e.WindowOpened)) == 1

    run_virtual(main)


def test_a_hook_with_more_messages_than_may_wait_is_taken_all_the_same() -> None:
    """They go to the log in portions, in their order: such a hook is not refused each time that it comes."""

    async def main() -> None:
        disk, handler = ObedientDisk(), Handler()
        disk.commit_us = 1_000
        async with living(settings=settings(bounds=Bounds(accepting_max=2)), disk=disk, provider=handler) as house:
            taken = await house.system.hooks.take("org1", hooks(*range(5)), count=5)
            assert [receipt.duplicate for receipt in taken] == [False] * 5
            await house.pass_time(5)
            assert handler.keys == [f"evt_{number}" for number in range(5)]

    run_virtual(main)


async def _note_refusal(house: House, refused: list[int], *numbers: int) -> None:
    try:
        await house.system.hooks.take("org1", hooks(*numbers), count=len(numbers))
    except Overloaded:
        refused.append(len(numbers))


def test_a_hook_is_put_off_while_others_fill_the_door() -> None:
    """Its sender is told to come again; what of it was taken all the same is a repeat next time."""

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 1_000
        async with living(settings=settings(bounds=Bounds(accepting_max=2)), disk=disk, provider=Handler()) as house:
            refused: list[int] = []
            note = partial(_note_refusal, house, refused)
            await house.all_at_once([partial(note, 1), partial(note, 2), partial(note, 3, 4, 5)])
            assert refused == [3]
            taken = await house.system.hooks.take("org1", hooks(1, 2, 3, 4, 5), count=5)
            assert [receipt.duplicate for receipt in taken] == [True, True, False, False, False]

    run_virtual(main)


def test_a_person_who_acts_first_keeps_one_conversation() -> None:
    """Two hooks about somebody new at one instant, a restart, our first message: one conversation, its wish kept."""
    durable = Durable()
    stopped = PeerNews(did="stopped", channel="email", address=mail(7))

    async def first() -> None:
        async with living(settings=settings(), durable=durable, provider=Handler()) as house:
            hook = Brought(tenant="org1", news=[stopped])
            await house.all_at_once([lambda: house.system.hooks.heed(hook)] * 2)
            assert len(of_type(house, e.PeerSuppressed)) == 1

    async def second() -> None:
        async with living(settings=settings(), durable=durable, provider=Handler()) as house:
            receipt = await house.post(mail(7))
            await house.pass_time(5)
            [suppressed] = [entry for entry in durable.events if isinstance(entry.event, e.PeerSuppressed)]
            assert receipt.conversation == suppressed.stream
            assert house.message(receipt.id).reason == "suppressed"

    run_virtual(first)
    run_virtual(second)


def test_a_message_that_no_release_can_read_stops_no_hook() -> None:
    """A receipt for a stream that makes no sense is noted and passed over: its sender has no part in that."""

    async def main() -> None:
        async with living(settings=settings(), provider=Handler()) as house:
            sent = (await house.post(mail(1))).id
            await house.pass_time(200)
            await house.write_behind(sent, e.MessageReleased(due_us=0))
            complained = Receipt(status="failed", provider_id=f"at-{mail(1)}", failure=OptOut(code="abuse"))
            wrote = PeerNews(did="wrote", channel="email", address=mail(2))
            hook = Brought(tenant="org1", news=[complained, wrote], lanes=("mail",))
            await house.system.hooks.heed(hook)
            assert house.notes.count("news_unheeded") == 1
            assert len(of_type(house, e.WindowOpened)) == 1

    run_virtual(main)
