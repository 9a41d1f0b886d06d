"""A run, told to people: its timeline, and around a failure the events that lead up to it.

This file answers for words and tables. It must never show an address or a content: a story may be sent to anybody.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from adapters.config.units import shown_span
from core import events as e
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from core.records import Recorded
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.run.outcome import Outcome

_BUCKETS_US: Final = (MINUTE_US, 5 * MINUTE_US, 15 * MINUTE_US, HOUR_US, 6 * HOUR_US, DAY_US, 7 * DAY_US)
_ROWS_MAX: Final = 30
_BAR_CHARS: Final = 30
# Events shown before and after the one that a finding is about.
_BEFORE, _AFTER = 8, 3
_FINDINGS_SHOWN: Final = 3
_LIVES_SHOWN: Final = 10


class Moment(msgspec.Struct, kw_only=True):
    """One row of a timeline: what happened from `at_us` (since the start) on, and how many wait at its end."""

    at_us: int
    arrived: int = 0
    attempts: int = 0
    delivered: int = 0
    failed: int = 0
    waiting: int = 0


def timeline(evidence: Evidence) -> tuple[int, list[Moment]]:
    """The run in steps of equal length: the length and its rows, the last of which is the last with anything in it."""
    start_us = evidence.scenario.start_us
    whole_us = max((entry.at_us - start_us for entry in evidence.events), default=0)
    bucket_us = next((size for size in _BUCKETS_US if whole_us < size * _ROWS_MAX), _BUCKETS_US[-1])
    rows = [Moment(at_us=number * bucket_us) for number in range(whole_us // bucket_us + 1)]
    for entry in evidence.events:
        row = rows[max(0, entry.at_us - start_us) // bucket_us]
        _count(row, entry.event)
    waiting = 0
    for row in rows:
        waiting += row.waiting
        row.waiting = waiting
    return bucket_us, rows


def _count(row: Moment, event: e.Event) -> None:
    match event:
        case e.MessageAccepted():
            row.arrived += 1
            row.waiting += 1
        case e.MessageRedriven():
            row.waiting += 1
        case e.AttemptStarted():
            row.attempts += 1
        case e.AttemptTaken() | e.AttemptProved():
            row.delivered += 1
            row.waiting -= 1
        case e.AttemptFailed():
            row.failed += 1
        case e.MessageDead() | e.MessageExpired() | e.MessageCancelled():
            row.waiting -= 1
        case _:
            pass


def timeline_text(evidence: Evidence) -> list[str]:
    """The timeline as lines of text."""
    bucket_us, rows = timeline(evidence)
    most = max((row.waiting for row in rows), default=0)
    lines = [f"{'from':>8} {'arrived':>8} {'attempts':>8} {'taken':>8} {'failed':>8} {'waiting':>8}"]
    gap = False
    for row in rows:
        if not (row.arrived or row.attempts or row.failed) and row.at_us:
            gap = True
            continue
        if gap:
            lines.append(f"{'...':>8}")
            gap = False
        bar = "#" * (row.waiting * _BAR_CHARS // most if most else 0)
        lines.append(
            f"{_offset(row.at_us):>8} {row.arrived:>8} {row.attempts:>8} {row.delivered:>8} {row.failed:>8}"
            f" {row.waiting:>8} {bar}".rstrip()
        )
    return [f"in steps of {shown_span(bucket_us)}", *lines]


def story_of(evidence: Evidence, outcome: Outcome) -> str:
    """A failed run: what was broken, the events around it, and the command that runs it again."""
    lines: list[str] = []
    for breach in outcome.breaches:
        lines.append(f"Law {breach.law} does not hold: {breach.name}.")
        for finding in breach.findings[:_FINDINGS_SHOWN]:
            lines += [f"  {finding.words}", *(f"    {line}" for line in _around(evidence, finding))]
        if len(breach.findings) > _FINDINGS_SHOWN:
            lines.append(f"  and {len(breach.findings) - _FINDINGS_SHOWN} more of them at least")
    lines += [f"Not as expected: {words}" for words in outcome.unmet]
    for life in evidence.lives[:-1][:_LIVES_SHOWN]:
        where = f": {life.where}" if life.where else ""
        lines.append(f"The daemon was gone at {_instant(evidence, life.ended_us)} ({life.ended_by}{where}).")
    return "\n".join([*lines, f"Run it again with: {command(outcome)}"])


def command(outcome: Outcome) -> str:
    """What runs exactly this run again."""
    crash = "".join(f" --crash-at {boundary}" for boundary in outcome.crash_at)
    swarm = " --swarm" if outcome.swarm else ""
    store = f" --store {outcome.store}" if outcome.store else ""
    return f"tidings simulate {outcome.file}{swarm} --seed {outcome.seed}{crash}{store}"


def _around(evidence: Evidence, finding: Finding) -> Iterator[str]:
    streams = set(finding.streams)
    stories = evidence.chronicle.stories
    streams |= {stories[stream].accepted.conversation for stream in finding.streams if stream in stories}
    if not streams:
        return
    about = [entry for entry in evidence.events if entry.stream in streams]
    last = len(about)
    if finding.at_us is not None:
        last = next((n for n, entry in enumerate(about) if entry.at_us > finding.at_us), len(about))
    shown: Sequence[Recorded] = about[max(0, last - _BEFORE) : last + _AFTER]
    for entry in shown:
        yield event_text(evidence, entry)


def event_text(evidence: Evidence, entry: Recorded) -> str:
    """One event in one line: when, of what, which, and what it says."""
    story = evidence.chronicle.stories.get(entry.stream)
    name = story.key if story is not None else f"stream {entry.stream}"
    values = {
        field: value
        for field, value in msgspec.structs.asdict(entry.event).items()
        if value not in (None, "", b"") and not isinstance(value, bytes)
    }
    if isinstance(entry.event, e.MessageAccepted):
        values.pop("trace", None)
    said = ", ".join(f"{field}={_value(evidence, field, value)}" for field, value in values.items())
    return f"{_instant(evidence, entry.at_us)} {name} v{entry.version} {type(entry.event).__name__} {said}"


def _value(evidence: Evidence, field: str, value: object) -> str:
    if field.endswith("_us") and isinstance(value, int):
        return _instant(evidence, value) if value > evidence.scenario.start_us // 2 else f"{value / SECOND_US:g}s"
    if isinstance(value, msgspec.Struct):
        return f"{type(value).__name__}({', '.join(str(part) for part in msgspec.structs.astuple(value) if part)})"
    return str(value)


def _instant(evidence: Evidence, at_us: int) -> str:
    return f"+{(at_us - evidence.scenario.start_us) / SECOND_US:.6f}s"


def _offset(at_us: int) -> str:
    hours, minutes = divmod(at_us // MINUTE_US, 60)
    return f"{hours}h{minutes:02}" if hours else f"{minutes}m"
