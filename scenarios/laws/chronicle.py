"""The log, sorted by what it is about: messages with their attempts, conversations, lanes.

This file answers for reading the log without any help of the code that wrote it: it folds nothing and decides nothing.
It must never fail on a log that makes no sense; laws have to say so.
"""

from collections.abc import Mapping, Sequence
from typing import Final, get_args

import msgspec

from core import events as e
from core.outcomes import Outcome, Taken
from core.records import Recorded

Resolution = e.AttemptTaken | e.AttemptFailed | e.AttemptAborted
Conclusion = e.AttemptTaken | e.AttemptProved | e.MessageCancelled | e.MessageExpired | e.MessageDead
# To ask whether an event is one of these. Its class is looked up, since laws ask each event dozens of times, and where
# it is none of them `isinstance` goes a long way round for each.
RESOLUTIONS: Final[frozenset[type[e.Event]]] = frozenset(get_args(Resolution))
CONCLUSIONS: Final[frozenset[type[e.Event]]] = frozenset(get_args(Conclusion))
_OF_ATTEMPTS: Final = RESOLUTIONS | {e.LaneChanged, e.AttemptStarted}
# What may still be recorded of a message that has ended: none of it tries again.
Afterwards = e.ReceiptSeen | e.FallbackStarted | e.FallbackRefused | e.EndTold

# An attempt whose process died counts as sent when the next one learns of it: later than it really was, so that limits
# hold, and together with others of its kind.
_FROM_RECOVERY: Final = "interrupted"

# What may be recorded of a conversation before its first message: people act of their own accord.
_OF_PEERS: Final = (e.WindowOpened, e.PeerSuppressed, e.PeerRestored)


class Attempt(msgspec.Struct, kw_only=True):
    """One attempt; what is None is not known, because the log does not tell of its end."""

    stream: int
    number: int
    lane: str
    tenant: str
    conversation: int
    host: int | None
    started_us: int
    is_probe: bool
    ended_us: int | None = None
    sent_us: int | None = None
    outcome: Outcome | None = None
    is_aborted: bool = False

    @property
    def is_cut_off(self) -> bool:
        """Whether its process died: `sent_us` then bounds when it left, and does not tell it."""
        return self.outcome is not None and self.outcome.code == _FROM_RECOVERY


class Story(msgspec.Struct, kw_only=True):
    """One message. `key` is what the world calls it, `entries` are all its events, `cause` the stream that led to it.

    `moves` are the lanes that it went through, each with the version of the event from which on. `kinds` are those of
    its events: most laws are about few of them, and most messages have none of these.
    """

    stream: int
    key: str
    tenant: str
    shard: int
    accepted: e.MessageAccepted
    cause: int
    entries: list[Recorded]
    attempts: list[Attempt]
    moves: list[tuple[int, str]]
    kinds: set[type[e.Event]]

    def lane_at(self, version: int) -> str:
        """The lane that it stood in right before one of its events."""
        for since, lane in reversed(self.moves):
            if since < version or since == 1:
                return lane
        raise AssertionError(f"version {version} of {self.key} came before its first")


class Chronicle:
    """All of a log. `keys` are what the world calls its messages; one without a key goes by what its client said."""

    def __init__(self, events: Sequence[Recorded], keys: Mapping[int, str]) -> None:
        self._keys = keys
        self.stories: dict[int, Story] = {}
        # A conversation's own events and those of its messages, in the order of the log.
        self.conversations: dict[int, list[Recorded]] = {}
        self.lanes: dict[str, list[Recorded]] = {}
        self.attempts: list[Attempt] = []
        # Everything else, by stream: devices, plans, receipts that nobody knew, jobs, the diary.
        self.others: dict[int, list[Recorded]] = {}
        self._caused: dict[int, list[Story]] = {}
        self._by_lane: dict[str, list[Attempt]] = {}
        self._lane_names: dict[int, str] = {}
        self._open: dict[tuple[int, int], Attempt] = {}
        for entry in events:
            self._take(entry)

    def caused_by(self, stream: int) -> list[Story]:
        """The messages that a stream led to, in the order of the log."""
        return self._caused.get(stream, [])

    def attempts_in(self, lane: str) -> list[Attempt]:
        """Every attempt that was started in a lane, in the order of the log."""
        if not self._by_lane:
            for attempt in self.attempts:
                self._by_lane.setdefault(attempt.lane, []).append(attempt)
        return self._by_lane.get(lane, [])

    def _take(self, entry: Recorded) -> None:
        event = entry.event
        story = self.stories.get(entry.stream)
        if isinstance(event, e.MessageAccepted):
            self.stories[entry.stream] = Story(
                stream=entry.stream,
                key=self._keys.get(entry.stream) or event.trace,
                tenant=entry.tenant,
                shard=entry.shard,
                accepted=event,
                cause=entry.cause,
                entries=[entry],
                attempts=[],
                moves=[(entry.version, event.lane)],
                kinds={e.MessageAccepted},
            )
            self.conversations.setdefault(event.conversation, []).append(entry)
            if entry.cause:
                self._caused.setdefault(entry.cause, []).append(self.stories[entry.stream])
        elif story is not None:
            story.entries.append(entry)
            story.kinds.add(type(event))
            self.conversations[story.accepted.conversation].append(entry)
            if type(event) in _OF_ATTEMPTS:
                self._attempt(story, entry)
        elif entry.stream in self.conversations or isinstance(event, _OF_PEERS):
            self.conversations.setdefault(entry.stream, []).append(entry)
        elif isinstance(event, e.LaneOpened):
            self._lane_names[entry.stream] = event.name
            self.lanes[event.name] = [entry]
        elif entry.stream in self._lane_names:
            self.lanes[self._lane_names[entry.stream]].append(entry)
        else:
            self.others.setdefault(entry.stream, []).append(entry)

    def _attempt(self, story: Story, entry: Recorded) -> None:
        event = entry.event
        if isinstance(event, e.LaneChanged):
            story.moves.append((entry.version, event.lane))
        elif isinstance(event, e.AttemptStarted):
            attempt = Attempt(
                stream=story.stream,
                number=event.attempt,
                lane=event.lane,
                tenant=story.tenant,
                conversation=story.accepted.conversation,
                host=story.accepted.host,
                started_us=entry.at_us,
                is_probe=event.probe,
            )
            story.attempts.append(attempt)
            self.attempts.append(attempt)
            self._open[story.stream, event.attempt] = attempt
        elif isinstance(event, Resolution):
            ended = self._open.pop((story.stream, event.attempt), None)
            if ended is not None:
                _end(ended, event, entry.at_us)


def _end(attempt: Attempt, event: Resolution, at_us: int) -> None:
    attempt.ended_us = at_us
    match event:
        case e.AttemptTaken():
            attempt.sent_us = event.sent_at_us
            attempt.outcome = Taken(code=event.code, provider_id=event.provider_id)
        case e.AttemptFailed():
            attempt.sent_us, attempt.outcome = event.sent_at_us, event.outcome
        case e.AttemptAborted():
            attempt.is_aborted = True
