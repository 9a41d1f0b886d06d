"""How long nobody sent after each strike at the daemon that acted, and whether anything else was in the way meanwhile.

Answers for a takeover being excused only by what truly disturbed it: while one daemon stood by untouched, nothing that
befell the others is one.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

# What is promised for a takeover that nothing disturbs.
TAKEN_OVER_WITHIN_S: Final = 20.0

What = Literal["kill", "freeze", "thaw", "database away", "database back", "stands by", "acts", "sends"]


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What happened at this instant of the wall clock, to which daemon (None for the database).

    `acted`: it struck the daemon that acted. `epoch` is that of a daemon's first attempt, which `sends` stands for.
    """

    what: What
    at_us: int
    daemon: int | None = None
    acted: bool = False
    epoch: int = 0


class Takeover(msgspec.Struct, frozen=True, kw_only=True):
    """The seconds from what struck the acting daemon to another one's first attempt.

    `counted_s` is the part of them in which some daemon stood by untouched, over a database that was there.
    """

    after: What
    took_s: float
    counted_s: float

    @property
    def is_disturbed(self) -> bool:
        """Whether something else struck whoever might have taken over."""
        return self.counted_s < self.took_s

    def told(self) -> str:
        """For a person."""
        disturbed = f" (disturbed: {self.counted_s:.1f} s since)" if self.is_disturbed else ""
        return f"{self.after} {self.took_s:.1f} s{disturbed}"


def takeovers(moments: Sequence[Moment]) -> list[Takeover]:
    """Each first attempt of a daemon that came after a strike at the one that acted before."""
    found: list[Takeover] = []
    sky = _Sky()
    in_order = sorted(moments, key=lambda moment: moment.at_us)
    for place, moment in enumerate(in_order):
        if moment.what == "sends":
            found += sky.sent(moment)
        elif moment.what != "thaw" or not _ends(in_order[place + 1 :], moment.daemon):
            sky.see(moment)
    return found


def _ends(later: Sequence[Moment], daemon: int | None) -> bool:
    """Whether what becomes of a daemon next is its next start: it had been replaced, and ended when it went on."""
    own = (moment.what for moment in later if moment.daemon == daemon and moment.what != "sends")
    return next(own, None) in {"stands by", "acts"}


class _Sky:
    """What has struck so far, and since when each daemon stands by untouched."""

    def __init__(self) -> None:
        self._ready_us: dict[int, int] = {}
        self._struck: Moment | None = None
        # The last strike at any daemon, whether it acted or not.
        self._last_us = 0
        self._epoch = 0

    def see(self, moment: Moment) -> None:
        """Takes one thing into account that is no attempt."""
        daemon, at_us = moment.daemon, moment.at_us
        match moment.what, daemon:
            case (("kill" | "freeze"), int()):
                self._ready_us.pop(daemon, None)
                self._last_us = at_us
                if moment.acted:
                    self._struck = moment
            case (("stands by" | "thaw"), int()):
                self._ready_us[daemon] = at_us
            case "acts", int():
                # One that never stood by could not have begun earlier.
                self._ready_us.setdefault(daemon, at_us)
            case (("database away" | "database back"), _):
                # Nobody could look, so whoever stands by begins anew.
                self._ready_us = {each: max(at_us, since_us) for each, since_us in self._ready_us.items()}
            case _:
                raise AssertionError(f"what befell whom? {moment}")

    def sent(self, moment: Moment) -> list[Takeover]:
        """The takeover that a first attempt ends, if it is one."""
        struck, before, self._struck, self._epoch = self._struck, self._epoch, None, moment.epoch
        if struck is None or not before:
            return []
        begun_us = max(struck.at_us, min(self._ready_us.values(), default=moment.at_us))
        if moment.epoch > before + 1:
            # Somebody had taken over already, and was struck before it sent anything.
            begun_us = max(begun_us, self._last_us)
        took_s, counted_s = ((moment.at_us - since_us) / 1e6 for since_us in (struck.at_us, begun_us))
        return [Takeover(after=struck.what, took_s=took_s, counted_s=max(0.0, counted_s))]
