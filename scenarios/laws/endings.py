"""Law 11, the same seed gives the same log; and law 12, after faults end the world comes to rest."""

from collections.abc import Iterator

from core.message import WAITING
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding


def the_same_seed_gives_the_same_log(evidence: Evidence) -> Iterator[Finding]:
    """Holds a run against a second one, where there was one."""
    if evidence.twin is not None and evidence.twin != evidence.digest:
        yield Finding(words="a second run of the same scenario and seed gave another log")


def the_world_comes_to_rest(evidence: Evidence) -> Iterator[Finding]:
    """Nothing is left under way, and what is left waits for a person."""
    if evidence.stuck:
        yield Finding(words=evidence.stuck)
        return
    if not evidence.has_ended:
        return
    bound_s = evidence.scenario.rests_within_us / 1_000_000
    for key, nth in evidence.unfinished:
        yield Finding(words=f"call {nth} of {key} has no answer {bound_s:g} s after the last fault")
    for stream in evidence.durable.owing:
        key = evidence.chronicle.stories[stream].key
        yield Finding(words=f"{key} still owes what takes its place", streams=(stream,))
    for row in evidence.durable.parking.rows.values():
        yield Finding(words=f"a {row.kind} that another daemon took in still waits {bound_s:g} s after the last fault")
    paused = _paused(evidence)
    for story in evidence.chronicle.stories.values():
        head = evidence.durable.heads.get(story.stream)
        if head is not None and head.status in WAITING and head.lane not in paused:
            words = f"{story.key} is still {head.status} {bound_s:g} s after the last fault"
            yield Finding(words=words, at_us=head.due_us, streams=(story.stream,))


def _paused(evidence: Evidence) -> set[str]:
    """Lanes that a person, or our own broken set-up, stopped for good."""
    found = set()
    for lane, entries in evidence.chronicle.lanes.items():
        states = [type(entry.event).__name__ for entry in entries]
        paused = [state for state in states if state in {"LanePaused", "LaneResumed"}]
        if paused and paused[-1] == "LanePaused":
            found.add(lane)
    return found
