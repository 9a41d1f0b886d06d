"""Stripe: `Stripe-Signature: t=<unix second>,v1=<hex>[,v1=<hex>...]` over `{t}.{body}`.

This file answers for that header. It must never decode a secret: the key is the whole text, `whsec_` included. While
a secret is being rolled the header has one `v1` for each; `v0` and whatever else may come is not looked at.
"""

from collections.abc import Sequence
from typing import Final

from adapters.channels.signing import SigningKey
from adapters.hooks.accounts import StripeHooks
from adapters.hooks.keys import text_key
from adapters.hooks.requests import BadSignature, RawHook, demand_fresh, required, same, seconds_of

HEADER: Final = "Stripe-Signature"


class StripeVerifier:
    """Verifies what one Stripe endpoint receives."""

    def __init__(self, settings: StripeHooks) -> None:
        self._keys = tuple(SigningKey(text_key(secret)) for secret in settings.secrets)
        self._tolerance_us = settings.tolerance_us

    def verify(self, hook: RawHook, now_us: int) -> None:
        """See Verifier. A second of the future is bounded like one of the past; Stripe's own libraries let it pass."""
        second, given = None, list[str]()
        for entry in required(hook, HEADER).split(","):
            name, _, value = entry.partition("=")
            if name == "v1":
                given.append(value)
            elif name == "t":
                if second is not None:
                    raise BadSignature("malformed")
                second = value
        if second is None:
            raise BadSignature("malformed")
        at_s = seconds_of(second)
        if not self._vouched(f"{second}.".encode() + hook.body, given):
            raise BadSignature("mismatch")
        demand_fresh(at_s, now_us, self._tolerance_us)

    def _vouched(self, signed: bytes, given: Sequence[str]) -> bool:
        for key in self._keys:
            expected = key.sign(signed).hex()
            for one in given:
                if same(one, expected):
                    return True
        return False
