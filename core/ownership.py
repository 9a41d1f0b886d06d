"""Who acts on a log that several daemons share, judged by who was heard of and when.

This file answers for nobody being replaced who may still send, and for nobody waiting longer for a dead one than that
takes. It must never ask a clock: silences are measured by the store's, and a process counts on its own monotonic one.

Why both hold: an owner may send for `TRUST_S` from the instant at which it *sent* its last sign of life, so by its own
count that ends before the store, which heard it later, counts `SILENCE_S`. No machine's wall clock is asked but the
store's, and where that is set while somebody looks, a silence grows by what the one who looks has counted itself.
"""

from collections.abc import Collection, Mapping
from typing import Final

# How often a daemon lets itself be heard of, and after how long of silence it counts as dead: long enough for a pause
# of its process or a short outage of the store, short enough to be replaced soon after a crash.
BEAT_S: Final = 2.0
SILENCE_S: Final = 12.0
# Who has missed three signs of life is doubted. Nobody is replaced before one who looks has doubted it for so long, in
# every look: whoever was silent because the store was away has that time to be heard of again. Looks too far apart do
# not count together, since the store may have been away in between.
DOUBT_S: Final = 3 * BEAT_S
APART_S: Final = 4.0
TOGETHER_S: Final = 5.0
# By how much more than by the time between two looks a silence may grow, since answers come late. More than that is a
# clock that was set.
LATE_S: Final = 0.5
# How often others look, and how soon again where the rule allows more by then: doubt begins early enough to be over
# when the silence is, so the look that finds both comes at that moment, and a dead owner is missed for `SILENCE_S` and
# not for a look longer.
LOOK_S: Final = 1.0
SOONEST_S: Final = 0.1
# What the owner takes off the silence, for clocks that run at different speeds and for a process that is slow; and what
# has to be left of its trust when a send begins.
MARGIN_S: Final = 3.0
TRUST_S: Final = SILENCE_S - MARGIN_S
LEFT_S: Final = 1.0
# An id has ten bits for the slot of the daemon that minted it.
SLOTS: Final = 1_024


class Trust:
    """How long an owner may count on being one. All instants are of its monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._heard_s: float | None = None

    def heard(self, sent_s: float) -> None:
        """A sign of life that was sent at this instant has been answered."""
        if self._heard_s is None or sent_s > self._heard_s:
            self._heard_s = sent_s

    def left_s(self, now_s: float) -> float:
        """How much is left, 0 at least."""
        return 0.0 if self._heard_s is None else max(0.0, self._heard_s + TRUST_S - now_s)

    def may_send(self, now_s: float) -> bool:
        """Whether a send may begin now."""
        return self.left_s(now_s) >= LEFT_S


class Watch:
    """What one daemon has seen of the others. Its own looks alone count, by its own monotonic clock."""

    def __init__(self) -> None:
        # Since when each has been doubted in every look, how silent it was in the last one, and when that was.
        self._doubted_since_s: dict[int, float] = {}
        self._silences: Mapping[int, float] = {}
        self._looked_s: float | None = None

    def look(self, silences: Mapping[int, float], now_s: float) -> list[int]:
        """Those who may be replaced: silent for long enough, and doubted for long enough in all looks up to this one.

        `silences` says of each node that counts as alive how long it was not heard of, in seconds by the store's clock.
        """
        is_gap = self._looked_s is not None and now_s - self._looked_s > TOGETHER_S
        before = {} if is_gap else self._doubted_since_s
        self._silences = {node: self._believed(node, silent_s, now_s) for node, silent_s in silences.items()}
        self._looked_s = now_s
        self._doubted_since_s = {
            node: before.get(node, now_s) for node, silent_s in self._silences.items() if silent_s >= DOUBT_S
        }
        return [node for node in self._doubted_since_s if self._left_s(node, now_s) <= 0]

    def rest_s(self, now_s: float) -> float:
        """How soon to look again: when the first of those who are doubted may be replaced, `LOOK_S` at most."""
        left_s = min((self._left_s(node, now_s) for node in self._doubted_since_s), default=LOOK_S)
        return min(LOOK_S, max(SOONEST_S, left_s))

    def _believed(self, node: int, silent_s: float, now_s: float) -> float:
        """How long one was silent, of what the store says: since the last look no more than the time that went by."""
        if self._looked_s is None or node not in self._silences:
            return silent_s
        most_s = self._silences[node] + now_s - self._looked_s
        return silent_s if silent_s <= most_s + LATE_S else most_s

    def _left_s(self, node: int, now_s: float) -> float:
        """How long one who is doubted has left, as of the last look."""
        assert self._looked_s is not None, "nobody is doubted before the first look"
        silent_s = self._silences[node] + now_s - self._looked_s
        return max(SILENCE_S - silent_s, self._doubted_since_s[node] + APART_S - now_s)


def free_slot(taken: Collection[int]) -> int | None:
    """The lowest slot that no living node has; None where all are taken."""
    return next((slot for slot in range(SLOTS) if slot not in taken), None)
