"""When the daemon was gone in a stretch, and what people did: crashes, stops, accounts that went down, orders.

This file answers for instants that a log tells only from both sides: a process that was killed leaves no event, so it
is taken to have died right after its last one.
"""

from collections.abc import Iterator
from typing import Final

from core import events as e
from core.erasures import ERASED
from core.message import FALLBACK_DUE
from core.records import Recorded
from scenarios.capsules.naming import Cast
from scenarios.capsules.settings import Lanes
from scenarios.capsules.spans import span
from scenarios.capsules.stretch import Stretch, Tale

# A re-run may be so much behind the log, and must still have recorded what the log has.
BEHIND_US: Final = 50_000
_LEAST_US: Final = 1_000


def ends_of_lives(stretch: Stretch) -> Iterator[dict[str, object]]:
    """A fault for each time that the only daemon was gone and came back."""
    for end in stretch.ends():
        if end.stopped_us is not None:
            gone_us, how = end.stopped_us, "stop"
        else:
            gone_us, how = end.ran_us + min(BEHIND_US, (end.began_us - end.ran_us) // 2), "crash"
        yield {"at": span(gone_us - stretch.since_us), "daemon": how, "down": span(end.began_us - gone_us)}


def account_troubles(stretch: Stretch, lanes: Lanes) -> Iterator[dict[str, object]]:
    """A fault for each time that a provider's word had a lane paused."""
    for name, lane in lanes.lanes.items():
        since_us = stretch.since_us if lane.paused_by == "provider" else None
        code = ""
        for entry in lane.entries:
            if isinstance(entry.event, e.LanePaused) and entry.event.by == "provider":
                since_us, code = entry.at_us, entry.event.code
            elif isinstance(entry.event, e.LaneResumed) and entry.event.by == "provider" and since_us is not None:
                yield _account(name, code, at_us=since_us - stretch.since_us, for_us=entry.at_us - since_us)
                since_us = None
        if since_us is not None:
            yield _account(name, code, at_us=since_us - stretch.since_us, for_us=None)


def _account(lane: str, code: str, *, at_us: int, for_us: int | None) -> dict[str, object]:
    return {
        "at": span(at_us),
        "for": None if for_us is None else span(max(_LEAST_US, for_us)),
        "lane": lane,
        "account": "down",
        "code": code or None,
    }


def orders(stretch: Stretch, cast: Cast, lanes: Lanes) -> list[dict[str, object]]:
    """Everything that a person did, in its order."""
    found = [*_of_lanes(stretch, lanes), *_of_messages(stretch, cast), *_of_others(stretch, cast, lanes)]
    found.sort(key=lambda order: order[0])
    return [{"at": span(at_us - stretch.since_us), **order} for at_us, order in found]


Order = tuple[int, dict[str, object]]


def _of_lanes(stretch: Stretch, lanes: Lanes) -> Iterator[Order]:
    for name, lane in lanes.lanes.items():
        if lane.paused_by in {"operator", "config"}:
            yield stretch.since_us, {"do": "pause", "lane": name}
        for entry in lane.entries:
            if isinstance(entry.event, e.LanePaused) and entry.event.by == "operator":
                yield entry.at_us, {"do": "pause", "lane": name}
            elif isinstance(entry.event, e.LaneResumed) and entry.event.by == "operator":
                yield entry.at_us, {"do": "resume", "lane": name}


def _of_messages(stretch: Stretch, cast: Cast) -> Iterator[Order]:
    jobs = {stream for stream, entries in stretch.others.items() if isinstance(entries[0].event, e.RedriveStarted)}
    forgotten = set(_forgotten_in(stretch, _firsts(cast)))
    for tale in cast.tales.values():
        # What an order to forget leads to anyway is not asked for; one from before the stretch is not told of.
        not_asked = {FALLBACK_DUE, ERASED} if tale.accepted.conversation in forgotten else {FALLBACK_DUE}
        yield from _of_message(tale, cast, jobs, not_asked)


def _of_message(tale: Tale, cast: Cast, jobs: set[int], not_asked: set[str]) -> Iterator[Order]:
    name = cast.names[tale.stream]
    is_asked = False
    for place, entry in enumerate(tale.entries):
        event = entry.event
        if isinstance(event, e.CancelRequested | e.MessageCancelled):
            is_request = isinstance(event, e.CancelRequested)
            if event.reason not in not_asked and (is_request or not is_asked):
                yield entry.at_us, {"do": "cancel", "message": name}
            is_asked = is_asked or is_request
        elif isinstance(event, e.MessageRedriven) and event.job not in jobs and (place or not tale.is_carried):
            yield entry.at_us, {"do": "redrive", "message": name}
        elif isinstance(event, e.MessageReleased):
            yield entry.at_us, {"do": "release", "message": name}
        elif isinstance(event, e.MessageRescheduled):
            cast.left_out["moves of messages to another time: they stand at their last one from the start"] += 1


def _firsts(cast: Cast) -> dict[int, Tale]:
    """The first message of each conversation."""
    return {tale.accepted.conversation: tale for tale in reversed(cast.tales.values())}


def _forgotten_in(stretch: Stretch, firsts: dict[int, Tale]) -> Iterator[int]:
    """Conversations whose peers an order can name when they are to be forgotten: a message to them has come by then."""
    for entry in (entry for entries in stretch.others.values() for entry in entries):
        if isinstance(entry.event, e.ErasureStarted):
            tale = firsts.get(entry.event.conversation)
            if tale is not None and tale.asked_us <= entry.at_us:
                yield entry.event.conversation


def _of_others(stretch: Stretch, cast: Cast, lanes: Lanes) -> Iterator[Order]:
    """Bulk redrives, circuits that a person reset, and people who were forgotten."""
    by_conversation = _firsts(cast)
    for stream, entries in stretch.others.items():
        for entry in entries:
            event = entry.event
            if isinstance(event, e.RedriveStarted):
                yield from _bulk(entry, event, cast, lanes)
            elif isinstance(event, e.CircuitClosed) and event.by == "operator":
                yield from _reset(entry, by_conversation.get(stream), cast)
            elif isinstance(event, e.ErasureStarted):
                yield from _forgotten(entry, by_conversation.get(event.conversation), cast)


def people(stretch: Stretch, cast: Cast) -> Iterator[dict[str, object]]:
    """What people did of their own accord. What comes of an answer or a receipt comes again by itself."""
    by_conversation = _firsts(cast)
    for stream, entries in stretch.others.items():
        for entry in entries:
            did = _did(entry.event)
            if did is None:
                continue
            tale = by_conversation.get(stream)
            if tale is None:
                cast.left_out["people who acted and got no message in this stretch"] += 1
                continue
            at = span(entry.at_us - stretch.since_us)
            yield {"at": at, "within": "0s", "message": cast.names[tale.stream], **did}


def _did(event: e.Event) -> dict[str, object] | None:
    match event:
        case e.WindowOpened():
            return {"did": "wrote"}
        case e.PeerSuppressed(reason="optout", code="stopped"):
            return {"did": "stopped", "marketing": event.scope == "marketing" or None}
        case e.PeerRestored(by="peer"):
            return {"did": "resumed", "marketing": event.marketing or None}
        case _:
            return None


def _bulk(entry: Recorded, event: e.RedriveStarted, cast: Cast, lanes: Lanes) -> Iterator[Order]:
    if event.lane is not None and event.lane not in lanes.lanes:
        return
    if event.conversation is not None:
        cast.left_out["bulk redrives of one conversation"] += 1
        return
    yield entry.at_us, {"do": "redrive", "channel": event.channel, "lane": event.lane, "per_s": event.per_s}


def _reset(entry: Recorded, tale: Tale | None, cast: Cast) -> Iterator[Order]:
    if tale is not None:
        yield entry.at_us, {"do": "reset", "message": cast.names[tale.stream]}


def _forgotten(entry: Recorded, tale: Tale | None, cast: Cast) -> Iterator[Order]:
    if tale is None or tale.asked_us > entry.at_us:
        cast.left_out["people who were forgotten and got no message in this stretch"] += 1
    else:
        yield entry.at_us, {"do": "forget", "message": cast.names[tale.stream]}
