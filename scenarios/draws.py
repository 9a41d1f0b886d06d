"""What a scenario leaves to chance: whole numbers, choices and latencies, each drawn by key.

This file answers for the shapes that chance takes; the draw itself is the one of production, so the same seed gives the
same jitter there and here. It must never keep a stream: no draw moves another one, so a message that is deleted from a
scenario leaves all others as they were, and a failing run shrinks to the messages that matter.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b
from statistics import NormalDist
from typing import Final, TypeVar

from adapters.chance import KeyedChance

T = TypeVar("T")

# A draw is a multiple of 2**-53.
_DRAWN: Final = 2**53
_STANDARD_NORMAL: Final = NormalDist()
_P99_Z: Final = _STANDARD_NORMAL.inv_cdf(0.99)


class Draws(KeyedChance):
    """Draws by key from one seed of 64 bits; `draw(purpose, *key)` is the `core.ports.Chance` of production."""

    __slots__ = ()

    def integer(self, purpose: str, *key: int | str, below: int) -> int:
        """A whole number in [0, below). `below` may be 2**53 at most, beyond which some numbers would never come."""
        if not 1 <= below <= _DRAWN:
            raise ValueError(f"cannot draw a whole number below {below}: it must lie between 1 and 2**53")
        # Exact, where multiplying the fraction could round.
        return int(self.draw(purpose, *key) * _DRAWN) * below // _DRAWN

    def happens(self, share: float, purpose: str, *key: int | str) -> bool:
        """Whether something happens of which there is a share; what always does, or never, is not worth a draw."""
        return share > 0 and (share >= 1 or self.draw(purpose, *key) < share)

    def choice(self, purpose: str, *key: int | str, among: Sequence[T]) -> T:
        """One element of a sequence that is not empty. Its order is part of the answer, so it is never a set."""
        return among[self.integer(purpose, *key, below=len(among))]

    def fresh(self, count_bytes: int, purpose: str, *key: int | str) -> bytes:
        """So many bytes, at most 64."""
        drawn = self.integer(purpose, *key, below=_DRAWN)
        return blake2b(drawn.to_bytes(8), digest_size=count_bytes).digest()

    def latency_us(self, median_us: int, p99_us: int, purpose: str, *key: int | str) -> int:
        """A lognormal time with this median and 99th percentile, in whole microseconds; both equal: always the same."""
        if not 0 < median_us <= p99_us:
            raise ValueError(f"a latency needs 0 < median <= p99, not {median_us} us and {p99_us} us")
        if median_us == p99_us:
            return median_us
        # The normal distribution has no value at exactly 0, which one draw in 2**53 is.
        standard = _STANDARD_NORMAL.inv_cdf(max(self.draw(purpose, *key), 0.5 / _DRAWN))
        return round(median_us * math.exp(standard / _P99_Z * math.log(p99_us / median_us)))
