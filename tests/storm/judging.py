"""What must be true after a storm, from the log's own words and the sinks' own books."""

from bisect import bisect_right
from collections import Counter, defaultdict
from pathlib import Path

import msgspec

from core import events as e
from core.message import Message, fold
from core.outcomes import Ambiguous
from core.records import Recorded
from eventstore.sqlite.log import SqliteLog
from tests.storm.sinks import Books


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """The log after a storm, by message."""

    messages: dict[int, list[Recorded]]

    def state(self, stream: int) -> Message:
        """What a message came to."""
        return fold(self.messages[stream])

    def ambiguous(self, stream: int) -> int:
        """How many of a message's attempts were of unknown fate."""
        return sum(
            isinstance(entry.event, e.AttemptFailed) and isinstance(entry.event.outcome, Ambiguous)
            for entry in self.messages[stream]
        )

    def hand_overs(self, lane: str) -> list[int]:
        """The instants of all hand-overs of a lane, sorted, in microseconds."""
        return sorted(
            sent_us
            for stream, entries in self.messages.items()
            if self.state(stream).lane == lane
            for entry in entries
            if (sent_us := _sent_us(entry.event)) is not None
        )


def _sent_us(event: e.Event) -> int | None:
    return event.sent_at_us if isinstance(event, e.AttemptTaken | e.AttemptFailed) else None


async def read_story(database: Path) -> Story:
    """The whole log of a daemon that has stopped."""
    log = await SqliteLog.open(database)
    try:
        return Story(messages=await _by_message(log))
    finally:
        await log.close()


async def _by_message(log: SqliteLog) -> dict[int, list[Recorded]]:
    messages: dict[int, list[Recorded]] = defaultdict(list)
    position: dict[int, int] | None = None
    reached: dict[int, int] = {}
    while reached != position:
        position = reached
        page, reached = await log.log_page(position, tenant=None, limit=5_000)
        for entry in page:
            if isinstance(entry.event, e.MessageAccepted) or entry.stream in messages:
                messages[entry.stream].append(entry)
    return dict(messages)


def fullest_window(instants: list[int], window_us: int) -> int:
    """The most hand-overs that any half-open window of a length holds, wherever it starts."""
    return max((bisect_right(instants, start + window_us - 1) - n for n, start in enumerate(instants)), default=0)


def out_of_order(books: Books) -> list[str]:
    """Peers whose messages did not first arrive in the order in which they were accepted."""
    first: dict[str, list[int]] = defaultdict(list)
    for peer, number in books.received:
        if number not in first[peer]:
            first[peer].append(number)
    return [peer for peer, numbers in first.items() if numbers != sorted(numbers)]


def times_received(books: Books) -> Counter[tuple[str, int]]:
    """How often each message arrived."""
    return Counter(books.received)
