"""A keyed hash of the body in one header: the scheme `hmac`, and with fixed settings those of GitHub and Meta.

This file answers for header, prefix, hash and encoding. There is no timestamp in it, so a hook can be replayed: what
keeps it from counting twice is its event's id.
"""

from base64 import b64encode

from adapters.channels.signing import SigningKey
from adapters.hooks.accounts import HmacHooks
from adapters.hooks.keys import text_key
from adapters.hooks.requests import BadSignature, RawHook, required, same


class KeyedHashVerifier:
    """Verifies hooks whose sender hashes the body under a shared secret."""

    def __init__(self, settings: HmacHooks) -> None:
        self._settings = settings
        self._keys = tuple(SigningKey(text_key(secret), settings.hash) for secret in settings.secrets)

    def verify(self, hook: RawHook, now_us: int) -> None:
        """See Verifier. Hexadecimal digits count in either case."""
        given = required(hook, self._settings.header)
        if not given.startswith(self._settings.prefix):
            raise BadSignature("malformed")
        given = given.removeprefix(self._settings.prefix)
        if self._settings.encoding == "hex":
            given = given.lower()
        if not any(same(given, self._expected(key, hook.body)) for key in self._keys):
            raise BadSignature("mismatch")

    def _expected(self, key: SigningKey, body: bytes) -> str:
        digest = key.sign(body)
        return digest.hex() if self._settings.encoding == "hex" else b64encode(digest).decode("ascii")
