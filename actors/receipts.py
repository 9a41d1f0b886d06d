"""Receipts find their messages: by our own id that a provider gives back, or by the id that it gave them.

This file answers for no receipt being lost that its provider was told we have. One whose message nobody knows yet is
kept as a stray stream until its message turns up, or for a bounded time. Strays are written here alone.
"""

from collections.abc import Callable, Sequence
from typing import Final

import anyio

from actors.bell import Bell
from actors.doubts import certain_head
from actors.errands import Errands
from actors.sender import LOG_TROUBLE, NONSENSE
from core import events as e
from core import ids
from core.errors import AppendUnknown, NotFound, Overloaded, StreamConflict
from core.ids import Mint, shard_of
from core.message import Message, fold
from core.news import Receipt
from core.policies import DAY_US, SECOND_US
from core.ports import Clock, Log, Secrets, Witness
from core.records import NO_TENANT, Alias, Append, Draft, Head, HeadChange, Recorded

# The name of a provider's id for a message.
SPACE: Final = "provider"
# How long a receipt waits for its message. Providers tell of a message for days, never before it was sent.
KEPT_FOR_US: Final = 7 * DAY_US
# Strays kept at once: past that the oldest goes, since another sender on the same account may be where they come from.
STRAYS_MAX: Final = 100_000
# So many more may come before the oldest are gone; past that a provider is told to come again.
_TOO_MANY_MAX: Final = 1_000
# Strays read in one go at the start.
_PAGE: Final = 512
# After trouble with the log, what was claimed is handed over this much later.
_AGAIN_US: Final = SECOND_US


class Stray:
    """A receipt without a message: its stream, what it told, and when it came."""

    __slots__ = ("event", "kept_us", "stream")

    def __init__(self, stream: int, event: e.StrayKept, kept_us: int) -> None:
        self.stream = stream
        self.event = event
        self.kept_us = kept_us


