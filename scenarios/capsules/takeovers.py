"""When the daemon that acts was another one, in a log that several wrote: each change as the faults that lead to it.

This file answers for a takeover coming in a re-run when the log's came, by the rule that daemons go by
(core/ownership.py). It must never have anything die before its last event, nor let anybody do in a re-run what nobody
did in the log because nobody was there.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from core import events as e
from core.ownership import APART_S, BEAT_S, SILENCE_S
from core.policies import SECOND_US
from core.settings import Bounds
from scenarios.capsules.lives import BEHIND_US
from scenarios.capsules.stretch import End, Stretch, Tale

# A takeover of a re-run may be so far from the log's: as signs of life are apart, of which nobody knows the last.
NEAR_US: Final = round(BEAT_S * SECOND_US)
# From when on after its begin a daemon of a scenario takes in.
LISTENS_US: Final = 1_000
_BEAT_US: Final = round(BEAT_S * SECOND_US)
_SILENCE_US: Final = round(SILENCE_S * SECOND_US)
# How long somebody looks who has only just come, before the dead count as dead.
_LOOKS_US: Final = round(APART_S * SECOND_US)
# Who stops in order hands over at once; where nobody acts for longer, nobody was there.
_HANDED_OVER_US: Final = 3 * SECOND_US
# No log tells when one came back that did not act: it is soon, as under a supervisor.
_BACK_US: Final = 3 * SECOND_US
_NEVER_US: Final = 1 << 62
_ENDED: Final = (e.AttemptTaken, e.AttemptProved, e.MessageCancelled, e.MessageExpired, e.MessageDead, e.MessageHeld)

Ending = Literal["crash", "stop"]


class Takeover(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the daemon that acts. All instants are the log's.

    What ends the one before, and with `is_everybody` all others as well, strikes at `gone_us`. They are over at
    `over_us`, having waited for what was out, and there again at `back_us`. From `open_us` on somebody takes in. The
    next one acts at `began_us`, in the log and nearly so by the rule.
    """

    how: Ending
    is_everybody: bool
    gone_us: int
    over_us: int
    back_us: int
    open_us: int
    began_us: int


