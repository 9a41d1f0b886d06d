"""Stripe: `Stripe-Signature: t=<unix second>,v1=<hex>[,v1=<hex>...]` over `{t}.{body}`.

This file answers for that header. It must never decode a secret: the key is the whole text, `whsec_` included. While
a secret is being rolled the header has one `v1` for each; `v0` and whatever else may come is not looked at.
"""

from typing import Final

from adapters.channels.signing import SigningKey
from adapters.hooks.accounts import StripeHooks
from adapters.hooks.keys import text_key
from adapters.hooks.requests import BadSignature, RawHook, any_same, demand_fresh, required, seconds_of

HEADER: Final = "Stripe-Signature"


class StripeVerifier:
    """Verifies what one Stripe endpoint receives."""

    def __init__(self, settings: StripeHooks) -> None:
        self._keys = tuple(SigningKey(text_key(secret)) for secret in settings.secrets)
        self._tolerance_us = settings.tolerance_us

    def verify(self, hook: RawHook, now_us: int) -> None:
        """See Verifier. A second of the future is bounded like one of the past; Stripe's own libraries let it pass."""
        seconds, given = list[str](), list[str]()
        for entry in required(hook, HEADER).split(","):
            name, _, value = entry.partition("=")
            if name == "t":
                seconds.append(value)
            elif name == "v1":
                given.append(value)
        if len(seconds) != 1:
            raise BadSignature("malformed")
        at_s = seconds_of(seconds[0])
        signed = f"{seconds[0]}.".encode() + hook.body
        if not any_same(given, [key.sign(signed).hex() for key in self._keys]):
            raise BadSignature("mismatch")
        demand_fresh(at_s, now_us, self._tolerance_us)
