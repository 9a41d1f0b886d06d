"""How true a capsule is: the events of each message in the log, held against those of a re-run.

This file answers for the comparison and its tolerance. It must never call two stories alike because they end alike: the
same kinds of events in the same order, each at its time.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from core import events as e
from core.policies import SECOND_US
from core.records import Recorded
from scenarios.capsules.naming import Cast
from scenarios.capsules.several import several_in, untold_of
from scenarios.capsules.stretch import Stretch
from scenarios.capsules.takeovers import NEAR_US
from scenarios.laws.evidence import Evidence

# A re-run commits in no time, and starts in none: so much may lie between an event and its double.
TOLERANCE_US: Final = 2 * SECOND_US
# What the message to one device tells the push to its user; that push is not in a capsule.
_TOLD_ELSEWHERE: Final = e.EndTold


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where a story goes another way: the instant since the start, and what log and re-run say there, if anything."""

    message: str
    at_us: int
    recorded: str | None
    retold: str | None
    apart_us: int | None = None

    def __str__(self) -> str:
        """One sentence."""
        where = f"{self.message} at {self.at_us / SECOND_US:.3f} s"
        if self.apart_us is not None:
            return f"{where}: {self.recorded} comes {self.apart_us / SECOND_US:+.3f} s from there in the re-run"
        return f"{where}: the log has {self.recorded or 'no more'}, the re-run {self.retold or 'no more'}"


class OfSeveral(msgspec.Struct, frozen=True, kw_only=True):
    """How often the daemon that acts was another one, in the log and in the re-run, and what cannot be told of them.

    `apart_us` is how far these changes lie apart at most, None where one of both has more of them.
    """

    recorded: int
    retold: int
    apart_us: int | None
    untold: tuple[str, ...]


class Fidelity(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison came to. `carried` and `carried_alike` count messages that were open before the stretch.

    `apart_us` is how far the events of alike stories lie apart at most; `first` is the first difference in time.
    `several` is None where there was one daemon.
    """

    messages: int
    alike: int
    carried: int
    carried_alike: int
    events: int
    tolerance_us: int
    apart_us: int
    first: Difference | None
    several: OfSeveral | None

    @property
    def share(self) -> float:
        """The share of messages whose stories are alike."""
        return self.alike / self.messages if self.messages else 1.0


def fidelity_of(stretch: Stretch, cast: Cast, evidence: Evidence, tolerance_us: int = TOLERANCE_US) -> Fidelity:
    """Compares a stretch with a run of its capsule."""
    start_us = evidence.scenario.start_us
    retold = {story.key: story.entries for story in evidence.chronicle.stories.values()}
    differences: list[Difference] = []
    alike = carried = carried_alike = events = apart_us = 0
    for stream, name in cast.names.items():
        tale = cast.tales[stream]
        recorded = _told(tale.entries, stretch.since_us, stretch)
        other = _told(retold.get(name, ()), start_us, stretch)
        if tale.is_carried:
            other = other[1:]  # Its acceptance was before the stretch.
        events += len(recorded)
        whole_us = stretch.until_us - stretch.since_us
        found, apart = _compared(name, (recorded, other), whole_us=whole_us, tolerance_us=tolerance_us)
        carried += tale.is_carried
        if found is None:
            alike += 1
            carried_alike += tale.is_carried
            apart_us = max(apart_us, apart)
        else:
            differences.append(found)
    return Fidelity(
        messages=len(cast.names),
        alike=alike,
        carried=carried,
        carried_alike=carried_alike,
        events=events,
        tolerance_us=tolerance_us,
        apart_us=apart_us,
        first=min(differences, key=lambda one: one.at_us, default=None),
        several=_of_several(stretch, evidence),
    )


def _of_several(stretch: Stretch, evidence: Evidence) -> OfSeveral | None:
    several = several_in(stretch)
    if several is None:
        return None
    recorded = [end.began_us - stretch.since_us for end in stretch.ends()]
    began = [one.at_us for one in evidence.events if isinstance(one.event, e.DaemonStarted)]
    retold = [at_us - evidence.scenario.start_us for at_us in began[1:] if at_us <= stretch.until_us]
    if len(recorded) > len(retold) and recorded[-1] >= stretch.until_us - stretch.since_us - NEAR_US:
        recorded.pop()  # It would have come just behind the end of the stretch.
    apart = [abs(one - other) for one, other in zip(recorded, retold, strict=False)]
    return OfSeveral(
        recorded=len(recorded),
        retold=len(retold),
        apart_us=max(apart, default=0) if len(recorded) == len(retold) else None,
        untold=tuple(untold_of(stretch, several)),
    )


def _told(entries: Iterable[Recorded], start_us: int, stretch: Stretch) -> list[tuple[int, str]]:
    """Events as (instant since the start, kind); the end of the stretch is the end of both stories."""
    whole_us = stretch.until_us - stretch.since_us
    own = (entry for entry in entries if not isinstance(entry.event, _TOLD_ELSEWHERE))
    seen = ((max(0, entry.at_us - start_us), type(entry.event).__name__) for entry in own)
    return [one for one in seen if one[0] < whole_us]


def _compared(
    name: str,
    stories: tuple[Sequence[tuple[int, str]], Sequence[tuple[int, str]]],
    *,
    whole_us: int,
    tolerance_us: int,
) -> tuple[Difference | None, int]:
    """The first difference of two stories, None where there is none, and how far apart they are at most."""
    recorded, retold = stories
    apart_us = 0
    for (at_us, kind), (other_us, other) in zip(recorded, retold, strict=False):
        if kind != other:
            return Difference(message=name, at_us=at_us, recorded=kind, retold=other), apart_us
        apart_us = max(apart_us, abs(other_us - at_us))
        if abs(other_us - at_us) > tolerance_us:
            found = Difference(message=name, at_us=at_us, recorded=kind, retold=kind, apart_us=other_us - at_us)
            return found, apart_us
    if len(recorded) == len(retold):
        return None, apart_us
    longer = recorded if len(recorded) > len(retold) else retold
    at_us, kind = longer[min(len(recorded), len(retold))]
    # What falls just before the end of one story may fall just behind it in the other.
    if at_us >= whole_us - tolerance_us:
        return None, apart_us
    is_missing = longer is recorded
    found = Difference(
        message=name, at_us=at_us, recorded=kind if is_missing else None, retold=None if is_missing else kind
    )
    return found, apart_us
