"""What SendGrid's event webhook tells: a JSON array of events, each about one mail.

This file answers for which event is which receipt or wish. It must never verify a signature (the door did), and never
raise for any bytes: an event that cannot be read does not keep the others from being taken.
"""

import re
from typing import Final, Literal

import msgspec

from adapters.channels.scrubbing import scrubbed
from adapters.hooks.mail_events import (
    NOT_JSON,
    Event,
    echo_in,
    event_in,
    id_in,
    kind_in,
    receipts_of,
    seconds_in,
    text_in,
    unread,
)
from core import addresses
from core.news import Item, News, PeerNews, ReceiptStatus
from core.outcomes import Failure, Hold, OptOut, Permanent, Recipient

# Others tell of nothing for a receipt: `processed`, `deferred`, and `click`, since programs that look for malice
# follow links before any person does.
_STATUSES: Final[dict[str, ReceiptStatus]] = {
    "delivered": "delivered",
    "open": "read",
    "bounce": "failed",
    "dropped": "failed",
    "spamreport": "failed",
    "unsubscribe": "failed",
    "group_unsubscribe": "failed",
}
# Why SendGrid kept a mail to itself, in its own words.
_DROPPED: Final[dict[str, Failure]] = {
    "bounced address": Recipient(code="dropped", detail="Bounced Address"),
    "invalid": Recipient(code="dropped", detail="Invalid"),
    "unsubscribed address": OptOut(code="dropped", detail="Unsubscribed Address"),
    "spam reporting address": OptOut(code="dropped", detail="Spam Reporting Address"),
    "recipient list over package quota": Hold(code="dropped", detail="Recipient List over Package Quota"),
}

_EVENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)


def items(body: bytes) -> list[Item]:
    """The updates in a request, in its order."""
    try:
        events = _EVENTS.decode(body)
    except NOT_JSON:
        return [unread(body)]
    return [_item(bytes(event)) for event in events]


def _item(body: bytes) -> Item:
    event = event_in(body)
    if event is None:
        return unread(body)
    kind = kind_in(event, "event")
    return Item(key=id_in(event, "sg_event_id") or unread(body).key, body=body, kind=kind, news=_news(kind, event))


def _news(kind: str, event: Event) -> tuple[News, ...]:
    at_us = seconds_in(event, "timestamp")
    news: tuple[News, ...] = ()
    if (status := _STATUSES.get(kind)) is not None:
        news = receipts_of(
            status,
            # What the API answered with; the rest tells the machine and the copy.
            provider_id=id_in(event, "sg_message_id").partition(".")[0],
            echo=echo_in(event, "tid"),
            at_us=at_us,
            failure=_failure(kind, event),
        )
    if kind in {"unsubscribe", "group_unsubscribe"}:
        news += _wish("stopped", event, at_us)
    elif kind == "group_resubscribe":
        news += _wish("resumed", event, at_us)
    return news


def _wish(did: Literal["stopped", "resumed"], event: Event, at_us: int | None) -> tuple[PeerNews, ...]:
    try:
        address = addresses.email(text_in(event, "email"))
    except addresses.Unfit:
        return ()
    return (PeerNews(did=did, channel="email", address=address, at_us=at_us, marketing=True),)


def _failure(kind: str, event: Event) -> Failure | None:
    match kind:
        case "bounce":
            return _bounced(event)
        case "dropped":
            reason = text_in(event, "reason")
            told = scrubbed(reason, to=text_in(event, "email"))
            return _DROPPED.get(reason.strip().lower(), Permanent(code="dropped", detail=told))
        case "spamreport":
            return OptOut(code="spamreport")
        case "unsubscribe" | "group_unsubscribe":
            return OptOut(code=kind, marketing=True)
        case _:
            return None


def _bounced(event: Event) -> Failure:
    # `blocked`: refused for now or for what was in it, which proves nothing about the address.
    status, blocked = text_in(event, "status"), text_in(event, "type") == "blocked"
    words = ["blocked" if blocked else "bounce", *([status] if _ENHANCED.fullmatch(status) else [])]
    detail = scrubbed(text_in(event, "reason"), to=text_in(event, "email"))
    return Recipient(code=" ".join(words), detail=detail, soft=blocked)
