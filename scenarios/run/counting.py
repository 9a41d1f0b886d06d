"""What an expectation counts or measures in a finished run.

This file answers for the meaning of each word that `[[expect]] that` may say. Instants are since the start: true time
where the world's books tell of it, log time where the log does.
"""

import math
from collections import Counter as Counted
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from core import events as e
from scenarios.file.tables import Expect
from scenarios.laws.chronicle import Attempt
from scenarios.laws.evidence import Evidence
from scenarios.laws.scopes import members_of
from scenarios.run.happening import Counter, Happened, at
from scenarios.run.standing import circuits_open, ended_as, lanes_open, sending, waiting
from scenarios.world.choosing import Subject, fits
from scenarios.world.naming import named


def happened(evidence: Evidence, expect: Expect) -> list[Happened]:
    """What counts for an expectation, up to its `by` and for the messages that it means."""
    by_us = 1 << 62 if expect.by_us is None else expect.by_us
    since_us = 0 if expect.since_us is None else expect.since_us
    counter = COUNTERS[expect.that] if expect.held_by is None else ended_as(e.MessageHeld, by=expect.held_by)
    found = (one for one in counter(evidence, by_us) if since_us <= one.at_us <= by_us)
    return [one for one in found if _is_meant(evidence, expect, one.key)]


def share_of(evidence: Evidence, expect: Expect, found: Iterable[Happened]) -> float:
    """How many of the accepted messages that an expectation means are among what was found; 1 where there are none."""
    stories = evidence.chronicle.stories.values()
    meant = {story.key for story in stories if _is_meant(evidence, expect, story.key)}
    return len(meant & {one.key for one in found}) / len(meant) if meant else 1.0


def measured(evidence: Evidence, expect: Expect) -> int:
    """The value of a measure, for the attempts that it means; 0 where there are none."""
    attempts = [a for a in _between(evidence, expect) if _is_meant(evidence, expect, _key(evidence, a.stream))]
    if expect.that == "lateness":
        return _lateness_us(evidence, attempts, expect.percentile)
    if expect.that == "tries":
        return _percentile(sorted(Counted(a.stream for a in attempts).values()), expect.percentile)
    groups: dict[object, list[Attempt]] = {}
    for attempt in attempts:
        member = next((member for member in members_of(attempt) if member[0] == expect.scope), None)
        groups.setdefault((attempt.lane, member), []).append(attempt)
    if expect.that == "in_flight":
        return max((_in_flight(group) for group in groups.values()), default=0)
    left: dict[tuple[int, int], list[int]] = {}
    for handed in evidence.books.handed:
        left.setdefault((handed.stream, handed.attempt), []).append(handed.log_us)
    instants = ([at_us for a in group for at_us in left.get((a.stream, a.number), ())] for group in groups.values())
    return max((_peak(sorted(group), expect.within_us or 0) for group in instants), default=0)


def _between(evidence: Evidence, expect: Expect) -> Iterator[Attempt]:
    """The attempts that were started from `since` on and up to `by`."""
    start_us = evidence.scenario.start_us
    for attempt in evidence.chronicle.attempts:
        at_us = attempt.started_us - start_us
        if (expect.since_us or 0) <= at_us and (expect.by_us is None or at_us <= expect.by_us):
            yield attempt


def _is_meant(evidence: Evidence, expect: Expect, key: str | None) -> bool:
    subject: Subject | None = None if key is None else evidence.subjects.get(named(key))
    return subject is None or fits(expect, subject)


# -- counts


