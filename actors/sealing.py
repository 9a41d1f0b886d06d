"""What daemons of one installation leave for each other in the database, legible to nobody else.

This file answers for bytes that only whoever knows the installation key can read or make. It must never tell more of
what cannot be opened than that.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import TidingsError
from core.ports import Secrets

# What AES-GCM is used with (NIST SP 800-38D, section 8.2.2): random ones, far fewer than 2^32 of them under one key.
NONCE_BYTES: Final = 12


class CannotOpen(TidingsError):
    """It was sealed under another installation key, or damaged on its way."""


class Seal:
    """Seals and opens under a key of its own for each purpose, which follows from the installation's."""

    def __init__(self, secrets: Secrets, purpose: str) -> None:
        self._secrets = secrets
        self._cipher = AESGCM(secrets.keyed_hash(purpose))

    def sealed(self, plain: bytes, *, beside: bytes = b"") -> bytes:
        """These bytes, to be opened only by whoever knows what stands beside them."""
        nonce = self._secrets.fresh(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, beside)

    def opened(self, sealed: bytes, *, beside: bytes = b"") -> bytes:
        """What was sealed. Raises CannotOpen."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], beside)
        except (InvalidTag, ValueError):
            raise CannotOpen("sealed under another installation key, or damaged") from None
