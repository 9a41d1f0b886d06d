"""From when on each attempt could have started, as far as its own conversation goes.

This file answers for the instants at which a message's due time, its place in line, its circuit and the attempts beside
it last stood in the way. What lies beyond the conversation (limits, lanes, disks) is waiting.py's business.
"""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from core import events as e
from core.policies import SECOND_US
from core.records import Recorded
from scenarios.laws.chronicle import CONCLUSIONS, RESOLUTIONS, Story
from scenarios.laws.evidence import Evidence
from scenarios.world.nature import can_tell

# How long a provider may take to answer what became of an attempt, and the sender to give up on it (actors/sender.py).
_INQUIRY_US: Final = 25 * SECOND_US
_LEAVES: Final = CONCLUSIONS | {e.MessageHeld, e.MessageSetAside}
_TAKES_PLACE: Final = frozenset({e.MessageAccepted, e.MessageRedriven, e.MessageRescheduled})
_MOVES_LINE: Final = _LEAVES | _TAKES_PLACE | {e.MessageReleased}
_RETURNS: Final = RESOLUTIONS | {e.MessageAccepted, e.MessageReleased, e.MessageRedriven}
_CERTAIN: Final = frozenset({e.AmbiguityResolved, e.AttemptProved})
# What may end a wait.
_ENDS: Final = _CERTAIN | {e.AttemptStarted, e.MessageExpired, e.MessageCancelled}


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """A message waited in a lane from `ready_us` until `ended_us`, when what it waited for was recorded.

    `start`: it was started. `expire`: its time was over; `give way`: that of its fallback had come. `decide`: nothing
    was heard of an attempt in doubt, and its policy decided.
    """

    story: Story
    lane: str
    ready_us: int
    ended_us: int
    what: Literal["start", "expire", "give way", "decide"]


def waits(evidence: Evidence) -> list[Wait]:
    """Every wait that ended, conversation by conversation."""
    scenario, conversations = evidence.scenario, evidence.chronicle.conversations.values()
    askable = frozenset(lane.name for lane in scenario.settings.lanes if can_tell(scenario, lane))
    return [wait for entries in conversations for wait in _Walk(evidence, entries, askable).waits()]


