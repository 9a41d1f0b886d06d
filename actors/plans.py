"""Reminder plans: what is wanted is recorded first, then its messages follow, whatever is killed in between.

This file answers for one revision of a plan after another: each is recorded as wanted, carried out, and recorded as
applied before the next one is looked at, one caller at a time. What could not be carried out to its end is gone on
with by `run`, in this life or in the next.
"""

from collections.abc import Callable
from datetime import tzinfo
from functools import partial
from typing import Final

import anyio.lowlevel
from msgspec.structs import asdict, replace

from actors.bell import Bell
from actors.certainty import certain_or
from actors.errands import Errands
from actors.intake import Intake
from actors.plan_forgetting import Sought, ids_of
from actors.plan_streams import PlanStreams, Revision
from actors.plan_works import Done, PlanWorks, Work
from actors.sender import LOG_TROUBLE, NONSENSE
from actors.turns_by_name import TurnsByName
from core.errors import NotFound, StoreUnavailable
from core.explain import Link
from core.ids import Mint
from core.message import Message
from core.plan_forgetting import cleared, without
from core.plan_marks import Changes, Mark, changes, check_bounds, staying
from core.plan_requests import PlanRequest
from core.plan_rows import Kept, decoded_request, encoded_request, grouped, marks_of
from core.plan_views import PlanChange, PlanMessage, PlanState
from core.plans import Key, Plan, Wanted
from core.policies import SECOND_US
from core.ports import Clock, Log, Secrets, Witness
from core.sealing import unseal
from core.settings import Settings

# Callers that may wait for one plan.
_CALLERS_MAX: Final = 64
# After so many messages that were only looked at, others have their turn.
_LOOKED_AT: Final = 512
# Plans of which is told in one go where somebody is sought in all of them.
_PAGE: Final = 256
# After trouble with the log, what is unfinished is gone on with this much later.
_AGAIN_US: Final = SECOND_US


