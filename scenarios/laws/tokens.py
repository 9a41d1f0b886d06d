"""Which token a device had when, as its application said: what a push to it may have been handed to.

This file answers for that alone. It knows no more than what was asked for and what was answered.
"""

from typing import Final

from scenarios.file.readings import filled
from scenarios.file.wishes import Device
from scenarios.laws.evidence import Evidence
from scenarios.world.books import Handed
from scenarios.world.wishing import Wish

# Where log time waits for a wall clock that went back, true time is at most so much faster (core/timekeeping.py).
_SLOWEST: Final = 2


def tokens_at(evidence: Evidence, handed: Handed) -> set[str]:
    """The token that was in force when the attempt began, or one asked for since, until the push left.

    To connect takes a while, and an application may name another token meanwhile.
    """
    answered = {told.key: told.at_us for told in evidence.books.told if told.what == "accepted"}
    user, _, device = evidence.subjects[handed.key.partition("@")[0]].to, "@", handed.key.partition("@")[2]
    mine = [wish for wish in evidence.wishes if _is_of(wish, handed.tenant, user, device)]
    began_us = handed.at_us - _connecting_us(evidence, handed)
    known_us = max((wish.at_us for wish in mine if answered.get(wish.key, began_us + 1) <= began_us), default=0)
    return {
        f"token:{filled(wish.asked.token, wish.number)}"
        for wish in mine
        if isinstance(wish.asked, Device) and known_us <= wish.at_us <= handed.at_us
    }


def _connecting_us(evidence: Evidence, handed: Handed) -> int:
    """How long at most it was from an attempt's intent until it left, in true time."""
    story = evidence.chronicle.stories.get(handed.stream)
    attempts = () if story is None else story.attempts
    started_us = next((one.started_us for one in attempts if one.number == handed.attempt), handed.log_us)
    return _SLOWEST * (handed.log_us - started_us)


def _is_of(wish: Wish, tenant: str, user: str, device: str) -> bool:
    asked = wish.asked
    if not isinstance(asked, Device) or asked.do != "register" or asked.tenant != tenant:
        return False
    return (filled(asked.user, wish.number), filled(asked.device, wish.number)) == (user, device)
