"""What a verified hook from Meta tells: each update an item for its handler, with the news that we act upon.

This file answers for keys by which an update is taken once, and for reading receipts, people and alerts out of it. It
must never raise, whatever the bytes, and never lose any: what it cannot read it hands on as it came.
"""

import hashlib
import re
from typing import Final, Literal

from adapters.channels.whatsapp_cloud_errors import error_of, failure_of
from adapters.hooks.meta_envelope import Members, Piece, pieces_of
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
    found = [_item(piece) for piece in pieces_of(body)]
    return found or [Item(key=hashlib.sha256(body).hexdigest(), body=body)]


def _item(piece: Piece) -> Item:
    match piece.listed:
        case "messages":
            key, kind, news = text(piece.own.get("id")), "message", _written(piece)
        case "statuses":
            key, kind, news = _status_key(piece.own), "status", _receipts(piece)
        case "user_preferences":
            key, kind, news = "", piece.field, _wishes(piece)
        case _:
            key, kind, news = "", piece.field, _alerts(piece)
    return Item(key=key or piece.digest, body=piece.body, kind=kind, news=news)


def _written(piece: Piece) -> tuple[News, ...]:
    own = piece.own
    # Writing to a group opens no window between us and the person.
    if text(own.get("type")) in _NOT_WRITTEN or "group_id" in own:
        return ()
    at_us = _instant_us(own.get("timestamp"))
    return tuple(
        PeerNews(did="wrote", channel="whatsapp", address=address, at_us=at_us)
        for address in _addresses(own.get("from"), own.get("from_user_id"), piece.contact)
    )


def _wishes(piece: Piece) -> tuple[News, ...]:
    own = piece.own
    did = _WISHES.get(text(own.get("value")))
    if did is None or text(own.get("category")) != "marketing_messages":
        return ()
    at_us = _instant_us(own.get("timestamp"))
    return tuple(
        PeerNews(did=did, channel="whatsapp", address=address, at_us=at_us, marketing=True)
        for address in _addresses(own.get("wa_id"), own.get("user_id"), piece.contact)
    )


def _status_key(own: Members) -> str:
    named, status, kind = text(own.get("id")), text(own.get("status")), text(own.get("type"))
    if not named or not status:
        return ""
    return f"{named}/{status}" if _is_of_a_message(own) else f"{named}/{kind}/{status}"


def _receipts(piece: Piece) -> tuple[News, ...]:
    own = piece.own
    status = _STATUSES.get(text(own.get("status")))
    provider_id = text(own.get("id"))
    echo = text(own.get("biz_opaque_callback_data"), chars_max=_ECHO_CHARS_MAX)
    if status is None or not (provider_id or echo) or not _is_of_a_message(own):
        return ()
    receipt = Receipt(status=status, provider_id=provider_id, echo=echo, at_us=_instant_us(own.get("timestamp")))
    return (_with_failure(receipt, piece),) if status == "failed" else (receipt,)


def _with_failure(receipt: Receipt, piece: Piece) -> Receipt:
    errors = elements(piece.own.get("errors")) or elements(piece.value.get("errors"))
    failure = failure_of(error_of(errors[0] if errors else None), to=text(piece.own.get("recipient_id")))
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


def _alerts(piece: Piece) -> tuple[News, ...]:
    if piece.field == "messages":
        # Errors that belong to no message are about the number or the application.
        failures = [failure_of(error_of(error)) for error in elements(piece.value.get("errors"))]
        return tuple(LaneNews(state="alert", code=f"errors/{failure.code}") for failure in failures[:1])
    if piece.field not in _ALERTS:
        return ()
    alerts = members(piece.value.get("alert_info")) or piece.value
    event = text(alerts.get(_ALERTS[piece.field]))
    return (LaneNews(state="alert", code=f"{piece.field}/{event}" if _CODE.fullmatch(event) else piece.field),)


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
