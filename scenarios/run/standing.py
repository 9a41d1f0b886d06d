"""How things stand at an instant: what is open, held or ended, and why.

This file answers for reading that off the events up to the instant, and for nothing that came after it.
"""

from collections.abc import Iterable, Iterator, Sequence

from core import events as e
from core.records import Recorded
from scenarios.laws.chronicle import Attempt, Story
from scenarios.laws.evidence import Evidence
from scenarios.run.happening import Counter, Happened, at

Kinds = tuple[type[e.Event], ...]


def ended_as(kind: type[e.Event], by: str | None = None) -> Counter:
    """Messages that are in a state at an instant: what brings them there counts, unless something took them out."""

    def count(evidence: Evidence, by_us: int) -> Iterator[Happened]:
        until_us = evidence.scenario.start_us + by_us
        for story in evidence.chronicle.stories.values():
            last = _last_turn(story, until_us)
            if last is None or not isinstance(last.event, kind):
                continue
            if by is None or (isinstance(last.event, e.MessageHeld) and last.event.by == by):
                yield at(evidence, last, story.key)

    return count


def _last_turn(story: Story, until_us: int) -> Recorded | None:
    turns = (e.AttemptTaken, e.AttemptProved, e.MessageDead, e.MessageExpired, e.MessageCancelled, e.MessageHeld)
    returns = (e.MessageRedriven, e.MessageReleased)
    last = None
    for entry in story.entries:
        if entry.at_us <= until_us and isinstance(entry.event, turns + returns):
            last = entry
    return last


def waiting(evidence: Evidence, by_us: int) -> Iterator[Happened]:
    """Messages that are still to be tried at an instant, or once more: neither ended, nor held, nor on their way."""
    until_us = evidence.scenario.start_us + by_us
    for story in evidence.chronicle.stories.values():
        last = _last_turn(story, until_us)
        is_open = last is None or isinstance(last.event, e.MessageRedriven | e.MessageReleased)
        if story.entries[0].at_us <= until_us and is_open and not _flies(story, until_us):
            yield at(evidence, story.entries[0] if last is None else last, story.key)


def sending(evidence: Evidence, by_us: int) -> Iterator[Happened]:
    """Messages of which an attempt is under way."""
    until_us = evidence.scenario.start_us + by_us
    for story in evidence.chronicle.stories.values():
        for attempt in _flies(story, until_us):
            yield Happened(at_us=attempt.started_us - evidence.scenario.start_us, key=story.key)


def _flies(story: Story, until_us: int) -> list[Attempt]:
    return [one for one in story.attempts if one.started_us <= until_us and (one.ended_us or 1 << 62) > until_us]


def _open_at(groups: Iterable[Sequence[Recorded]], until_us: int, *, opens: Kinds, closes: Kinds) -> list[Recorded]:
    """What opened each of some things that are open at an instant."""
    found: list[Recorded] = []
    for entries in groups:
        # A lane's hosts have breakers of their own.
        opened: dict[int, Recorded] = {}
        for entry in (entry for entry in entries if entry.at_us <= until_us):
            host = getattr(entry.event, "host", 0)
            if isinstance(entry.event, opens):
                opened.setdefault(host, entry)
            elif isinstance(entry.event, closes):
                opened.pop(host, None)
        found += opened.values()
    return found


def circuits_open(evidence: Evidence, by_us: int) -> Iterator[Happened]:
    """Conversations whose circuit is not closed, each as one of its messages."""
    stories, until_us = evidence.chronicle.stories, evidence.scenario.start_us + by_us
    for entries in evidence.chronicle.conversations.values():
        key = next((stories[entry.stream].key for entry in entries if entry.stream in stories), None)
        for entry in _open_at([entries], until_us, opens=(e.CircuitOpened,), closes=(e.CircuitClosed,)):
            yield at(evidence, entry, key)


def lanes_open(opens: Kinds, closes: Kinds) -> Counter:
    """Lanes, and hosts in them, that one kind of event has opened and no other has closed."""

    def count(evidence: Evidence, by_us: int) -> Iterator[Happened]:
        until_us = evidence.scenario.start_us + by_us
        for entry in _open_at(evidence.chronicle.lanes.values(), until_us, opens=opens, closes=closes):
            yield at(evidence, entry, None)

    return count
