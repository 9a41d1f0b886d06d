"""Somebody forgotten by a plan: who that is, what the plan is without them, and what is kept of them then: nothing.

This file answers for finding them however their address was written, and for their names and messages leaving the row.
It must never decide anything anew for those who stay: what they have, and what they lack, is as it was.
"""

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from core.content_rules import address_of
from core.errors import Invalid
from core.plan_marks import Mark, unwanted
from core.plan_requests import Participant
from core.plan_rows import Kept, decoded_request, encoded_request, grouped, marks_of
from core.plans import Key
from core.records import Head


def is_reached_at(who: Participant, channel: str, address: str) -> bool:
    """Whether reminders for somebody go to an address, which is in its normal form: at first, or as a fallback."""
    if _is_at(who.channel, who.to, channel, address):
        return True
    return any(_is_at(other.channel, other.to, channel, address) for other in who.fallback)


def without(kept: Kept, ids: Collection[str], heads: Mapping[int, Head]) -> Kept:
    """A plan that has been carried out as it goes on without these people; `heads` are those of their messages.

    Their open messages are to be withdrawn, and with that the row holds nothing more of them (see `cleared`). A plan
    that has nobody left is called off.
    """
    request = decoded_request(kept)
    staying = tuple(who for who in request.participants if who.id not in ids)
    marks: dict[Key, Mark] = {
        key: unwanted(mark, heads.get(mark.message)) if key[0] in ids else mark for key, mark in marks_of(kept).items()
    }
    return replace(
        kept,
        request=encoded_request(replace(request, participants=staying)),
        is_cancelled=kept.is_cancelled or not staying,
        marks=grouped(marks),
        forgotten=tuple(sorted(ids)),
    )


def cleared(kept: Kept) -> Kept:
    """A plan that was carried out, with nothing left in it of those whom it was to forget."""
    if not kept.forgotten:
        return kept
    gone = frozenset(kept.forgotten)
    return replace(kept, marks={who: marks for who, marks in kept.marks.items() if who not in gone}, forgotten=())


def _is_at(channel: str, to: str, wanted_channel: str, address: str) -> bool:
    if channel != wanted_channel:
        return False
    if to == address:
        return True
    try:
        return address_of(channel, to)[0] == address
    except Invalid:
        return False  # It was well-formed for an earlier release, and no message to it could be made now.
