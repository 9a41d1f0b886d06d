"""What a notification of Green API brings: one a POST, about a message, a person or the instance itself.

This file answers for reading notifications into news, and for the key under which each is taken once (Green API is
known to send some twice). It must never raise for any bytes: Green API repeats an item that is not answered with 200,
and holds back everything behind it for a day.

`authorized` is the only state in which an instance sends; in every other its queue fills, and what lies there for 24
hours is dropped without a word. So each of them pauses the lane.
"""

import hashlib
import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from adapters.channels.scrubbing import scrubbed
from core import addresses
from core.news import Item, LaneNews, News, PeerNews, Receipt
from core.outcomes import Failure, Permanent, Recipient, Window
from core.policies import SECOND_US

# Up to the year 2242: whatever is larger was no count of seconds, and would not fit where instants are kept.
_SECONDS_MAX: Final = 2**33
_WORD: Final = re.compile(r"[A-Za-z_]{1,60}")
_PERSON: Final = "@c.us"

# Ids come as strings and as numbers, some of 18 digits, and are strings to us.
Id = str | int | None
Kind = Annotated[str, Meta(max_length=60)]


class _Instance(msgspec.Struct, frozen=True, rename="camel", gc=False):
    id_instance: Id = None


class _Sender(msgspec.Struct, frozen=True, rename="camel", gc=False):
    chat_id: Id = None


class _Quota(msgspec.Struct, frozen=True, gc=False):
    status: Id = None


class _Notification(msgspec.Struct, frozen=True, rename="camel"):
    """What is read of a notification, whatever its type; everything else is the handler's business."""

    type_webhook: Kind
    instance_data: _Instance | None = None
    timestamp: int | None = None
    chat_id: Id = None
    id_message: Id = None
    status: Id = None
    description: object = None
    state_instance: Id = None
    status_instance: Id = None
    chat_state: Id = None
    sender_data: _Sender | None = None
    quota_data: _Quota | None = None

    @property
    def instance(self) -> str:
        """The instance that it says it comes from, empty where it says none."""
        return "" if self.instance_data is None else _text(self.instance_data.id_instance)

    @property
    def chat(self) -> str:
        """The chat that it is about, empty where it is about none."""
        if self.chat_id is None and self.sender_data is not None:
            return _text(self.sender_data.chat_id)
        return _text(self.chat_id)

    @property
    def state(self) -> str:
        """What it says of a message, the instance or its connection."""
        return _text(self.status) or _text(self.state_instance) or _text(self.status_instance)

    @property
    def at_us(self) -> int | None:
        """When it happened, None where it does not say so."""
        if self.timestamp is None or not 0 <= self.timestamp < _SECONDS_MAX:
            return None
        return self.timestamp * SECOND_US


_DECODER: Final = msgspec.json.Decoder(_Notification)


def items(body: bytes) -> list[Item]:
    """The one item of a notification. One that cannot be read has its digest for a key, and no news."""
    notification = _notification_of(body)
    if notification is None:
        return [Item(key=_digest(body), body=body)]
    news = _news_of(notification)
    key = _key_of(notification, body)
    return [Item(key=key, body=body, kind=notification.type_webhook, news=() if news is None else (news,))]


def instance_of(body: bytes) -> str | None:
    """The instance that a notification says it comes from, None where it says nothing that can be read.

    Only the token is proof; this is what it must belong to.
    """
    notification = _notification_of(body)
    return None if notification is None else notification.instance or None


def _notification_of(body: bytes) -> _Notification | None:
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _key_of(notification: _Notification, body: bytes) -> str:
    """A digest, since a chat is somebody's number. An id of a message is unique within its chat only."""
    id_message = _text(notification.id_message)
    parts = [notification.instance, notification.type_webhook, notification.chat, id_message, notification.state]
    if not id_message:
        if notification.timestamp is None:
            return _digest(body)
        # The same state may well come again: what happened at another time is another thing.
        parts.append(str(notification.timestamp))
    return _digest(msgspec.json.encode(parts))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _news_of(notification: _Notification) -> News | None:
    match notification.type_webhook:
        case "outgoingMessageStatus":
            return _of_message(notification)
        case "incomingMessageReceived":
            return _of_person(notification, did="wrote")
        case "incomingBlock" if _text(notification.chat_state) == "blocked":
            return _of_person(notification, did="stopped")
        case "stateInstanceChanged":
            return _of_instance(_text(notification.state_instance))
        case "quotaExceeded":
            return _of_quota(notification.quota_data)
        case _:
            return None


def _of_message(notification: _Notification) -> News | None:
    status = _text(notification.status)
    if status == "yellowCard":
        # Throttled for spam. The message itself stays in the queue, so nothing has become of it.
        return LaneNews(state="down", code=status)
    provider_id = _text(notification.id_message)
    if not provider_id:
        return None
    at_us = notification.at_us
    match status:
        case "sent" | "delivered" | "read":
            return Receipt(status=status, provider_id=provider_id, at_us=at_us, code=status)
        case "failed" | "noAccount" | "notInGroup" | "noActiveSession":
            failure = _failure(status, notification)
            return Receipt(status="failed", provider_id=provider_id, at_us=at_us, code=status, failure=failure)
        case _:
            return None


def _failure(status: str, notification: _Notification) -> Failure:
    description = notification.description
    detail = scrubbed(description, to=notification.chat) if isinstance(description, str) else ""
    match status:
        case "noAccount":
            return Recipient(code=status, detail=detail)
        case "noActiveSession":
            return Window(code=status, detail=detail)
        case _:
            return Permanent(code=status, detail=detail)


def _of_person(notification: _Notification, *, did: Literal["wrote", "stopped"]) -> PeerNews | None:
    """None for groups and channels: those are not anybody in particular."""
    chat = notification.chat
    if not chat.endswith(_PERSON):
        return None
    try:
        address = addresses.phone(f"+{chat.removesuffix(_PERSON)}")
    except addresses.Unfit:
        return None
    return PeerNews(did=did, channel="whatsapp", address=address, at_us=notification.at_us)


def _of_instance(state: str) -> LaneNews | None:
    if not state:
        return None
    return LaneNews(state="up" if state == "authorized" else "down", code=_word(state, "unknown"))


def _of_quota(quota: _Quota | None) -> LaneNews:
    return LaneNews(state="alert", code=_word("" if quota is None else _text(quota.status), "quotaExceeded"))


def _word(text: str, otherwise: str) -> str:
    """A provider's word as a code, which is kept for ever: only where it is a word."""
    return text if _WORD.fullmatch(text) else otherwise


def _text(value: Id) -> str:
    return "" if value is None else str(value)
