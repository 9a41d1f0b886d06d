"""Forgetting somebody: all that is private of one address goes, as a job in the log that survives a restart.

This file answers for the wish being durable before anything goes, for one erasure of an address at a time, and for none
being left half done: what the log kept from being carried out is gone on with, in this life or in the next. It must
never be done in memory alone.
"""

from typing import Final

import anyio
from anyio.abc import TaskGroup

from actors.erasure_streams import ErasureStreams, Subject
from actors.forgetting import Forgetting
from actors.peers import Peers
from actors.sender import LOG_TROUBLE, NONSENSE
from actors.turns_by_name import TurnsByName
from core.erasures import Erasure
from core.errors import AppendUnknown, CorruptLog, NotFound, Overloaded, StoreUnavailable
from core.policies import SECOND_US
from core.ports import Clock, Log, Witness
from core.views import ErasureState

# Erasures that may be under way where a person begins one more: each is a task.
RUNNING_MAX: Final = 64
# Callers that may wait to begin one about the same address.
_CALLERS_MAX: Final = 64
# After trouble with the log, one rests for so long.
_AGAIN_US: Final = SECOND_US


class Erasures:
    """All erasures. Those under way go on after a restart where the log says they were."""

    def __init__(
        self,
        *,
        log: Log,
        clock: Clock,
        streams: ErasureStreams,
        forgetting: Forgetting,
        peers: Peers,
        witness: Witness,
    ) -> None:
        self._log = log
        self._clock = clock
        self._streams = streams
        self._forgetting = forgetting
        self._peers = peers
        self._witness = witness
        self._turns = TurnsByName(_CALLERS_MAX)
        # Those under way by the name of whom they are about, and who waits for the end of each.
        self._about: dict[bytes, int] = {}
        self._over: dict[int, anyio.Event] = {}
        self._group: TaskGroup | None = None

    # -- what people ask

    async def begin(self, tenant: str, channel: str, address: str) -> int:
        """Begins to forget whoever has an address, in its normal form; durable when this returns. Answers its id.

        One that is under way about the same address is that one. Raises Overloaded where RUNNING_MAX are under way.
        """
        is_new = self._peers.name(tenant, channel, address) not in self._about
        if is_new and len(self._over) >= RUNNING_MAX:
            raise Overloaded(f"{RUNNING_MAX} erasures are under way already")
        return await self._begin(tenant, channel, address)

    async def state(self, tenant: str | None, erasure: int) -> ErasureState:
        """An erasure's present state. Raises NotFound where this tenant has none of that id."""
        return (await self._streams.read(tenant, erasure)).state

    async def done(self, tenant: str | None, erasure: int, *, within_us: int) -> ErasureState:
        """Its state once it is over, or after so long."""
        over = self._over.get(erasure)
        if over is not None:
            with anyio.move_on_after(within_us / SECOND_US):
                await over.wait()
        return await self.state(tenant, erasure)

    async def _begin(self, tenant: str, channel: str, address: str) -> int:
        name = self._peers.name(tenant, channel, address)
        async with self._turns.of(name):
            known = self._about.get(name)
            # One whose beginning nobody could tell of may not be there after all.
            if known is not None and await self._recorded(known) is not None:
                return known
            # What was asked for before and is on its way to the log may be the first message there.
            await self._log.settled()
            subject = Subject(
                tenant=tenant,
                channel=channel,
                address=address,
                name=name,
                conversation=await self._peers.conversation_of(tenant, channel, name) or 0,
            )
            stream = self._streams.fresh()
            try:
                await self._streams.start(stream, subject)
            except (AppendUnknown, anyio.get_cancelled_exc_class()):
                # Where nobody can tell whether it was recorded, it may have begun all the same.
                self._launch(stream, name)
                raise
            self._launch(stream, name)
            return stream

    # -- the work

    async def run(self) -> None:
        """Carries on those that are under way, and those that begin later, until cancelled."""
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                await self._resume()
                await anyio.sleep_forever()
            finally:
                # One that is asked for while we stop is recorded, and carried out after the next start.
                self._group = None

    async def _resume(self) -> None:
        while True:
            try:
                return await self._launch_all(await self._streams.under_way())
            except LOG_TROUBLE as error:
                self._witness.note("erasures_refused", error=type(error).__name__)
            await self._clock.sleep_until(self._clock.now_us() + _AGAIN_US)

    async def _launch_all(self, streams: list[int]) -> None:
        for stream in streams:
            if stream not in self._over:
                sealed = await self._log.sealed_of(stream)
                self._launch(stream, b"" if sealed is None else sealed.subject)

    def _launch(self, stream: int, name: bytes) -> None:
        # Whoever looks for those under way may come upon one that just begins.
        if self._group is not None and stream not in self._over:
            self._about[name] = stream
            self._over[stream] = anyio.Event()
            self._group.start_soon(self._work, stream, name)

    async def _work(self, stream: int, name: bytes) -> None:
        try:
            while not await self._is_through(stream):
                await self._clock.sleep_until(self._clock.now_us() + _AGAIN_US)
        finally:
            if self._about.get(name) == stream:
                del self._about[name]
            self._over.pop(stream).set()

    async def _is_through(self, stream: int) -> bool:
        """Goes on with one as far as it gets; answers whether nothing is left to do, here and now."""
        try:
            erasure = await self._recorded(stream)
            if erasure is not None and erasure.state.status == "erasing":
                await self._carry_out(erasure, await self._streams.subject_of(erasure))
        except NONSENSE as error:
            # It waits for a person, and for the next start.
            self._witness.note("erasure_parked", erasure=stream, error=str(error))
        except (NotFound, *LOG_TROUBLE) as error:
            self._witness.note("erasures_refused", error=type(error).__name__)
            return False
        return True

    async def _recorded(self, stream: int) -> Erasure | None:
        """One as the log has it; None where it was surely not recorded. Raises StoreUnavailable where none can tell."""
        # Whoever began it may have left before the log had answered.
        await self._log.settled()
        health, why = self._log.health()
        try:
            return await self._streams.read(None, stream)
        except NotFound:
            if health == "failing":
                # What it was writing when it failed may still come to be there.
                raise StoreUnavailable(why) from None
            return None

    async def _carry_out(self, erasure: Erasure, subject: Subject) -> None:
        begun: set[int] = set()

        async def others(addresses: set[str]) -> None:
            # In one order, whatever order a set has.
            for address in sorted(addresses):
                begun.add(await self._begin(subject.tenant, subject.channel, address))

        async def settled() -> None:
            for other in sorted(begun):
                if other in self._over:
                    await self._over[other].wait()
                if (await self._streams.read(None, other)).state.status != "erased":
                    raise CorruptLog(f"erasure {other}, of another address of the same person, waits for a person")

        await self._forgetting.carry_out(erasure, subject, others=others, settled=settled)
