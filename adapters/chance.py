"""Chance and secrets: numbers that replay, and bytes that nobody can guess.

This file answers for the two ports and must never mix them up: what is drawn by key from the logged seed can be known
by anybody who reads the log, so no salt, key or token comes from there.
"""

import secrets
from hashlib import blake2b
from typing import Final

import msgspec

from adapters.channels.signing import SigningKey

# A double holds 53 bits of a fraction exactly; more would round up to 1.0 now and then.
_FRACTION_BITS: Final = 53
_KEYED_HASH_BYTES: Final = 16
# Drawn at once for many salts: to ask the system gives the interpreter away, and costs much the same for a page.
_DRAWN_BYTES: Final = 4_096
_ENCODER: Final = msgspec.msgpack.Encoder()


class KeyedChance:
    """Draws by key under a seed that the log keeps, so that a replay draws the same jitter."""

    __slots__ = ("_keyed",)

    def __init__(self, seed: int) -> None:
        assert 0 <= seed < 1 << 64, f"a seed has 64 bits and no sign, not {seed}"
        # Copied for each draw: to give a hash its key takes as long as all the rest.
        self._keyed = blake2b(digest_size=8, key=seed.to_bytes(8, "big"))

    def draw(self, purpose: str, *key: int | str) -> float:
        """A number in [0, 1), the same for the same seed, purpose and key."""
        # msgpack tells 1 from "1" and ("a", "bc") from ("ab", "c"), which joined text would not.
        drawn = self._keyed.copy()
        drawn.update(_ENCODER.encode((purpose, *key)))
        return (int.from_bytes(drawn.digest(), "big") >> (64 - _FRACTION_BITS)) / (1 << _FRACTION_BITS)


class SystemSecrets:
    """The machine's secure randomness, and hashes under the installation key."""

    __slots__ = ("_drawn", "_given_bytes", "_key")

    def __init__(self, installation_key: bytes) -> None:
        assert len(installation_key) >= 32, f"an installation key has 32 bytes at least, not {len(installation_key)}"
        self._key = SigningKey(installation_key)
        self._drawn = b""
        self._given_bytes = 0

    def fresh(self, count_bytes: int) -> bytes:
        """So many unpredictable bytes, each given out once. A process that was forked has to make its own."""
        begin, end = self._given_bytes, self._given_bytes + count_bytes
        if end > len(self._drawn):
            self._drawn = secrets.token_bytes(max(count_bytes, _DRAWN_BYTES))
            begin, end = 0, count_bytes
        self._given_bytes = end
        return self._drawn[begin:end]

    def keyed_hash(self, purpose: str, *parts: str) -> bytes:
        """16 bytes of HMAC-SHA256 (RFC 2104) under the installation key; the purpose keeps uses apart."""
        return self._key.sign(_ENCODER.encode((purpose, *parts)))[:_KEYED_HASH_BYTES]


def fresh_sealing_seed() -> bytes:
    """A new key for signing checkpoints: the 32 bytes that an Ed25519 key is made of (RFC 8032)."""
    return secrets.token_bytes(32)


def fresh_installation_key() -> bytes:
    """A new installation key: 32 bytes, the size of the hash that it keys."""
    return secrets.token_bytes(32)


def fresh_identity() -> int:
    """A new name for this process among all that ever wrote a log: 63 bits, so that it is a positive bigint."""
    return int.from_bytes(secrets.token_bytes(8), "big") >> 1
