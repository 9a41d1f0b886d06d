"""Bulk redrives: dead letters back on the agenda at a given pace, as jobs in the log that survive a restart.

This file answers for the pace, the progress and the end of each job. A job moves a second's worth of messages at a
time, each with a due instant of its own; limits and order are everybody else's, as for any message.
"""

import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskGroup
from msgspec.structs import replace

from actors.certainty import certain_or
from actors.errands import Errands
from actors.sender import LOG_TROUBLE, NONSENSE
from actors.turn import Turn
from core import events as e
from core.errors import Forbidden, NotFound, Overloaded
from core.ids import Mint, shard_of
from core.policies import SECOND_US
from core.ports import Clock, Log, Witness
from core.records import Append, Draft, Head, HeadChange, MessageFilter, Recorded
from core.views import Plan, RedriveState

# Dead letters that a plan counts, and that one job moves without a pace in one go.
COUNT_MAX: Final = 1_000_000
_CHUNK_MAX: Final = 500
# Jobs of one tenant that run at once: each is a task, and reads the log at its own pace.
RUNNING_MAX: Final = 8
# Jobs that have ended and are still known without the log.
ENDED_MAX: Final = 256
# After trouble with the log, a job rests at least so long.
_TROUBLE_PAUSE_US: Final = SECOND_US
# Callers that may wait to record something about a job.
_CALLERS_MAX: Final = 1_024


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job: what people see of it, and where it stands in its stream."""

    state: RedriveState
    version: int
    after: int


class Redrives:
    """All bulk redrives. Running ones go on after a restart where the log says they were."""

    def __init__(self, *, log: Log, clock: Clock, mint: Mint, errands: Errands, witness: Witness) -> None:
        self._log = log
        self._clock = clock
        self._mint = mint
        self._errands = errands
        self._witness = witness
        self._jobs: dict[int, Job] = {}
        # Those of them that have ended, the one that did so first in front.
        self._ended: deque[int] = deque()
        self._group: TaskGroup | None = None
        self._turn = Turn(_CALLERS_MAX)
        # Jobs whose last append failed: the log has to say what it holds of them.
        self._lost: set[int] = set()

    # -- what people ask

    async def plan(self, wanted: MessageFilter, per_s: float | None) -> Plan:
        """What a redrive of the dead letters that match would move."""
        dead = replace(wanted, status=("dead",))
        oldest = await self._log.heads(dead, limit=1, oldest_first=True)
        newest = await self._log.heads(dead, limit=1)
        count = await self._log.count(dead, at_most=COUNT_MAX)
        return Plan(
            count=count,
            oldest_us=oldest[0].accepted_us if oldest else None,
            newest_us=newest[0].accepted_us if newest else None,
            estimate_s=count / per_s if per_s else None,
        )

    async def start(self, tenant: str | None, wanted: MessageFilter, per_s: float | None) -> int:
        """Begins a job over the dead letters that match now; answers its id.

        Raises Overloaded where RUNNING_MAX jobs of the tenant run already.
        """
        now_us = self._clock.now_us()
        stream = self._mint.next(now_us)
        started = e.RedriveStarted(
            channel=wanted.channel,
            lane=wanted.lane,
            conversation=wanted.conversation,
            before_us=now_us,
            count=(await self.plan(replace(wanted, tenant=tenant), per_s)).count,
            per_s=per_s,
        )

        def begun(_job: Job | None) -> e.Event:
            running = [job for job in self._jobs.values() if job.state.status == "running"]
            if sum(job.state.tenant == tenant for job in running) >= RUNNING_MAX:
                raise Overloaded(f"{RUNNING_MAX} redrives run at once already: cancel one, or let one end first")
            return started

        try:
            await self._record(stream, tenant, begun)
        finally:
            # Where nobody can tell whether it was recorded, it may have begun all the same.
            self._launch(stream, tenant)
        return stream

    async def job(self, tenant: str | None, job: int) -> RedriveState:
        """A job's present state."""
        return (await self._known(tenant, job)).state

    async def cancel(self, tenant: str | None, job: int) -> RedriveState:
        """Stops a running job; what it has moved stays on the agenda."""
        known = await self._known(tenant, job)
        if job not in self._jobs:
            _cancelled(known)  # It ended long ago, which this refuses.
        await self._record(job, known.state.tenant, _cancelled)
        return self._jobs[job].state

    async def _known(self, tenant: str | None, job: int) -> Job:
        known = self._jobs.get(job) or await self._read(job)
        if known is None or (tenant is not None and known.state.tenant != tenant):
            raise NotFound("there is no such redrive")
        return known

    async def _read(self, job: int) -> Job | None:
        """A job as the log tells it, None where it tells of none."""
        head = await self._log.head_of(job)
        if head is None or head.kind != "sys":
            return None
        found: Job | None = None
        for entry in await self._log.events_of(job):
            found = _after(found, entry.stream, entry.event, entry.at_us, tenant=head.tenant or None)
        return found

    # -- the work

    def replay(self, tenant: str, recorded: list[Recorded]) -> None:
        """Folds one job's stream."""
        for entry in recorded:
            self._fold(entry.stream, tenant or None, entry.event, entry.at_us)

    async def run(self) -> None:
        """Carries the running jobs on, and those that are started later, until cancelled."""
        async with anyio.create_task_group() as group:
            self._group = group
            for stream, job in self._jobs.items():
                if job.state.status == "running":
                    self._launch(stream, job.state.tenant)
            try:
                await anyio.sleep_forever()
            finally:
                # A job that is asked for while we stop is recorded, and carried out after the next start.
                self._group = None

    def _launch(self, stream: int, tenant: str | None) -> None:
        if self._group is not None:
            self._group.start_soon(self._work, stream, tenant)

    async def _work(self, stream: int, tenant: str | None) -> None:
        while stream in self._lost or self._is_running(stream):
            rest_us = 0
            try:
                if stream in self._lost:
                    await self._record(stream, tenant, lambda _: None)
                if self._is_running(stream):
                    rest_us = self._rest_us(stream)
                    await self._move_chunk(stream)
            except LOG_TROUBLE as error:
                self._witness.note("redrive_refused", job=stream, error=type(error).__name__)
                rest_us = max(rest_us, _TROUBLE_PAUSE_US)
            if stream in self._lost or self._is_running(stream):
                await self._clock.sleep_until(self._clock.now_us() + rest_us)

    def _is_running(self, stream: int) -> bool:
        job = self._jobs.get(stream)
        return job is not None and job.state.status == "running"

    async def _move_chunk(self, stream: int) -> None:
        """Moves the next messages, or ends the job where none are left."""
        job = self._jobs[stream]
        state = job.state
        wanted = MessageFilter(
            tenant=state.tenant,
            status=("dead",),
            channel=state.channel,
            lane=state.lane,
            conversation=state.conversation,
            after=job.after,
        )
        heads = await self._log.heads(wanted, limit=_chunk(state.per_s), oldest_first=True)
        if heads:
            # Those that died after it began are not meant, but there may be others behind them.
            moved = await self._move([head.stream for head in heads if head.changed_us <= state.before_us], stream)
            await self._record(stream, state.tenant, lambda job: _advanced(job, moved=moved, after=heads[-1].stream))
        else:
            await self._record(stream, state.tenant, _done)

    async def _move(self, messages: list[int], job: int) -> int:
        """Puts messages back on the agenda at the job's pace; answers how many."""
        now_us, per_s = self._clock.now_us(), self._jobs[job].state.per_s
        gap_us = round(SECOND_US / per_s) if per_s else 0
        moved = 0
        for message in messages:
            if not self._is_running(job):
                break
            try:
                await self._errands.redrive(None, message, due_us=now_us + moved * gap_us, job=job)
                moved += 1
            except Forbidden:
                continue  # Somebody else redrove it meanwhile.
            except NONSENSE as error:
                # It stays a dead letter, and the others need not wait for a person to look at it.
                self._witness.note("redrive_parked", job=job, message=message, error=str(error))
        return moved

    def _rest_us(self, stream: int) -> int:
        per_s = self._jobs[stream].state.per_s
        return round(SECOND_US * _chunk(per_s) / per_s) if per_s else 1

    # -- record, then fold

    async def _record(self, stream: int, tenant: str | None, decide: Callable[[Job | None], e.Event | None]) -> None:
        """One at a time: what a job's present state leads to is durable, then folded."""
        async with self._turn:
            if stream in self._lost:
                known = self._jobs.get(stream)
                after_version = known.version if known is not None else 0
                self.replay(tenant or "", await self._log.events_of(stream, after_version=after_version))
                self._lost.discard(stream)
            event, at_us = decide(self._jobs.get(stream)), self._clock.now_us()
            if event is not None:
                await self._append(stream, tenant or "", event, at_us)
                self._fold(stream, tenant, event, at_us)

    async def _append(self, stream: int, tenant: str, event: e.Event, at_us: int) -> None:
        known = self._jobs.get(stream)
        version = known.version + 1 if known is not None else 1
        shard = shard_of(tenant, stream)
        head = Head(
            stream=stream,
            kind="sys",
            shard=shard,
            tenant=tenant,
            version=version,
            status="ended" if isinstance(event, e.RedriveEnded) else "running",
            changed_us=at_us,
        )
        change = HeadChange(head=head, was=None if known is None else "running")
        draft = Draft(stream=stream, version=version, event=event)
        with certain_or(partial(self._lost.add, stream)):
            await self._log.append(Append(shard=shard, tenant=tenant, at_us=at_us, drafts=(draft,), heads=(change,)))

    def _fold(self, stream: int, tenant: str | None, event: e.Event, at_us: int) -> None:
        job = _after(self._jobs.get(stream), stream, event, at_us, tenant=tenant)
        if job is None:
            return
        self._jobs[stream] = job
        if isinstance(event, e.RedriveEnded):
            self._ended.append(stream)
            if len(self._ended) > ENDED_MAX:
                del self._jobs[self._ended.popleft()]


