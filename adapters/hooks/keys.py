"""The keys that configured secrets stand for, one function a form.

This file answers for decoding. Each function raises ValueError with what was expected where a secret cannot stand, and
must never put any part of the secret into that text.
"""

from base64 import b64decode
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from adapters.channels.signing import key_of

StandardKey = bytes | Ed25519PublicKey

_PUBLIC: Final = "whpk_"
_PRIVATE: Final = "whsk_"
# RFC 8032 section 5.1.5: a public key and a seed have 32 bytes each. Private keys go about as either, or both together.
_ED25519_BYTES: Final = 32
_PUBLIC_FORM: Final = f"expected {_ED25519_BYTES} bytes in base64 after {_PUBLIC}"
_PRIVATE_FORM: Final = f"expected a seed of {_ED25519_BYTES} bytes, with or without its key, in base64 after {_PRIVATE}"
_ECDSA_FORM: Final = "expected a P-256 public key in base64, without BEGIN and END lines"


def text_key(secret: str) -> bytes:
    """A secret that is its own key, in UTF-8."""
    if not secret:
        raise ValueError("expected a secret that is not empty")
    try:
        return secret.encode()
    except UnicodeEncodeError:
        raise ValueError("expected a secret in UTF-8") from None


def bearer_token(secret: str) -> str:
    """A token without the word before it: `Bearer abc`, `Basic abc` and `abc` are all `abc`."""
    word, _, rest = secret.partition(" ")
    token = rest if word.lower() in {"bearer", "basic"} else secret
    text_key(token)
    return token


def standard_key(secret: str) -> StandardKey:
    """A key of Standard Webhooks: `whpk_` and `whsk_` verify `v1a`; `whsec_` and raw texts, as we sign, verify `v1`."""
    if secret.startswith(_PUBLIC):
        return _public(_decoded(secret.removeprefix(_PUBLIC), _PUBLIC_FORM))
    if secret.startswith(_PRIVATE):
        return _public_of(_decoded(secret.removeprefix(_PRIVATE), _PRIVATE_FORM))
    text_key(secret)
    return key_of(secret)


def ecdsa_key(secret: str) -> EllipticCurvePublicKey:
    """A public key of SendGrid: P-256, its SubjectPublicKeyInfo in base64 as their page shows it."""
    try:
        key = load_der_public_key(_decoded(secret, _ECDSA_FORM))
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(_ECDSA_FORM) from None
    match key:
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return key
        case _:
            raise ValueError(_ECDSA_FORM)


def _public(key: bytes) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(key)
    except ValueError:
        raise ValueError(_PUBLIC_FORM) from None


def _public_of(private: bytes) -> Ed25519PublicKey:
    seed, claimed = private[:_ED25519_BYTES], private[_ED25519_BYTES:]
    if len(seed) != _ED25519_BYTES:
        raise ValueError(_PRIVATE_FORM)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    if claimed not in {b"", public.public_bytes_raw()}:
        raise ValueError(_PRIVATE_FORM)
    return public


def _decoded(encoded: str, form: str) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        raise ValueError(form) from None
