"""Law 15: of several daemons one acts at a time, and none is taken for lost that may still be sending.

This file answers for holding the log and the world's books against what the database itself knew: who acted, when. What
each of the daemons believed is no evidence.
"""

from collections.abc import Iterator
from itertools import accumulate, permutations
from typing import Final

from core import events as e
from core.policies import MINUTE_US
from scenarios.laws.chronicle import Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.world.books import Handed
from scenarios.world.ground import Life

# Daemons count on their clocks being no further apart, and not being set by more while something is out
# (actors/interrupted.py).
_APART_US: Final = MINUTE_US


def one_daemon_acts(evidence: Evidence) -> Iterator[Finding]:
    """Judges who wrote, who sent, and how soon others took over what was out."""
    if evidence.scenario.daemons == 1:
        return
    for usurped in evidence.books.usurped:
        words = f"{usurped.events} events were written by daemon {usurped.machine}, which did not act any more"
        yield Finding(words=words, at_us=usurped.log_us)
    for handed in evidence.books.handed:
        if not handed.acted:
            words = f"attempt {handed.attempt} of {handed.key} began to leave a daemon that did not act any more"
            yield Finding(words=words, at_us=handed.log_us, streams=(handed.stream,))
    for story in evidence.chronicle.stories.values():
        yield from _not_lost_too_soon(evidence, story)
    if not _clocks_are_far_apart(evidence):
        yield from _not_beside_another(evidence)


def _clocks_are_far_apart(evidence: Evidence) -> bool:
    """Whether a deadline says nothing any more: somebody's clock shows it long before its time."""
    offsets_us = [0]
    for machine in range(1, evidence.scenario.daemons + 1):
        offsets_us += accumulate(by_us for _, by_us in evidence.scenario.clock_steps(machine))
    return max(offsets_us) - min(offsets_us) > _APART_US


def _not_lost_too_soon(evidence: Evidence, story: Story) -> Iterator[Finding]:
    """What a daemon left open that may still be there is given up at its deadline, when nothing can come of it."""
    deadlines = {
        entry.event.attempt: entry.event.deadline_us
        for entry in story.entries
        if isinstance(entry.event, e.AttemptStarted)
    }
    for attempt in story.attempts:
        if not attempt.is_cut_off or attempt.ended_us is None:
            continue
        early_us = deadlines[attempt.number] - attempt.ended_us
        began_by, ended_by = _acting_at(evidence, attempt.started_us), _acting_at(evidence, attempt.ended_us)
        # Whoever never heard whether its own intent is durable knows that it has sent nothing.
        if early_us > 0 and began_by is not ended_by and began_by.ended_by != "stop":
            words = f"attempt {attempt.number} of {story.key} was given up {early_us / 1e6:g} s before its deadline"
            yield Finding(words=words, at_us=attempt.ended_us, streams=(story.stream,))


def _acting_at(evidence: Evidence, at_us: int) -> Life:
    return next((life for life in reversed(evidence.lives) if life.began_us <= at_us), evidence.lives[0])


def _not_beside_another(evidence: Evidence) -> Iterator[Finding]:
    """No message leaves one daemon while another, which is alive, waits for what it sent of the same one.

    What leaves a daemon late that stood still in the middle of sending is in doubt, and nobody could have prevented it.
    """
    by_stream: dict[int, list[Handed]] = {}
    for handed in evidence.books.handed:
        by_stream.setdefault(handed.stream, []).append(handed)
    for all_of_it in by_stream.values():
        sent = [handed for handed in all_of_it if handed.acts or not handed.was_held]
        for one, other in permutations(sent, 2):
            over_us = min(one.until_us, evidence.books.gone_us.get(one.node, one.until_us))
            if other.attempt > one.attempt and other.node != one.node and other.at_us < over_us:
                words = f"attempt {other.attempt} of {other.key} left us while another daemon had one before it out"
                yield Finding(words=words, at_us=other.log_us, streams=(other.stream,))