class _Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was due of a message, from one of its events to the next; `is_out`: the end of an attempt."""

    since_us: int
    due_us: int
    until_us: int
    is_out: bool


def takeovers_of(stretch: Stretch) -> tuple[Takeover, ...]:
    """Every change that a scenario can lead to."""
    waits = [wait for tale in stretch.tales for wait in _waits(tale)]
    found: list[Takeover] = []
    # All begin when the stretch does, and come back when a sign of life is due: so all of them keep one time.
    life_us = beats_from_us = stretch.since_us
    for end in stretch.ends():
        over = [wait for wait in waits if wait.since_us <= end.ran_us < wait.until_us]
        if end.stopped_us is not None:
            takeover: Takeover | None = _stopped(end, _asked_to_stop_us(waits, end.stopped_us), beats_from_us)
        else:
            undone_us = _undone_us(over, end)
            # What lives before left out is none of this one's business.
            was_out = any(wait.is_out and wait.since_us >= life_us for wait in over)
            takeover = _killed(end, beats_from_us, undone_us, was_out=was_out)
        if takeover is None:
            continue
        found.append(takeover)
        life_us = end.began_us
        beats_from_us = takeover.back_us if takeover.is_everybody else beats_from_us
    return tuple(_back_in_time(found))


def _waits(tale: Tale) -> Iterator[_Wait]:
    wait: _Wait | None = None
    for entry in tale.entries:
        due_us = _due_us(entry.event)
        if due_us is None and not isinstance(entry.event, _ENDED):
            continue
        if wait is not None:
            yield replace(wait, until_us=entry.at_us)
        is_out = isinstance(entry.event, e.AttemptStarted)
        wait = None if due_us is None else _Wait(since_us=entry.at_us, due_us=due_us, until_us=_NEVER_US, is_out=is_out)
    if wait is not None:
        yield wait


def _due_us(event: e.Event) -> int | None:
    """When a daemon has to do something about a message, as this event says."""
    match event:
        case e.AttemptStarted():
            return event.deadline_us
        case e.ReconcileStarted():
            return event.until_us
        case _:
            due_us: int | None = getattr(event, "due_us", None)
            return due_us


def _asked_to_stop_us(waits: Sequence[_Wait], stopped_us: int) -> int:
    """When somebody asked for a stop: it may have waited for what was out, and then began nothing meanwhile."""
    out = [wait for wait in waits if wait.is_out and wait.since_us < stopped_us]
    if not any(wait.until_us >= stopped_us - BEHIND_US for wait in out):
        return stopped_us
    sent_us = max(wait.since_us for wait in out) + BEHIND_US
    return min(stopped_us, max(sent_us, stopped_us - Bounds().stop_within_us))


def _undone_us(over: Sequence[_Wait], end: End) -> int:
    """When something was due that nobody did before the next one began; what nobody did for long was due at once.

    It may have been held by a limit, which no event tells: for a short while that is likely, and for longer it would
    have been let out by whoever was there.
    """
    is_long = end.began_us - end.ran_us > _SILENCE_US + NEAR_US
    return min((wait.due_us for wait in over if is_long or wait.due_us > end.ran_us), default=end.began_us)


def _stopped(end: End, gone_us: int, beats_from_us: int) -> Takeover:
    """One that was asked to stop."""
    assert end.stopped_us is not None, "the log tells of its stop"
    if end.began_us - end.stopped_us > _HANDED_OVER_US:
        return _everybody(end, "stop", gone_us=gone_us, back_us=end.began_us)
    return _one(end, "stop", gone_us, beats_from_us, over_us=end.stopped_us)


def _killed(end: End, beats_from_us: int, undone_us: int, *, was_out: bool) -> Takeover | None:
    """One that was heard of no more, and replaced when it had been silent for long enough; None where it cannot be.

    It may have been there for as long as nothing was due that nobody did, which is `undone_us`.
    """
    least_us = end.ran_us + BEHIND_US
    earliest_us = _beat_before(least_us, beats_from_us)
    fitting_us = max(earliest_us, _beat_before(end.began_us - _SILENCE_US + _BEAT_US // 2, beats_from_us))
    # A sign of life may have come late to the database, so that a silence is shorter than any can be here.
    for beat_us in (fitting_us, earliest_us):
        gone_us, late_us = max(least_us, beat_us + BEHIND_US), beat_us + _SILENCE_US - end.began_us
        if gone_us <= max(undone_us, least_us + BEHIND_US) and -NEAR_US <= late_us <= 2 * NEAR_US:
            return _one(end, "crash", gone_us, beats_from_us)
    if earliest_us + _SILENCE_US < end.began_us:
        # What was due meanwhile was done by nobody: none of them was there.
        return _everybody(end, "crash", gone_us=least_us, back_us=end.began_us - _LOOKS_US)
    # No death is noticed so soon. Where nothing was out, a stop leads to the same.
    return None if was_out else _one(end, "stop", end.began_us, beats_from_us)


def _one(end: End, how: Ending, gone_us: int, beats_from_us: int, *, over_us: int | None = None) -> Takeover:
    """The one that acts is gone, while others are there."""
    over_us = gone_us if over_us is None else over_us
    return Takeover(
        how=how,
        is_everybody=False,
        gone_us=gone_us,
        over_us=over_us,
        back_us=_beat_before(over_us + _BACK_US, beats_from_us) + _BEAT_US,
        open_us=gone_us + LISTENS_US,
        began_us=end.began_us,
    )


def _everybody(end: End, how: Ending, *, gone_us: int, back_us: int) -> Takeover:
    """All of them are gone, and come back at once."""
    return Takeover(
        how=how,
        is_everybody=True,
        gone_us=gone_us,
        over_us=gone_us,
        back_us=back_us,
        open_us=back_us + LISTENS_US,
        began_us=end.began_us,
    )


def _back_in_time(takeovers: Sequence[Takeover]) -> Iterator[Takeover]:
    """With everybody back before they are needed again, and nobody back while nobody was there."""
    for place, takeover in enumerate(takeovers):
        back_us = takeover.back_us
        for later in takeovers[place + 1 :]:
            if later.gone_us > back_us:
                break
            if later.is_everybody:
                back_us = later.back_us
            elif later.how == "stop":
                back_us = (takeover.over_us + max(takeover.over_us, later.gone_us)) // 2
                break
        yield replace(takeover, back_us=back_us)


def _beat_before(at_us: int, beats_from_us: int) -> int:
    """The last sign of life up to an instant, of those who let themselves be heard of since another."""
    return at_us - (at_us - beats_from_us) % _BEAT_US
