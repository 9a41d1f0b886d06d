"""Chance by key: every number that a scenario draws is a function of its seed, a purpose and a key.

This file answers for drawing the same number for the same seed and key in every process and on every Python. It must
never keep a stream: no draw moves another one, so a message that is deleted from a scenario leaves all others as they
were, and a failing run shrinks to the messages that matter.
"""

import hashlib
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeVar

import msgspec

Part = str | int | bytes
T = TypeVar("T")

# MessagePack says of each part its type and its length: ("ab", "c") and ("a", "bc") are different keys, and so are 1
# and "1". Whole numbers must fit into 64 bits, which every id does.
_encode = msgspec.msgpack.Encoder().encode
_WORD_BYTES = 8
_WORD_BITS = 8 * _WORD_BYTES
# A double carries 53 bits; more would round up to 1.0 now and then.
_FRACTION_BITS = 53
_STANDARD_NORMAL = NormalDist()
_P99_Z = _STANDARD_NORMAL.inv_cdf(0.99)


class Draws:
    """Draws by key from one seed; it satisfies `core.ports.Chance`."""

    __slots__ = ("_keyed", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        # BLAKE2b takes at most 64 bytes of key; a seed of any size (a commit hash, say) is hashed down to 32.
        key = hashlib.blake2b(b"%d" % seed, digest_size=32).digest()
        self._keyed = hashlib.blake2b(key=key, digest_size=_WORD_BYTES)

    def draw(self, purpose: str, *key: Part) -> float:
        """A number in [0, 1)."""
        return self._fraction_number(purpose, key) * 2.0**-_FRACTION_BITS

    def integer(self, purpose: str, *key: Part, below: int) -> int:
        """A whole number in [0, below), for `below` from 1 to 2**64; its bias is at most below / 2**64."""
        if not 1 <= below <= 1 << _WORD_BITS:
            raise ValueError(f"cannot draw a whole number below {below}: it must lie between 1 and 2**{_WORD_BITS}")
        return (self._word(purpose, key) * below) >> _WORD_BITS

    def choice(self, purpose: str, *key: Part, among: Sequence[T]) -> T:
        """One element of a sequence that is not empty. The order of the sequence is part of the answer: never a set."""
        return among[self.integer(purpose, *key, below=len(among))]

    def latency_us(self, median_us: int, p99_us: int, purpose: str, *key: Part) -> int:
        """A lognormal time with this median and 99th percentile, in whole microseconds; equal bounds draw no spread."""
        if not 0 < median_us <= p99_us:
            raise ValueError(
                f"a latency needs 0 < median <= p99, not a median of {median_us} us and a p99 of {p99_us} us"
            )
        # Half a step above the fraction: the normal distribution has no value at exactly 0.
        fraction = (self._fraction_number(purpose, key) + 0.5) * 2.0**-_FRACTION_BITS
        spread = math.log(p99_us / median_us) / _P99_Z
        return round(median_us * math.exp(spread * _STANDARD_NORMAL.inv_cdf(fraction)))

    def _fraction_number(self, purpose: str, key: tuple[Part, ...]) -> int:
        return self._word(purpose, key) >> (_WORD_BITS - _FRACTION_BITS)

    def _word(self, purpose: str, key: tuple[Part, ...]) -> int:
        digest = self._keyed.copy()
        digest.update(_encode((purpose, *key)))
        return int.from_bytes(digest.digest(), "big")
