"""Standard Webhooks 1.0.0, and Svix under its own names: `{id}.{timestamp}.{body}`, signed in a list of entries.

This file answers for `v1` (HMAC-SHA256) and `v1a` (Ed25519). An entry that is malformed or of another version is
skipped. It must never take the id from other headers than those that were signed: `family_of` says which.
"""

from base64 import b64decode, b64encode
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.channels.signing import SigningKey
from adapters.hooks.accounts import StandardHooks
from adapters.hooks.keys import standard_key
from adapters.hooks.requests import (
    BadSignature,
    RawHook,
    any_same,
    demand_fresh,
    required,
    seconds_of,
    values_of,
    wire_bytes,
)

# Each of these costs a pass over the body; a rotation needs two.
_ASYMMETRIC_ENTRIES_MAX: Final = 8


class StandardVerifier:
    """Verifies what one endpoint of Standard Webhooks or Svix receives."""

    def __init__(self, settings: StandardHooks) -> None:
        keys = [standard_key(secret) for secret in settings.secrets]
        self._symmetric = tuple(SigningKey(key) for key in keys if isinstance(key, bytes))
        self._asymmetric = tuple(key for key in keys if isinstance(key, Ed25519PublicKey))
        self._tolerance_us = settings.tolerance_us

    def verify(self, hook: RawHook, now_us: int) -> None:
        """See Verifier."""
        family = family_of(hook)
        event = required(hook, f"{family}-id")
        if "." in event:
            # The dot separates what is signed: with one in the id, parts of a genuine hook could change their places.
            raise BadSignature("malformed")
        second = required(hook, f"{family}-timestamp")
        at_s = seconds_of(second)
        entries = [entry.partition(",") for entry in required(hook, f"{family}-signature").split(" ")]
        signed = b".".join((wire_bytes(event), second.encode(), hook.body))
        if not self._vouched(signed, entries):
            raise BadSignature("mismatch")
        demand_fresh(at_s, now_us, self._tolerance_us)

    def _vouched(self, signed: bytes, entries: list[tuple[str, str, str]]) -> bool:
        given = [value for version, _, value in entries if version == "v1"]
        expected = [b64encode(key.sign(signed)).decode("ascii") for key in self._symmetric]
        if any_same(given, expected):
            return True
        signatures = [value for version, _, value in entries if version == "v1a"][:_ASYMMETRIC_ENTRIES_MAX]
        return any(_fits(key, signature, signed) for key in self._asymmetric for signature in signatures)


def family_of(hook: RawHook) -> str:
    """Whose names the headers bear. Svix's own go before the standard's, as in the libraries, where all are there."""
    complete = all(values_of(hook, f"svix-{part}") for part in ("id", "timestamp", "signature"))
    return "svix" if complete else "webhook"


def _fits(key: Ed25519PublicKey, signature: str, signed: bytes) -> bool:
    try:
        key.verify(b64decode(signature, validate=True), signed)
    except (ValueError, InvalidSignature):
        return False
    return True
