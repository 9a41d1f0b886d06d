"""Law 1: nothing is lost.

Each accepted message has ended exactly once, or is open with a due time or a named hold; what a client was told is in
the log; and what the log calls sent is with the other side, unchanged. What follows after the end (receipts, fallbacks)
stands in afterwards.py.
"""

from collections.abc import Iterator
from typing import Final, get_args

from core import events as e
from core.message import WAITING
from scenarios.laws.afterwards import (
    pushes_hear_of_their_parts,
    receipts_are_kept,
    statuses_only_rise,
    what_is_owed_follows,
)
from scenarios.laws.chronicle import CONCLUSIONS, Afterwards, Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.tokens import tokens_at
from scenarios.world.naming import named

# How a push to a user says that it is on its way to each of their devices.
_DEVICES: Final = "devices:"
_SAYS_IT_ARRIVED: Final = frozenset({e.AttemptTaken, e.AttemptProved})
_AFTERWARDS: Final[frozenset[type[e.Event]]] = frozenset(get_args(Afterwards))


def nothing_is_lost(evidence: Evidence) -> Iterator[Finding]:
    """Everything that clients, log and other side know of the same message agrees."""
    yield from _told(evidence)
    for story in evidence.chronicle.stories.values():
        yield from _ends_once(story)
        yield from statuses_only_rise(evidence, story)
        yield from what_is_owed_follows(evidence, story)
        yield from pushes_hear_of_their_parts(evidence, story)
        if evidence.has_ended:
            yield from _is_kept(evidence, story)
    yield from _arrived(evidence)
    yield from receipts_are_kept(evidence)


def _told(evidence: Evidence) -> Iterator[Finding]:
    for told in evidence.books.told:
        if told.stream is None:
            continue
        story = evidence.chronicle.stories.get(told.stream)
        if story is None:
            words = f"{told.key} was accepted, its client was told so, and the log knows nothing of it"
            yield Finding(words=words, streams=(told.stream,))
        elif story.key != told.key:
            words = f"the client of {told.key} was given the message of {story.key}"
            yield Finding(words=words, streams=(told.stream,))


def _ends_once(story: Story) -> Iterator[Finding]:
    ended: e.Event | None = None
    for entry in story.entries:
        if isinstance(entry.event, e.MessageRedriven):
            if not isinstance(ended, e.MessageDead):
                yield _finding(story, "was redriven although it was no dead letter", entry.at_us)
            ended = None
        elif ended is not None and type(entry.event) not in _AFTERWARDS:
            words = f"had ended with {_name(ended)} when {_name(entry.event)} followed"
            yield _finding(story, words, entry.at_us)
        elif type(entry.event) in CONCLUSIONS:
            ended = entry.event


def _is_kept(evidence: Evidence, story: Story) -> Iterator[Finding]:
    head = evidence.durable.heads.get(story.stream)
    if head is None:
        yield _finding(story, "has no head, so nobody will ever find it")
    elif head.status == "sending":
        yield _finding(story, "has an open attempt that nobody answers for")
    elif head.status in WAITING and head.due_us is None:
        yield _finding(story, f"is {head.status} without a due time or a hold")


def _arrived(evidence: Evidence) -> Iterator[Finding]:
    taken = {(h.stream, h.attempt) for h in evidence.books.handed if h.arrives_us is not None and h.is_taken}
    for story in evidence.chronicle.stories.values():
        for entry in story.entries:
            event = entry.event
            if type(event) not in _SAYS_IT_ARRIVED:
                continue
            if isinstance(event, e.AttemptTaken) and event.code.startswith(_DEVICES):
                yield from _fanned_out(evidence, story, event)
            elif isinstance(event, e.AttemptTaken) and (story.stream, event.attempt) not in taken:
                yield _finding(story, f"counts as {event.status}, but the other side never took it", entry.at_us)
            # Whose receipt it was is told by the lane; an attempt before it may be the one that arrived.
            if isinstance(event, e.AttemptProved) and not any(
                (story.stream, attempt) in taken for attempt in range(1, event.attempt + 1)
            ):
                yield _finding(
                    story, f"is proved by its {event.evidence}, and the other side never took it", entry.at_us
                )
    for handed in evidence.books.handed:
        asked = evidence.subjects[named(handed.key)]
        is_whole = handed.content == asked.content
        if "@" in handed.key:
            is_whole = is_whole and handed.to in tokens_at(evidence, handed)
        elif handed.to != asked.to:
            is_whole = False
        if not is_whole:
            words = f"the other side of {handed.key} was handed another address or content than was accepted"
            yield Finding(words=words, at_us=handed.log_us, streams=(handed.stream,))


def _fanned_out(evidence: Evidence, story: Story, event: e.AttemptTaken) -> Iterator[Finding]:
    """A push to a user was taken by ourselves, once there was a message for each device.

    An attempt before it that a crash cut off may have made some for devices that are gone since.
    """
    count = int(event.code.removeprefix(_DEVICES))
    made = [child for child in evidence.chronicle.caused_by(story.stream) if "@" in child.key]
    starts = [entry.at_us for entry in story.entries if isinstance(entry.event, e.AttemptStarted)]
    before = sum(child.entries[0].at_us < starts[-1] for child in made)
    if not count <= len(made) <= count + before or len({child.key for child in made}) != len(made):
        yield _finding(story, f"went to {count} devices, and became {len(made)} messages")


def _finding(story: Story, words: str, at_us: int | None = None) -> Finding:
    return Finding(words=f"{story.key} {words}", at_us=at_us, streams=(story.stream,))


def _name(event: e.Event) -> str:
    return type(event).__name__
