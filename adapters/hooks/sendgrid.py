"""SendGrid's Event Webhook: an ECDSA signature over the timestamp's digits and the body, with nothing between.

This file answers for P-256 with SHA-256. It must never strip a body: SendGrid's may end in a line break, which is
signed.
"""

from base64 import b64decode
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.hooks.accounts import SendGridHooks
from adapters.hooks.keys import ecdsa_key
from adapters.hooks.requests import BadSignature, RawHook, demand_fresh, required, seconds_of

SIGNATURE_HEADER: Final = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER: Final = "X-Twilio-Email-Event-Webhook-Timestamp"


class SendGridVerifier:
    """Verifies what one Event Webhook sends."""

    def __init__(self, settings: SendGridHooks) -> None:
        self._keys = tuple(ecdsa_key(secret) for secret in settings.secrets)
        self._tolerance_us = settings.tolerance_us

    def verify(self, hook: RawHook, now_us: int) -> None:
        """See Verifier."""
        try:
            signature = b64decode(required(hook, SIGNATURE_HEADER), validate=True)
        except ValueError:
            raise BadSignature("malformed") from None
        second = required(hook, TIMESTAMP_HEADER)
        at_s = seconds_of(second)
        signed = second.encode() + hook.body
        if not any(_fits(key, signature, signed) for key in self._keys):
            raise BadSignature("mismatch")
        demand_fresh(at_s, now_us, self._tolerance_us)


def _fits(key: EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
