"""Green API: a token in `Authorization`, shown and not signed with.

This file answers for the token and for whose instance a notification is about. It must never ask for more of a body
than that: one that cannot be read must still be taken, or Green API repeats it for a day and holds all behind it.
"""

from typing import Final

from adapters.hooks.accounts import GreenApiHooks
from adapters.hooks.keys import bearer_token
from adapters.hooks.requests import BadSignature, RawHook, required, same
from adapters.hooks.scalars import scalar_at

HEADER: Final = "Authorization"


class GreenApiVerifier:
    """Verifies what one instance of Green API sends, or several that share a source."""

    def __init__(self, settings: GreenApiHooks) -> None:
        self._tokens = tuple(bearer_token(secret) for secret in settings.secrets)
        self._instances = settings.instances

    def verify(self, hook: RawHook, now_us: int) -> None:
        """See Verifier. The word before the token is whatever the account's settings say, so it does not count."""
        given = _token(required(hook, HEADER))
        if not any(same(given, token) for token in self._tokens):
            raise BadSignature("mismatch")
        if self._instances:
            instance = scalar_at(hook.body, "/instanceData/idInstance")
            if instance is not None and instance not in self._instances:
                raise BadSignature("mismatch")


def _token(given: str) -> str:
    try:
        return bearer_token(given)
    except ValueError:
        raise BadSignature("malformed") from None
