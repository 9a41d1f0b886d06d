"""From a verified hook to what is taken of it: its updates, and for each the message that its handler gets.

This file answers for which update is the same as one before, which come in order behind each other, and which headers
go along. It must never fail, whatever the bytes are, nor keep a header that could open anything at the sender's.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, assert_never

import msgspec
from msgspec.structs import replace

from adapters.hooks import green_api_items, meta_items, resend_items, sendgrid_items
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
from adapters.hooks.identities import event_id, order_key
from adapters.hooks.requests import BadSignature, RawHook, values_of
from adapters.hooks.sources import Source
from adapters.hooks.twilio import form_of
from core.content_shapes import HookContent
from core.contents import PRIORITY_ELSE, Submission
from core.news import Item

# What vouches for the whole body, and so goes along only with the whole body.
_SIGNATURES: Final[Mapping[type[HookSettings], tuple[str, ...]]] = {
    StripeHooks: ("Stripe-Signature",),
    MetaHooks: ("X-Hub-Signature-256",),
    GitHubHooks: ("X-Hub-Signature-256",),
    StandardHooks: ("svix-id", "svix-timestamp", "svix-signature"),
    TwilioHooks: ("X-Twilio-Signature", "X-Twilio-Webhooks-Signature-Settings"),
    SendGridHooks: ("X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"),
}
# What says which event it is, of what kind, and for whom.
_IDENTITIES: Final[Mapping[type[HookSettings], tuple[str, ...]]] = {
    GitHubHooks: (
        *("X-GitHub-Event", "X-GitHub-Delivery", "X-GitHub-Hook-ID"),
        *("X-GitHub-Hook-Installation-Target-ID", "X-GitHub-Hook-Installation-Target-Type"),
    ),
    TwilioHooks: ("I-Twilio-Idempotency-Token",),
}
_OF_ALL: Final = ("Content-Type", "Content-Encoding")
# A sender's own names may be configured. None of these is passed on: credentials, what belongs to one connection
# (RFC 9110 section 7.6.1), and what our own headers say.
_KEPT_BACK: Final = re.compile(
    r"authorization|proxy-.*|cookie|set-cookie|host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect"
    r"|content-length|webhook-.*|tidings-.*",
    re.IGNORECASE,
)
_JSON_BEGINS: Final = frozenset({b"{", b"["})
_KIND: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,100}", re.ASCII)

# What the messages of all hooks have in common. To say it anew for each costs three times what a copy does.
_ANY_HOOK: Final = Submission(
    channel="hook",
    to="",
    content=b"",
    host=None,
    subject="",
    idempotency_key=None,
    reference=None,
    send_at_us=None,
    expires_at_us=None,
    lane=None,
    order=None,
    priority=PRIORITY_ELSE,
    on_ambiguous=None,
    policy=None,
    zone=None,
    metadata=None,
    trace="",
    correlation=None,
    request=b"hook",
)

_ENCODER: Final = msgspec.json.Encoder()


def items_in(source: Source, hook: RawHook) -> list[Item]:
    """Every update of a verified hook, at least one, in the order of the hook."""
    match source.settings:
        case StripeHooks() | GitHubHooks() | TwilioHooks() | HmacHooks() | TokenHooks():
            return [_only(source.settings, hook)]
        case MetaHooks():
            items = meta_items.items_of(hook.body)
            # A single one is handed on as Meta wrote and signed it.
            return [replace(items[0], body=hook.body)] if len(items) == 1 else items
        case GreenApiHooks():
            return green_api_items.items(hook.body)
        case SendGridHooks():
            return sendgrid_items.items(hook.body)
        case StandardHooks() if source.lanes:
            key = event_id(source.settings, hook)
            return [replace(item, key=f"{key}/{item.key}") for item in resend_items.items(hook.body)]
        case StandardHooks():
            return [_only(source.settings, hook)]
        case _:
            assert_never(source.settings)


def _only(settings: HookSettings, hook: RawHook) -> Item:
    return Item(key=event_id(settings, hook), body=hook.body, kind=_kind(settings, hook))


def lanes_concerned(source: Source, hook: RawHook) -> tuple[str, ...]:
    """The lanes whose account a hook is about, for what it tells of an account."""
    if not source.accounts:
        return source.lanes
    account = green_api_items.instance_of(hook.body)
    if account is None:
        # Among several, nobody is guessed.
        return source.lanes if len(source.lanes) == 1 else ()
    return tuple(lane for lane in source.lanes if source.accounts.get(lane) == account)


def submission_of(source: Source, hook: RawHook, item: Item, *, trace: str) -> Submission:
    """The message that brings one update to its source's handler; `trace` is the trace context that it is part of.

    The same update makes the same idempotency key, and a request that never differs: whatever else has changed about
    it, it is the same one.
    """
    order = None if source.order_by is None else _order(hook, item, source.order_by)
    content = HookContent(
        source=source.name,
        key=item.key,
        body=item.body,
        headers=_headers(source.settings, hook, item, trace),
        kind=item.kind,
    )
    peer = f"{source.name}/event/{item.key}" if order is None else f"{source.name}/order/{order}"
    return replace(
        _ANY_HOOK,
        to=peer,
        content=_ENCODER.encode(content),
        subject=peer,
        idempotency_key=f"hook/{source.name}/{item.key}",
        lane=source.name,
        trace=trace,
    )


def _kind(settings: HookSettings, hook: RawHook) -> str:
    """The sender's own word for an event, empty where it has none."""
    match settings:
        case StripeHooks() | StandardHooks():
            kind = order_key(hook.body, "/type")
        case GitHubHooks():
            kind = _one(hook, "X-GitHub-Event")
        case _:
            kind = None
    return kind if kind is not None and _is_word(kind) else ""


