"""The stock of faults that any world may be given, whatever its file thought of.

This file answers for each kind of fault being one that a file could name, and for drawing it by its kind and number. It
must never know how a fault is carried out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from adapters.config.units import shown_span
from core.policies import HOUR_US, MINUTE_US, SECOND_US
from scenarios.draws import Draws
from scenarios.file.answers import BYTES, OUTCOMES, WORDS, Kind
from scenarios.file.wired import SPOKEN

Tree = dict[str, object]

# Most faults are either rare or nearly everywhere: what lies between finds least.
SHARES: Final = (0.05, 0.2, 0.5, 0.9, 1.0)
_LENGTHS_US: Final = (SECOND_US, 10 * SECOND_US, MINUTE_US, 10 * MINUTE_US, HOUR_US)
_MOST_OF_A_KIND: Final = 3


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """Where faults may lie: mostly while something arrives (until `busy_us`), always before the run is over.

    `wired` are those of the lanes that hear answers in bytes. `signs`: somebody's hooks are too old for us where our
    clock is wrong by much. `daemons` share the log.
    """

    busy_us: int
    runs_for_us: int
    lanes: tuple[str, ...]
    wired: frozenset[str]
    signs: bool
    daemons: int = 1

    def hearing(self, kind: Kind) -> tuple[str, ...]:
        """The lanes that can be answered so."""
        return tuple(lane for lane in self.lanes if (kind in SPOKEN if lane in self.wired else kind not in BYTES))


class Pick:
    """What one fault draws, each by its own name."""

    def __init__(self, draws: Draws, kind: str, number: int, where: Where) -> None:
        self._draws = draws
        self._key = kind, number
        self.where = where

    def among(self, what: str, values: Sequence[object]) -> object:
        """One of some values."""
        return self._draws.choice(f"swarm {what}", *self._key, among=values)

    def below(self, what: str, most: int) -> int:
        """A whole number below another."""
        return self._draws.integer(f"swarm {what}", *self._key, below=max(1, most))

    def at(self) -> str:
        """An instant, mostly a busy one."""
        rare = self._draws.draw("swarm rare", *self._key) < 0.2
        return shown_span(self.below("at", self.where.runs_for_us if rare else self.where.busy_us))

    def length(self) -> str:
        """How long it holds."""
        span_us = self.among("for", _LENGTHS_US)
        assert isinstance(span_us, int), "lengths are whole numbers"
        return shown_span(min(span_us, self.where.runs_for_us))


def _answering(kind: Kind, answer: Tree) -> Callable[[Pick], Tree | None]:
    def build(pick: Pick) -> Tree | None:
        lanes = pick.where.hearing(kind)
        if not lanes:
            return None
        shared = {**answer, "share": pick.among("share", SHARES)}
        fault: Tree = {"at": pick.at(), "for": pick.length(), "answer": shared}
        if pick.below("narrow", 2) or lanes != pick.where.lanes:
            fault["lane"] = pick.among("lane", lanes)
        return fault

    return build


def _rate(pick: Pick) -> Tree | None:
    after = pick.among("after", ("0", "1", "30", "3600", "Wed, 21 Oct 2099 07:28:00 GMT"))
    return _answering("status", {"status": 429, "headers": {"Retry-After": after}})(pick)


def _slow(pick: Pick) -> Tree | None:
    return _answering("slow", {"slow": pick.among("slow", ("500ms", "5s", "31s", "5m"))})(pick)


def _crash(pick: Pick) -> Tree:
    return {"at": pick.at(), "daemon": "crash", "down": pick.among("down", ("0s", "1s", "1m"))}


def _crash_at_boundary(pick: Pick) -> Tree:
    return {**_crash(pick), "boundary": 1 + pick.below("boundary", 12)}


def _stop(pick: Pick) -> Tree:
    return {"at": pick.at(), "daemon": "stop", "down": pick.among("down", ("0s", "5s", "10m"))}


def _freeze(pick: Pick) -> Tree:
    return {"at": pick.at(), "daemon": "freeze", "for": pick.among("for", ("200ms", "5s", "40s", "10m"))}


def _clock(pick: Pick) -> Tree:
    steps = ("+1s", "-1s", "-90s") if pick.where.signs else ("+1s", "-1s", "-90s", "+1h", "-1h", "+1d")
    return {"at": pick.at(), "clock": pick.among("step", steps)}


def _cut(way: str) -> Callable[[Pick], Tree | None]:
    def build(pick: Pick) -> Tree | None:
        if pick.where.daemons == 1:
            return None
        length = pick.among("for", ("2s", "13s", "20s", "2m"))
        return {"at": pick.at(), "for": length, "cut": pick.among("which", _which(pick)), "way": way}

    return build


def _away(pick: Pick) -> Tree | None:
    if pick.where.daemons == 1:
        return None
    return {"at": pick.at(), "for": pick.among("for", ("1s", "14s", "40s")), "database": "away"}


def _of_another(kind: str) -> Callable[[Pick], Tree | None]:
    def build(pick: Pick) -> Tree | None:
        if pick.where.daemons == 1:
            return None
        more = {"for": pick.among("for", ("5s", "18s", "2m"))} if kind == "freeze" else {}
        return {"at": pick.at(), "daemon": kind, "of": pick.among("which", _which(pick)), **more}

    return build


def _which(pick: Pick) -> Sequence[object]:
    """Any of several daemons, mostly the one that acts."""
    numbers = range(1, pick.where.daemons + 1)
    return (*numbers, *("acting" for _ in numbers))


def _disk(kind: str) -> Callable[[Pick], Tree]:
    return lambda pick: {"at": pick.at(), "for": pick.length(), "disk": kind}


def _store(kind: str) -> Callable[[Pick], Tree]:
    return lambda pick: {"at": pick.at(), "for": pick.length(), "store": kind, "share": pick.among("share", SHARES)}


def _account(pick: Pick) -> Tree:
    return {
        "at": pick.at(),
        "for": pick.length(),
        "account": "down",
        "lane": pick.among("lane", pick.where.lanes),
        "code": f"down{pick.below('code', 1_000_000)}",
    }


STOCK: Final[Mapping[str, Callable[[Pick], Tree | None]]] = {
    **{word: _answering(word, {word: True}) for word in WORDS},
    **{name: _answering("outcome", {name: "10m" if name == "hold" else True}) for name in OUTCOMES},
    "unavailable": _answering("status", {"status": 503}),
    "unauthorized": _answering("status", {"status": 401}),
    "unknown status": _answering("status", {"status": 418}),
    "rate": _rate,
    "slow": _slow,
    "crash": _crash,
    "crash at a boundary": _crash_at_boundary,
    "stop": _stop,
    "freeze": _freeze,
    "clock": _clock,
    **{f"disk {kind}": _disk(kind) for kind in ("full", "error", "unknown", "slow")},
    **{f"store {kind}": _store(kind) for kind in ("lost_reply", "error")},
    "account": _account,
    **{f"cut {way}": _cut(way) for way in ("both", "from", "to")},
    "database away": _away,
    **{f"{kind} of another": _of_another(kind) for kind in ("crash", "stop", "freeze")},
}


def drawn_from_stock(draws: Draws, where: Where) -> list[Tree]:
    """A coin for each kind of fault, weighted by one more, then up to three of those that are in."""
    # Worlds with one or two kinds, and worlds with most of them, find what an average of all would hide.
    share = draws.choice("swarm kinds", among=(0.0, 0.05, 0.15, 0.5))
    found: list[Tree] = []
    for kind, build in STOCK.items():
        if draws.draw("swarm kind", kind) < share:
            count = 1 + draws.integer("swarm count", kind, below=_MOST_OF_A_KIND)
            built = [build(Pick(draws, kind, number, where)) for number in range(count)]
            found += [fault for fault in built if fault is not None]
    return found
