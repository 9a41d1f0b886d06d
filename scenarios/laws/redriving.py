"""Law 5, of redrives: dead letters go back at the pace that a person asked for.

This file answers for reading the pace off the log and holding it against the instants at which messages were due again.
"""

import math
from collections.abc import Iterator
from typing import Final

from core import events as e
from core.policies import SECOND_US
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding

# A job that a crash cuts off begins its second anew.
_ROWS_A_SECOND: Final = 2


def redrives_keep_their_pace(evidence: Evidence) -> Iterator[Finding]:
    """In no second more dead letters of a job are due than its pace allows."""
    paces = {
        entries[0].stream: entries[0].event.per_s
        for entries in evidence.chronicle.others.values()
        if isinstance(entries[0].event, e.RedriveStarted) and entries[0].event.per_s
    }
    due: dict[int, list[tuple[int, int]]] = {}
    for story in evidence.chronicle.stories.values():
        for entry in story.entries:
            if isinstance(entry.event, e.MessageRedriven) and entry.event.job in paces:
                due.setdefault(entry.event.job, []).append((entry.event.due_us, story.stream))
    for job, redriven in due.items():
        yield from _paced(paces[job], sorted(redriven))


def _paced(per_s: float, redriven: list[tuple[int, int]]) -> Iterator[Finding]:
    most = _ROWS_A_SECOND * math.ceil(per_s)
    window_us = SECOND_US if per_s >= 1 else round(SECOND_US / per_s)
    for (first_us, stream), (last_us, _) in zip(redriven, redriven[most:], strict=False):
        if last_us - first_us < window_us:
            words = f"more than {most} dead letters were due again within {window_us / SECOND_US:g} s, at {per_s:g}/s"
            yield Finding(words=words, at_us=first_us, streams=(stream,))
