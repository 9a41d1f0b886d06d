"""What a verified hook from Meta tells: each update an item for its handler, with the news that we act upon.

This file answers for keys by which an update is taken once, and for reading receipts, people and alerts out of it. It
must never raise, whatever the bytes, and never lose any: what it cannot read it hands on as it came.
"""

import hashlib
import re
from typing import Final, Literal

from adapters.channels.whatsapp_cloud_errors import error_of, failure_of
from adapters.hooks.meta_envelope import Members, Update, updates_in
from adapters.loose_json import Json, elements, members, number, text
from core import addresses
from core.news import Item, LaneNews, News, PeerNews, Receipt, ReceiptStatus
from core.policies import SECOND_US

# `played` is what `read` is to a voice message.
_STATUSES: Final[dict[str, ReceiptStatus]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}
# What comes as a message without anybody having written to us: Meta's own notes, and taking a message back.
_NOT_WRITTEN: Final = {"system", "request_welcome", "revoke"}
_WISHES: Final[dict[str, Literal["stopped", "resumed"]]] = {"stop": "stopped", "resume": "resumed", "signup": "resumed"}
# Changes that a person who runs the account should hear of, and where each says what happened.
_ALERTS: Final = {
    "account_alerts": "alert_type",
    "account_review_update": "decision",
    "account_update": "event",
    "message_template_status_update": "event",
    "phone_number_quality_update": "event",
}
_CODE: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
# Meta echoes up to 512 characters; ours are far shorter.
_ECHO_CHARS_MAX: Final = 512


def items_of(body: bytes) -> list[Item]:
    """Every update of a body as an item, at least one; a body that is no envelope of Meta's is one item as it is."""
    found = [_item(update) for update in updates_in(body)]
    return found or [Item(key=hashlib.sha256(body).hexdigest(), body=body)]


def _item(update: Update) -> Item:
    match update.listed:
        case "messages":
            key, kind, news = text(update.own.get("id")), "message", _written(update)
        case "statuses":
            key, kind, news = _status_key(update.own), "status", _receipts(update)
        case "user_preferences":
            key, kind, news = "", update.field, _wishes(update)
        case _:
            key, kind, news = "", update.field, _alerts(update)
    return Item(key=key or update.digest, body=update.body, kind=kind, news=news)


def _written(update: Update) -> tuple[News, ...]:
    own = update.own
    # Writing to a group opens no window between us and the person.
    if text(own.get("type")) in _NOT_WRITTEN or "group_id" in own:
        return ()
    at_us = _instant_us(own.get("timestamp"))
    return tuple(
        PeerNews(did="wrote", channel="whatsapp", address=address, at_us=at_us)
        for address in _addresses(own.get("from"), own.get("from_user_id"), update.contact)
    )


def _wishes(update: Update) -> tuple[News, ...]:
    own = update.own
    did = _WISHES.get(text(own.get("value")))
    if did is None or text(own.get("category")) != "marketing_messages":
        return ()
    at_us = _instant_us(own.get("timestamp"))
    return tuple(
        PeerNews(did=did, channel="whatsapp", address=address, at_us=at_us, marketing=True)
        for address in _addresses(own.get("wa_id"), own.get("user_id"), update.contact)
    )


def _status_key(own: Members) -> str:
    named, status, kind = text(own.get("id")), text(own.get("status")), text(own.get("type"))
    if not named or not status:
        return ""
    return f"{named}/{status}" if _is_of_a_message(own) else f"{named}/{kind}/{status}"


def _receipts(update: Update) -> tuple[News, ...]:
    own = update.own
    status = _STATUSES.get(text(own.get("status")))
    provider_id = text(own.get("id"))
    echo = text(own.get("biz_opaque_callback_data"), chars_max=_ECHO_CHARS_MAX)
    if status is None or not (provider_id or echo) or not _is_of_a_message(own):
        return ()
    receipt = Receipt(status=status, provider_id=provider_id, echo=echo, at_us=_instant_us(own.get("timestamp")))
    return (_with_failure(receipt, update),) if status == "failed" else (receipt,)


def _with_failure(receipt: Receipt, update: Update) -> Receipt:
    errors = elements(update.own.get("errors")) or elements(update.value.get("errors"))
    failure = failure_of(error_of(errors[0] if errors else None), to=text(update.own.get("recipient_id")))
    return Receipt(
        status="failed",
        provider_id=receipt.provider_id,
        echo=receipt.echo,
        at_us=receipt.at_us,
        code=failure.code,
        failure=failure,
    )


def _is_of_a_message(own: Members) -> bool:
    # A payment's statuses have a message's id and words such as `failed`, and say nothing of the message.
    return text(own.get("type")) in {"", "message"}


def _alerts(update: Update) -> tuple[News, ...]:
    if update.field == "messages":
        # Errors that belong to no message are about the number or the application.
        failures = [failure_of(error_of(error)) for error in elements(update.value.get("errors"))]
        return tuple(LaneNews(state="alert", code=f"errors/{failure.code}") for failure in failures[:1])
    if update.field not in _ALERTS:
        return ()
    alerts = members(update.value.get("alert_info")) or update.value
    event = text(alerts.get(_ALERTS[update.field]))
    return (LaneNews(state="alert", code=f"{update.field}/{event}" if _CODE.fullmatch(event) else update.field),)


def _addresses(phone: Json | None, user: Json | None, contact: Members) -> list[str]:
    """Every name under which we may know a person: the phone number, the user id, that of the whole enterprise."""
    digits = text(phone) or text(contact.get("wa_id"))
    found = [
        f"+{digits.removeprefix('+')}",
        text(user) or text(contact.get("user_id")),
        text(contact.get("parent_user_id")),
    ]
    return [known for name in dict.fromkeys(found) if (known := _known(name))]


def _known(name: str) -> str:
    try:
        return addresses.whatsapp(name)
    except addresses.Unfit:
        return ""


def _instant_us(part: Json | None) -> int | None:
    seconds = number(part)
    # Eleven digits of seconds reach beyond the year 5000; more are no seconds.
    return seconds * SECOND_US if seconds is not None and seconds < 10**11 else None
