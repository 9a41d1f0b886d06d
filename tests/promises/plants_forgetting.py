"""Broken parts of a daemon that forgets people: each leaves something of them, or takes somebody for another.

Nothing of the production code is patched; a part is exchanged for one that wraps it.
"""
# ruff: noqa: SLF001 - what a daemon is made of is nobody's to choose, so it is taken from the inside

from collections.abc import Awaitable, Sequence

from msgspec.structs import replace

from actors.erasing import Sweeper
from actors.erasure_streams import ErasureStreams
from actors.system import System
from core import events as e
from core.ports import Door, Log
from core.records import Acceptance, Append, Head, Repeated, Stored
from tests.promises.plants import Through


class _Appending(Through):
    """A log that writes something else than it was told."""

    def __init__(self, inner: Log) -> None:
        super().__init__(inner)
        self._log = inner

    def append(self, append: Append) -> Awaitable[None]:
        return self._log.append(self.instead(append))

    def instead(self, append: Append) -> Append:
        """What is written instead of an append."""
        return append


class HoardingLog(_Appending):
    """Says that private rows are gone, and keeps them."""

    def instead(self, append: Append) -> Append:
        is_swept = any(isinstance(draft.event, e.ErasureAdvanced) for draft in append.drafts)
        return replace(append, erased=()) if is_swept else append


class OpenDoorLog(_Appending):
    """Never closes an address."""

    def instead(self, append: Append) -> Append:
        return replace(append, addresses=tuple(one for one in append.addresses if one.becomes != "closed"))


class NamelessLog(_Appending):
    """Forgets with somebody that they wanted to hear nothing."""

    def instead(self, append: Append) -> Append:
        is_over = any(isinstance(draft.event, e.SubjectErased) for draft in append.drafts)
        return replace(append, aliases=()) if is_over else append


class TrustingDoor(Through):
    """Writes to whoever it remembers, whether or not anything still leads there."""

    def __init__(self, inner: Door) -> None:
        super().__init__(inner)
        self._door = inner

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        return self._door.accept(replace(acceptance, is_known=False))


class HastySweeper(Sweeper):
    """Does not wait for what is in flight."""

    async def _in_flight(self, heads: Sequence[Head]) -> set[int]:
        await super()._in_flight(heads)
        return set()


class ForgetfulStreams(ErasureStreams):
    """Knows of no erasure that an earlier life began."""

    async def under_way(self) -> list[int]:
        return []


def sweep_hastily(system: System) -> None:
    """Has private rows go at once."""
    system.erasures._forgetting._sweeper.__class__ = HastySweeper


def forget_what_was_begun(system: System) -> None:
    """Has a daemon go on with nothing that was to be erased."""
    system.erasures._streams.__class__ = ForgetfulStreams


def wait_for_no_door(system: System) -> None:
    """Has an address lead nowhere before other daemons have heard that it is closed."""
    system.erasures._forgetting._in_step = None