@lru_cache(maxsize=1_024)  # A sender has few, and all of its hooks are of one of them.
def _is_word(kind: str) -> bool:
    return _KIND.fullmatch(kind) is not None


def _order(hook: RawHook, item: Item, pointer: str) -> str | None:
    """What an update is kept in order by. A form is read as an object of its fields."""
    if item.body[:1] in _JSON_BEGINS:
        return order_key(item.body, pointer)
    try:
        fields = form_of(hook)
    except BadSignature:
        fields = None
    if fields is None:
        return order_key(item.body, pointer)
    texts = {name: value for name, value in fields if (name + value).isprintable()}
    return order_key(_ENCODER.encode(texts), pointer)


def _headers(settings: HookSettings, hook: RawHook, item: Item, trace: str) -> dict[str, str]:
    """Those of the hook's headers that matter to its handler, and the trace that it is part of."""
    wanted = _wanted(settings, "whole" if item.body == hook.body else "part")
    kept: dict[str, str] = {}
    left_out: list[str] = []
    for given, value in hook.headers:
        name = wanted.get(given.lower())
        if name is not None:
            if name in kept or not _can_be_sent(value):
                left_out.append(name)
            kept[name] = value
    for name in left_out:
        kept.pop(name, None)
    if trace:
        kept["traceparent"] = trace
    return kept


@lru_cache(maxsize=256)
def _wanted(settings: HookSettings, body: Literal["whole", "part"]) -> Mapping[str, str]:
    """The names of headers that matter, by their lower case; those of signatures only with the whole body."""
    names = [*_OF_ALL, *_IDENTITIES.get(type(settings), ())]
    if body == "whole":
        names += _SIGNATURES.get(type(settings), ())
    match settings:
        case HmacHooks():
            names += [name for name in (settings.header, settings.id_header) if name is not None]
        case TokenHooks() if settings.id_header is not None:
            # The header that shows the secret is no identity, even where it is configured as one.
            names += [settings.id_header] if settings.id_header.lower() != (settings.header or "").lower() else []
        case _:
            pass
    return {name.lower(): name for name in names if not _KEPT_BACK.fullmatch(name)}


def _one(hook: RawHook, name: str) -> str | None:
    """The value of a header that stands once and can be sent again."""
    values = values_of(hook, name)
    return values[0] if len(values) == 1 and _can_be_sent(values[0]) else None


def _can_be_sent(value: str) -> bool:
    return value != "" and value.isprintable()
