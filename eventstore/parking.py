"""What daemons that stand by left for the one that acts, as the memory log holds it once it is durable.

This file answers for what every other store must hold of it as well: rows in their order, messages that can be read
before they are taken in, and requests that are carried out once at most. It must never wait.
"""

from collections.abc import Iterable
from itertools import islice

from core.errors import StreamConflict
from core.parked import Parked, head_of, parked, recorded_of, unparked
from core.records import Acceptance, Head, Recorded, Waiting, WaitingKind


class Parking:
    """The inbox, and the answers to what was asked there."""

    def __init__(self) -> None:
        self.last = 0
        self.rows: dict[int, Waiting] = {}
        self.messages: dict[int, Parked] = {}
        # Who asked what was taken, and what it came to; both go as soon as the asker knows or is gone.
        self._taken: dict[int, int] = {}
        self._answers: dict[int, bytes] = {}

    # -- what is left

    def park(self, acceptance: Acceptance) -> None:
        """A message waits to be taken in."""
        stream, body = acceptance.sealed.stream, parked(acceptance)
        self.messages[stream] = unparked(body)
        self._put("message", body, stream=stream, tenant=acceptance.append.tenant)

    def leave(self, news: bytes, tenant: str) -> None:
        """News wait to be heeded."""
        self._put("news", news, tenant=tenant)

    def ask(self, request: bytes, asker: int) -> int:
        """A request waits to be carried out; answers under which id."""
        return self._put("request", request, asker=asker)

    def _put(self, kind: WaitingKind, body: bytes, *, stream: int = 0, tenant: str = "", asker: int = 0) -> int:
        self.last += 1
        self.rows[self.last] = Waiting(id=self.last, kind=kind, stream=stream, tenant=tenant, asker=asker, body=body)
        return self.last

    # -- messages that are read before they are taken in

    def events_of(self, stream: int) -> list[Recorded]:
        """The one event that the stream will begin with, nothing for one that does not wait here."""
        waiting = self.messages.get(stream)
        return [] if waiting is None else [recorded_of(waiting)]

    def head_of(self, stream: int) -> Head | None:
        """The head that the stream would have by now, None for one that does not wait here."""
        waiting = self.messages.get(stream)
        return None if waiting is None else head_of(waiting, waiting.at_us)

    # -- what becomes of it

    def waiting(self, after: int, limit: int) -> list[Waiting]:
        """Rows beyond an id, oldest first."""
        return list(islice((row for row in self.rows.values() if row.id > after), limit))

    def check(self, row: int) -> None:
        """Raises StreamConflict where a row is gone."""
        if row not in self.rows:
            raise StreamConflict(f"inbox row {row} was taken in already")

    def remove(self, row: int) -> None:
        """Somebody has dealt with it; one that is gone changes nothing."""
        known = self.rows.pop(row, None)
        if known is not None:
            self.messages.pop(known.stream, None)

    def take(self, requests: Iterable[int]) -> list[int]:
        """Those of these requests that still wait; they are carried out from here on."""
        still = [request for request in requests if request in self.rows]
        for request in still:
            self._taken[request] = self.rows.pop(request).asker
        return still

    def answer(self, request: int, body: bytes) -> None:
        """What a request came to, if anybody still waits for it."""
        if request in self._taken:
            self._answers[request] = body

    def answered(self, request: int) -> bytes | None:
        """What a request came to, None while it is not known."""
        return self._answers.get(request)

    def withdraw(self, request: int) -> bool:
        """Its asker waits no longer; answers whether it was still there, so that nobody has begun with it."""
        self._taken.pop(request, None)
        self._answers.pop(request, None)
        return self.rows.pop(request, None) is not None

    def forget(self, asker: int) -> None:
        """Nobody waits for what a daemon that is gone asked."""
        asked = [row.id for row in self.rows.values() if row.asker == asker]
        for request in [*asked, *(request for request, who in self._taken.items() if who == asker)]:
            self.withdraw(request)
