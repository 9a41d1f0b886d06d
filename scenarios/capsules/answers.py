"""What every attempt of a stretch met, as recorded answers: with its times, its receipts and the chance that it drew.

This file answers for a re-run meeting what was met. Where a log does not tell what became of a request (the process
died while it was out, or its answer was lost), a capsule says so in the one form that leads to the same events.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from msgspec.structs import replace

from adapters.chance import KeyedChance
from core import events as e
from core import outcomes as o
from core.policies import SECOND_US
from core.records import Recorded
from scenarios.capsules.naming import Cast
from scenarios.capsules.spans import span
from scenarios.capsules.stretch import Stretch, Tale, Try
from scenarios.file.answers import Answer
from scenarios.file.writing import answer_value

# A channel is left when its answer is there; what is recorded so much later had to wait for the log.
_WAITED_FOR_LOG_US: Final = SECOND_US
# Longer than a daemon waits for what is out when it is stopped.
_NEVER_US: Final = 30 * SECOND_US
_LEAST_US: Final = 1_000


def answered(stretch: Stretch, cast: Cast) -> Iterator[dict[str, object]]:
    """A table for each attempt of which the stretch tells an end, or whose process died over it."""
    chance = KeyedChance(stretch.seed)
    for tale in cast.tales.values():
        for attempt in tale.tries():
            if attempt.ended is not None:
                values = _answered(stretch, tale, attempt, chance)
            elif stretch.has_start_within(attempt.started.at_us, stretch.until_us):
                # Left open by a daemon that is gone: whoever acts next waits until nothing can come of it.
                began_us = max(attempt.started.at_us, stretch.since_us)
                values = {"at": span(began_us - stretch.since_us), "answer": "timeout"}
            else:
                continue
            yield {"message": cast.names[tale.stream], "attempt": attempt.number - tale.skipped, **values}


def _answered(stretch: Stretch, tale: Tale, attempt: Try, chance: KeyedChance) -> dict[str, object]:
    ended = attempt.ended
    assert ended is not None, "its end is what is recorded"
    event = ended.event
    began_us = max(attempt.started.at_us, stretch.since_us)
    # A daemon that stopped waited for its answers, though another may have begun at the instant of the last one.
    is_awaited = isinstance(event, e.AttemptTaken) and stretch.has_stop_at(ended.at_us)
    is_cut_off = not is_awaited and stretch.has_start_within(attempt.started.at_us, ended.at_us)
    sent_us = None if isinstance(event, e.AttemptAborted) else getattr(event, "sent_at_us", None)
    connects_us = None if is_cut_off or sent_us is None else max(0, sent_us - began_us)
    takes_us = None if is_cut_off else _takes_us(event, began_us, ended.at_us)
    if isinstance(event, e.AttemptAborted):
        connects_us = takes_us = _NEVER_US
    elif connects_us is None and not is_cut_off:
        connects_us = takes_us
    doubt = _doubt(tale, attempt)
    told = list(_told(tale, attempt, _arrived_us(began_us, connects_us, takes_us)))
    return {
        "at": span(began_us - stretch.since_us),
        "answer": _answer(event, sent_us, is_cut_off=is_cut_off, is_proved=bool(told) or doubt == "proved"),
        "connects": None if connects_us is None else span(connects_us),
        "takes": None if takes_us is None or connects_us is None else span(max(takes_us, connects_us)),
        "jitter": _jitter(chance, tale, attempt, is_doubt=doubt is not None),
        "looked_up": _looked_up(tale, attempt),
        "told": told,
    }


def _takes_us(event: e.Event, began_us: int, ended_us: int) -> int:
    """From the begin of an attempt until its answer: what the log says of both ends, and else what the channel took."""
    took_us = getattr(event, "took_us", 0)
    whole_us = ended_us - began_us
    return took_us if whole_us > took_us + _WAITED_FOR_LOG_US else whole_us


def _arrived_us(began_us: int, connects_us: int | None, takes_us: int | None) -> int:
    """When the other side had a request: half of the way to its answer, as in every world."""
    if connects_us is None or takes_us is None:
        return began_us
    return began_us + connects_us + max(0, takes_us - connects_us) // 2


def _answer(event: e.Event, sent_us: int | None, *, is_cut_off: bool, is_proved: bool) -> object:
    """The answer of a scenario that leads to this event; None where the message was taken."""
    if not isinstance(event, e.AttemptFailed):
        return None
    if is_proved:
        return "lost_reply"
    if is_cut_off:
        return "timeout"
    return answer_of(event.outcome, sent_us)


def answer_of(outcome: o.Failure, sent_us: int | None) -> object:
    """The answer of a scenario that comes to an outcome; `sent_us` is None where nothing had been handed over."""
    match outcome:
        case o.Ambiguous():
            # Whatever it was that went wrong, this comes at the very instant at which we gave up.
            return "reset"
        case o.Transient(after_us=None, retries_max=None) if sent_us is None:
            return "refused"
        case _:
            return answer_value(Answer(kind="outcome", outcome=_sayable(outcome)))


def _sayable(outcome: o.Failure) -> o.Failure:
    """An outcome as a file can say it: with a code, and never asked to wait for no time at all."""
    if isinstance(outcome, o.Transient | o.Rate | o.Hold) and outcome.after_us is not None:
        outcome = replace(outcome, after_us=max(_LEAST_US, outcome.after_us))
    is_bare = not outcome.code or (isinstance(outcome, o.Hold) and outcome.after_us is None)
    return replace(outcome, code=o.name_of(outcome)) if is_bare else outcome


def _doubt(tale: Tale, attempt: Try) -> Literal["open", "proved"] | None:
    """Whether there was a wait for evidence of an attempt, and whether it came."""
    found: Literal["open", "proved"] | None = None
    for entry in tale.entries:
        if isinstance(entry.event, e.ReconcileStarted) and entry.event.attempt == attempt.number:
            found = "open"
        elif isinstance(entry.event, e.AttemptProved) and entry.event.attempt == attempt.number:
            found = "proved"
    return found


def _jitter(chance: KeyedChance, tale: Tale, attempt: Try, *, is_doubt: bool) -> float | None:
    if attempt.ended is None or not isinstance(attempt.ended.event, e.AttemptFailed):
        return None
    return chance.draw("doubt" if is_doubt else "jitter", tale.stream, attempt.number)


def _looked_up(tale: Tale, attempt: Try) -> str | None:
    """How long a provider took to know of an attempt, "none" where the wait ended without its word."""
    until_us: int | None = None
    for entry in tale.entries:
        event = entry.event
        if isinstance(event, e.ReconcileStarted) and event.attempt == attempt.number:
            until_us = event.until_us
        elif isinstance(event, e.AttemptProved) and event.attempt == attempt.number and event.evidence == "look_up":
            return span(entry.at_us - (until_us or entry.at_us))
    return None if until_us is None else "none"


def _told(tale: Tale, attempt: Try, arrived_us: int) -> Iterator[Mapping[str, object]]:
    """The receipts of an attempt; a receipt that proved it is one as well."""
    for entry in tale.entries:
        event = entry.event
        after = span(entry.at_us - arrived_us)
        if isinstance(event, e.AttemptProved) and (event.attempt, event.evidence) == (attempt.number, "receipt"):
            if any(_is_receipt(one, attempt) and one.at_us <= entry.at_us for one in tale.entries):
                continue  # What proved it stands there as well.
            yield {"status": "sent", "after": after}
        elif isinstance(event, e.ReceiptSeen) and event.attempt == attempt.number:
            why = None if event.failure is None else answer_of(event.failure, entry.at_us)
            # Words alone: a connection that broke is no receipt.
            yield {"status": event.status, "after": after, "why": None if why == "reset" else why}


def _is_receipt(entry: Recorded, attempt: Try) -> bool:
    return isinstance(entry.event, e.ReceiptSeen) and entry.event.attempt == attempt.number