class Plans:
    """The desk for plans, one for each tenant and reference."""

    def __init__(
        self,
        *,
        log: Log,
        clock: Clock,
        secrets: Secrets,
        mint: Mint,
        errands: Errands,
        intake: Intake,
        zone_of: Callable[[str], tzinfo],
        witness: Witness,
        settings: Settings,
    ) -> None:
        self._log = log
        self._clock = clock
        self._zone_of = zone_of
        self._peers = intake.peers
        self._witness = witness
        self._streams = PlanStreams(log=log, clock=clock, secrets=secrets, mint=mint, left=self._left)
        self._works = PlanWorks(errands=errands, intake=intake, clock=clock, witness=witness)
        self._turns = TurnsByName(_CALLERS_MAX)
        # Plans whose last revision may not have been carried out, by stream.
        self._unfinished: set[int] = set()
        self._bell = Bell(clock)
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Goes on under these bounds."""
        self._send_at_max_us = settings.bounds.send_at_max_us

    # -- what people ask

    async def put(
        self, tenant: str, reference: str, request: PlanRequest, *, trace: str = "", correlation: str | None = None
    ) -> PlanChange:
        """Makes a plan what is asked for, which is sound; answers once all that follows has happened.

        Raises Invalid, before anything is recorded, where one of its messages could not be made; Refused or
        AppendUnknown where the store is in trouble: what is recorded by then is gone on with.
        """
        wish = Kept(
            reference=reference,
            request=encoded_request(request),
            set_us=0,
            is_cancelled=False,
            marks={},
            trace=trace,
            correlation=correlation,
        )
        async with self._turns.of(self._streams.name_of(tenant, reference)):
            return await self._set(await self._streams.find(tenant, reference), wish, tenant)

    async def cancel(self, tenant: str, reference: str) -> PlanChange:
        """Withdraws everything of a plan that is open; setting it again begins anew."""
        async with self._turns.of(self._streams.name_of(tenant, reference)):
            present = await self._known(tenant, reference)
            return await self._set(present, replace(present.kept, is_cancelled=True), tenant)

    async def show(self, tenant: str, reference: str) -> PlanState:
        """A plan's present state."""
        present = await self._known(tenant, reference)
        marks = marks_of(present.kept)
        heads = await self._log.heads_by([mark.message for mark in marks.values()])
        return PlanState(
            reference=present.kept.reference,
            revision=present.number,
            is_applied=not present.is_pending,
            is_cancelled=present.kept.is_cancelled,
            set_us=present.kept.set_us,
            request=decoded_request(present.kept),
            messages=tuple(
                PlanMessage(key=key, id=mark.message, is_wanted=mark.is_wanted, head=heads[mark.message])
                for key, mark in marks.items()
                if mark.message in heads
            ),
        )

    async def of_message(self, message: Message) -> Link | None:
        """The plan that wants a message, as the beginning of its causal chain; None where none does."""
        sealed = await self._log.sealed_of(message.id)
        reference = None if sealed is None else unseal(sealed, message.commitment).reference
        found = None if reference is None else await self._streams.find(message.tenant, reference)
        if found is None or all(mark.message != message.id for mark in marks_of(found.kept).values()):
            return None
        return Link(id=found.stream, channel="", status="", at_us=found.kept.set_us, how="request")

    async def _known(self, tenant: str, reference: str) -> Revision:
        found = await self._streams.find(tenant, reference)
        if found is None:
            raise NotFound("there is no such plan")
        return found

    # -- one revision

    async def _set(self, present: Revision | None, wish: Kept, tenant: str) -> PlanChange:
        done = Done({})
        if present is not None and present.is_pending:
            is_same = _is_same(present.kept, wish)
            present, before = await self._finish(present, await self._work_of(present.kept, present.tenant))
            # Where this is a repetition of what was cut short, its answer is still owed.
            done = before if is_same else done
        wish = replace(wish, set_us=self._clock.now_us())
        marks = {} if present is None else marks_of(present.kept)
        work = await self._work_of(wish, tenant, before=present)
        found = await self._changes(work, marks, wish.set_us)
        if present is not None and _is_same(present.kept, wish) and found.marks == marks:
            return _answer(present, done, found, already=len(done.created) + len(done.moved))
        work = replace(work, marks=found.marks)
        await self._works.check(work)
        recorded = await self._streams.record_set(present, replace(wish, marks=grouped(found.marks)), tenant)
        applied, done = await self._finish(recorded, work)
        return _answer(applied, done, found)

    async def _changes(self, work: Work, marks: dict[Key, Mark], now_us: int) -> Changes:
        """What has to change now; raises Invalid for what goes beyond a bound."""
        heads = await self._log.heads_by([mark.message for mark in marks.values()])
        wanted = tuple(work.wanted.values())
        found = changes(wanted, marks, heads, now_us=now_us)
        check_bounds(found, wanted, now_us=now_us, send_at_max_us=self._send_at_max_us)
        return found

    async def _work_of(self, kept: Kept, tenant: str, *, before: Revision | None = None) -> Work:
        """What a plan wants as of the instant at which it was set, and what was decided then about its messages.

        `before` is what it was until then, where something of it has to be decided yet.
        """
        plan = self._plan_of(kept)
        zones = {} if before is None or _is_same(before.kept, kept) else self._plan_of(before.kept).zones()
        wanted: dict[Key, Wanted] = {}
        for want in () if kept.is_cancelled else plan.wanted(kept.set_us, zones):
            wanted[want.key] = want
            if len(wanted) % _LOOKED_AT == 0:
                await anyio.lowlevel.checkpoint()
        return Work(
            tenant=tenant,
            set_us=kept.set_us,
            plan=plan,
            wanted=wanted,
            marks=marks_of(kept),
            trace=kept.trace,
            correlation=kept.correlation,
        )

    def _plan_of(self, kept: Kept) -> Plan:
        return Plan(kept.reference, decoded_request(kept), zone_of=self._zone_of)

    async def _finish(self, pending: Revision, work: Work) -> tuple[Revision, Done]:
        """Carries a recorded revision out, and records that it is applied."""
        with certain_or(partial(self._left, pending.stream)):
            done = await self._works.carry_out(work)
            kept = cleared(replace(pending.kept, marks=grouped(done.marks)))
            counts = done.counts(staying(work.marks))
            applied = await self._streams.record_applied(pending, kept, counts)
        self._witness.note("plan_applied", plan=applied.stream, revision=applied.number, **asdict(counts))
        return applied, done

    # -- somebody is forgotten

    async def forget(self, tenant: str, channel: str, address: str, *, since_us: int = 0) -> int:
        """Has every plan go on without whoever has an address, in its normal form, and keep nothing of them.

        Those that were not changed since `since_us` are taken as looked through already.
        Answers how many plans had something of them; done again, it goes on where it was cut short. Raises what the log
        answers where it is in trouble. A plan that makes no sense is left to a person.
        """
        conversation = await self._peers.conversation_of(tenant, channel, self._peers.name(tenant, channel, address))
        sought = Sought(channel=channel, address=address, conversation=conversation)
        changed = after = 0
        while heads := await self._log.heads_of_kind("plan", after=after, limit=_PAGE):
            for head in heads:
                is_meant = head.tenant == tenant and head.changed_us >= since_us
                changed += is_meant and await self._forgets(head.stream, sought)
            after = heads[-1].stream
        return changed

    async def _forgets(self, stream: int, sought: Sought) -> bool:
        """Whether a plan had something of somebody, of whom it has nothing now."""
        try:
            async with self._turns.of(await self._streams.name_at(stream)):
                present = await self._streams.read(stream)
                return present is not None and await self._goes_on_without(present, sought)
        except NONSENSE as error:
            self._witness.note("plan_parked", plan=stream, error=str(error))
            return False

    async def _goes_on_without(self, present: Revision, sought: Sought) -> bool:
        had = ids = await ids_of(self._log, present.kept, sought)
        if present.is_pending and (ids or present.kept.forgotten):
            present, _ = await self._finish(present, await self._work_of(present.kept, present.tenant))
            ids = await ids_of(self._log, present.kept, sought)
        if ids:
            theirs = [mark.message for (who, _), mark in marks_of(present.kept).items() if who in ids]
            kept = without(present.kept, ids, await self._log.heads_by(theirs))
            pending = await self._streams.record_set(present, kept, present.tenant)
            # As of the instant at which it was set: for all others nothing is decided anew.
            await self._finish(pending, await self._work_of(kept, present.tenant))
        return bool(had)

    # -- what was cut short

    def _left(self, stream: int) -> None:
        """A plan may have been recorded, or carried out in part: whoever asks next, or `run`, sees to it."""
        self._unfinished.add(stream)
        self._bell.ring()

    async def run(self) -> None:
        """Goes on with every revision that was cut short, by the former process or in this one, until cancelled."""
        is_recalled = False
        while True:
            try:
                if not is_recalled:
                    self._unfinished |= await self._streams.pending()
                    is_recalled = True
                await self._go_on()
            except LOG_TROUBLE as error:
                self._witness.note("plan_refused", error=type(error).__name__)
                # Whatever was left rings, and so does what was left just now: heard at once, it would go on for ever.
                await self._clock.sleep_until(self._clock.now_us() + _AGAIN_US)
            else:
                await self._bell.wait(None)

    async def _go_on(self) -> None:
        for stream in sorted(self._unfinished):
            health, why = self._log.health()
            if health != "ok":
                # A whole plan would be looked at to find that out.
                raise StoreUnavailable(why)
            try:
                await self._go_on_with(stream)
            except NONSENSE as error:
                self._witness.note("plan_parked", plan=stream, error=str(error))
            self._unfinished.discard(stream)

    async def _go_on_with(self, stream: int) -> None:
        known = await self._streams.read(stream)
        if known is None:
            return  # Its first event never reached the log.
        async with self._turns.of(self._streams.name_of(known.tenant, known.kept.reference)):
            present = await self._streams.read(stream)
            if present is not None and present.is_pending:
                await self._finish(present, await self._work_of(present.kept, present.tenant))


def _is_same(kept: Kept, wish: Kept) -> bool:
    """Whether a plan is already what is wished for."""
    return (kept.request, kept.is_cancelled) == (wish.request, wish.is_cancelled)


def _answer(revision: Revision, done: Done, found: Changes, *, already: int = 0) -> PlanChange:
    """What a caller is told; `already` messages stay as they are only because they were made or moved for it before."""
    return PlanChange(
        reference=revision.kept.reference,
        revision=revision.number,
        created=done.in_order(done.created),
        moved=done.in_order(done.moved),
        cancelled=done.in_order(done.cancelled),
        kept=staying(found.marks) + done.stayed - already,
        skipped=(*((skip.key, skip.why) for skip in found.skipped), *done.refused.items()),
    )
