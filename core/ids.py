"""Names of streams: time-ordered 63-bit integers inside, readable text outside.

This file answers for minting, encoding and sharding of ids. It must never draw chance or read a clock: both the
instant and the node's slot are passed in.

Layout (high to low): 41 bits of milliseconds since 2025-01-01 UTC, 10 bits node slot, 12 bits counter. Time-ordered
ids keep SQLite's B-trees appending at their right edge; random ones made inserts three times slower when measured.
"""

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Literal

SHARDS: Final = 256
EPOCH_MS: Final = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1000)

# The one stream that exists before anything was minted: the installation's own diary (starts, stops, seed).
INSTALLATION: Final = 1
# Not a stream: the name under which the governor's long windows are kept as a snapshot.
GOVERNOR: Final = 2

Prefix = Literal["msg", "hook", "conv", "lane", "key", "redrive", "device", "plan", "erasure", "sys"]

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUE_OF: Final = {letter: value for value, letter in enumerate(_ALPHABET)} | {"o": 0, "i": 1, "l": 1}
# Two letters at a time: every acceptance answers with two ids, and letter by letter they cost five times as much.
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_DIGITS: Final = 13
_COUNTER_BITS: Final = 12
_SLOT_BITS: Final = 10
ID_MAX: Final = (1 << 63) - 1


class Mint:
    """Makes ids that only ever grow, even where the clock repeats a millisecond or steps back.

    `floor` is the largest id that this slot has ever made (0 for a new store), so that a restart under an earlier
    clock continues above it.
    """

    __slots__ = ("_last", "_slot")

    def __init__(self, *, slot: int = 0, floor: int = 0) -> None:
        assert 0 <= slot < 1 << _SLOT_BITS, f"slot must lie in 0..1023, not {slot}"
        self._slot = slot
        self._last = floor >> (_COUNTER_BITS + _SLOT_BITS) << _COUNTER_BITS | floor & (1 << _COUNTER_BITS) - 1

    def next(self, now_us: int) -> int:
        """The next id at `now_us` (microseconds since 1970, UTC)."""
        fresh = (now_us // 1000 - EPOCH_MS) << _COUNTER_BITS
        # Time and counter are one number here, so a full counter borrows the next millisecond by itself.
        self._last = max(fresh, self._last + 1)
        milliseconds, counter = self._last >> _COUNTER_BITS, self._last & (1 << _COUNTER_BITS) - 1
        return (milliseconds << _SLOT_BITS | self._slot) << _COUNTER_BITS | counter


def born_ms(number: int) -> int:
    """The millisecond (since 1970, UTC) in which an id was minted."""
    return (number >> _COUNTER_BITS + _SLOT_BITS) + EPOCH_MS


def slot_of(number: int) -> int:
    """The slot of the node that minted an id: 0 wherever there is only one."""
    return number >> _COUNTER_BITS & (1 << _SLOT_BITS) - 1


def first_at(ms: int) -> int:
    """The smallest id that can be minted in this millisecond (since 1970, UTC); negative before 2025."""
    return (ms - EPOCH_MS) << _COUNTER_BITS + _SLOT_BITS


def encode(prefix: Prefix, number: int) -> str:
    """The outside form: `msg_` and thirteen letters of Crockford's base 32, in lower case."""
    assert 0 <= number <= ID_MAX, f"an id has 63 bits, not {number:#x}"
    pairs = _PAIRS
    return (
        f"{prefix}_{_ALPHABET[number >> 60]}{pairs[number >> 50 & 1023]}{pairs[number >> 40 & 1023]}"
        f"{pairs[number >> 30 & 1023]}{pairs[number >> 20 & 1023]}{pairs[number >> 10 & 1023]}{pairs[number & 1023]}"
    )


def kind_of(channel: str) -> Literal["msg", "hook"]:
    """How a message of a channel is called outside: a hook is one that came in."""
    return "hook" if channel == "hook" else "msg"


def decode(prefix: Prefix, text: str) -> int | None:
    """The number behind an outside form, or None where it is not an id of that kind.

    Letter case is ignored and o, i, l read as 0, 1, 1, as Crockford's base 32 asks.
    """
    head, _, letters = text.partition("_")
    # Some letters outside ASCII turn into ASCII when their case changes: such a text was never one of ours.
    if head != prefix or len(letters) != _DIGITS or not letters.isascii():
        return None
    number = 0
    for letter in letters.lower():
        value = _VALUE_OF.get(letter)
        if value is None:
            return None
        number = number << 5 | value
    return number if number <= ID_MAX else None


@lru_cache(maxsize=1_024)  # Asked at each acceptance, mostly of the same conversations.
def shard_of(tenant: str, conversation: int) -> int:
    """The shard that a conversation's streams live in: the same function on every store, so a copy keeps its place."""
    return blake2b(f"{tenant}\0{conversation}".encode(), digest_size=1).digest()[0]
