"""How long a limiter's refusal pauses its scope: read off the outcome, the policy, and the refusals before it.

This file answers for no more than that arithmetic; what must heed it stands in timing.py and starting.py.
"""

from collections.abc import Mapping

from core import events as e
from core.outcomes import Rate
from core.policies import SECOND_US, Policy
from scenarios.laws.evidence import Evidence


def refusals_before(evidence: Evidence) -> Mapping[tuple[int, int], int]:
    """How many refusals in a row by the peer's own limiter came before each refusal (stream, attempt).

    Only those that ask for longer and longer waits count; a message that is taken ends the row.
    """
    found: dict[tuple[int, int], int] = {}
    for entries in evidence.chronicle.conversations.values():
        row = 0
        for entry in entries:
            match entry.event:
                case e.AttemptFailed(outcome=Rate() as rate, attempt=attempt):
                    found[entry.stream, attempt] = row
                    row = _longer(row, rate)
                case e.AttemptTaken():
                    row = 0
                case _:
                    pass
    return found


def _longer(row: int, rate: Rate) -> int:
    if rate.scope != "pair":
        return row
    return row + 1 if rate.growth > 1 else 0


def grown_us(rate: Rate, policy: Policy, refusals: int) -> int:
    """How long a limiter's refusal pauses its scope, after so many of them in a row."""
    if rate.after_us is None and rate.growth <= 1:
        return policy.rate_pause_us
    asked_us = policy.rate_pause_us if rate.after_us is None else _bounded(rate.after_us, policy)
    return _bounded(asked_us * rate.growth ** min(refusals, 32), policy) if rate.growth > 1 else asked_us


def _bounded(asked_us: int, policy: Policy) -> int:
    # Waits that use up no attempt must not come to nothing.
    return max(SECOND_US, min(asked_us, policy.retry_after_ceiling_us))
