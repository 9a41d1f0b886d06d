"""Who a verified hook is: the event's id, by which it is taken once, and the key that it is kept in order by.

This file answers for where each scheme says so. It must never fail, whatever the bytes are: a hook that verifies but
says nothing readable is known by its body's hash. Items of a batch (Meta, Green API, SendGrid) have ids of their own,
found where batches are split.
"""

import hashlib
from typing import Final, assert_never

from adapters.hooks.accounts import (
    GitHubHooks,
    GreenApiHooks,
    HmacHooks,
    HookSettings,
    MetaHooks,
    SendGridHooks,
    StandardHooks,
    StripeHooks,
    TokenHooks,
    TwilioHooks,
)
from adapters.hooks.requests import BadSignature, RawHook, values_of
from adapters.hooks.scalars import scalar_at
from adapters.hooks.standard import family_of
from adapters.hooks.twilio import form_of

# Ids and keys are kept beside the message. Longer ones, and such as do not print, stand for themselves by their hash.
KEY_CHARS_MAX: Final = 255


def event_id(settings: HookSettings, hook: RawHook) -> str:
    """The id of a verified hook's event: the provider's own, or `body_hash` where it has none."""
    return _given(settings, hook) or body_hash(hook.body)


def order_key(body: bytes, pointer: str) -> str | None:
    """What stands at a JSON pointer (RFC 6901) in the body: a text, a number or a truth value, as text.

    None where there is nothing, an empty text, or anything else. Raises ValueError for what is no pointer.
    """
    text = scalar_at(body, pointer)
    # As nearly every one is.
    if text is not None and 0 < len(text) <= KEY_CHARS_MAX and text.isprintable():
        return text
    return _bounded(text)


def body_hash(body: bytes) -> str:
    """The name of a body that has no other: `sha256:` and its hash."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _given(settings: HookSettings, hook: RawHook) -> str | None:
    match settings:
        case StripeHooks():
            return order_key(hook.body, "/id")
        case GitHubHooks():
            return _in_header(hook, "X-GitHub-Delivery")
        case StandardHooks():
            return _in_header(hook, f"{family_of(hook)}-id")
        case TwilioHooks():
            return _of_twilio(hook)
        case HmacHooks() | TokenHooks():
            if settings.id_header is not None:
                return _in_header(hook, settings.id_header)
            return None if settings.id_pointer is None else order_key(hook.body, settings.id_pointer)
        case MetaHooks() | GreenApiHooks() | SendGridHooks():
            return None
        case _:
            assert_never(settings)


def _of_twilio(hook: RawHook) -> str | None:
    """The message and the status that it came to, which are signed; else what Twilio marks its repetitions with."""
    try:
        fields = dict(form_of(hook) or ())
    except BadSignature:
        fields = {}
    message, status = fields.get("MessageSid"), fields.get("MessageStatus")
    if message and status:
        return _bounded(f"{message}:{status}")
    return _in_header(hook, "I-Twilio-Idempotency-Token")


def _in_header(hook: RawHook, name: str) -> str | None:
    values = values_of(hook, name)
    return _bounded(values[0]) if len(values) == 1 else None


def _bounded(text: str | None) -> str | None:
    if not text:
        return None
    if len(text) <= KEY_CHARS_MAX and text.isprintable():
        return text
    return body_hash(text.encode("utf-8", "surrogatepass"))
