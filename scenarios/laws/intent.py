"""Law 3: each attempt's intent was durable before the other side saw a byte, and has exactly one resolution.

Where that resolution is a doubt, the doubt has exactly one end.
"""

from collections.abc import Iterator
from typing import Final

from core import events as e
from core.outcomes import Ambiguous
from scenarios.laws.chronicle import CONCLUSIONS, Resolution, Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding

# What begins a doubt, or says how it ended.
_OF_DOUBTS: Final = frozenset({e.AttemptFailed, e.AmbiguityResolved, e.AttemptProved})
# What may follow a doubt only once it has ended.
_GOES_ON: Final = CONCLUSIONS | {e.AttemptStarted, e.MessageHeld}


def intent_comes_first(evidence: Evidence) -> Iterator[Finding]:
    """Requests are held against intents, and intents against what became of them."""
    for handed in evidence.books.handed:
        if not handed.was_intended:
            words = f"attempt {handed.attempt} of {handed.key} left us before its intent was durable"
            yield Finding(words=words, at_us=handed.log_us, streams=(handed.stream,))
    left = {(handed.stream, handed.attempt) for handed in evidence.books.handed}
    for story in evidence.chronicle.stories.values():
        yield from _resolved_once(story, is_over=evidence.has_ended)
        if not _OF_DOUBTS.isdisjoint(story.kinds):
            yield from _doubts_end_once(story)
        yield from _told_truly(story, left)


def _resolved_once(story: Story, *, is_over: bool) -> Iterator[Finding]:
    name, running, last = story.key, 0, 0
    for entry in story.entries:
        event = entry.event
        if isinstance(event, e.AttemptStarted):
            if event.attempt != last + 1:
                words = f"attempt {event.attempt} of {name} follows attempt {last}"
                yield Finding(words=words, at_us=entry.at_us, streams=(story.stream,))
            running = last = event.attempt
        elif isinstance(event, Resolution):
            if event.attempt != running:
                words = f"{type(event).__name__} resolves attempt {event.attempt} of {name}, which is not in flight"
                yield Finding(words=words, at_us=entry.at_us, streams=(story.stream,))
            running = 0
    if running and is_over:
        yield Finding(words=f"attempt {running} of {name} was never resolved", streams=(story.stream,))


def _doubts_end_once(story: Story) -> Iterator[Finding]:
    """What became of an attempt of unknown fate is said exactly once before anything else happens to its message."""
    doubt = 0
    for entry in story.entries:
        match entry.event:
            case e.AttemptFailed(attempt=attempt, outcome=Ambiguous()):
                doubt = attempt
            case e.AmbiguityResolved(attempt=attempt) | e.AttemptProved(attempt=attempt, evidence="look_up"):
                if attempt != doubt:
                    words = (
                        f"{type(entry.event).__name__} is about attempt {attempt} of {story.key}, which is in no doubt"
                    )
                    yield Finding(words=words, at_us=entry.at_us, streams=(story.stream,))
                doubt = 0
            case e.AttemptProved():
                doubt = 0
            case event if doubt and type(event) in _GOES_ON:
                words = f"{type(entry.event).__name__} follows attempt {doubt} of {story.key}, whose fate nobody told"
                yield Finding(words=words, at_us=entry.at_us, streams=(story.stream,))
                doubt = 0
            case _:
                pass


def _told_truly(story: Story, left: set[tuple[int, int]]) -> Iterator[Finding]:
    """Where the log says that nothing left us, nothing did."""
    for attempt in story.attempts:
        is_denied = attempt.is_aborted or (attempt.ended_us is not None and attempt.sent_us is None)
        if is_denied and (story.stream, attempt.number) in left:
            words = f"attempt {attempt.number} of {story.key} left us, and the log says that nothing did"
            yield Finding(words=words, at_us=attempt.ended_us, streams=(story.stream,))
