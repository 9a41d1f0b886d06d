"""What a sink saw: which message arrived when, and a way to ask for it from another process.

Answers for: an exact record of each delivery, the refusals that were asked for, and the control paths `/sink/...`.
Must never: cost so much that it bounds what is measured (two appends a delivery, nothing else).
"""

import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import msgspec

from benchmarks.wire import Served, response

CONTROL = b"/sink/"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All requests that a sink has seen, in the order in which they came; instants are monotonic, in nanoseconds."""

    numbers: list[int]
    at_ns: list[int]
    refused: list[int]
    """Positions in `numbers` of those that were answered with 503."""


class Arrivals:
    """The record of one sink; `take` is called once a delivery and says whether it is welcome."""

    def __init__(self, *, refuse_share: float = 0.0) -> None:
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self._forget(refuse_share)

    def _forget(self, refuse_share: float) -> None:
        self._numbers: list[int] = []
        self._at_ns: list[int] = []
        self._refused: list[int] = []
        self._refused_once: set[int] = set()
        self._refuse_below = int(refuse_share * 1_000)

    def take(self, number: int) -> bool:
        """Record the arrival of a message; False where this first attempt is to be refused."""
        welcome = not self._refuse_below or not self._refuses(number)
        if not welcome:
            self._refused.append(len(self._numbers))
        self._numbers.append(number)
        self._at_ns.append(time.monotonic_ns())
        if self._waiting:
            self._wake()
        return welcome

    def _refuses(self, number: int) -> bool:
        # A multiplicative hash picks the same messages in every run, and spreads them over the conversations.
        if number in self._refused_once or (number * 2_654_435_761 >> 8) % 1_000 >= self._refuse_below:
            return False
        self._refused_once.add(number)
        return True

    def _wake(self) -> None:
        welcomed = len(self._numbers) - len(self._refused)
        due = [answer for count, answer in self._waiting if count <= welcomed]
        if due:
            self._waiting = [(count, answer) for count, answer in self._waiting if count > welcomed]
            for answer in due:
                answer()

    def control(self, served: Served, path: bytes, body: bytes) -> None:
        """Answer a control request: `/sink/wait?count=N`, `/sink/seen` or `/sink/reset?refuse_share=S`."""
        url = urlsplit(path.decode())
        wanted = parse_qs(url.query)
        match url.path:
            case "/sink/wait":
                self._waiting.append((int(wanted["count"][0]), lambda: served.write(response(200, b"{}"))))
                self._wake()
            case "/sink/seen":
                seen = Seen(numbers=self._numbers, at_ns=self._at_ns, refused=self._refused)
                served.write(response(200, msgspec.msgpack.encode(seen), b"application/msgpack"))
            case "/sink/reset":
                self._forget(float(wanted["refuse_share"][0]))
                served.write(response(200, b"{}"))
            case _:
                served.write(response(404, b"{}"))
