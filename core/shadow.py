"""A policy in shadow: what it would have decided, where the lane's own policy did decide.

This file answers for comparing two decisions about the same state, and for what the comparisons of one shadow add up
to. A shadow never has a history of its own: each comparison starts from what really happened, so it says what the next
step would have been, never where many of them would have led.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Final

import msgspec

from core import events as e
from core.policies import Policy

# The last decisions on which the two differ are kept as examples.
SAMPLES_MAX: Final = 20

# The word for a decision is that of the last of its events that has one.
_WORDS: Final[dict[type[e.Event], str]] = {
    e.AttemptStarted: "sent now",
    e.MessageDeferred: "deferred",
    e.AttemptTaken: "taken",
    e.AttemptFailed: "retried",
    e.AttemptProved: "proved",
    e.ReconcileStarted: "in doubt",
    e.LaneChanged: "moved on",
    e.MessageHeld: "held",
    e.MessageDead: "dead",
    e.MessageCancelled: "cancelled",
    e.MessageExpired: "expired",
    e.MessageSetAside: "set aside",
}
_OPENS: Final = ", circuit opened"


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A decision in a word, and when the message or its circuit has its next turn after it."""

    word: str
    due_us: int | None = None
    opens_until_us: int | None = None


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What the comparisons of one shadow add up to; fields as in ShadowTold."""

    decisions: int = 0
    alike: int = 0
    contrasts: dict[tuple[str, str], int] = {}
    samples: tuple[e.Sample, ...] = ()
    starts: int = 0
    delayed: int = 0
    delayed_us: int = 0
    longest_us: int = 0


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """A shadow as the log knows it."""

    name: str
    policy: Policy
    began_us: int
    tally: Tally = Tally()


def verdict_of(message: Sequence[e.Event], conversation: Sequence[e.Event] = ()) -> Verdict:
    """What events decide, those of a message and those of its conversation together."""
    word, due_us, opens_until_us = "nothing", None, None
    for event in chain(message, conversation):
        word = _WORDS.get(type(event), word)
        match event:
            case e.AttemptFailed(due_us=at_us) | e.MessageDeferred(due_us=at_us) | e.LaneChanged(due_us=at_us):
                due_us = at_us
            case e.ReconcileStarted(until_us=until_us):
                due_us = until_us
            case e.MessageDead() | e.MessageHeld() | e.MessageCancelled() | e.MessageExpired() | e.AttemptProved():
                due_us = None
            case e.CircuitOpened(until_us=until_us):
                opens_until_us = until_us
            case _:
                pass
    return Verdict(word=word if opens_until_us is None else word + _OPENS, due_us=due_us, opens_until_us=opens_until_us)


def compared(tally: Tally, was: Verdict, would: Verdict, *, at_us: int, message: int, attempt: int) -> Tally:
    """One more decision: what it was, and what it would have been."""
    decisions = tally.decisions + 1
    if was == would:
        return msgspec.structs.replace(tally, decisions=decisions, alike=tally.alike + 1)
    pair = was.word, _later(was, would)
    sample = e.Sample(
        at_us=at_us,
        message=message,
        attempt=attempt,
        was=pair[0],
        would=pair[1],
        was_due_us=was.due_us,
        would_due_us=would.due_us,
    )
    return msgspec.structs.replace(
        tally,
        decisions=decisions,
        contrasts={**tally.contrasts, pair: tally.contrasts.get(pair, 0) + 1},
        samples=(*tally.samples, sample)[-SAMPLES_MAX:],
    )


def paced(tally: Tally, wait_us: int) -> Tally:
    """One more attempt that started, and how long the shadow's limits would have held it back."""
    held_back = wait_us > 0
    return msgspec.structs.replace(
        tally,
        starts=tally.starts + 1,
        delayed=tally.delayed + held_back,
        delayed_us=tally.delayed_us + wait_us,
        longest_us=max(tally.longest_us, wait_us),
    )


def told(tally: Tally) -> e.ShadowTold:
    """The tally as an event."""
    contrasts = (e.Contrast(was=was, would=would, count=count) for (was, would), count in tally.contrasts.items())
    return e.ShadowTold(
        decisions=tally.decisions,
        alike=tally.alike,
        contrasts=tuple(sorted(contrasts, key=lambda contrast: (-contrast.count, contrast.was, contrast.would))),
        samples=tally.samples,
        starts=tally.starts,
        delayed=tally.delayed,
        delayed_us=tally.delayed_us,
        longest_us=tally.longest_us,
    )


def evolve(shadow: Shadow | None, event: e.Event, at_us: int) -> Shadow | None:
    """The shadow after an event of its lane; None where there is none."""
    match event:
        case e.ShadowBegan(name=name, body=body):
            return Shadow(name=name, policy=msgspec.json.decode(body, type=Policy), began_us=at_us)
        case e.ShadowTold() if shadow is not None:
            return msgspec.structs.replace(shadow, tally=_tally_of(event))
        case e.ShadowEnded() | e.PolicyPromoted():
            return None
        case _:
            return shadow


def _tally_of(event: e.ShadowTold) -> Tally:
    return Tally(
        decisions=event.decisions,
        alike=event.alike,
        contrasts={(contrast.was, contrast.would): contrast.count for contrast in event.contrasts},
        samples=event.samples,
        starts=event.starts,
        delayed=event.delayed,
        delayed_us=event.delayed_us,
        longest_us=event.longest_us,
    )


def _later(was: Verdict, would: Verdict) -> str:
    """The word for the other verdict; where it is the same word, whether its turn comes sooner or later."""
    if was.word != would.word:
        return would.word
    before_us, after_us = was.due_us or was.opens_until_us or 0, would.due_us or would.opens_until_us or 0
    if before_us == after_us:
        before_us, after_us = was.opens_until_us or 0, would.opens_until_us or 0
    return f"{would.word}, {'sooner' if after_us < before_us else 'later'}"
