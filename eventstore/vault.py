"""The vault's bytes: what is private of a message, encoded, and the salted commitment that the log holds instead.

This file answers for the commitment being the only trace of private bytes outside the vault. It must never keep
anything: the salt is passed in and leaves with the row.
"""

from hashlib import sha256
from typing import Final

import msgspec

from core.errors import CorruptLog
from core.records import Private, Sealed

SALT_BYTES: Final = 16

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Private)


def seal(private: Private, salt: bytes) -> tuple[bytes, bytes]:
    """The bytes for the vault row and the commitment for the event: sha256(salt || bytes).

    The salt is 16 bytes of secure randomness, fresh for each row: without it an address could be guessed and checked.
    """
    assert len(salt) == SALT_BYTES, f"a salt has {SALT_BYTES} bytes, not {len(salt)}"
    body = _ENCODER.encode(private)
    return body, commitment_of(body, salt)


def unseal(sealed: Sealed, commitment: bytes) -> Private:
    """What the row holds. Raises CorruptLog where it is not what the log committed to."""
    if commitment_of(sealed.private, sealed.salt) != commitment:
        raise CorruptLog(f"the vault row of stream {sealed.stream} is not the one that its first event committed to")
    return _DECODER.decode(sealed.private)


def commitment_of(body: bytes, salt: bytes) -> bytes:
    """32 bytes that bind the log to a vault row without telling anything about it."""
    return sha256(salt + body).digest()
