"""What Resend's webhooks tell: one event a request, about one mail.

This file answers for which event is which receipt. It must never verify a signature (the door did), and never raise for
any bytes. The door knows an event by its `svix-id`; the key here is the mail and the kind.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.channels.resend import TAG
from adapters.channels.scrubbing import scrubbed
from adapters.hooks.mail_events import Event, echo_in, event_in, id_in, kind_in, part_in, receipts_of, text_in, unread
from core.news import Item, ReceiptStatus
from core.outcomes import Failure, Hold, OptOut, Permanent, Recipient

# Others tell of nothing for a receipt: `scheduled`, `delivery_delayed`, `received`; and `clicked`, since programs
# that look for malice follow links before any person does.
_STATUSES: Final[dict[str, ReceiptStatus]] = {
    "email.sent": "sent",
    "email.delivered": "delivered",
    "email.opened": "read",
    "email.bounced": "failed",
    "email.complained": "failed",
    "email.suppressed": "failed",
    "email.failed": "failed",
}
_QUOTAS: Final = {"reached_daily_quota", "reached_monthly_quota"}

_WORD: Final = re.compile(r"[A-Za-z0-9_]{1,60}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def items(body: bytes) -> list[Item]:
    """The one update in a request."""
    event = event_in(body)
    if event is None:
        return [unread(body)]
    kind, data = kind_in(event, "type"), part_in(event, "data")
    mail = id_in(data, "email_id")
    key = f"{mail}/{kind}" if mail and kind else unread(body).key
    status = _STATUSES.get(kind)
    if status is None:
        return [Item(key=key, body=body, kind=kind)]
    news = receipts_of(
        status, provider_id=mail, echo=_echo_in(data), at_us=_instant_in(event), failure=_failure(kind, data)
    )
    return [Item(key=key, body=body, kind=kind, news=news)]


def _failure(kind: str, data: Event) -> Failure | None:
    match kind:
        case "email.bounced":
            return _bounced(part_in(data, "bounce"), _recipient_in(data))
        case "email.complained":
            return OptOut(code="complained")
        case "email.suppressed":
            told = text_in(part_in(data, "suppressed"), "message")
            return Recipient(code="suppressed", detail=scrubbed(told, to=_recipient_in(data)))
        case "email.failed":
            return _failed(text_in(part_in(data, "failed"), "reason"), _recipient_in(data))
        case _:
            return None


def _bounced(bounce: Event, to: str) -> Failure:
    words = [word for name in ("type", "subType") if _WORD.fullmatch(word := text_in(bounce, name))]
    # Only what Resend itself calls permanent is proof that the address will never take mail.
    return Recipient(
        code="/".join(words) or "bounced",
        detail=scrubbed(text_in(bounce, "message"), to=to),
        soft=text_in(bounce, "type") != "Permanent",
    )


def _failed(reason: str, to: str) -> Failure:
    code = reason if _WORD.fullmatch(reason) else "failed"
    detail = scrubbed(reason, to=to)
    return Hold(code=code, detail=detail) if reason in _QUOTAS else Permanent(code=code, detail=detail)


def _echo_in(data: Event) -> str:
    """Our own id, which travels as a tag. Tags are an object in events, and a list of names and values in the API."""
    tags = data.get("tags")
    if isinstance(tags, list):
        tags = {text_in(tag, "name"): text_in(tag, "value") for tag in tags if isinstance(tag, dict)}
    return echo_in(tags, TAG) if isinstance(tags, dict) else ""


def _recipient_in(data: Event) -> str:
    to = data.get("to")
    first = to[0] if isinstance(to, list) and to else to
    return first if isinstance(first, str) else ""


def _instant_in(event: Event) -> int | None:
    try:
        moment = datetime.fromisoformat(text_in(event, "created_at"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        at_us = (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None
    return at_us if at_us >= 0 else None