def _after(job: Job | None, stream: int, event: e.Event, at_us: int, *, tenant: str | None) -> Job | None:
    """A job after one more event of its stream; None as long as that is no job's."""
    match event:
        case e.RedriveStarted():
            return Job(state=_started(stream, tenant, event, at_us), version=1, after=0)
        case e.RedriveAdvanced() if job is not None:
            return Job(state=replace(job.state, moved=event.moved), version=job.version + 1, after=event.after)
        case e.RedriveEnded() if job is not None:
            state = replace(job.state, moved=event.moved, status=event.reason, ended_us=at_us)
            return Job(state=state, version=job.version + 1, after=job.after)
        case _:
            return job


def _cancelled(job: Job | None) -> e.Event:
    assert job is not None, "a job that is cancelled is known"
    if job.state.status != "running":
        raise Forbidden(f"a redrive that is {job.state.status} cannot be cancelled, only a running one")
    return e.RedriveEnded(moved=job.state.moved, reason="cancelled")


def _advanced(job: Job | None, *, moved: int, after: int) -> e.Event | None:
    if job is None or job.state.status != "running":
        return None
    return e.RedriveAdvanced(moved=job.state.moved + moved, after=after)


def _done(job: Job | None) -> e.Event | None:
    if job is None or job.state.status != "running":
        return None
    return e.RedriveEnded(moved=job.state.moved, reason="done")


def _started(stream: int, tenant: str | None, event: e.RedriveStarted, at_us: int) -> RedriveState:
    return RedriveState(
        id=stream,
        tenant=tenant,
        status="running",
        channel=event.channel,
        lane=event.lane,
        conversation=event.conversation,
        before_us=event.before_us,
        per_s=event.per_s,
        count=event.count,
        moved=0,
        started_us=at_us,
        ended_us=None,
    )


def _chunk(per_s: float | None) -> int:
    return _CHUNK_MAX if per_s is None else max(1, min(_CHUNK_MAX, math.floor(per_s)))
