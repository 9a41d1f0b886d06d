"""The log as a daemon sees it that stands by: read like any other, and never written.

This file answers for such a daemon knowing about how far the log is by now. It must never let anything through that the
daemon which acts would have to know.
"""

from collections.abc import Awaitable
from typing import NoReturn

from core.errors import StoreUnavailable
from core.ports import Health, Inbox
from core.records import Acceptance, Append, Repeated, Snapshot, Stored
from eventstore.numbering import Numbering
from eventstore.postgres.connection import Pool
from eventstore.postgres.owning import Ownership
from eventstore.postgres.presence import Presence
from eventstore.postgres.reading import PostgresReading


class StandingLog(PostgresReading):
    """The Log port without its writing half; what is taken in goes through the door."""

    inbox: Inbox | None = None

    def __init__(self, pool: Pool, numbering: Numbering, *, ownership: Ownership, presence: Presence) -> None:
        super().__init__(pool, numbering)
        self._ownership = ownership
        self._presence = presence

    @property
    def is_exclusive(self) -> bool:
        """Another daemon may write at any moment."""
        return False

    def may_send(self) -> bool:
        """Whoever stands by sends nothing."""
        return False

    def append(self, append: Append) -> Awaitable[None]:
        """Raises StoreUnavailable."""
        _refuse(append)

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        """Raises StoreUnavailable."""
        _refuse(acceptance)

    def save_snapshot(self, snapshot: Snapshot) -> Awaitable[None]:
        """Raises StoreUnavailable."""
        _refuse(snapshot)

    async def settled(self) -> None:
        """Done at once: nothing is written here."""

    def newest(self) -> tuple[int, int]:
        """(largest id at the start, latest instant in the log about a second ago)."""
        return self._numbering.largest, max(self._numbering.at_us, self._presence.at_us)

    def changed(self) -> Awaitable[None]:
        """Done within about a second after the next commit."""
        return self._presence.changed()

    def health(self) -> tuple[Health, str]:
        """Whether the database hears this daemon, and why not."""
        try:
            self._ownership.check()
        except StoreUnavailable as error:
            return "failing", str(error)
        return ("failing", self._presence.trouble) if self._presence.trouble else ("ok", "")


def _refuse(call: Append | Acceptance | Snapshot) -> NoReturn:
    raise StoreUnavailable(f"this daemon stands by, and writes nothing to the log (here: {type(call).__name__})")