class Receipts:
    """The desk for receipts. `run` hands strays to their messages as those turn up."""

    def __init__(
        self,
        *,
        log: Log,
        clock: Clock,
        secrets: Secrets,
        mint: Mint,
        errands: Errands,
        witness: Witness,
        lanes_of: Callable[[str], tuple[str, ...]],
    ) -> None:
        """`lanes_of` names the lanes of one account at a provider, by any of them: they share its ids."""
        self._log = log
        self._clock = clock
        self._secrets = secrets
        self._mint = mint
        self._errands = errands
        self._witness = witness
        self._lanes_of = lanes_of
        # In the order in which they came, and the same by name; and those on their way to the log.
        self._waiting: dict[int, Stray] = {}
        self._strays: dict[bytes, dict[int, Stray]] = {}
        self._writing: dict[tuple[bytes, str], anyio.Event] = {}
        # Strays that may be in the log, though nobody could tell. A store that fails takes no others, so they are few.
        self._doubtful: list[Stray] = []
        # Names whose message may be in the log already; those whose message has turned up, and that message.
        self._unsettled: dict[bytes, None] = {}
        self._claims: dict[bytes, int] = {}
        self._bell = Bell(clock)

    # -- names

    def name_of(self, lane: str, provider_id: str) -> bytes:
        """How a provider's id is found without being kept."""
        return self._secrets.keyed_hash("provider_id", lane, provider_id)

    def names_of(self, message: Message) -> tuple[Alias, ...]:
        """The names under which receipts find a message that its provider has taken, one for each of its lanes."""
        return tuple(
            Alias(space=SPACE, tenant=NO_TENANT, name=self.name_of(lane, message.provider_id), stream=message.id)
            for lane in self._lanes_of(message.lane)
        )

    # -- a receipt comes

    async def take(self, lanes: Sequence[str], receipt: Receipt) -> int | None:
        """Has a receipt of one of these lanes recorded; answers its message, None where nobody knows it (yet).

        Raises Refused or AppendUnknown where nothing can be promised: the provider has to come again.
        """
        lanes = self.beside(lanes)
        stream = await self._find(lanes, receipt)
        if stream is not None:
            await self._errands.receive(stream, receipt, lanes)
        # Every message of ours is durable before it is sent, so one that is called by an id of ours and is not there
        # was never ours: another sender shares the account.
        elif receipt.provider_id and lanes and not receipt.echo:
            await self._keep(lanes[0], receipt)
        else:
            self._witness.note("receipt_unknown", status=receipt.status)
        return stream

    def beside(self, lanes: Sequence[str]) -> tuple[str, ...]:
        """These lanes and all that share an account with one of them."""
        return tuple(dict.fromkeys(lane for named in lanes for lane in self._lanes_of(named)))

    async def _find(self, lanes: Sequence[str], receipt: Receipt) -> int | None:
        echoed = ids.decode("msg", receipt.echo) if receipt.echo else None
        if echoed is not None and await self._went_through(echoed, lanes):
            return echoed
        if receipt.provider_id:
            for lane in lanes:
                found = await self._log.aliased(SPACE, NO_TENANT, self.name_of(lane, receipt.provider_id))
                if found:
                    return found[-1]
        return None

    async def _went_through(self, stream: int, lanes: Sequence[str]) -> bool:
        """Whether this is a message that is in one of these lanes, or was tried there before it went on in another."""
        head = await self._log.head_of(stream)
        if head is None or head.kind != "msg":
            return False
        return head.lane in lanes or fold(await self._log.events_of(stream)).attempt_in(lanes) > 0

    async def _keep(self, lane: str, receipt: Receipt) -> None:
        name = self.name_of(lane, receipt.provider_id)
        # Providers repeat themselves, also while the first of it is on its way to the log.
        while (written := self._writing.get((name, receipt.status))) is not None:
            await written.wait()
        if any(stray.event.status == receipt.status for stray in self._strays.get(name, {}).values()):
            return
        if len(self._waiting) + len(self._writing) >= STRAYS_MAX + _TOO_MANY_MAX:
            raise Overloaded("more receipts come for messages that nobody knows than can be kept")
        event = e.StrayKept(
            lane=lane,
            name=name,
            status=receipt.status,
            told_us=receipt.at_us,
            code=receipt.code,
            failure=receipt.failure,
        )
        now_us = self._clock.now_us()
        stray = Stray(self._mint.next(now_us), event, now_us)
        written = self._writing[name, receipt.status] = anyio.Event()
        try:
            await self._append(stray, 1, event, status="waiting")
            self._remember(stray)
        except (AppendUnknown, anyio.get_cancelled_exc_class()):
            self._doubtful.append(stray)
            self._bell.ring()
            raise
        finally:
            del self._writing[name, receipt.status]
            written.set()
        # Its message may have been taken while this was being written.
        self._unsettled[name] = None
        self._bell.ring()

    # -- a message turns up

    def noticed(self, message: Message) -> None:
        """A message has its provider's id from here on: what waited under it is handed over soon."""
        if not self._strays or not message.provider_id:
            return
        for alias in self.names_of(message):
            if alias.name in self._strays:
                self._claims[alias.name] = message.id
                self._bell.ring()

    async def run(self) -> None:
        """Hands over what was claimed and drops what nobody claimed in time, until cancelled."""
        # What was kept when the former process ended may have been claimed meanwhile.
        self._unsettled = dict.fromkeys(self._strays)
        while True:
            try:
                await self._look_for_strays()
                await self._look_for_messages()
                await self._settle()
                wake_us = await self._drop_old()
            except LOG_TROUBLE as error:
                self._witness.note("strays_refused", error=type(error).__name__)
                wake_us = self._clock.now_us() + _AGAIN_US
            await self._bell.wait(wake_us)

    async def _look_for_strays(self) -> None:
        while self._doubtful:
            stray = self._doubtful[0]
            head = await certain_head(self._log, stray.stream)
            self._doubtful.remove(stray)
            if head is not None:
                self._remember(stray)
                self._unsettled[stray.event.name] = None

    async def _look_for_messages(self) -> None:
        while self._unsettled:
            name = next(iter(self._unsettled))
            found = await self._log.aliased(SPACE, NO_TENANT, name)
            if found:
                self._claims[name] = found[-1]
            self._unsettled.pop(name, None)

    async def _settle(self) -> None:
        while self._claims:
            name, stream = next(iter(self._claims.items()))
            while kept := self._strays.get(name):
                stray = next(iter(kept.values()))
                if not await self._hand_over(stray, stream):
                    break
                await self._end(stray, e.StrayClaimed(message=stream), "claimed")
            self._claims.pop(name, None)

    async def _hand_over(self, stray: Stray, stream: int) -> bool:
        """Answers whether its message has it, or will never ask for it."""
        told = stray.event
        receipt = Receipt(status=told.status, at_us=told.told_us, code=told.code, failure=told.failure)
        try:
            await self._errands.receive(stream, receipt, self._lanes_of(told.lane))
        except NotFound:
            return True  # The message was erased: nobody needs to know any more.
        except NONSENSE as error:
            # Its stream waits for a person or a newer release; so does this, as long as it is kept.
            self._witness.note("stray_parked", message=stream, error=str(error))
            return False
        return True

    async def _drop_old(self) -> int | None:
        """Ends what waited in vain, and the oldest of too many; answers when the next one's time is over."""
        while oldest := next(iter(self._waiting.values()), None):
            if oldest.kept_us + KEPT_FOR_US > self._clock.now_us() and len(self._waiting) <= STRAYS_MAX:
                return oldest.kept_us + KEPT_FOR_US
            await self._end(oldest, e.StrayDropped(), "dropped")
        return None

    async def _end(self, stray: Stray, event: e.Event, status: str) -> None:
        try:
            await self._append(stray, 2, event, status=status)
        except StreamConflict:
            pass  # An earlier end of unknown result had landed.
        name = stray.event.name
        del self._waiting[stray.stream]
        del self._strays[name][stray.stream]
        if not self._strays[name]:
            del self._strays[name]

    # -- what is kept

    async def recall(self) -> None:
        """At the start: those that still wait are kept in mind, read a page at a time."""
        after = 0
        while True:
            heads = await self._log.heads_of_kind("stray", status="waiting", after=after, limit=_PAGE)
            recorded = await self._log.events_of_many([head.stream for head in heads])
            for head in heads:
                self._replay(recorded[head.stream])
            if len(heads) < _PAGE:
                return
            after = heads[-1].stream

    def _replay(self, recorded: list[Recorded]) -> None:
        """One stray stream."""
        event = recorded[0].event
        if isinstance(event, e.StrayKept) and len(recorded) == 1:
            self._remember(Stray(recorded[0].stream, event, recorded[0].at_us))

    def _remember(self, stray: Stray) -> None:
        self._waiting[stray.stream] = stray
        self._strays.setdefault(stray.event.name, {})[stray.stream] = stray

    async def _append(self, stray: Stray, version: int, event: e.Event, *, status: str) -> None:
        at_us = self._clock.now_us()
        shard = shard_of(NO_TENANT, stray.stream)
        head = Head(
            stream=stray.stream,
            kind="stray",
            shard=shard,
            tenant=NO_TENANT,
            version=version,
            status=status,
            lane=stray.event.lane,
            changed_us=at_us,
        )
        await self._log.append(
            Append(
                shard=shard,
                tenant=NO_TENANT,
                at_us=at_us,
                drafts=(Draft(stream=stray.stream, version=version, event=event),),
                heads=(HeadChange(head=head, was=None if version == 1 else "waiting"),),
            )
        )
