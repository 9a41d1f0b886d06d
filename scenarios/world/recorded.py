"""What a file records of attempts beyond their answers: how long they stand for, what was told, and the chance drawn.

This file answers for a recorded world being used only where it was seen. It must never let an answer speak for a time
that is far from its own: an outage that was over by then would go on for ever.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from core.news import Receipt
from core.policies import MINUTE_US
from core.ports import Chance
from scenarios.file.sides import Answered

# Provider and network are taken to behave alike for so long; beyond it, what was recorded of another time says nothing.
STANDS_WITHIN_US: Final = MINUTE_US
_OF_RETRIES: Final = frozenset({"jitter", "doubt"})


def stands(recorded: Answered, at_us: int) -> bool:
    """Whether a recorded answer speaks for an attempt that begins at an instant since the start."""
    return recorded.at_us is None or abs(at_us - recorded.at_us) <= STANDS_WITHIN_US


def receipts_told(recorded: Answered, provider_id: str) -> tuple[tuple[int, Receipt], ...] | None:
    """What was told of a message after an attempt took it, each with its span since then; None: nothing is recorded."""
    if recorded.told is None:
        return None
    return tuple(
        (
            told.after_us,
            Receipt(
                status=told.status,
                provider_id=provider_id,
                at_us=told.after_us,
                code="" if told.why is None else told.why.code,
                failure=told.why,
            ),
        )
        for told in recorded.told
    )


def chance_of(answered: Sequence[Answered], chance: Chance, key_of: Callable[[int], str]) -> Chance:
    """The chance of a run: recorded draws where a file has any, and `chance` for all others."""
    drawn = {(one.message, one.attempt): one.jitter for one in answered if one.jitter is not None}
    return RecordedChance(drawn, chance, key_of) if drawn else chance


class RecordedChance:
    """Draws as recorded for attempts that are known by message and number. `key_of` names a message by its stream."""

    def __init__(self, drawn: Mapping[tuple[str, int], float], chance: Chance, key_of: Callable[[int], str]) -> None:
        self._drawn = drawn
        self._chance = chance
        self._key_of = key_of

    def draw(self, purpose: str, *key: int | str) -> float:
        """A number in [0, 1), the same for the same purpose and key."""
        if purpose in _OF_RETRIES:
            stream, attempt = key
            assert isinstance(stream, int), f"a {purpose} is drawn for a stream: {key}"
            assert isinstance(attempt, int), f"a {purpose} is drawn for an attempt: {key}"
            found = self._drawn.get((self._key_of(stream), attempt))
            if found is not None:
                return found
        return self._chance.draw(purpose, *key)
