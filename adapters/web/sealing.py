"""Calls on their way from a daemon that stands by to the one that acts, and the answers back: as bytes, and sealed.

This file answers for nothing of them being legible in the database that they go through: they hold keys, addresses and
contents. Both daemons know the installation key. It must never tell more of what cannot be opened than that.
"""

from typing import Final, TypeVar

import msgspec

from actors.sealing import NONCE_BYTES, CannotOpen, Seal
from core.ports import Secrets

T = TypeVar("T", bound=msgspec.Struct)

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


class Sealing:
    """Seals and opens under a key that follows from the installation's."""

    def __init__(self, secrets: Secrets) -> None:
        self._seal = Seal(secrets, "forwarding")

    def sealed(self, thing: Call | Reply, *, to: bytes = b"") -> bytes:
        """A call, or the reply `to` a sealed call, which can be opened as the reply to that one only."""
        return self._seal.sealed(_ENCODER.encode(thing), beside=to[:NONCE_BYTES])

    def opened(self, sealed: bytes, kind: type[T], *, to: bytes = b"") -> T:
        """What was sealed. Raises CannotOpen."""
        plain = self._seal.opened(sealed, beside=to[:NONCE_BYTES])
        try:
            return msgspec.msgpack.decode(plain, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise CannotOpen("it holds something else than this release knows") from None
