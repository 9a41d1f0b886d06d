"""Law 5, failover: messages go on in the next lane that lets anything out, and leave one that does not in time.

This file answers for reading off the log which lanes were up when, and for holding every move, and every wait in a lane
that was down, against that.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from core import events as e
from core.outcomes import Ambiguous, Config, Hold, Outcome, Rate, Transient
from core.records import Recorded
from scenarios.laws.chronicle import CONCLUSIONS, Attempt, Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.spans import FOREVER, Span, Spans, uncovered
from scenarios.laws.waiting import Constraints, noticed_us

_WAITS_NO_MORE: Final = CONCLUSIONS | {e.AttemptStarted, e.MessageHeld, e.ReconcileStarted}

State = Literal["up", "down", "either"]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """When a lane let nothing out but a probe, oldest first; `probes` is when attempts were out meanwhile.

    `offers` is when nothing but its breaker was in the way, and that would have let a probe out.
    """

    downs: tuple[Span, ...]
    probes: tuple[Span, ...]
    offers: tuple[Span, ...]

    def at(self, at_us: int, slack_us: int) -> State:
        """What it was at an instant; `either` where that changed about then."""
        is_down = False
        for since_us, until_us in self.downs:
            if abs(since_us - at_us) <= slack_us or abs(until_us - at_us) <= slack_us:
                return "either"
            is_down = is_down or since_us < at_us < until_us
        return "down" if is_down else "up"


def lanes_are_left_in_time(evidence: Evidence) -> Iterator[Finding]:
    """Judges every message that may go through several lanes."""
    stories = [story for story in evidence.chronicle.stories.values() if len(story.accepted.lanes) > 1]
    if not stories:
        return
    lanes = {name: health_of(entries, evidence.chronicle.attempts_in(name))
             for name, entries in evidence.chronicle.lanes.items()}  # fmt: skip
    anywhere = evidence.once(Constraints).anywhere
    for story in stories:
        yield from _Moves(evidence, story, lanes).judge()
        yield from _stays(evidence, story, lanes, anywhere)


def health_of(entries: Sequence[Recorded], attempts: Sequence[Attempt]) -> Health:
    """A lane is down while it is paused, or its breaker is not closed."""
    downs, offers, reasons, since_us = list[Span](), list[Span](), set[str](), 0
    offered_us: int | None = None
    for entry in entries:
        was_down = bool(reasons)
        if offered_us is not None and reasons == {"breaker"} and not isinstance(entry.event, e.LaneThrottled):
            offers.append((offered_us, entry.at_us))
        match entry.event:
            case e.LanePaused():
                reasons.add("paused")
            case e.LaneResumed():
                reasons.discard("paused")
            case e.BreakerOpened(host=0, until_us=until_us):
                reasons.add("breaker")
                offered_us = until_us
            case e.BreakerClosed(host=0):
                reasons.discard("breaker")
                offered_us = None
            case _:
                pass
        if reasons and not was_down:
            since_us = entry.at_us
        elif was_down and not reasons:
            downs.append((since_us, entry.at_us))
    if reasons:
        downs.append((since_us, FOREVER))
    probes = [
        (attempt.started_us, FOREVER if attempt.ended_us is None else attempt.ended_us)
        for attempt in attempts
        if any(since < attempt.started_us < until for since, until in downs)
    ]
    if offered_us is not None and reasons == {"breaker"}:
        offers.append((offered_us, FOREVER))
    return Health(downs=tuple(downs), probes=tuple(probes), offers=tuple(offers))


class _Moves:
    """Every move of one message, and every failure after which it stayed."""

    def __init__(self, evidence: Evidence, story: Story, lanes: dict[str, Health]) -> None:
        self._evidence = evidence
        self._story = story
        self._lanes = lanes
        self._slack_us = noticed_us(evidence)

    def judge(self) -> Iterator[Finding]:
        """In the order of the log."""
        entries = self._story.entries
        for place, entry in enumerate(entries):
            lane = self._story.lane_at(entry.version)
            match entry.event:
                case e.LaneChanged(reason="down", lane=other):
                    yield from self._left(entry, lane, other)
                case e.LaneChanged(lane=other):
                    yield from self._went_on(entry, lane, other)
                case e.AttemptFailed() as failed if failed.due_us is not None and _may_move(failed.outcome):
                    together = [other.event for other in entries[place + 1 :] if other.at_us == entry.at_us]
                    if not any(isinstance(event, e.LaneChanged | e.ReconcileStarted) for event in together):
                        yield from self._stayed(entry, lane)
                case _:
                    pass

    def _left(self, entry: Recorded, lane: str, other: str) -> Iterator[Finding]:
        """A lane is left when it has been down for as long as its policy says, for one that is up."""
        after_us = self._evidence.scenario.policy_of(lane, None).failover_after_us
        since_us = max((since for since, _ in self._lanes[lane].downs if since <= entry.at_us), default=None)
        if since_us is None or self._state(lane, entry) == "up":
            yield self._finding(entry, f"left lane {lane} as down, which was up")
        elif entry.at_us < since_us + after_us:
            yield self._finding(entry, f"left lane {lane} {(since_us + after_us - entry.at_us) / 1e6:g} s too early")
        if self._state(other, entry) == "down":
            yield self._finding(entry, f"went on in lane {other}, which was down")

    def _went_on(self, entry: Recorded, lane: str, other: str) -> Iterator[Finding]:
        """After a failure it goes on in the next lane of its round that is up."""
        if self._state(other, entry) == "down":
            yield self._finding(entry, f"went on in lane {other}, which was down")
        for between in self._round(lane):
            if between == other:
                return
            if self._state(between, entry) == "up":
                yield self._finding(entry, f"went on in lane {other}, and lane {between} before it was up")
                return

    def _stayed(self, entry: Recorded, lane: str) -> Iterator[Finding]:
        for other in self._round(lane):
            if self._state(other, entry) == "up":
                yield self._finding(entry, f"failed in lane {lane} and stayed there, and lane {other} was up")
                return

    def _round(self, lane: str) -> Sequence[str]:
        lanes = self._story.accepted.lanes
        here = lanes.index(lane)
        return (*lanes[here + 1 :], *lanes[:here])

    def _state(self, lane: str, entry: Recorded) -> State:
        return self._lanes[lane].at(entry.at_us, self._slack_us)

    def _finding(self, entry: Recorded, words: str) -> Finding:
        return Finding(words=f"{self._story.key} {words}", at_us=entry.at_us, streams=(self._story.stream,))


def _may_move(outcome: Outcome) -> bool:
    """Whether another account may do better."""
    if isinstance(outcome, Rate):
        return outcome.scope != "pair"
    return isinstance(outcome, Transient | Ambiguous | Config | Hold)


def _stays(evidence: Evidence, story: Story, lanes: dict[str, Health], anywhere: Spans) -> Iterator[Finding]:
    """What waits in a lane that is down goes on elsewhere soon after it may, if anything else is up."""
    for lane, since_us, until_us in _waits(story, FOREVER if not evidence.has_ended else evidence.lives[-1].ended_us):
        after_us = evidence.scenario.policy_of(lane, None).failover_after_us
        for down_us, up_us in lanes[lane].downs:
            may_us, until = max(since_us, down_us + after_us), min(until_us, up_us)
            others = [lanes[other].downs for other in story.accepted.lanes if other != lane]
            if not others or may_us >= until:
                continue
            # One that was offered to a breaker as its probe stays to become it.
            offer = next((span for span in lanes[lane].offers if span[0] <= since_us < span[1]), (0, 0))
            covers = [anywhere, Spans(lanes[lane].probes), Spans([offer]), _all_down(others)]
            idle = uncovered(may_us, until, [cover for cover in covers if cover])
            yield from (_stayed(story, lane, span) for span in idle if span[1] - span[0] > noticed_us(evidence))


def _stayed(story: Story, lane: str, span: Span) -> Finding:
    idle_us, ended_us = span
    words = f"{story.key} stayed in lane {lane}, which was down, for {(ended_us - idle_us) / 1e6:.3f} s"
    return Finding(words=f"{words} after it could leave", at_us=idle_us, streams=(story.stream,))


def _all_down(others: Sequence[Sequence[Span]]) -> Spans:
    """When every one of these lanes was down."""
    edges = sorted(edge for downs in others for since, until in downs for edge in ((since, 1), (until, -1)))
    found, depth, since_us = list[Span](), 0, 0
    for at_us, change in edges:
        if change > 0 and depth == len(others) - 1:
            since_us = at_us
        elif change < 0 and depth == len(others):
            found.append((since_us, at_us))
        depth += change
    return Spans(found)


def _waits(story: Story, end_us: int) -> Iterator[tuple[str, int, int]]:
    """Every stretch in which a message was due and stood in a lane: which, since when, until when."""
    waits_us: int | None = story.accepted.due_us
    for entry in story.entries[1:]:
        event = entry.event
        if waits_us is not None and waits_us < entry.at_us:
            yield story.lane_at(entry.version), waits_us, entry.at_us
            waits_us = entry.at_us
        if type(event) in _WAITS_NO_MORE:
            waits_us = None
        elif (due_us := getattr(event, "due_us", None)) is not None:
            waits_us = max(entry.at_us, due_us)
    if waits_us is not None and waits_us < end_us:
        yield story.moves[-1][1], waits_us, end_us
