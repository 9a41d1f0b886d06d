"""The daemons of a log that several wrote: how many, who took in what while nobody acted, and who acted after whom.

This file answers for a capsule being a world of several daemons where a log shows more than one. It must never say more
of the others than the log shows: that they are there, and as many as ids tell of.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from core import events as e
from core.ids import born_ms, slot_of
from core.policies import SECOND_US
from scenarios.capsules.spans import span
from scenarios.capsules.standing_still import faults_of_stills, stills
from scenarios.capsules.stretch import Stretch, Tale
from scenarios.capsules.takeovers import LISTENS_US, Takeover, takeovers_of
from scenarios.file.readings import DAEMONS_MAX

# What waits at a takeover is gone through by then; from there on an id's age is the difference of two clocks, and less
# of it than this is none.
_SETTLED_US: Final = 2 * SECOND_US
_APART_US: Final = SECOND_US

# A life, counted from 0, and the slot of a daemon in it.
_Where = tuple[int, int]


class Several(msgspec.Struct, frozen=True, kw_only=True):
    """The daemons of a log: how many there were at least, and each change of the one that acts.

    `asked_us` is when each message came that was taken in while nobody acted; `apart_us` is how far the clocks of those
    who took in were from the log's at most.
    """

    daemons: int
    takeovers: tuple[Takeover, ...]
    asked_us: Mapping[int, int]
    apart_us: int


def several_in(stretch: Stretch) -> Several | None:
    """The daemons of a stretch; None where it shows no more than one."""
    starts = [start.at_us for start in stretch.diary if isinstance(start.event, e.DaemonStarted)]
    apart = _clocks_apart(stretch, starts)
    left = dict(_left(stretch, starts, apart))
    if not any(stretch.slots) and not left:
        return None
    takeovers = takeovers_of(stretch)
    open_us = {takeover.began_us: takeover.open_us for takeover in takeovers if takeover.open_us < takeover.began_us}
    return Several(
        daemons=min(DAEMONS_MAX, max(2, _most_at_once(stretch, starts))),
        takeovers=takeovers,
        asked_us={
            stream: max(at_us, open_us[began_us]) for stream, (at_us, began_us) in left.items() if began_us in open_us
        },
        apart_us=max((abs(ahead_us) for ahead_us in apart.values()), default=0),
    )


def faults_of_several(stretch: Stretch, several: Several) -> Iterator[dict[str, object]]:
    """What leads to each change of the daemon that acts, and to what it gave up while it stood still."""
    yield from faults_of_stills(stretch)
    for takeover in several.takeovers:
        who: list[object] = [*range(1, several.daemons + 1)] if takeover.is_everybody else ["acting"]
        for one in who:
            yield {
                "at": span(takeover.gone_us - stretch.since_us),
                "daemon": takeover.how,
                "of": one,
                "down": span(takeover.back_us - takeover.over_us),
            }


def untold_of(stretch: Stretch, several: Several) -> Iterator[str]:
    """What a capsule of several daemons cannot tell, in a sentence each."""
    killed = sum(takeover.how == "crash" for takeover in several.takeovers)
    if killed:
        yield f"why a daemon was replaced: one that stood still or was cut off counts as killed ({killed})"
    missing = sum(1 for _ in stretch.ends()) - len(several.takeovers)
    if missing:
        yield f"changes of the daemon that acts which came sooner, by the log's time, than any can ({missing})"
    given_up = sum(still.attempts for still in stills(stretch) if not still.is_told)
    if given_up:
        yield f"why a daemon was not sure that it still acts: what it gave up is never answered ({given_up})"
    if several.apart_us:
        yield f"clocks of machines that seem to have been apart, by up to {several.apart_us // SECOND_US} s"
    yield "daemons that took nothing in, and whatever happened to those that did not act"


def _most_at_once(stretch: Stretch, starts: list[int]) -> int:
    """How many took in during one life. Over more than one, who was started again has another slot."""
    taken_in = {(bisect_right(starts, tale.asked_us), slot_of(tale.stream)) for tale in stretch.tales}
    return max(Counter(life for life, _ in taken_in).values(), default=0)


def _clocks_apart(stretch: Stretch, starts: list[int]) -> dict[_Where, int]:
    """How far the clock of whoever took in was ahead of the log's time: by its youngest id, which waited for nobody."""
    ahead: dict[_Where, int] = {}
    for tale in stretch.tales:
        life = bisect_right(starts, tale.asked_us)
        if not tale.is_carried and (not life or tale.asked_us - starts[life - 1] > _SETTLED_US):
            where, ahead_us = (life, slot_of(tale.stream)), _born_us(tale) - tale.asked_us
            ahead[where] = max(ahead.get(where, ahead_us), ahead_us)
    return {where: ahead_us for where, ahead_us in ahead.items() if abs(ahead_us) >= _APART_US}


def _left(stretch: Stretch, starts: list[int], apart: Mapping[_Where, int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Messages that were taken in before the life began which accepted them: when that was, and when it began."""
    for tale in stretch.tales:
        life = bisect_right(starts, tale.asked_us)
        if life and not tale.is_carried:
            came_us = _born_us(tale) - apart.get((life, slot_of(tale.stream)), 0)
            if came_us + LISTENS_US < starts[life - 1]:
                yield tale.stream, (came_us, starts[life - 1])


def _born_us(tale: Tale) -> int:
    return born_ms(tale.stream) * 1_000
