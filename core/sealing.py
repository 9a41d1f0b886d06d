"""The private part of a message: how it becomes bytes, and how the log commits to it without holding it.

commitment = sha256(salt || bytes). The salt is secure randomness and lives beside the bytes in the vault; once both are
destroyed, nothing can be told from the commitment any more, and the chain still verifies.
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
    """The bytes for the vault and the commitment for the log.

    The salt is 16 bytes of secure randomness, fresh for each row: without it an address could be guessed and checked.
    """
    assert len(salt) == SALT_BYTES, f"a salt has {SALT_BYTES} bytes, not {len(salt)}"
    body = _ENCODER.encode(private)
    return body, commitment_of(body, salt)


def commitment_of(body: bytes, salt: bytes) -> bytes:
    """What the log holds of private bytes."""
    return sha256(salt + body).digest()


def unseal(sealed: Sealed, commitment: bytes) -> Private:
    """The private part again; raises CorruptLog where it is not what the log committed to."""
    if commitment_of(sealed.private, sealed.salt) != commitment:
        raise CorruptLog(f"the vault row of stream {sealed.stream} is not what its message committed to")
    return _DECODER.decode(sealed.private)
