"""What a plan has, held against what it wants: which messages are made, moved, replaced, withdrawn or left alone.

This file answers for one message at most that anybody gets of a kind: what was tried is left as it is, and another one
is made only where the one before it certainly went nowhere. It decides; the actor carries out what is still to do.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from core.errors import Invalid
from core.message import OPEN
from core.plans import Key, Wanted
from core.policies import DAY_US
from core.records import Head

# Messages that a plan remembers, those of people who left it included.
MARKS_MAX: Final = 100_000

Todo = Literal["", "make", "move", "replace", "withdraw"]
Why = Literal["past", "in_flight", "tried"]

_UNTRIED: Final = frozenset({"queued", "scheduled"})


class Mark(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What a plan knows of its message for one participant and kind.

    `generation` counts the messages that were ever made for them; `message` is the last one, 0 before the first.
    `at_us` is its moment, 0: at once. `is_wanted`: the plan wants it still. `todo` is what was decided and is not done:
    of one that is made or replaced, `message` is the one before.
    """

    generation: int
    message: int
    at_us: int
    digest: bytes
    is_wanted: bool = True
    todo: Todo = ""


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is wanted and will not be there.

    Its moment has passed; or the one before it was withdrawn while it was in flight, or after it had been tried.
    """

    key: Key
    why: Why


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan comes to: all its marks, with what is to do about them, and what is left out."""

    marks: dict[Key, Mark]
    skipped: tuple[Skipped, ...]


def changes(wanted: Sequence[Wanted], marks: Mapping[Key, Mark], heads: Mapping[int, Head], *, now_us: int) -> Changes:
    """What has to change so that the messages in `heads` become what is wanted by a plan that is set at `now_us`."""
    after: dict[Key, Mark] = {}
    skipped: list[Skipped] = []
    keys: set[Key] = set()
    for want in wanted:
        keys.add(want.key)
        mark = marks.get(want.key)
        fresh, why = _decided(want, mark, None if mark is None else heads.get(mark.message), now_us)
        if fresh is not None:
            after[want.key] = fresh
        if why is not None:
            skipped.append(Skipped(key=want.key, why=why))
    for key, mark in marks.items():
        if key not in keys:
            after[key] = unwanted(mark, heads.get(mark.message))
    return Changes(marks=after, skipped=tuple(skipped))


def unwanted(mark: Mark, head: Head | None) -> Mark:
    """The mark of a message that is wanted no more: it is withdrawn where it is open."""
    is_open = head is not None and head.status in OPEN
    return replace(mark, is_wanted=False, todo="withdraw" if mark.is_wanted and is_open else "")


def staying(marks: Mapping[Key, Mark]) -> int:
    """How many wanted messages are there and stay as they are."""
    return sum(1 for mark in marks.values() if mark.is_wanted and not mark.todo)


def check_bounds(found: Changes, wanted: Sequence[Wanted], *, now_us: int, send_at_max_us: int) -> None:
    """Raises Invalid for a message too far ahead, and for a plan that has had too many."""
    if len(found.marks) > MARKS_MAX:
        raise Invalid(
            "/participants", f"expected at most {MARKS_MAX} messages in the life of a plan: take another reference"
        )
    for want in wanted:
        mark = found.marks.get(want.key)
        if mark is not None and mark.todo and mark.is_wanted and mark.at_us > now_us + send_at_max_us:
            words = f"lies more than {send_at_max_us // DAY_US} days ahead for participant {want.key[0]!r}"
            raise Invalid(f"/reminders/{want.reminder}", words)


def _decided(want: Wanted, mark: Mark | None, head: Head | None, now_us: int) -> tuple[Mark | None, Why | None]:
    """The mark of a message that is wanted, and why there will be no message where that is so."""
    is_past = want.at_us is not None and want.at_us < now_us
    if mark is None or (not mark.is_wanted and _is_gone(head)):
        return (mark, "past") if is_past else (_made(want, mark), None)
    if not mark.is_wanted:
        return _withdrawn(mark, head)
    is_moved = want.at_us is not None and want.at_us != mark.at_us
    if head is None or head.attempts:
        return mark, None
    if head.status == "expired" and is_moved and not is_past:
        return _made(want, mark), None
    if head.status not in _UNTRIED:
        return mark, None
    if is_moved and is_past:
        return replace(mark, is_wanted=False, todo="withdraw"), "past"
    is_elsewhere = want.digest != mark.digest and want.digest_before == mark.digest
    if want.digest != mark.digest and not is_elsewhere:
        return replace(_made(want, mark), todo="replace"), None
    if not is_moved and not is_elsewhere:
        return mark, None
    # When a message expires is written into it, so that one that moves with its moment is another message.
    if want.expires_us is not None:
        return replace(_made(want, mark), todo="replace"), None
    return replace(mark, at_us=want.at_us or 0, digest=want.digest, todo="move"), None


def _is_gone(head: Head | None) -> bool:
    """Whether a withdrawn message certainly reached nobody."""
    return head is None or (head.status == "cancelled" and not head.attempts)


def _withdrawn(mark: Mark, head: Head | None) -> tuple[Mark, Why | None]:
    """A message that was withdrawn after it had been tried, and is wanted again."""
    if head is not None and head.status in OPEN:
        return mark, "in_flight"
    if head is not None and head.status == "cancelled":
        return mark, "tried"
    # It was taken, or had ended otherwise before it could be withdrawn: so it is its kind's message.
    return replace(mark, is_wanted=True), None


def _made(want: Wanted, before: Mark | None) -> Mark:
    return Mark(
        generation=1 if before is None else before.generation + 1,
        message=0 if before is None else before.message,
        at_us=want.at_us or 0,
        digest=want.digest,
        todo="make",
    )
