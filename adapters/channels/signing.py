"""Keys that sign, and the signatures of outgoing webhooks, after Standard Webhooks 1.0.0.

This file answers for keys and signatures. It must never read a clock, nor let a secret into an error or a log.
"""

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from typing import Final, Literal

_PREFIX: Final = "whsec_"

Hash = Literal["sha256", "sha1", "sha512"]
_HASHES: Final = {"sha256": hashlib.sha256, "sha1": hashlib.sha1, "sha512": hashlib.sha512}
# RFC 2104 section 2: each byte of the key with one of these.
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class Signer:
    """Signs under every secret, so that an endpoint accepts while a new one is being rolled out: the newest first."""

    __slots__ = ("_keys",)

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = tuple(SigningKey(key_of(secret)) for secret in secrets)

    def __bool__(self) -> bool:
        """Whether there is anything to sign with."""
        return bool(self._keys)

    def signatures(self, message: str, at_s: int, body: bytes) -> str:
        """The value of `webhook-signature`: one `v1,` entry a secret, for exactly these bytes at this second."""
        assert "." not in message, f"a dot separates the signed parts, so a message id has none: {message!r}"
        signed = f"{message}.{at_s}.".encode() + body
        return " ".join(f"v1,{b64encode(key.sign(signed)).decode('ascii')}" for key in self._keys)


class SigningKey:
    """Signs as everybody does who has this key: with its HMAC (RFC 2104)."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes, algorithm: Hash = "sha256") -> None:
        # The two hashes of section 2, which have taken in the key already and are copied for each signature. A copy of
        # `hmac.new` costs half as much again, and `hmac.digest` gives the interpreter away, which beside the store's
        # thread costs more than that.
        hashed = _HASHES[algorithm]
        block_bytes = hashed().block_size
        block = (hashed(key).digest() if len(key) > block_bytes else key).ljust(block_bytes, b"\0")
        self._inner, self._outer = hashed(block.translate(_INNER)), hashed(block.translate(_OUTER))

    def sign(self, signed: bytes) -> bytes:
        """The signature of these bytes, as long as the hash."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(signed)
        outer.update(inner.digest())
        return outer.digest()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: `whsec_` and base64, or, without that prefix, the text's own UTF-8 bytes.

    The second form is what the standard's libraries call a raw secret. Raises ValueError where what follows `whsec_` is
    no base64, or nothing is left.
    """
    if not secret.startswith(_PREFIX):
        key = secret.encode()
    else:
        try:
            key = b64decode(secret.removeprefix(_PREFIX), validate=True)
        except NotBase64:
            raise ValueError(f"expected base64 after {_PREFIX}") from None
    if not key:
        raise ValueError("expected a secret that is not empty")
    return key


def secret_mistakes(at: str, secrets: Sequence[str]) -> list[tuple[str, str]]:
    """Those of a setting's texts that are no secrets: the place of each in the setting `at`, and what was expected."""
    found = []
    for index, secret in enumerate(secrets):
        try:
            key_of(secret)
        except ValueError as error:
            found.append((f"{at}[{index}]", str(error).removeprefix("expected ")))
    return found
