"""Law 4: in no window of its length does a scope exceed its limit, restarts included; and no permit waits in vain.

The first half is exact: over the instants that the log records, and over those at which requests really left. The
second half is the waits (waiting.py) that began when a limit let go and ended later than they had to.
"""

from collections.abc import Iterator, Sequence

from core.policies import Quota
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.scopes import Scope, scopes_of
from scenarios.laws.waiting import idle_waits


def limits_hold_in_every_window(evidence: Evidence) -> Iterator[Finding]:
    """Judges every scope of every lane, then the waits."""
    by_clock: dict[tuple[int, int], list[int]] = {}
    really: dict[tuple[int, int], list[int]] = {}
    steps = evidence.scenario.clock_steps()
    # Another daemon's clock may be ahead of its predecessor's, or behind.
    differ = evidence.scenario.clocks_differ
    goes_forward, goes_back = (
        differ or any(by_us > 0 for _, by_us in steps),
        differ or any(by_us < 0 for _, by_us in steps),
    )
    for handed in evidence.books.handed:
        if handed.was_held and not handed.acts:
            continue  # It left when nobody counted any more with what its daemon had begun before it was held.
        key = handed.stream, handed.attempt
        by_clock.setdefault(key, []).append(handed.log_us)
        # Log time never runs faster than true time, but where its clock jumps forward; then only log time can tell.
        if not (goes_forward and goes_back):
            really.setdefault(key, []).append(handed.log_us if goes_forward else handed.at_us)
    yield from _recorded_truly(evidence, by_clock, goes_back=goes_back)
    for scope in scopes_of(evidence):
        recorded = sorted(
            attempt.sent_us for attempt in scope.attempts if attempt.sent_us is not None and not attempt.is_cut_off
        )
        left = sorted(
            left_us for attempt in scope.attempts for left_us in really.get((attempt.stream, attempt.number), ())
        )
        for quota in scope.quotas:
            yield from _exceeded(scope, quota, recorded, "recorded")
            yield from _exceeded(scope, quota, left, "real")
        if scope.concurrency is not None:
            yield from _crowded(scope, scope.concurrency)
    for wait in idle_waits(evidence):
        if wait.behind_limit:
            yield wait.finding


def _recorded_truly(
    evidence: Evidence, really: dict[tuple[int, int], list[int]], *, goes_back: bool
) -> Iterator[Finding]:
    """Windows over recorded instants mean something only where those are the real ones.

    A clock that was set back stands still over a restart, and what was not recorded before it counts from there.
    """
    for attempt in evidence.chronicle.attempts:
        if attempt.sent_us is None or (attempt.stream, attempt.number) not in really:
            continue
        left_us = really[attempt.stream, attempt.number][0]
        least_us = attempt.started_us if goes_back else left_us
        if attempt.sent_us < least_us if attempt.is_cut_off else attempt.sent_us != left_us:
            words = f"attempt {attempt.number} left us {abs(attempt.sent_us - left_us)} us off the recorded instant"
            yield Finding(words=words, at_us=left_us, streams=(attempt.stream,))


def _exceeded(scope: Scope, quota: Quota, sent_us: Sequence[int], which: str) -> Iterator[Finding]:
    for first, beyond in zip(sent_us, sent_us[quota.count :], strict=False):
        if beyond - first < quota.window_us:
            window_s = quota.window_us / 1_000_000
            words = (
                f"{scope} allows {quota.count} hand-overs in {window_s:g} s, and {quota.count + 1} {which} ones lie"
                f" within {(beyond - first) / 1_000_000:.6f} s"
            )
            yield Finding(words=words, at_us=beyond)


def _crowded(scope: Scope, most: int) -> Iterator[Finding]:
    edges = []
    for attempt in scope.attempts:
        edges.append((attempt.started_us, 1))
        if attempt.ended_us is not None:
            edges.append((attempt.ended_us, -1))
    flying = 0
    # At one instant what ends makes room for what starts.
    for at_us, change in sorted(edges):
        flying += change
        if flying > most:
            yield Finding(words=f"{scope} allows {most} attempts in flight, and has {flying}", at_us=at_us)
            return
