"""Who in a plan is somebody that is to be forgotten.

This file answers for finding everybody of whom a plan keeps something: those it names, and those who left it before.
It must never change a plan.
"""

from typing import Final

import anyio.lowlevel
import msgspec

from core.plan_forgetting import is_reached_at
from core.plan_rows import Kept, decoded_request, marks_of
from core.ports import Log

# After so many that were only looked at, others have their turn.
_LOOKED_AT: Final = 64


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody by their address, in its normal form, and the conversation with them; None where there is none."""

    channel: str
    address: str
    conversation: int | None


async def ids_of(log: Log, kept: Kept, sought: Sought) -> frozenset[str]:
    """The ids under which a plan has them: as participants, or in the marks of whoever takes part no more."""
    await anyio.lowlevel.checkpoint()
    found, present = set[str](), set[str]()
    for number, who in enumerate(decoded_request(kept).participants, 1):
        present.add(who.id)
        if is_reached_at(who, sought.channel, sought.address):
            found.add(who.id)
        if number % _LOOKED_AT == 0:
            await anyio.lowlevel.checkpoint()
    if sought.conversation is None:
        return frozenset(found)
    # The request has no address of those who left, and their messages tell whom they were for.
    left = {mark.message: who for (who, _), mark in marks_of(kept).items() if who not in present}
    heads = await log.heads_by(list(left)) if left else {}
    found |= {left[stream] for stream, head in heads.items() if head.conversation == sought.conversation}
    return frozenset(found)