class _Walk:
    """One conversation, event by event."""

    def __init__(self, evidence: Evidence, entries: list[Recorded], askable: frozenset[str]) -> None:
        """`askable` are lanes whose provider can be asked what became of a message."""
        self._evidence = evidence
        self._entries = entries
        self._due_us: dict[int, int] = {}
        self._returned_us: dict[int, int] = {}
        self._line: dict[int, tuple[int, int]] = {}
        self._places: dict[int, tuple[int, int]] = {}
        self._first: int | None = None
        self._first_since_us = 0
        self._flying: set[int] = set()
        self._freed_us = 0
        self._full_until_us = 0
        self._open_until_us: int | None = None
        self._blocked_until_us = 0
        # Until when evidence is awaited, and when a doubt was last decided.
        self._doubt_us: dict[int, int] = {}
        self._decided_us: dict[int, int] = {}
        self._askable = askable

    def waits(self) -> Iterator[Wait]:
        for entry in self._entries:
            story = self._evidence.chronicle.stories.get(entry.stream)
            if story is None:
                self._circuit(entry)
                continue
            if type(entry.event) in _ENDS:
                yield from self._ended(story, entry)
            self._message(story, entry)

    def _ended(self, story: Story, entry: Recorded) -> Iterator[Wait]:
        lane, at_us = story.lane_at(entry.version), entry.at_us
        match entry.event:
            case e.AttemptStarted():
                yield Wait(story=story, lane=lane, ready_us=self._may_start_us(story), ended_us=at_us, what="start")
            case e.MessageExpired():
                ready_us = self._may_end_us(story, story.accepted.expires_us)
                yield Wait(story=story, lane=lane, ready_us=ready_us, ended_us=at_us, what="expire")
            case e.MessageCancelled(reason="fallback") if entry.at_us != self._decided_us.get(story.stream):
                ready_us = self._may_end_us(story, story.accepted.fallback_by_us)
                yield Wait(story=story, lane=lane, ready_us=ready_us, ended_us=at_us, what="give way")
            case e.AmbiguityResolved(evidence="policy") | e.AttemptProved(evidence="look_up"):
                yield from self._decided(story, lane, at_us)
            case _:
                pass

    def _decided(self, story: Story, lane: str, at_us: int) -> Iterator[Wait]:
        """A doubt that was waited out; one that never was, or that another end cut short, is nobody's lateness."""
        until_us = self._doubt_us.pop(story.stream, None)
        self._decided_us[story.stream] = at_us
        if until_us is None or at_us < until_us:
            return
        # Where its provider can be asked, it has a while for its answer, and anew after each restart.
        asked = 1 + sum(until_us <= life.ended_us < at_us for life in self._evidence.lives)
        answered_us = at_us - asked * _INQUIRY_US if lane in self._askable else at_us
        yield Wait(story=story, lane=lane, ready_us=self._may_start_us(story), ended_us=answered_us, what="decide")

    def _may_start_us(self, story: Story) -> int:
        """The last instant at which something in the conversation stood in the way of a start."""
        instants = [self._due_us.get(story.stream, 0), self._blocked_until_us, self._open_until_us or 0]
        if story.stream in self._line:
            instants += [self._first_since_us, self._freed_us]
        elif self._open_until_us is not None:
            instants.append(self._freed_us)
        else:
            instants.append(self._full_until_us)
        return max(instants)

    def _may_end_us(self, story: Story, ends_us: int | None) -> int:
        # An end needs nobody's leave; it only has to wait for the message's own attempt.
        return max(ends_us if ends_us is not None else 0, self._returned_us.get(story.stream, 0))

    def _circuit(self, entry: Recorded) -> None:
        match entry.event:
            case e.CircuitOpened():
                self._open_until_us = entry.event.until_us
            case e.CircuitClosed():
                if entry.event.by == "operator":
                    self._blocked_until_us = 0
                self._open_until_us = None
                self._freed_us = self._full_until_us = entry.at_us
            case e.ConversationPaused():
                # Of several answers on their way the shortest wish may come last, and each of them was meant.
                self._blocked_until_us = max(self._blocked_until_us, entry.event.until_us)
            case _:
                pass

    def _message(self, story: Story, entry: Recorded) -> None:
        event, stream = entry.event, story.stream
        kind = type(event)
        if isinstance(event, e.AttemptStarted):
            self._flying.add(stream)
        elif isinstance(event, e.ReconcileStarted):
            self._doubt_us[stream] = event.until_us
        elif kind in _CERTAIN and story.lane_at(entry.version) in self._askable:
            # While its provider was asked, it was out there as far as anybody knew.
            self._freed_us = self._full_until_us = entry.at_us
        elif kind in RESOLUTIONS:
            policy = self._evidence.policy_of(story, story.lane_at(entry.version))
            if len(self._flying) >= policy.in_flight_max or self._open_until_us is not None:
                self._full_until_us = entry.at_us
            self._flying.discard(stream)
            self._freed_us = entry.at_us
        if kind in _RETURNS:
            self._returned_us[stream] = entry.at_us
        due_us = getattr(event, "due_us", None)
        if due_us is not None:
            # What another daemon took in was due before the one that acts knew of it.
            self._due_us[stream] = max(due_us, entry.at_us)
        if kind in _MOVES_LINE:
            self._keep_line(story, event, due_us)
            first = min(self._line, key=self._line.__getitem__, default=None)
            if first != self._first:
                self._first, self._first_since_us = first, entry.at_us

    def _keep_line(self, story: Story, event: e.Event, due_us: int | None) -> None:
        stream = story.stream
        if type(event) in _LEAVES:
            self._line.pop(stream, None)
            if isinstance(event, e.MessageSetAside):
                self._places.pop(stream, None)
        elif story.accepted.order != "fifo":
            return
        elif type(event) in _TAKES_PLACE:
            self._places[stream] = self._line[stream] = (due_us or 0, stream)
        elif isinstance(event, e.MessageReleased) and stream in self._places:
            self._line[stream] = self._places[stream]
