"""A secret that is shown: the scheme `token`, in a header of its own or as the password of Basic auth (Postmark).

This file answers for finding and comparing it. It must never take the bytes of such a hook for signed: only TLS guards
them.
"""

from base64 import b64decode

from adapters.hooks.accounts import TokenHooks
from adapters.hooks.keys import text_key
from adapters.hooks.requests import BadSignature, RawHook, required, same


class SharedTokenVerifier:
    """Verifies hooks whose sender knows a password."""

    def __init__(self, settings: TokenHooks) -> None:
        for secret in settings.secrets:
            text_key(secret)
        self._settings = settings

    def verify(self, hook: RawHook, now_us: int) -> None:
        """See Verifier."""
        given = self._shown(hook)
        if not any(same(given, secret) for secret in self._settings.secrets):
            raise BadSignature("mismatch")

    def _shown(self, hook: RawHook) -> str:
        if self._settings.header is not None:
            return required(hook, self._settings.header)
        user, password = _basic(required(hook, "Authorization"))
        if self._settings.user is not None and not same(user, self._settings.user):
            raise BadSignature("mismatch")
        return password


def _basic(value: str) -> tuple[str, str]:
    """User and password (RFC 7617)."""
    word, _, encoded = value.partition(" ")
    if word.lower() != "basic":
        raise BadSignature("malformed")
    try:
        decoded = b64decode(encoded, validate=True)
    except ValueError:
        raise BadSignature("malformed") from None
    user, colon, password = decoded.decode("utf-8", "surrogateescape").partition(":")
    if not colon:
        raise BadSignature("malformed")
    return user, password
