"""What a hook brings: news that is heeded, and messages for the handler of its source; all of it durable, or an error.

This file answers for that order. News come first: where the process dies in between, the sender comes again, finds its
events new, and everything is done anew; to heed the same news twice changes nothing.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

import anyio
import msgspec

from actors.errands import Errands
from actors.intake import Acknowledgement, Intake
from actors.peers import Peers
from actors.receipts import Receipts
from actors.sealing import CannotOpen, Seal
from actors.sender import NONSENSE
from core.contents import Submission
from core.errors import CorruptLog, NotFound, StoreUnavailable, TidingsError
from core.news import LaneNews, News, PeerNews, Receipt
from core.ports import Secrets, Witness

# So many things of one hook are done at once: enough to share reads and commits, few enough to leave room for others.
_AT_ONCE: Final = 64
# Messages of one hook go to the log together up to so many bytes; what lies in its queue at once is bounded as well.
_TOGETHER_BYTES_MAX: Final = 4 << 20

_Call = Callable[[], Awaitable[object]]


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What one hook tells, and whom it concerns.

    `lanes` are those whose messages receipts are looked for in, `accounts` those whose account the hook is about.
    """

    tenant: str
    news: Sequence[News]
    lanes: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Brought)


class LeftNews:
    """What a hook brought, as one daemon leaves it for another: sealed, since it names people by their addresses."""

    def __init__(self, secrets: Secrets) -> None:
        self._seal = Seal(secrets, "news")

    def left_by(self, brought: Brought) -> bytes:
        """The bytes to leave."""
        return self._seal.sealed(_ENCODER.encode(brought))

    def brought_of(self, body: bytes) -> Brought:
        """What was left. Raises CorruptLog for what is none, or says what this release cannot know."""
        try:
            return _DECODER.decode(self._seal.opened(body))
        except (CannotOpen, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CorruptLog(f"what a hook told cannot be read: {error}") from error


class HookIntake:
    """The half of the desk that takes charge of updates, in every daemon."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def take(self, tenant: str, submissions: Iterable[Submission], *, count: int) -> list[Acknowledgement]:
        """Takes charge of a message for each update, in their order; all `count` are durable when this returns.

        So many go to the log together as the door has room for: of any hook something is taken each time that it comes.
        Raises as `Intake.accept` does: then some of them may have been taken.
        """
        if count == 1:
            # As nearly every hook is: what follows would cost as much as the acceptance itself.
            return [await self._intake.accept(tenant, next(iter(submissions)))]
        taken: dict[int, Acknowledgement] = {}

        async def take(place: int, submission: Submission) -> None:
            taken[place] = await self._intake.accept(tenant, submission)

        for together in _portions(submissions, self._intake.room):
            # Started in their order, so that none overtakes another of its conversation; then they share commits.
            calls = [partial(take, place, one) for place, one in together]
            await _all_of(calls, at_once=len(calls))
        return [taken[place] for place in range(len(taken))]


class Hooks(HookIntake):
    """The desk for hooks in the daemon that acts."""

    def __init__(
        self,
        *,
        peers: Peers,
        intake: Intake,
        receipts: Receipts,
        errands: Errands,
        witness: Witness,
        acts: Callable[[], bool],
    ) -> None:
        """`acts` says whether this process surely still is the one that acts."""
        super().__init__(intake)
        self._acts = acts
        self._peers = peers
        self._receipts = receipts
        self._errands = errands
        self._witness = witness

    async def heed(self, brought: Brought) -> None:
        """Has all news recorded. Raises Refused or AppendUnknown where nothing can be promised.

        What one person did is heeded in the order in which it stands there; so is what happened to an account.
        """
        threads: dict[object, list[News]] = {}
        for news in brought.news:
            threads.setdefault(_about(news), []).append(news)
        await _all_of([partial(self._heed_each, brought, thread) for thread in threads.values()], at_once=_AT_ONCE)
        if not self._acts():
            # What changed nothing here was not written, so no fence was asked: another daemon may know better by now.
            raise StoreUnavailable("another daemon may act by now, and have to hear of this")

    # -- news

    async def _heed_each(self, brought: Brought, thread: list[News]) -> None:
        for news in thread:
            try:
                await self._heed(brought, news)
            except (NotFound, *NONSENSE) as error:
                # Its message was erased meanwhile, or its stream waits for a person: the sender has no part in that.
                self._witness.note("news_unheeded", kind=type(news).__name__, error=type(error).__name__)

    async def _heed(self, brought: Brought, news: News) -> None:
        match news:
            case Receipt():
                await self._receipts.take(brought.lanes, news)
            case PeerNews():
                await self._hear(brought, news)
            case LaneNews():
                for lane in brought.accounts:
                    await self._errands.told(lane, news)

    async def _hear(self, brought: Brought, news: PeerNews) -> None:
        """Has the conversation with a person record what they did, be it the first that is ever heard of them.

        People act towards an account, whoever shares it: so has each conversation of another tenant that wrote to them
        through it.
        """
        tenant, lanes = brought.tenant, self._receipts.beside(brought.accounts or brought.lanes)
        peer = await self._peers.of(tenant, news.channel, news.address)
        # Whatever is recorded now is there before the first message to them.
        self._peers.has_begun(peer.conversation)
        name = await self._peers.name_of(tenant, news.channel, peer)
        await self._errands.heard(tenant, peer.conversation, news, name=name)
        for other, conversation in await self._peers.everywhere(news.channel, news.address, lanes):
            if conversation != peer.conversation:
                await self._errands.heard(other, conversation, news)


def _about(news: News) -> object:
    """What news are about: those about the same are heeded one after another."""
    match news:
        case Receipt():
            return news.provider_id or news.echo
        case PeerNews():
            return news.channel, news.address
        case LaneNews():
            return LaneNews


def _portions(submissions: Iterable[Submission], room: Callable[[], int]) -> Iterator[list[tuple[int, Submission]]]:
    """The submissions with their places, so many together as there is `room` and their bytes allow; at least one."""
    together: list[tuple[int, Submission]] = []
    size_bytes, count_max = 0, room()
    for place, submission in enumerate(submissions):
        is_full = len(together) >= count_max or size_bytes + len(submission.content) > _TOGETHER_BYTES_MAX
        if together and is_full:
            yield together
            together, size_bytes, count_max = [], 0, room()
        together.append((place, submission))
        size_bytes += len(submission.content)
    if together:
        yield together


async def _all_of(calls: Sequence[_Call], *, at_once: int) -> None:
    """Makes all calls, begun in their order; raises the first error of ours, once nothing is under way any more."""
    if len(calls) == 1:
        await calls[0]()
        return
    waiting, errors = iter(calls), list[TidingsError]()

    async def work() -> None:
        for call in waiting:
            try:
                await call()
            except TidingsError as error:
                errors.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(min(at_once, len(calls))):
            group.start_soon(work)
    if errors:
        raise errors[0]
