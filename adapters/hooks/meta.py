"""Meta (WhatsApp Cloud API): `X-Hub-Signature-256: sha256=<hex>` over the body under the app secret, and the challenge.

This file answers for both. It must never render a body anew before verifying: Meta escapes it in its own way. Nor may
it answer a challenge with anything that a browser could take for more than a word.
"""

import re
from typing import Final
from urllib.parse import parse_qsl

from adapters.hooks.accounts import HmacHooks, MetaHooks
from adapters.hooks.keyed_hash import KeyedHashVerifier
from adapters.hooks.requests import BadSignature, RawHook, same

HEADER: Final = "X-Hub-Signature-256"

# Meta sends a whole number. Whatever we answer is shown to whoever asked, so it is kept to letters that mean nothing.
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}", re.ASCII)
_PARAMETERS_MAX: Final = 16


class MetaVerifier(KeyedHashVerifier):
    """Verifies what one app of Meta's sends."""

    def __init__(self, settings: MetaHooks) -> None:
        super().__init__(HmacHooks(secrets=settings.secrets, header=HEADER, prefix="sha256="))


def challenge_answer(hook: RawHook, settings: MetaHooks) -> str:
    """The text to answer a subscription's GET with, as text/plain; raises BadSignature where it is not for us."""
    if not settings.verify_token:
        raise BadSignature("mismatch")
    query = hook.raw_path.partition("?")[2]
    try:
        parameters = parse_qsl(query, keep_blank_values=True, max_num_fields=_PARAMETERS_MAX)
    except ValueError:
        raise BadSignature("malformed") from None
    mode, token, challenge = (_one(parameters, f"hub.{name}") for name in ("mode", "verify_token", "challenge"))
    if mode != "subscribe" or _CHALLENGE.fullmatch(challenge) is None:
        raise BadSignature("malformed")
    if not same(token, settings.verify_token):
        raise BadSignature("mismatch")
    return challenge


def _one(parameters: list[tuple[str, str]], wanted: str) -> str:
    match [value for name, value in parameters if name == wanted]:
        case []:
            raise BadSignature("missing")
        case [value]:
            return value
        case _:
            raise BadSignature("repeated")
