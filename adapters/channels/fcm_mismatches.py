"""Registrations of another project: one is a token's own fault, most of those tried lately are a fault of our set-up.

This file answers for telling the two apart by the last answers of one lane, and for no token being blamed before one
was taken: until then a wrong service account is likelier. It must never ask for the time.
"""

from collections import deque
from typing import Final

from core.outcomes import Config, Outcome, Recipient, Taken, Transient
from core.policies import MINUTE_US, SECOND_US

MISMATCH: Final = "SENDER_ID_MISMATCH"
# The answers that count: so many of the last, none older than this, and no verdict over fewer than the least.
ANSWERS_MAX: Final = 20
ANSWERS_LEAST: Final = 5
WITHIN_US: Final = 10 * MINUTE_US


class Mismatches:
    """The last answers that told whether a registration belongs to the lane's project."""

    def __init__(self) -> None:
        # When, of which registration, and whether it is another project's; of mismatches the last of each.
        self._answers: deque[tuple[int, str, bool]] = deque(maxlen=ANSWERS_MAX)
        self._is_ours = False
        # Whether a registration was taken since the lane began, or since our set-up was found to be broken.
        self._is_proved = False

    def judged(self, outcome: Outcome, registration: str, now_us: int) -> Outcome:
        """The outcome itself, or that our set-up is broken where most of the registrations tried are another's.

        While nothing was taken yet a mismatch blames nobody: it is tried again.
        """
        if isinstance(outcome, Taken):
            if self._is_ours:
                # Somebody has mended it: what was refused before says nothing of the tokens that follow.
                self._answers.clear()
                self._is_ours = False
            self._answers.append((now_us, registration, False))
            self._is_proved = True
        elif isinstance(outcome, Recipient) and outcome.code == MISMATCH:
            # One that is tried again and again is still one.
            before = [answer for answer in self._answers if answer[1:] != (registration, True)]
            self._answers = deque([*before, (now_us, registration, True)], maxlen=ANSWERS_MAX)
            self._is_ours = self._are_most(now_us)
            if self._is_ours:
                self._is_proved = False
                minutes = WITHIN_US // (60 * SECOND_US)
                told = f"most registrations tried within {minutes} minutes belong to another project: {outcome.detail}"
                return Config(code=outcome.code, detail=told)
            if not self._is_proved:
                told = f"nothing was taken yet that would prove our own project: {outcome.detail}"
                return Transient(code=outcome.code, detail=told)
        return outcome

    def _are_most(self, now_us: int) -> bool:
        lately = [is_mismatch for at_us, _, is_mismatch in self._answers if at_us > now_us - WITHIN_US]
        return len(lately) >= ANSWERS_LEAST and 2 * sum(lately) > len(lately)
