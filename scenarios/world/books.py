"""The truth about the other side: what left us, what arrived, what was taken, and what clients were told.

This file answers for facts that our own log cannot know. It must never be seen by the daemon; laws compare the two.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from core.news import News
from scenarios.draws import Draws
from scenarios.file.readings import FOREVER_US
from scenarios.world.meeting import Meeting

What = Literal["accepted", "repeated", "refused", "rejected", "forged", "unknown"]


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """One request that left us: `at_us` in true time, `log_us` by the daemon's clock.

    `arrives_us` is None where it never arrives; `is_taken` says whether the other side then takes it, and is not asked
    to do so again by an idempotent one. `was_intended`: the log held its intent durably when it left. `provider_id` is
    what the other side calls the message, empty where it never tells of it. An idempotent one forgets what it took
    after `knows_for_us`.

    What it took reaches whom it is for `late_us` later; with `copy_us` once more so much after that, which `is_copy`.

    Where several daemons share a log, `node` is the process that it left; `acted` tells whether that one was the one
    that acts when it began to send, `acts` whether it still was when the request had left, and `was_held` whether it
    stood still in between. If nothing kept it, it heard of an answer, or gave up, at `until_us` of true time.
    """

    key: str
    message: str
    stream: int
    attempt: int
    lane: str
    tenant: str
    to: str
    content: bytes
    at_us: int
    log_us: int
    arrives_us: int | None
    is_taken: bool
    is_idempotent: bool
    was_intended: bool
    provider_id: str = ""
    knows_for_us: int = FOREVER_US
    late_us: int = 0
    copy_us: int | None = None
    is_copy: bool = False
    node: int = 0
    acted: bool = True
    acts: bool = True
    was_held: bool = False
    until_us: int = 0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a client was told about one call, in true time. `stream` is None unless the message was accepted."""

    key: str
    nth: int
    at_us: int
    what: What
    stream: int | None = None
    words: str = ""


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody outside told us and was answered with success, in true time; see Telling.

    `hook` is what the update is called where a hook brought it.
    """

    key: str
    nth: int
    at_us: int
    lanes: tuple[str, ...]
    news: tuple[News, ...]
    handed: tuple[int, int] | None
    hook: str | None = None


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """From when on the log could not be read or written, in log time and in true time, and until when in true time.

    `machine` is the one whose daemon it kept from acting.
    """

    log_us: int
    at_us: int
    until_us: int
    machine: int = 1


class Usurped(msgspec.Struct, frozen=True, kw_only=True):
    """Events that the daemon of a machine wrote although another acted, by its own log time."""

    machine: int
    log_us: int
    events: int


class Books:
    """Everything that the world knows to have happened, over all lives of the daemon.

    `looked_up` says how long it took until a provider said that it has what it was asked about (message, attempt), None
    where it did not say so.

    Of several daemons, `events_seen` is how much of the log its writers have owned up to, `usurped` what somebody wrote
    who did not act, `gone_us` when each process was gone, in true time, `fenced` how often one was told that it does
    not act, and `carried_out` how many requests came by way of another.
    """

    def __init__(self) -> None:
        self.met: list[Meeting] = []
        self.looked_up: dict[tuple[str, int], int | None] = {}
        self.handed: list[Handed] = []
        self.told: list[Told] = []
        self.posted: list[Posted] = []
        self.alarms: list[str] = []
        self.troubles: list[Trouble] = []
        self.usurped: list[Usurped] = []
        self.events_seen = 0
        self.gone_us: dict[int, int] = {}
        self.fenced = 0
        self.carried_out = 0

    def lose_in_transit(self, now_us: int, draws: Draws, *, node: int = 0) -> None:
        """Our side is gone: of what was still under way, half arrives all the same."""
        self.handed = [
            handed if self._is_past(handed, now_us, draws, node) else _lost(handed) for handed in self.handed
        ]

    @staticmethod
    def _is_past(handed: Handed, now_us: int, draws: Draws, node: int) -> bool:
        """Whether nothing changes for a request any more when its process is gone."""
        is_elsewhere = handed.node != node or handed.arrives_us is None or handed.arrives_us <= now_us
        return is_elsewhere or draws.draw("in transit", *_key(handed)) < 0.5

    @property
    def recorded(self) -> int:
        """How many attempts met what the file records of them."""
        return sum(meeting.is_recorded for meeting in self.met)

    @property
    def modelled(self) -> int:
        """How many attempts met what other parts of the file make of them."""
        return len(self.met) - self.recorded

    def takes(self, handed: Handed) -> bool:
        """Whether the other side takes a request that is about to be noted, and not only knows it again."""
        if handed.arrives_us is None or not handed.is_taken:
            return False
        if not handed.is_idempotent:
            return True
        known = self._known(one for one in self.handed if (one.lane, one.message) == (handed.lane, handed.message))
        return all(handed.arrives_us >= until_us for _, until_us in known)

    def deliveries(self) -> list[Handed]:
        """What reached whom it was for, in the order of arrival; an idempotent provider takes a message once."""
        reached = [one for handed, _ in self._known(self.handed) for one in _copies(handed)]
        return sorted(reached, key=_order)

    def _known(self, all_of_it: Iterable[Handed]) -> list[tuple[Handed, int]]:
        """What was taken, with the instant until which it is known again."""
        arrived = sorted((one for one in all_of_it if one.arrives_us is not None and one.is_taken), key=_order)
        known: dict[tuple[str, str], int] = {}
        taken: list[tuple[Handed, int]] = []
        for handed in arrived:
            at_us, name = handed.arrives_us or 0, (handed.lane, handed.message)
            if not handed.is_idempotent or at_us >= known.get(name, 0):
                known[name] = at_us + handed.knows_for_us
                taken.append((handed, known[name]))
        return taken


def _copies(handed: Handed) -> Iterator[Handed]:
    """What became of a request that was taken, on its way to whom it is for."""
    if handed.late_us:
        handed = msgspec.structs.replace(handed, arrives_us=(handed.arrives_us or 0) + handed.late_us)
    yield handed
    if handed.copy_us is not None:
        again_us = (handed.arrives_us or 0) + handed.copy_us
        yield msgspec.structs.replace(handed, arrives_us=again_us, is_copy=True)


def _lost(handed: Handed) -> Handed:
    return msgspec.structs.replace(handed, arrives_us=None)


def _order(handed: Handed) -> tuple[int, int, int]:
    return handed.arrives_us or 0, handed.stream, handed.attempt


def _key(handed: Handed) -> tuple[str, int]:
    return handed.key, handed.attempt
