"""Twilio: `X-Twilio-Signature`, over the address as configured at Twilio and the decoded fields of a form.

This file answers for what is signed: the address, then each field's name and values without separators, sorted; a body
that is no form is bound by its SHA-256 in the address. It must never take the host from the request, which anybody can
write, nor accept a body that the signature does not cover.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from adapters.channels.signing import SigningKey
from adapters.hooks.accounts import TwilioHooks, spellings_of
from adapters.hooks.keys import text_key
from adapters.hooks.requests import BadSignature, RawHook, optional, required, same, wire_bytes

HEADER: Final = "X-Twilio-Signature"
SETTINGS_HEADER: Final = "X-Twilio-Webhooks-Signature-Settings"

_FORM: Final = "application/x-www-form-urlencoded"
_BODY_HASH: Final = "bodySHA256"
# Twilio's largest hooks have some dozens.
_FIELDS_MAX: Final = 1_000

Fields = list[tuple[str, str]]


class TwilioVerifier:
    """Verifies what Twilio sends to one address."""

    def __init__(self, settings: TwilioHooks) -> None:
        self._tokens = tuple(SigningKey(text_key(secret), "sha1") for secret in settings.secrets)
        self._shared = {key.id: SigningKey(text_key(key.secret)) for key in settings.shared_keys}
        self._spellings = spellings_of(settings.public_url)

    def verify(self, hook: RawHook, now_us: int) -> None:
        """See Verifier. Twilio itself is not of one mind on whether it signs the port, so both spellings count."""
        given = required(hook, HEADER)
        keys = self._keys(optional(hook, SETTINGS_HEADER))
        if not hook.raw_path.startswith("/"):
            raise BadSignature("malformed")
        covered = _covered(hook)
        signed = [wire_bytes(f"{spelling}{hook.raw_path}{covered}") for spelling in self._spellings]
        expected = [b64encode(key.sign(text)).decode("ascii") for key in keys for text in signed]
        if not any(same(given, one) for one in expected):
            raise BadSignature("mismatch")

    def _keys(self, said: str | None) -> Sequence[SigningKey]:
        """The keys that a hook says it was signed with: only what is configured is ever tried."""
        if said is None:
            return self._tokens
        parts = [part.strip().partition("=") for part in said.split(",")]
        named = {name: value for name, _, value in parts}
        if len(named) != len(parts) or named.get("algorithm") != "HMAC_SHA256":
            raise BadSignature("malformed")
        key = self._shared.get(named.get("key", ""))
        if key is None:
            raise BadSignature("mismatch")
        return (key,)


def form_of(hook: RawHook) -> Fields | None:
    """The decoded fields of a form in their order, empty ones kept; None where the body is no form."""
    if (optional(hook, "Content-Type") or "").partition(";")[0].strip().lower() != _FORM:
        return None
    return _decoded(hook.body.decode("utf-8", "surrogateescape"))


def _covered(hook: RawHook) -> str:
    """What is signed after the address."""
    fields = form_of(hook)
    if fields is None:
        _demand_hash(hook)
        return ""
    if hook.body and not fields:
        # Nothing but separators: these bytes would be signed by nobody.
        raise BadSignature("malformed")
    # A repeated field counts with its distinct values, in their order.
    return "".join(name + value for name, value in sorted(set(fields)))


def _demand_hash(hook: RawHook) -> None:
    hashes = [value for name, value in _decoded(hook.raw_path.partition("?")[2]) if name == _BODY_HASH]
    if not hashes and not hook.body:
        return
    if len(hashes) != 1:
        raise BadSignature("missing" if not hashes else "repeated")
    if not same(hashes[0].lower(), hashlib.sha256(hook.body).hexdigest()):
        raise BadSignature("mismatch")


def _decoded(encoded: str) -> Fields:
    # Bytes that are no UTF-8 come through as they are, since they were signed as they are.
    try:
        return parse_qsl(encoded, keep_blank_values=True, errors="surrogateescape", max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise BadSignature("malformed") from None
