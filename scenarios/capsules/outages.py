"""How providers behaved in a stretch: when they were down, how long they took, and what they told.

This file answers for what a capsule says about attempts that never happened. It must never claim more than was seen: an
outage lasts from its first failed answer to its last, and a minute beyond at most.
"""

from collections.abc import Iterator, Sequence
from statistics import median, quantiles
from typing import Final

import msgspec

from core import events as e
from core.outcomes import is_fault
from scenarios.capsules.answers import answer_of
from scenarios.capsules.naming import Cast
from scenarios.capsules.pseudonyms import Pseudonyms
from scenarios.capsules.spans import span
from scenarios.capsules.stretch import Stretch, Tale, Try
from scenarios.world.recorded import STANDS_WITHIN_US

# So many answers in a row end an outage; fewer faults than that are no outage.
_IN_A_ROW: Final = 3
_SHARE_LEAST: Final = 0.5
_LEAST_US: Final = 1_000


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: from when to when, since the start, and what it came to, None where the message was taken."""

    tale: Tale
    began_us: int
    ended_us: int
    fault: e.AttemptFailed | None


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a lane's other side, or one host of it, mostly failed, and how."""

    lane: str
    host: str | None
    at_us: int
    for_us: int
    share: float
    answer: object


def outages(stretch: Stretch, cast: Cast, pseudonyms: Pseudonyms) -> list[Outage]:
    """Every outage, in the order of lanes and of time."""
    sides: dict[tuple[str, str | None], list[Seen]] = {}
    for tale in cast.tales.values():
        host = pseudonyms.address(tale).split("/")[2] if tale.accepted.channel == "webhook" else None
        for attempt in tale.tries():
            seen = _seen(stretch, tale, attempt)
            if seen is not None:
                sides.setdefault((attempt.lane, host), []).append(seen)
    return [
        outage
        for (lane, host), answers in sorted(sides.items(), key=lambda side: (side[0][0], side[0][1] or ""))
        for outage in _outages(lane, host, sorted(answers, key=lambda seen: seen.began_us))
    ]


def faults_of(found: Sequence[Outage]) -> Iterator[dict[str, object]]:
    """The faults that outages come to."""
    for outage in found:
        yield {
            "at": span(outage.at_us),
            "for": span(max(_LEAST_US, outage.for_us)),
            "lane": outage.lane,
            "host": outage.host,
            "answer": outage.answer,
            "share": round(outage.share, 3) if outage.share < 1 else None,
        }


def providers(cast: Cast) -> Iterator[dict[str, object]]:
    """How the other side of each lane behaves while nothing is wrong: as the answers of good times were."""
    lanes: dict[str, list[tuple[Tale, Try]]] = {}
    for tale in cast.tales.values():
        for attempt in tale.tries():
            lanes.setdefault(attempt.lane, []).append((tale, attempt))
    for lane, attempts in sorted(lanes.items()):
        taken = [
            attempt.ended.event.took_us
            for _, attempt in attempts
            if attempt.ended is not None and isinstance(attempt.ended.event, e.AttemptTaken)
        ]
        yield {
            "lane": lane,
            "latency": _latency(taken),
            "looks_up": _looks_up(attempts),
            "receipts": _receipts(attempts),
        }


def _seen(stretch: Stretch, tale: Tale, attempt: Try) -> Seen | None:
    ended = attempt.ended
    if ended is None or not isinstance(ended.event, e.AttemptTaken | e.AttemptFailed):
        return None
    if stretch.has_start_within(attempt.started.at_us, ended.at_us):
        return None  # Our own death says nothing about anybody else.
    fault = ended.event if isinstance(ended.event, e.AttemptFailed) and is_fault(ended.event.outcome) else None
    began_us = max(0, attempt.started.at_us - stretch.since_us)
    return Seen(tale=tale, began_us=began_us, ended_us=ended.at_us - stretch.since_us, fault=fault)


def _outages(lane: str, host: str | None, answers: Sequence[Seen]) -> Iterator[Outage]:
    run: list[Seen] = []
    good = 0
    for seen in answers:
        if seen.fault is None and not run:
            continue
        run.append(seen)
        good = 0 if seen.fault is not None else good + 1
        if good == _IN_A_ROW:
            yield from _outage(lane, host, run)
            run = []
            good = 0
    if run:
        yield from _outage(lane, host, run)


def _outage(lane: str, host: str | None, run: Sequence[Seen]) -> Iterator[Outage]:
    last = max(place for place, seen in enumerate(run) if seen.fault is not None)
    inside = run[: last + 1]
    faults = [seen.fault for seen in inside if seen.fault is not None]
    share = len(faults) / len(inside)
    if len(faults) < _IN_A_ROW or share < _SHARE_LEAST:
        return
    ended_us = max(seen.ended_us for seen in inside)
    works_us = min((seen.began_us for seen in run[last + 1 :]), default=ended_us + STANDS_WITHIN_US)
    # Between the last failure and the first success nobody knows: half of it, and no more than an answer speaks for.
    until_us = ended_us + min(STANDS_WITHIN_US, max(0, works_us - ended_us) // 2)
    kinds = [answer_of(fault.outcome, fault.sent_at_us) for fault in faults]
    yield Outage(
        lane=lane,
        host=host,
        at_us=inside[0].began_us,
        for_us=until_us - inside[0].began_us,
        share=share,
        answer=max(kinds, key=kinds.count),
    )


def _latency(taken: Sequence[int]) -> dict[str, object] | None:
    if not taken:
        return None
    middle = max(_LEAST_US, round(median(taken)))
    most = round(quantiles(taken, n=100)[98]) if len(taken) > 1 else middle
    return {"median": span(middle), "p99": span(max(middle, most))}


def _looks_up(attempts: Sequence[tuple[Tale, Try]]) -> float | None:
    """The share of doubts that were ended by asking; None where none was."""
    doubts = proved = 0
    for tale, attempt in attempts:
        for entry in tale.entries:
            if getattr(entry.event, "attempt", None) == attempt.number:
                doubts += isinstance(entry.event, e.ReconcileStarted)
                proved += isinstance(entry.event, e.AttemptProved) and entry.event.evidence == "look_up"
    return round(proved / max(doubts, proved), 3) if proved else None


def _receipts(attempts: Sequence[tuple[Tale, Try]]) -> dict[str, object] | None:
    """What is told as a rule, and how long after a message was taken; None where nothing ever was."""
    after_us: dict[str, list[int]] = {}
    taken = told = 0
    for tale, attempt in attempts:
        ended = attempt.ended
        seen = [
            entry
            for entry in tale.entries
            if isinstance(entry.event, e.ReceiptSeen) and entry.event.attempt == attempt.number
        ]
        if ended is None or not (seen or isinstance(ended.event, e.AttemptTaken)):
            continue
        taken += 1
        told += bool(seen)
        for entry in seen:
            if isinstance(entry.event, e.ReceiptSeen) and entry.event.status != "failed":
                after_us.setdefault(entry.event.status, []).append(max(_LEAST_US, entry.at_us - ended.at_us))
    if not after_us:
        return None
    medians = {status: span(round(median(values))) for status, values in sorted(after_us.items())}
    return {"by": "both", **medians, "share": round(told / taken, 3)}
