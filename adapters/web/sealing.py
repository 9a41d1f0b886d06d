"""Calls on their way from a daemon that stands by to the one that acts, and the answers back: as bytes, and sealed.

This file answers for nothing of them being legible in the database that they go through: they hold keys, addresses and
contents. Both daemons know the installation key. It must never tell more of what cannot be opened than that.
"""

from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import TidingsError
from core.ports import Secrets

T = TypeVar("T", bound=msgspec.Struct)

# What AES-GCM is used with (NIST SP 800-38D, section 8.2.2): random ones, far fewer than 2^32 of them under one key.
_NONCE_BYTES: Final = 12
_ENCODER: Final = msgspec.msgpack.Encoder()


class Call(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A whole request: `target` is its path and query as they came, `headers` are those that are meant for its end."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Reply(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A whole answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class CannotOpen(TidingsError):
    """It was sealed under another installation key, or damaged on its way."""


class Sealing:
    """Seals and opens under a key that follows from the installation's."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._cipher = AESGCM(secrets.keyed_hash("forwarding"))

    def sealed(self, thing: Call | Reply, *, to: bytes = b"") -> bytes:
        """A call, or the reply `to` a sealed call, which can be opened as the reply to that one only."""
        nonce = self._secrets.fresh(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, _ENCODER.encode(thing), to[:_NONCE_BYTES])

    def opened(self, sealed: bytes, kind: type[T], *, to: bytes = b"") -> T:
        """What was sealed. Raises CannotOpen."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            plain = self._cipher.decrypt(nonce, rest, to[:_NONCE_BYTES])
            return msgspec.msgpack.decode(plain, type=kind)
        except (InvalidTag, ValueError, msgspec.DecodeError):
            raise CannotOpen("sealed under another installation key, or damaged") from None
