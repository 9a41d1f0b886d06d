"""Broken parts to plant in a simulated daemon, one for each law: each must be found by that law, and by no other.

They are what such bugs look like in life: a port that lies, a daemon that goes by other rules than it was given, a
queue that favours somebody. Nothing of the production code is patched; a part is exchanged for one that wraps it.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar, cast

from msgspec.structs import replace

from actors.system import System
from core.agenda import Entry
from core.outcomes import Ambiguous, Outcome, Transient
from core.policies import HOUR_US, SECOND_US, Policy
from core.ports import Alarm, Channel, Clock, Log, Parcel
from core.records import Acceptance, Append, HeadChange, Repeated, Stored
from core.settings import Settings
from core.turns import Ring
from eventstore.disk import Disk
from eventstore.durable import Durable
from eventstore.memory import MemoryLog

T = TypeVar("T")


class Through:
    """A port that passes everything on."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def log_of(wrapper: Callable[[Log], Through]) -> Callable[[Durable, Disk], Log]:
    """Puts a wrapper around the memory log of each life."""
    return lambda durable, disk: cast("Log", wrapper(MemoryLog(durable, disk)))


def clock_of(wrapper: Callable[[Clock], Through]) -> Callable[[Clock], Clock]:
    """Puts a wrapper around the clock of each life."""
    return lambda clock: cast("Clock", wrapper(clock))


def channel_of(wrapper: Callable[[Channel], Through]) -> Callable[[Channel], Channel]:
    """Puts a wrapper around every channel."""
    return lambda channel: cast("Channel", wrapper(channel))


def policies_of(change: Callable[[Policy], Policy]) -> Callable[[Settings], Settings]:
    """Has the daemon go by other policies than its file says."""

    def changed(settings: Settings) -> Settings:
        lanes = tuple(replace(lane, policy=change(lane.policy)) for lane in settings.lanes)
        return replace(settings, lanes=lanes)

    return changed


class ForgetfulLog(Through):
    """Tells the door that each third message is stored, and drops it."""

    def __init__(self, inner: Log) -> None:
        super().__init__(inner)
        self._log = inner
        self._accepted = 0

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        self._accepted += 1
        if self._accepted % 3:
            return self._log.accept(acceptance)
        return done(Stored())


class HastyLog(Through):
    """Calls an append durable as soon as it is asked for."""

    def __init__(self, inner: Log) -> None:
        super().__init__(inner)
        self._log = inner
        self._written: list[asyncio.Future[None]] = []

    def append(self, append: Append) -> Awaitable[None]:
        self._written.append(asyncio.ensure_future(self._log.append(append)))
        return done(None)


class CarelessLog(Through):
    """Writes heads that are not quite what their events come to."""

    def __init__(self, inner: Log) -> None:
        super().__init__(inner)
        self._log = inner

    def append(self, append: Append) -> Awaitable[None]:
        heads = tuple(
            HeadChange(head=replace(change.head, attempts=change.head.attempts + 1), was=change.was)
            if change.head.kind == "msg"
            else change
            for change in append.heads
        )
        return self._log.append(replace(append, heads=heads))


class KeylessLog(Through):
    """Forgets under which keys hooks came."""

    def __init__(self, inner: Log) -> None:
        super().__init__(inner)
        self._log = inner

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        if acceptance.channel == "hook":
            acceptance = replace(acceptance, dedup=None)
        return self._log.accept(acceptance)


class SleepyClock(Through):
    """Wakes everybody three seconds late."""

    def __init__(self, inner: Clock) -> None:
        super().__init__(inner)
        self._clock = inner

    async def sleep_until(self, instant_us: int) -> None:
        await self._clock.sleep_until(instant_us + 3 * SECOND_US)

    def alarm(self, instant_us: int, ring: Callable[[], None]) -> Alarm:
        return self._clock.alarm(instant_us + 3 * SECOND_US, ring)


class ForgetfulClock(Through):
    """Forgets whoever sleeps for longer than an hour."""

    def __init__(self, inner: Clock) -> None:
        super().__init__(inner)
        self._clock = inner

    async def sleep_until(self, instant_us: int) -> None:
        if instant_us - self._clock.now_us() > HOUR_US:
            await asyncio.get_running_loop().create_future()
        await self._clock.sleep_until(instant_us)

    def alarm(self, instant_us: int, ring: Callable[[], None]) -> Alarm:
        if instant_us - self._clock.now_us() > HOUR_US:
            return asyncio.get_running_loop().call_at(math.inf, ring)
        return self._clock.alarm(instant_us, ring)


class InsistentChannel(Through):
    """Repeats by itself what it heard nothing of, as some HTTP clients do."""

    def __init__(self, inner: Channel) -> None:
        super().__init__(inner)
        self._channel = inner

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        outcome = await self._channel.send(parcel, handed_over)
        return await self._channel.send(parcel, handed_over) if isinstance(outcome, Ambiguous) else outcome


class SureChannel(Through):
    """Takes a lost answer for a refusal."""

    def __init__(self, inner: Channel) -> None:
        super().__init__(inner)
        self._channel = inner

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        outcome = await self._channel.send(parcel, handed_over)
        return Transient(code=outcome.code) if isinstance(outcome, Ambiguous) else outcome


class TalkativeChannel(Through):
    """Says whom it could not reach."""

    def __init__(self, inner: Channel) -> None:
        super().__init__(inner)
        self._channel = inner

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        outcome = await self._channel.send(parcel, handed_over)
        if isinstance(outcome, Transient):
            return replace(outcome, detail=f"{parcel.to} does not answer")
        return outcome


class RaisingChannel(Through):
    """Has a bug."""

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        raise KeyError(parcel.attempt)


class GreedyRing(Ring):
    """Stays with the tenant whose turn it is for as long as that one has anything."""

    def take(self, now_us: int) -> tuple[str, int, Entry] | None:
        taken = super().take(now_us)
        if taken is not None:
            self._active.rotate(1)
        return taken


def favour_whoever_came_first(system: System) -> None:
    """Has every lane of a running daemon serve its tenants one after another."""
    for agenda in system.scheduler._agendas.values():  # noqa: SLF001 - the ring is nobody's to choose
        agenda.ring.__class__ = GreedyRing


_shared_stream = count(1)


class SharedChance:
    """Draws from one stream for everybody, and goes on with it in the next run."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def draw(self, purpose: str, *key: int | str) -> float:
        return next(_shared_stream) * 0.618_033_988_75 % 1


def done(value: T) -> "asyncio.Future[T]":
    """An answer that is there already."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future
