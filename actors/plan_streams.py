"""The streams of plans: one for each tenant and reference, found by a keyed name, with a row of the vault each.

This file answers for what of a plan becomes durable together: the event, the head, the name at first, and the row that
the event commits to. It remembers nothing. It must never write for a caller who does not hold the plan's turn.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
from msgspec.structs import replace

from actors.certainty import certain_or
from core import events as e
from core.errors import CorruptLog
from core.ids import Mint, shard_of
from core.plan_rows import Kept, seal_plan, unseal_plan
from core.ports import Clock, Log, Secrets
from core.records import Alias, Append, Draft, Head, HeadChange, Sealed
from core.sealing import SALT_BYTES

# The name of a plan: its tenant's reference.
SPACE: Final = "plan"


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as its stream and the vault have it. `is_pending`: what follows from it may not have happened yet."""

    stream: int
    tenant: str
    version: int
    number: int
    is_pending: bool
    kept: Kept


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages of a plan came, moved, went and stayed."""

    created: int
    moved: int
    cancelled: int
    kept: int


class PlanStreams:
    """Whoever reads and writes them. `left` hears of a stream about which only the log can tell."""

    def __init__(self, *, log: Log, clock: Clock, secrets: Secrets, mint: Mint, left: Callable[[int], None]) -> None:
        self._log = log
        self._clock = clock
        self._secrets = secrets
        self._mint = mint
        self._left = left

    def name_of(self, tenant: str, reference: str) -> bytes:
        """How a plan is found without its reference being kept."""
        return self._secrets.keyed_hash("plan", tenant, reference)

    async def find(self, tenant: str, reference: str) -> Revision | None:
        """The plan of a reference."""
        found = await self._log.aliased(SPACE, tenant, self.name_of(tenant, reference))
        return await self.read(found[0]) if found else None

    async def name_at(self, stream: int) -> bytes:
        """The name of the plan of a stream, without looking into it. Raises CorruptLog where it has no vault row."""
        sealed = await self._log.sealed_of(stream)
        if sealed is None:
            raise CorruptLog(f"plan {stream} has no vault row")
        return sealed.subject

    async def read(self, stream: int) -> Revision | None:
        """A plan by its stream; None where nothing of it is in the log."""
        head = await self._log.head_of(stream)
        if head is None:
            return None
        last = (await self._log.events_of(stream, after_version=head.version - 1))[0].event
        sealed = await self._log.sealed_of(stream)
        if not isinstance(last, e.PlanSet | e.PlanApplied) or sealed is None:
            raise CorruptLog(f"plan {stream} ends with {type(last).__name__}, or has no vault row")
        return Revision(
            stream=stream,
            tenant=head.tenant,
            version=head.version,
            number=last.revision,
            is_pending=isinstance(last, e.PlanSet),
            kept=unseal_plan(sealed, last.commitment),
        )

    async def pending(self) -> set[int]:
        """Every plan whose last revision was recorded and not applied."""
        return {head.stream for head in await self._log.heads_of_kind("plan") if head.status == "pending"}

    async def record_set(self, present: Revision | None, kept: Kept, tenant: str) -> Revision:
        """The next revision of a plan, with all that was decided for it."""
        after = Revision(
            stream=self._mint.next(self._clock.now_us()) if present is None else present.stream,
            tenant=tenant,
            version=1 if present is None else present.version + 1,
            number=1 if present is None else present.number + 1,
            is_pending=True,
            kept=kept,
        )
        wanted = sum(1 for marks in kept.marks.values() for mark in marks.values() if mark.is_wanted)
        await self._append(after, partial(e.PlanSet, revision=after.number, reminders=wanted))
        return after

    async def record_applied(self, pending: Revision, kept: Kept, counts: Counts) -> Revision:
        """All that was decided for a revision has happened."""
        after = replace(pending, version=pending.version + 1, is_pending=False, kept=kept)
        event_of = partial(
            e.PlanApplied,
            revision=after.number,
            created=counts.created,
            moved=counts.moved,
            cancelled=counts.cancelled,
            kept=counts.kept,
        )
        await self._append(after, event_of)
        return after

    async def _append(self, after: Revision, event_of: Callable[..., e.Event]) -> None:
        name = self.name_of(after.tenant, after.kept.reference)
        salt = self._secrets.fresh(SALT_BYTES)
        body, commitment = seal_plan(after.kept, salt)
        at_us, shard = self._clock.now_us(), shard_of(after.tenant, after.stream)
        head = Head(
            stream=after.stream,
            kind="plan",
            shard=shard,
            tenant=after.tenant,
            version=after.version,
            status="pending" if after.is_pending else "applied",
            changed_us=at_us,
        )
        was = None if after.version == 1 else "applied" if after.is_pending else "pending"
        alias = Alias(space=SPACE, tenant=after.tenant, name=name, stream=after.stream)
        append = Append(
            shard=shard,
            tenant=after.tenant,
            at_us=at_us,
            drafts=(Draft(stream=after.stream, version=after.version, event=event_of(commitment=commitment)),),
            heads=(HeadChange(head=head, was=was),),
            aliases=(alias,) if was is None else (),
            sealed=(Sealed(stream=after.stream, tenant=after.tenant, subject=name, salt=salt, private=body),),
        )
        with certain_or(partial(self._left, after.stream)):
            await self._log.append(append)
