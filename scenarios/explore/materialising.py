"""A run written down: every arrival, answer and crash of it in a table of its own, under the same seed.

This file answers for the written world giving the same log as the run did. What chance is left, our own daemon and the
receipts of providers draw by key from the seed, which is written down as well.
"""

import copy
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from adapters.config.units import shown_span
from scenarios.draws import Draws
from scenarios.explore.stock import Tree
from scenarios.explore.worlds import tables
from scenarios.file.arriving import Request, requests_of
from scenarios.file.readings import filled
from scenarios.file.writing import answer_value
from scenarios.laws.evidence import Evidence
from scenarios.world.meeting import Meeting

_DOWN: Final = "5s"
# What a table of arrivals says of all of them together.
_OF_MANY: Final = ("name", "at", "over", "arrivals", "count", "number", "repeat", "repeat_after", "batch", "forged")
# What is the same for whoever reads the file, with or without the number in it.
_TEMPLATES: Final = ("to", "idempotency_key", "reference")


def materialised(tree: Mapping[str, object], evidence: Evidence) -> Tree:
    """The world of a run, `tree` being the file that it came from."""
    found = copy.deepcopy(dict(tree))
    crash = found.pop("crash", None)
    down = crash.get("down", "2s") if isinstance(crash, dict) else "2s" if crash else _DOWN
    found["seed"] = evidence.seed
    found["schedule"] = _schedule(evidence)
    found["arrive"] = list(_arrivals(found, evidence))
    faults = [fault for fault in tables(found, "fault") if "answer" not in fault]
    found["fault"] = [*faults, *_crashes(evidence, down)]
    # Where a broken daemon takes one call for two messages, both of them meet what is said of their name.
    met = {(meeting.key, meeting.attempt): meeting for meeting in reversed(evidence.books.met)}
    found["answered"] = [_answered(meeting, evidence) for meeting in reversed(met.values())]
    return {key: value for key, value in found.items() if value != []}


def _schedule(evidence: Evidence) -> str:
    name = evidence.scenario.schedule
    return name if name != "by seed" else Draws(evidence.seed).choice("schedule", among=("fifo", "walk", "pct"))


def _arrivals(tree: Tree, evidence: Evidence) -> Iterator[Tree]:
    draws, start_us = Draws(evidence.seed), evidence.scenario.start_us
    for index, arrive in enumerate(evidence.scenario.arrivals):
        raw = tables(tree, "arrive")[index]
        requests = list(requests_of(arrive, start_us, draws))
        again_us = {request.key: request.at_us for request in requests if request.nth == 2}
        for request in requests:
            if request.nth == 1:
                yield _arrival(raw, request, again_us.get(request.key))


def _arrival(raw: Tree, request: Request, again_us: int | None) -> Tree:
    """The table of one call, or of all that one hook brings; what it asks for is in the words of its file."""
    name, _, number = request.key.rpartition("/")
    table: Tree = {"name": name, "number": int(number), "at": shown_span(request.at_us)}
    if len(request.updates) > 1:
        table |= {"count": len(request.updates), "batch": len(request.updates)}
    for key, value in raw.items():
        if key not in _OF_MANY:
            is_one = key in _TEMPLATES and isinstance(value, str) and len(request.updates) <= 1
            table[key] = filled(str(value), int(number)) if is_one else value
    if request.forged:
        table["forged"] = 1.0
    if again_us is not None:
        table |= {"repeat": 1.0, "repeat_after": shown_span(again_us - request.at_us)}
    return table


def _crashes(evidence: Evidence, down: object) -> Iterator[Tree]:
    """Each crash at a boundary, named by its instant: what is taken out elsewhere does not move it."""
    for boundary in evidence.crash_at:
        if boundary <= len(evidence.crossed_us):
            at_us = evidence.crossed_us[boundary - 1]
            nth = boundary - bisect_left(evidence.crossed_us, at_us)
            yield {"at": shown_span(at_us), "daemon": "crash", "boundary": nth, "down": down}


def _answered(meeting: Meeting, evidence: Evidence) -> Tree:
    table: Tree = {"message": meeting.key, "attempt": meeting.attempt}
    if meeting.fails is not None:
        table["answer"] = answer_value(msgspec.structs.replace(meeting.fails, share=None))
    table["connects"] = shown_span(meeting.connects_us)
    table["takes"] = shown_span(meeting.connects_us + meeting.answers_us)
    looked_up_us = evidence.books.looked_up.get((meeting.key, meeting.attempt), -1)
    if looked_up_us != -1:
        table["looked_up"] = "none" if looked_up_us is None else shown_span(looked_up_us)
    return table
