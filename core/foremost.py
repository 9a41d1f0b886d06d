"""Which of a conversation's open messages decide when it next wants each lane, found without going through all.

This file answers for `core.conversation.dues` saying of the few that `deciding` names what it says of all that is open,
so that what waits for later costs an attempt nothing. Pure bookkeeping: it must never say when anything is due.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from core.message import WAITING, Message
from core.records import FIFO_LINE

# An instant, what decides where two share it, and the message's id.
_Rank = tuple[int, int, int]
# A list's name: what its messages have in common, the lane they want, and the policy that they name.
_Name = tuple[str, str, str | None]

_FIFO: Final[_Name] = ("fifo", "", None)
_FLYING: Final[_Name] = ("flying", "", None)
_FAILING: Final[_Name] = ("failing", "", None)

# So few messages are asked sooner than filed. Most of what comes leaves again before so many others have come.
FEW: Final = 8


class Foremost:
    """The open messages: a few that came or changed last, and all others in lists, each by the instant that counts.

    `open_` is the caller's, who tells of each change to it: `take` of what came, `drop` of what is gone or was before.
    """

    __slots__ = ("_blocked_until_us", "_first", "_lists", "_near", "_open")

    def __init__(self, open_: Mapping[int, Message]) -> None:
        self._open = open_
        self._near: dict[int, Message] = {}
        self._lists: dict[_Name, list[_Rank]] = {}
        # Those of the filed ones that decide, as they were found last, and for which block; None: they are to be found.
        self._first: list[Message] | None = None
        self._blocked_until_us = 0
        for message in open_.values():
            self._file(message)

    def take(self, message: Message) -> None:
        """Has a message among those that may decide."""
        self._near[message.id] = message
        if len(self._near) > FEW:
            for other in self._near.values():
                self._file(other)
            self._near.clear()
            self._first = None

    def drop(self, message: Message) -> None:
        """Forgets a message, which is as it was when it was taken."""
        if self._near.pop(message.id, None) is not None:
            return
        self._first = None
        for name, rank in _standing(message):
            ranks = self._lists[name]
            at = bisect_left(ranks, rank)
            assert ranks[at] == rank, f"message {message.id} stands at {ranks[at]}, expected {rank}"
            del ranks[at]
            if not ranks:
                del self._lists[name]

    def deciding(self, blocked_until_us: int) -> list[Message]:
        """Those that decide while the conversation is blocked until an instant (0, or a past one, where it is not)."""
        if self._first is None or self._blocked_until_us != blocked_until_us:
            self._first, self._blocked_until_us = self._first_of_all(blocked_until_us), blocked_until_us
        return [*self._first, *self._near.values()]

    def _file(self, message: Message) -> None:
        for name, rank in _standing(message):
            insort(self._lists.setdefault(name, []), rank)

    def _first_of_all(self, blocked_until_us: int) -> list[Message]:
        found: dict[int, None] = {}
        for (kind, _, _), ranks in self._lists.items():
            if kind in {"flying", "failing"}:
                found.update(dict.fromkeys(message for _, _, message in ranks))
            elif kind == "loose" and ranks[0][0] < blocked_until_us:
                # All of them are ready together once the block is over, and then the most urgent goes first.
                _, message = min((urgency, message) for _, urgency, message in _until(ranks, blocked_until_us))
                found[message] = None
            else:
                found[ranks[0][2]] = None
        return [self._open[message] for message in found]


def _standing(message: Message) -> Iterable[tuple[_Name, _Rank]]:
    """The lists that a message stands in, and where.

    The first of a fifo line speaks for all behind it, of whom only the end of their time counts, or of their patience.
    In the loose line everybody speaks for themselves; how many may start at once is for each one's policy to say.
    """
    stream, urgency = message.id, -message.priority
    is_fifo = message.line == FIFO_LINE
    if is_fifo:
        yield _FIFO, (message.first_due_us, 0, stream)
    if message.in_flight:
        yield _FLYING, (0, 0, stream)
    if message.status not in WAITING:
        return
    ends_us = message.ends_us
    if ends_us is not None:
        yield ("ending", message.lane, None), (ends_us, urgency, stream)
    if is_fifo and message.failing_us is not None:
        yield _FAILING, (0, 0, stream)
    if not is_fifo:
        assert message.due_us is not None, f"message {stream} waits without a due instant"
        yield ("loose", message.lane, message.policy), (message.due_us, urgency, stream)


def _until(ranks: list[_Rank], instant_us: int) -> Iterator[_Rank]:
    for rank in ranks:
        if rank[0] > instant_us:
            return
        yield rank
