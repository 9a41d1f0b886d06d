"""Law 2: one attempt of a message at a time, no more in a conversation than its policy allows, and `fifo` in order."""

from collections.abc import Iterator
from typing import Final

from core import events as e
from scenarios.laws.chronicle import CONCLUSIONS, RESOLUTIONS, Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.waiting import slack_us

# With these a message leaves its conversation's line, for good or for a while.
_LEAVES: Final = CONCLUSIONS | {e.MessageHeld, e.MessageSetAside}
# And with these it stands in it again, or at another place.
_ENTERS: Final = (e.MessageAccepted, e.MessageReleased, e.MessageRedriven, e.MessageRescheduled)


def attempts_keep_their_turn(evidence: Evidence) -> Iterator[Finding]:
    """Judges each conversation by itself."""
    for conversation in evidence.chronicle.conversations:
        yield from _Order(evidence, conversation).judge()


class _Order:
    """One conversation, walked through event by event."""

    def __init__(self, evidence: Evidence, conversation: int) -> None:
        self._evidence = evidence
        self._entries = evidence.chronicle.conversations[conversation]
        # (first due instant, stream) of all that stand in the fifo line.
        self._line: dict[int, tuple[int, int]] = {}
        self._first_due_us: dict[int, int] = {}
        # From when on those are known that came in ahead of others: until its commit is through nobody knows of one.
        self._known_us: dict[int, int] = {}
        self._aside: set[int] = set()
        self._flying: dict[int, int] = {}

    def judge(self) -> Iterator[Finding]:
        """Every start is held against what was in flight and in line when it was recorded."""
        for entry in self._entries:
            story = self._evidence.chronicle.stories.get(entry.stream)
            if story is None:
                continue
            event = entry.event
            if isinstance(event, e.AttemptStarted):
                yield from self._starts(story, entry.at_us, event.lane)
                self._flying[story.stream] = event.attempt
            elif type(event) in RESOLUTIONS:
                self._flying.pop(story.stream, None)
            if isinstance(event, e.MessageAccepted) and event.due_us < entry.at_us:
                # A daemon that stood by took it in, and the one that acts heard of it later.
                self._known_us[story.stream] = entry.at_us + slack_us(self._evidence)
            self._move(story, event)

    def _starts(self, story: Story, at_us: int, lane: str) -> Iterator[Finding]:
        name = story.key
        if story.stream in self._flying:
            yield Finding(
                words=f"{name} was started while its attempt {self._flying[story.stream]} was in flight",
                at_us=at_us,
                streams=(story.stream,),
            )
        own = self._line.get(story.stream)
        if own is None:
            most = self._evidence.policy_of(story, lane).in_flight_max
            if len(self._flying) >= most:
                words = f"{name} was started beside {len(self._flying)} in flight, where its policy allows {most}"
                yield Finding(words=words, at_us=at_us, streams=(story.stream, *self._flying))
            return
        known = {stream: place for stream, place in self._line.items() if self._known_us.get(stream, at_us) <= at_us}
        ahead = [stream for stream in self._line if known.get(stream, own) < own or stream in self._flying]
        if ahead := [stream for stream in ahead if stream != story.stream]:
            first = self._evidence.chronicle.stories[min(ahead, key=self._line.__getitem__)]
            words = f"{name} was started before {first.key}, which is ahead of it in its conversation"
            yield Finding(words=words, at_us=at_us, streams=(story.stream, first.stream))

    def _move(self, story: Story, event: e.Event) -> None:
        stream = story.stream
        if type(event) in _LEAVES:
            self._line.pop(stream, None)
            if isinstance(event, e.MessageSetAside):
                self._aside.add(stream)
            return
        if not isinstance(event, _ENTERS) or story.accepted.order != "fifo":
            return
        if not isinstance(event, e.MessageReleased):
            self._first_due_us[stream] = event.due_us
        if isinstance(event, e.MessageRedriven):
            self._aside.discard(stream)
        if stream not in self._aside:
            self._line[stream] = (self._first_due_us[stream], stream)
