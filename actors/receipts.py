"""Receipts find their messages: by our own id that a provider gives back, or by the id that it gave them.

This file answers for no receipt being lost that its provider was told we have. One whose message nobody knows yet is
kept as a stray stream until its message turns up, or for a bounded time. Strays are written here alone.
"""

from collections.abc import Sequence
from typing import Final

from actors.bell import Bell
from actors.errands import Errands
from core import events as e
from core import ids
from core.errors import AppendUnknown, NotFound, Overloaded, Refused, StreamConflict
from core.ids import Mint, shard_of
from core.message import Message
from core.news import Receipt
from core.policies import DAY_US, SECOND_US
from core.ports import Clock, Log, Secrets, Witness
from core.records import NO_TENANT, Alias, Append, Draft, Head, HeadChange, Recorded

# The name of a provider's id for a message.
SPACE: Final = "provider"
# How long a receipt waits for its message. Providers tell of a message for days, never before it was sent.
KEPT_FOR_US: Final = 7 * DAY_US
# Strays kept at once; past that a provider is told to come again.
STRAYS_MAX: Final = 100_000
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
        self, *, log: Log, clock: Clock, secrets: Secrets, mint: Mint, errands: Errands, witness: Witness
    ) -> None:
        self._log = log
        self._clock = clock
        self._secrets = secrets
        self._mint = mint
        self._errands = errands
        self._witness = witness
        self._strays: dict[bytes, list[Stray]] = {}
        self._count = 0
        # Names whose message has turned up, and that message.
        self._claims: dict[bytes, int] = {}
        self._bell = Bell(clock)

    # -- names

    def name_of(self, lane: str, provider_id: str) -> bytes:
        """How a provider's id is found without being kept."""
        return self._secrets.keyed_hash("provider_id", lane, provider_id)

    def alias_of(self, message: Message) -> Alias:
        """The name under which receipts find a message that its provider has taken."""
        name = self.name_of(message.lane, message.provider_id)
        return Alias(space=SPACE, tenant=NO_TENANT, name=name, stream=message.id)

    # -- a receipt comes

    async def take(self, lanes: Sequence[str], receipt: Receipt) -> int | None:
        """Has a receipt of one of these lanes recorded; answers its message, None where it is kept as a stray.

        Raises Refused or AppendUnknown where nothing can be promised: the provider has to come again.
        """
        stream = await self._find(lanes, receipt)
        if stream is not None:
            await self._errands.receive(stream, receipt)
            return stream
        if receipt.provider_id and lanes:
            return await self._keep(lanes[0], receipt)
        self._witness.note("receipt_unknown", status=receipt.status)
        return None

    async def _find(self, lanes: Sequence[str], receipt: Receipt) -> int | None:
        echoed = ids.decode("msg", receipt.echo) if receipt.echo else None
        if echoed is not None:
            head = await self._log.head_of(echoed)
            if head is not None and head.kind == "msg" and head.lane in lanes:
                return echoed
        if receipt.provider_id:
            for lane in lanes:
                found = await self._log.aliased(SPACE, NO_TENANT, self.name_of(lane, receipt.provider_id))
                if found:
                    return found[0]
        return None

    async def _keep(self, lane: str, receipt: Receipt) -> int | None:
        name = self.name_of(lane, receipt.provider_id)
        kept = self._strays.setdefault(name, [])
        if any(stray.event.status == receipt.status for stray in kept):
            return None
        if self._count >= STRAYS_MAX:
            raise Overloaded(f"{STRAYS_MAX} receipts wait for messages that nobody knows")
        event = e.StrayKept(
            lane=lane,
            name=name,
            status=receipt.status,
            told_us=receipt.at_us,
            code=receipt.code,
            failure=receipt.failure,
        )
        stray = Stray(self._mint.next(self._clock.now_us()), event, self._clock.now_us())
        await self._append(stray, 1, event, status="waiting")
        kept.append(stray)
        self._count += 1
        # Its message may have been taken while this was being written.
        found = await self._log.aliased(SPACE, NO_TENANT, name)
        if found:
            self._claims[name] = found[0]
        self._bell.ring()
        return found[0] if found else None

    # -- a message turns up

    def noticed(self, message: Message) -> None:
        """A message has its provider's id from here on: what waited under it is handed over soon."""
        if not self._strays or not message.provider_id:
            return
        name = self.name_of(message.lane, message.provider_id)
        if name in self._strays:
            self._claims[name] = message.id
            self._bell.ring()

    async def run(self) -> None:
        """Hands over what was claimed and drops what nobody claimed in time, until cancelled."""
        unsettled = set(self._strays)
        while True:
            try:
                await self._look_for(unsettled)
                await self._settle()
                wake_us = await self._drop_old()
            except (Refused, AppendUnknown) as error:
                self._witness.note("strays_refused", error=type(error).__name__)
                await self._clock.sleep_until(self._clock.now_us() + _AGAIN_US)
                continue
            await self._bell.wait(wake_us)

    async def _look_for(self, names: set[bytes]) -> None:
        """What was kept when the former process ended may have been claimed meanwhile."""
        for name in sorted(names):
            found = await self._log.aliased(SPACE, NO_TENANT, name)
            if found:
                self._claims[name] = found[0]
            names.discard(name)

    async def _settle(self) -> None:
        while self._claims:
            name, stream = next(iter(self._claims.items()))
            while kept := self._strays.get(name):
                await self._hand_over(kept[0], stream)
                await self._end(name, kept[0], e.StrayClaimed(message=stream), "claimed")
            self._claims.pop(name)

    async def _hand_over(self, stray: Stray, stream: int) -> None:
        told = stray.event
        try:
            await self._errands.receive(
                stream, Receipt(status=told.status, at_us=told.told_us, code=told.code, failure=told.failure)
            )
        except NotFound:
            pass  # The message was erased: nobody needs to know any more.

    async def _drop_old(self) -> int | None:
        """Ends what waited in vain; answers when the next one's time is over."""
        while oldest := min(((kept[0].kept_us, name) for name, kept in self._strays.items()), default=None):
            kept_us, name = oldest
            if kept_us + KEPT_FOR_US > self._clock.now_us():
                return kept_us + KEPT_FOR_US
            await self._end(name, self._strays[name][0], e.StrayDropped(), "dropped")
        return None

    async def _end(self, name: bytes, stray: Stray, event: e.Event, status: str) -> None:
        try:
            await self._append(stray, 2, event, status=status)
        except StreamConflict:
            pass  # An earlier end of unknown result had landed.
        kept = self._strays[name]
        kept.remove(stray)
        self._count -= 1
        if not kept:
            del self._strays[name]

    # -- what is kept

    def replay(self, recorded: list[Recorded]) -> None:
        """One stray stream, at the start: those that still wait are kept in mind."""
        event = recorded[0].event
        if isinstance(event, e.StrayKept) and len(recorded) == 1:
            self._strays.setdefault(event.name, []).append(Stray(recorded[0].stream, event, recorded[0].at_us))
            self._count += 1

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
