"""The harness' hand on a sink: start it, wait for deliveries, take its record.

Answers for: the record is checked before it is used; a benchmark that lost or doubled a message has no figure.
Must never: poll while something is measured; a wait is one request that the sink answers when the count is reached.
"""

import http.client
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.arrivals import Seen
from benchmarks.parties import Party, PartyFailed, party, python

_WAIT_S = 180.0


class Sink:
    """A running sink of either kind."""

    def __init__(self, running: Party) -> None:
        self.party = running
        self.port, self._control_port = map(int, running.ready_line())
        self.url = f"http://127.0.0.1:{self.port}"

    def reset(self, *, refuse_share: float = 0.0) -> None:
        """Forget what was seen; from now on refuse this share of first attempts."""
        self._ask(f"/sink/reset?refuse_share={refuse_share}", 10.0)

    def wait(self, count: int, *, within_s: float = _WAIT_S) -> None:
        """Return when `count` deliveries have been taken since the last reset."""
        try:
            self._ask(f"/sink/wait?count={count}", within_s)
        except TimeoutError:
            taken = len(self.seen().numbers)
            raise PartyFailed(f"the sink saw {taken} of {count} deliveries within {within_s:.0f} s") from None

    def wait_for_all(self, numbers: Sequence[int]) -> None:
        """Return when each of `numbers` has arrived, some of them more than once perhaps."""
        missing = len(numbers)
        while missing:
            seen = self.seen()
            missing = len(set(numbers) - set(seen.numbers))
            self.wait(len(seen.numbers) - len(seen.refused) + missing)

    def seen(self) -> Seen:
        """Everything since the last reset."""
        return msgspec.msgpack.decode(self._ask("/sink/seen", _WAIT_S), type=Seen)

    def seen_once(self, numbers: Sequence[int]) -> Seen:
        """The record, where it holds each of `numbers` exactly once and nothing else."""
        seen = self.seen()
        if sorted(seen.numbers) != sorted(numbers):
            missing = len(set(numbers) - set(seen.numbers))
            raise PartyFailed(f"of {len(numbers)} messages {missing} are missing; {len(seen.numbers)} deliveries came")
        return seen

    def _ask(self, path: str, within_s: float) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._control_port, timeout=within_s)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()


@contextmanager
def http_sink(folder: Path) -> Iterator[Sink]:
    """A fresh HTTP sink for the length of a block."""
    with party("sink-http", python("benchmarks.sink_http"), folder) as running:
        yield Sink(running)


@contextmanager
def smtp_sink(folder: Path) -> Iterator[Sink]:
    """A fresh SMTP sink for the length of a block."""
    with party("sink-smtp", python("benchmarks.sink_smtp"), folder) as running:
        yield Sink(running)