def _events(*kinds: type[e.Event]) -> Counter:
    def count(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
        for story in evidence.chronicle.stories.values():
            for entry in (entry for entry in story.entries if isinstance(entry.event, kinds)):
                yield at(evidence, entry, story.key)

    return count


def _told(what: str) -> Counter:
    def count(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
        return (Happened(at_us=told.at_us, key=told.key) for told in evidence.books.told if told.what == what)

    return count


def _delivered(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
    first = {handed.key: handed for handed in reversed(evidence.deliveries)}
    return (Happened(at_us=handed.arrives_us or 0, key=key) for key, handed in first.items())


def _duplicates(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
    known: set[int] = set()
    for handed in evidence.deliveries:
        if handed.stream in known:
            yield Happened(at_us=handed.arrives_us or 0, key=handed.key)
        known.add(handed.stream)


def _circuits_opened(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
    for entries in evidence.chronicle.conversations.values():
        keys = [_key(evidence, entry.stream) for entry in entries if entry.stream in evidence.chronicle.stories]
        for entry in entries:
            if isinstance(entry.event, e.CircuitOpened):
                yield at(evidence, entry, keys[0] if keys else None)


def _breakers_opened(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
    for entries in evidence.chronicle.lanes.values():
        for entry in entries:
            if isinstance(entry.event, e.BreakerOpened):
                yield at(evidence, entry, None)


def _failed(evidence: Evidence, by_us: int) -> Iterator[Happened]:
    """Messages that were taken and never arrived, by the last word of their provider."""
    until_us = evidence.scenario.start_us + by_us
    for story in evidence.chronicle.stories.values():
        seen = [one for one in story.entries if isinstance(one.event, e.ReceiptSeen) and one.at_us <= until_us]
        words = {one.event.status for one in seen if isinstance(one.event, e.ReceiptSeen)}
        if "failed" in words and words.isdisjoint({"delivered", "read"}):
            yield at(evidence, seen[-1], story.key)


def _strays(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
    for first, *_ in evidence.chronicle.others.values():
        if isinstance(first.event, e.StrayKept):
            yield at(evidence, first, None)


def _invalidated(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
    for entries in evidence.chronicle.others.values():
        for entry in entries:
            if isinstance(entry.event, e.DeviceInvalidated):
                yield at(evidence, entry, None)


def _suppressed(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
    for story in evidence.chronicle.stories.values():
        for entry in story.entries:
            if isinstance(entry.event, e.MessageDead) and entry.event.reason == "suppressed":
                yield at(evidence, entry, story.key)


def _forgotten(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
    for entries in evidence.chronicle.others.values():
        if isinstance(entries[-1].event, e.SubjectErased):
            yield at(evidence, entries[-1], None)


def _crashes(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
    start_us = evidence.scenario.start_us
    return (Happened(at_us=life.ended_us - start_us, key=None) for life in evidence.lives if life.ended_by == "crash")


def _takeovers(evidence: Evidence, _by_us: int) -> Iterator[Happened]:
    """Each time that another of several daemons began to act, or the same anew."""
    start_us, later = evidence.scenario.start_us, evidence.lives[1:] if evidence.scenario.daemons > 1 else ()
    return (Happened(at_us=life.began_us - start_us, key=None) for life in later)


COUNTERS: Final[Mapping[str, Counter]] = {
    "accepted": _events(e.MessageAccepted),
    "repeated": _told("repeated"),
    "refused": _told("refused"),
    "rejected": _told("rejected"),
    "forged": _told("forged"),
    "delivered": _delivered,
    "duplicates": _duplicates,
    "attempts": _events(e.AttemptStarted),
    "dead": ended_as(e.MessageDead),
    "expired": ended_as(e.MessageExpired),
    "cancelled": ended_as(e.MessageCancelled),
    "held": ended_as(e.MessageHeld),
    "redriven": _events(e.MessageRedriven),
    "circuits_opened": _circuits_opened,
    "breakers_opened": _breakers_opened,
    "crashes": _crashes,
    "takeovers": _takeovers,
    "told": _events(e.ReceiptSeen),
    "strays": _strays,
    "doubts": _events(e.ReconcileStarted),
    "proved": _events(e.AttemptProved),
    "failed": _failed,
    "moved": _events(e.LaneChanged),
    "replaced": _events(e.FallbackStarted),
    "suppressed": _suppressed,
    "invalidated": _invalidated,
    "forgotten": _forgotten,
    "rescheduled": _events(e.MessageRescheduled),
    "waiting": waiting,
    "sending": sending,
    "circuits_open": circuits_open,
    "breakers_open": lanes_open((e.BreakerOpened,), (e.BreakerClosed,)),
    "lanes_paused": lanes_open((e.LanePaused,), (e.LaneResumed,)),
}


def _key(evidence: Evidence, stream: int) -> str:
    return evidence.chronicle.stories[stream].key


# -- measures


def _lateness_us(evidence: Evidence, attempts: Iterable[Attempt], percentile: float) -> int:
    """From due to handed over, of those that were taken."""
    stories = evidence.chronicle.stories
    late = sorted(
        attempt.sent_us - stories[attempt.stream].accepted.due_us
        for attempt in attempts
        if attempt.sent_us is not None and attempt.outcome is not None and type(attempt.outcome).__name__ == "Taken"
    )
    return _percentile(late, percentile)


def _percentile(values: Sequence[int], percentile: float) -> int:
    """The value that so many of some in order do not exceed; 0 where there are none."""
    return values[max(0, math.ceil(len(values) * percentile / 100) - 1)] if values else 0


def _peak(sent: Sequence[int], within_us: int) -> int:
    most = first = 0
    for last, at_us in enumerate(sent):
        while sent[first] <= at_us - within_us:
            first += 1
        most = max(most, last - first + 1)
    return most


def _in_flight(attempts: Iterable[Attempt]) -> int:
    edges = [edge for a in attempts for edge in ((a.started_us, 1), (a.ended_us or 1 << 62, -1))]
    flying = most = 0
    for _, change in sorted(edges):
        flying += change
        most = max(most, flying)
    return most
