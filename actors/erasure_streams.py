"""The streams of erasures: what each of them records, and what becomes durable with it.

This file answers for the intent being in the log before anything goes, and for what goes and what is told of it being
one commit. It remembers nothing. It must never be written to for one erasure by two at a time.
"""

from typing import Final

import msgspec

from core import events as e
from core.erasures import Erasure, Forgotten, begun, evolve, fold, head_of, seal_forgotten, unseal_forgotten
from core.errors import CorruptLog, Impossible, NotFound
from core.ids import Mint, shard_of
from core.ports import Clock, Log, Secrets
from core.records import AddressChange, Alias, Append, Draft, HeadChange, Sealed
from core.sealing import SALT_BYTES

# Erasures read in one go at the start.
_PAGE: Final = 512


class Subject(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Somebody as the log knows them: the keyed hash of their address, and the conversation with them (0: none)."""

    tenant: str
    channel: str
    address: str
    name: bytes
    conversation: int


class Gone(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What goes, or changes, in the commit of one event."""

    erased: tuple[int, ...] = ()
    addresses: tuple[AddressChange, ...] = ()
    aliases: tuple[Alias, ...] = ()
    dropped: tuple[Alias, ...] = ()


class ErasureStreams:
    """Whoever reads and writes them."""

    def __init__(self, *, log: Log, clock: Clock, secrets: Secrets, mint: Mint) -> None:
        self._log = log
        self._clock = clock
        self._secrets = secrets
        self._mint = mint

    def fresh(self) -> int:
        """The id of a new one."""
        return self._mint.next(self._clock.now_us())

    async def under_way(self) -> list[int]:
        """Every erasure that is not over."""
        found: list[int] = []
        after = 0
        while True:
            heads = await self._log.heads_of_kind("sys", status="erasing", after=after, limit=_PAGE)
            found += [head.stream for head in heads]
            if len(heads) < _PAGE:
                return found
            after = heads[-1].stream

    async def read(self, tenant: str | None, stream: int) -> Erasure:
        """An erasure as the log tells it. Raises NotFound where this tenant has none of that id."""
        head = await self._log.head_of(stream)
        is_theirs = head is not None and (tenant is None or head.tenant == tenant)
        if not is_theirs or head is None or head.kind != "sys":
            raise NotFound("there is no such erasure")
        try:
            return fold(await self._log.events_of(stream))
        except Impossible:
            # Another thing of the installation has this id.
            raise NotFound("there is no such erasure") from None

    async def subject_of(self, erasure: Erasure) -> Subject:
        """Whom it is about, while it is not over."""
        state = erasure.state
        sealed = await self._log.sealed_of(state.id)
        if sealed is None:
            raise CorruptLog(f"erasure {state.id} is under way and has no vault row")
        who = unseal_forgotten(sealed, erasure.commitment)
        return Subject(
            tenant=state.tenant,
            channel=who.channel,
            address=who.address,
            name=sealed.subject,
            conversation=state.conversation or 0,
        )

    async def start(self, stream: int, subject: Subject) -> Erasure:
        """Records that somebody is to be forgotten."""
        salt = self._secrets.fresh(SALT_BYTES)
        body, commitment = seal_forgotten(Forgotten(channel=subject.channel, address=subject.address), salt)
        event = e.ErasureStarted(channel=subject.channel, conversation=subject.conversation, commitment=commitment)
        sealed = Sealed(stream=stream, tenant=subject.tenant, subject=subject.name, salt=salt, private=body)
        erasure = begun(stream, subject.tenant, event, self._clock.now_us())
        await self._append(erasure, event, None, Gone(), sealed=(sealed,))
        return erasure

    async def record(self, erasure: Erasure, event: e.Event, gone: Gone) -> Erasure:
        """Records one more event, and takes away what goes with it."""
        after = evolve(erasure, event, self._clock.now_us())
        await self._append(after, event, erasure, gone)
        return after

    async def _append(
        self,
        after: Erasure,
        event: e.Event,
        before: Erasure | None,
        gone: Gone,
        *,
        sealed: tuple[Sealed, ...] = (),
    ) -> None:
        tenant, stream = after.state.tenant, after.state.id
        shard = shard_of(tenant, stream)
        was = None if before is None else before.state.status
        await self._log.append(
            Append(
                shard=shard,
                tenant=tenant,
                at_us=after.changed_us,
                drafts=(Draft(stream=stream, version=after.version, event=event),),
                heads=(HeadChange(head=head_of(after, shard), was=was),),
                sealed=sealed,
                erased=gone.erased,
                addresses=gone.addresses,
                aliases=gone.aliases,
                dropped=gone.dropped,
            )
        )
