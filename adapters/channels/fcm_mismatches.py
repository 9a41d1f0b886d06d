"""Registrations of another project: one is a token's own fault, most of those tried lately are a fault of our set-up.

This file answers for telling the two apart by the last answers of one lane. It must never ask for the time.
"""

from collections import deque
from typing import Final

from core.outcomes import Config, Outcome, Recipient, Taken
from core.policies import MINUTE_US, SECOND_US

MISMATCH: Final = "SENDER_ID_MISMATCH"
# The answers that count: so many of the last, none older than this, and no verdict over fewer than the least.
ANSWERS_MAX: Final = 20
ANSWERS_LEAST: Final = 5
WITHIN_US: Final = 10 * MINUTE_US


class Mismatches:
    """The last answers that told whether a registration belongs to the lane's project."""

    def __init__(self) -> None:
        self._answers: deque[tuple[int, bool]] = deque(maxlen=ANSWERS_MAX)
        self._is_ours = False

    def judged(self, outcome: Outcome, now_us: int) -> Outcome:
        """The outcome itself, or that our set-up is broken where most of the registrations tried are another's."""
        if isinstance(outcome, Taken):
            if self._is_ours:
                # Somebody has mended it: what was refused before says nothing of the tokens that follow.
                self._answers.clear()
                self._is_ours = False
            self._answers.append((now_us, False))
        elif isinstance(outcome, Recipient) and outcome.code == MISMATCH:
            self._answers.append((now_us, True))
            self._is_ours = self._are_most(now_us)
            if self._is_ours:
                minutes = WITHIN_US // (60 * SECOND_US)
                told = f"most registrations tried within {minutes} minutes belong to another project: {outcome.detail}"
                return Config(code=outcome.code, detail=told)
        return outcome

    def _are_most(self, now_us: int) -> bool:
        lately = [is_mismatch for at_us, is_mismatch in self._answers if at_us > now_us - WITHIN_US]
        return len(lately) >= ANSWERS_LEAST and 2 * sum(lately) > len(lately)
