"""When the daemon that acts stood still without being replaced, as far as a log shows it: by what it gave up for that.

This file answers for the one form of it that leads to the same events. It must never tell of a time that the log shows
only by what is missing: nothing may have been to do.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from core import events as e
from core.ownership import BEAT_S, LEFT_S, TRUST_S
from core.policies import SECOND_US
from scenarios.capsules.lives import BEHIND_US
from scenarios.capsules.spans import span
from scenarios.capsules.stretch import Stretch
from scenarios.world.link import SILENT_US

# So long after its last sign of life a daemon begins no send.
_DOUBTS_US: Final = round((TRUST_S - LEFT_S) * SECOND_US)
_BEAT_US: Final = round(BEAT_S * SECOND_US)
_BEFORE_US: Final = 1_000


class Still(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon did not hear that intents from `first_us` to `last_us` were durable before it went on, at `until_us`.

    `attempts` is how many it gave up then, since it could not know any more whether it still acts.
    """

    first_us: int
    last_us: int
    until_us: int
    attempts: int

    @property
    def held_us(self) -> int:
        """When it stops short: a sign of life is on its way by then, so that it has an old one when it goes on."""
        return max(self.last_us, self.first_us + _BEAT_US) + BEHIND_US

    @property
    def is_told(self) -> bool:
        """Whether a file can say so: it has to have been silent for long enough, and the answers not to be given up."""
        return self.until_us - self.first_us > _DOUBTS_US and self.held_us - self.first_us < SILENT_US - 2 * BEHIND_US


def stills(stretch: Stretch) -> list[Still]:
    """Each such time."""
    begun_us: dict[int, list[int]] = {}
    for tale in stretch.tales:
        for attempt in tale.tries():
            ended = attempt.ended
            if ended is not None and isinstance(ended.event, e.AttemptAborted) and ended.event.reason == "lease":
                begun_us.setdefault(ended.at_us, []).append(max(stretch.since_us, attempt.started.at_us))
    return [
        Still(
            first_us=min(begun),
            # What it began once it went on was given up at once.
            last_us=max((at_us for at_us in begun if until_us - at_us > _DOUBTS_US // 2), default=until_us),
            until_us=until_us,
            attempts=len(begun),
        )
        for until_us, begun in sorted(begun_us.items())
    ]


def faults_of_stills(stretch: Stretch) -> Iterator[dict[str, object]]:
    """Answers of the database are on their way when the daemon stops short, and are there when it goes on."""
    for still in stills(stretch):
        if still.is_told:
            cut_us, held_us = still.first_us - _BEFORE_US, still.held_us
            yield {
                "at": span(cut_us - stretch.since_us),
                "for": span(held_us + BEHIND_US - cut_us),
                "cut": "acting",
                "way": "from",
            }
            yield {
                "at": span(held_us - stretch.since_us),
                "for": span(still.until_us - held_us),
                "daemon": "freeze",
                "of": "acting",
            }
