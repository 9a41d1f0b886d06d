"""What every wait is accounted for: the named constraints that may keep a ready message from starting.

This file answers for a wait having a hole only where nothing that we know of stood in its way. It names what let go
last, so that a missed wake-up is told from a missed deadline.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final

import msgspec

from adapters.clock import SLICE_US
from core import events as e
from core.policies import SECOND_US
from core.records import Recorded
from scenarios.file.scenario import Scenario
from scenarios.laws.chronicle import Attempt
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.readiness import Wait, waits
from scenarios.laws.scopes import Member, scopes_of
from scenarios.laws.spans import FOREVER, Span, Spans, full, hole
from scenarios.world.disk import SLOW

# What a sound daemon needs from leave to start: nothing on virtual time, but for commits and what they queue behind.
_SLACK_US: Final = SECOND_US // 20
_COMMITS: Final = 20
# Those of other lanes and messages that a commit of a lane may have to wait for on a disk that is slow for a while.
_AHEAD: Final = 4
# After trouble with the log everybody looks again within this time (actors/sender.py, actors/scheduler.py).
_TROUBLE_US: Final = 6 * SECOND_US
# A breaker that closed lets one attempt a second pass, and twice as many every ten seconds (DESIGN: slow start).
_RAMP_STEP_US: Final = 10 * SECOND_US
_RAMP_STEPS: Final = 10


class IdleWait(msgspec.Struct, frozen=True, kw_only=True):
    """A wait with a hole. `behind_limit`: a limit let go last, and nobody noticed."""

    finding: Finding
    behind_limit: bool


def slack_us(evidence: Evidence) -> int:
    """How late a start may be without any reason."""
    disk = evidence.scenario.disk_latency
    return _SLACK_US if disk is None else _SLACK_US + _COMMITS * (disk.p99_us or disk.median_us)


def noticed_us(evidence: Evidence) -> int:
    """How long after its instant what a lane recorded may be unknown: until it is durable, as what is before it."""
    slow = [fault.latency or SLOW for fault in evidence.scenario.faults if fault.disk == "slow"]
    return slack_us(evidence) + _AHEAD * max((latency.most_us for latency in slow), default=0)


def idle_waits(evidence: Evidence) -> list[IdleWait]:
    """Every wait that went on although nothing stood in its way."""
    return evidence.once(_idle_waits)


def _idle_waits(evidence: Evidence) -> list[IdleWait]:
    # What goes on at once, as most of it does, waits for nothing that has to be accounted for.
    least_us, found = slack_us(evidence), list[IdleWait]()
    for wait in [wait for wait in evidence.once(waits) if wait.ended_us - wait.ready_us > least_us]:
        constraints = evidence.once(Constraints)
        idle = hole(wait.ready_us, wait.ended_us, constraints.of(wait), constraints.slack_us)
        if idle is None:
            continue
        since_us, last = idle
        words = (
            f"{wait.story.key} could {wait.what} from {_span(since_us - wait.ready_us)} after it was ready, and"
            f" did so {_span(wait.ended_us - since_us)} later: nothing that has a name was in its way"
        )
        finding = Finding(words=words, at_us=since_us, streams=(wait.story.stream,))
        found.append(IdleWait(finding=finding, behind_limit=constraints.is_limit(last)))
    return found


class Constraints:
    """Everything that may stand in the way of a start beyond its own conversation, as stretches of log time."""

    def __init__(self, evidence: Evidence) -> None:
        self.slack_us = slack_us(evidence)
        self._everywhere = Spans(everywhere(evidence), self.slack_us)
        self._lanes: dict[tuple[str, int], Spans] = {}
        self._scopes: dict[tuple[str, Member], Spans] = {}
        self._limits: set[int] = set()
        self._blocked(evidence)
        self._full(evidence)

    def of(self, wait: Wait) -> list[Spans]:
        """What may have kept one message waiting. An end needs no leave, since nothing leaves."""
        if wait.what in {"expire", "give way"}:
            return [self._everywhere] if self._everywhere else []
        found = [self._everywhere, *self.lane(wait), *self.shared(wait.lane)]
        return [spans for spans in (*found, *self.own(wait)) if spans]

    def lane(self, wait: Wait) -> list[Spans]:
        """When its lane, or a webhook host in it, was paused, throttled or behind its breaker."""
        hosts = (0, wait.story.accepted.host or 0)
        return [spans for host in hosts if (spans := self._lanes.get((wait.lane, host))) is not None]

    def shared(self, lane: str) -> list[Spans]:
        """When the lane as a whole had no room."""
        spans = self._scopes.get((lane, ("lane", lane)))
        return [] if spans is None else [spans]

    def own(self, wait: Wait) -> list[Spans]:
        """When tenant, recipient or host had no room."""
        accepted = wait.story.accepted
        members: list[Member] = [("tenant", wait.story.tenant), ("recipient", accepted.conversation)]
        if accepted.host is not None:
            members.append(("host", accepted.host))
        return [spans for member in members if (spans := self._scopes.get((wait.lane, member))) is not None]

    @property
    def anywhere(self) -> Spans:
        """When nothing could start at all."""
        return self._everywhere

    def is_limit(self, spans: Spans | None) -> bool:
        """Whether these are the stretches of a limit."""
        return spans is not None and id(spans) in self._limits

    def _blocked(self, evidence: Evidence) -> None:
        for lane, entries in evidence.chronicle.lanes.items():
            attempts = evidence.chronicle.attempts_in(lane)
            found = lane_spans(entries, attempts)
            self._lanes |= {(lane, host): Spans(spans, self.slack_us) for host, spans in found.items()}

    def _full(self, evidence: Evidence) -> None:
        for scope in scopes_of(evidence):
            found: list[Span] = []
            for quota in scope.quotas:
                found += full(_slots(scope.attempts, quota.window_us), quota.count, 0).spans()
            if scope.concurrency is not None:
                found += full(_slots(scope.attempts, None), scope.concurrency, 0).spans()
            spans = Spans(found, self.slack_us)
            self._scopes[scope.lane, scope.member] = spans
            self._limits.add(id(spans))


def everywhere(evidence: Evidence) -> Iterator[Span]:
    """When nothing could start at all: no daemon, no disk, or a clock that jumped over the time."""
    ended_us = 0
    for life in evidence.lives:
        yield ended_us, life.ended_us if life.ready_us is None else life.ready_us
        ended_us = life.ended_us
        if life.stopping_us is not None:
            yield life.stopping_us, ended_us
    scenario = evidence.scenario
    walls = {machine: _wall_of(scenario, machine) for machine in range(1, scenario.daemons + 1)}
    for trouble in evidence.books.troubles:
        # Log time runs slower than true time where it has to wait for the wall, and jumps where the wall does.
        ended_us = max(trouble.log_us + trouble.until_us - trouble.at_us, walls[trouble.machine](trouble.until_us))
        yield trouble.log_us, ended_us + _TROUBLE_US
    for machine, wall_us in walls.items():
        for at_us, _ in scenario.clock_steps(machine):
            # What lies between the two readings never was; whoever slept meanwhile notices at the end of a slice.
            yield wall_us(at_us - 1), wall_us(at_us) + SLICE_US


def _wall_of(scenario: Scenario, machine: int) -> Callable[[int], int]:
    """A machine's wall clock, as a function of true time."""
    steps = scenario.clock_steps(machine)
    instants_us, offsets_us = [at_us for at_us, _ in steps], [0, *accumulate(by_us for _, by_us in steps)]
    return lambda true_us: scenario.start_us + true_us + offsets_us[bisect_right(instants_us, true_us)]


def lane_spans(entries: Sequence[Recorded], attempts: Sequence[Attempt]) -> dict[int, list[Span]]:
    """When a lane (host 0) or one of its hosts let nothing pass."""
    found: dict[int, list[Span]] = {0: []}
    paused_us: int | None = None
    opened: dict[int, int] = {}
    for entry in entries:
        match entry.event:
            case e.LanePaused() if paused_us is None:
                paused_us = entry.at_us
            case e.LaneResumed() if paused_us is not None:
                found[0].append((paused_us, entry.at_us))
                paused_us = None
            case e.BreakerOpened(host=host, until_us=until_us):
                found.setdefault(host, []).append((entry.at_us, until_us))
                opened.setdefault(host, entry.at_us)
            case e.BreakerClosed(host=host):
                spans = found.setdefault(host, [])
                spans += _probes(attempts, host, opened.pop(host, entry.at_us), entry.at_us)
                spans += _ramp(attempts, host, entry.at_us)
            case _:
                pass
    for host, since_us, until_us in throttles_of(entries):
        found.setdefault(host, []).append((since_us, until_us))
    for host, since_us in opened.items():
        found[host] += _probes(attempts, host, since_us, FOREVER)
    if paused_us is not None:
        found[0].append((paused_us, FOREVER))
    return found


def throttles_of(entries: Sequence[Recorded]) -> list[tuple[int, int, int]]:
    """(host, since, until) of each throttle of a lane; a person who resumes the lane ends those of the lane itself."""
    lifted_us = [entry.at_us for entry in entries if entry.event == e.LaneResumed(by="operator")]
    found = []
    for entry in entries:
        match entry.event:
            case e.LaneThrottled(host=host, until_us=until_us):
                ends_us = () if host else (at_us for at_us in lifted_us if at_us >= entry.at_us)
                found.append((host, entry.at_us, min(until_us, *ends_us, until_us)))
            case _:
                pass
    return found


def _probes(attempts: Sequence[Attempt], host: int, since_us: int, until_us: int) -> list[Span]:
    """While a breaker is open or half-open, each start keeps all others waiting until it is over."""
    return [
        (attempt.started_us, FOREVER if attempt.ended_us is None else attempt.ended_us)
        for attempt in attempts
        if (attempt.host or 0) == host and since_us <= attempt.started_us < until_us
    ]


def _ramp(attempts: Sequence[Attempt], host: int, closed_us: int) -> list[Span]:
    found = []
    for attempt in attempts:
        steps, rest = divmod(attempt.started_us - closed_us, _RAMP_STEP_US)
        if (attempt.host or 0) == host and 0 <= steps < _RAMP_STEPS and rest >= 0:
            found.append((attempt.started_us, attempt.started_us + (SECOND_US >> steps)))
    return found


def _slots(attempts: Sequence[Attempt], window_us: int | None) -> list[Span]:
    """From when until when each attempt takes a place in a scope: a window beyond its hand-over, or while it flies."""
    found = []
    for attempt in attempts:
        end_us = FOREVER if attempt.ended_us is None else attempt.ended_us
        if window_us is not None and attempt.sent_us is not None:
            end_us = attempt.sent_us + window_us
        found.append((attempt.started_us, end_us))
    return found


def _span(span_us: int) -> str:
    return f"{span_us / SECOND_US:.3f} s"
