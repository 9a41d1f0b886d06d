"""A message as Green API knows it: as it is asked to send it, in its queue, and in its journal.

This file answers for what a content becomes on the wire, and for finding it again afterwards. It must never take a
message for another: found is only what has the same chat and exactly the same text, or the same caption or file name.
"""

import re
from collections.abc import Iterator
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from core.content_shapes import WhatsAppContent, WhatsAppMedia
from core.outcomes import Permanent
from core.policies import SECOND_US
from core.ports import Parcel

# Green API tells a file's kind by the end of its name, so that one without a name gets a usual one.
_ENDINGS: Final = {"image": ".jpg", "video": ".mp4", "audio": ".mp3", "document": ".bin", "sticker": ".webp"}


class TextRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False):
    """The body of sendMessage."""

    chat_id: str
    message: str
    quoted_message_id: str | None = None
    link_preview: bool | None = None


class FileRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False):
    """The body of sendFileByUrl: Green API fetches the file from `url_file`."""

    chat_id: str
    url_file: str
    file_name: str
    caption: str | None = None
    quoted_message_id: str | None = None


Request = TextRequest | FileRequest


class Trace(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a message was found: its id there, and `queued` or the status in the journal (empty where it says none)."""

    chat_id: str
    id: str
    state: str


_DECODER: Final = msgspec.json.Decoder(WhatsAppContent)


def request_of(parcel: Parcel, *, link_preview: bool | None) -> Request | Permanent:
    """What Green API is asked to send, or why it cannot be asked."""
    if not parcel.to.startswith("+"):
        # A business-scoped user id, which only Meta can resolve: another lane may well reach this person.
        return Permanent(code="no_phone_number", detail="Green API writes to phone numbers only")
    content = _DECODER.decode(parcel.content)
    chat_id = f"{parcel.to[1:]}@c.us"
    if content.text is not None:
        return TextRequest(
            chat_id=chat_id,
            message=content.text,
            quoted_message_id=content.reply_to,
            link_preview=link_preview,
        )
    if content.media is not None:
        return FileRequest(
            chat_id=chat_id,
            url_file=content.media.url,
            file_name=_file_name(content.media),
            caption=content.media.caption or None,
            quoted_message_id=content.reply_to,
        )
    return Permanent(code="no_templates", detail="Green API has no templates; send a text or a medium")


def method_of(request: Request) -> Literal["sendMessage", "sendFileByUrl"]:
    """The method of the API that takes a request."""
    return "sendMessage" if isinstance(request, TextRequest) else "sendFileByUrl"


class _QueuedBody(msgspec.Struct, frozen=True, rename="camel", gc=False):
    chat_id: str = ""
    message: str | None = None
    caption: str | None = None
    file_name: str | None = None


class _Queued(msgspec.Struct, frozen=True, gc=False):
    """One line of showMessagesQueue. Products differ in what they call the id."""

    type: str = ""
    body: _QueuedBody = _QueuedBody()
    message_id: str | int = msgspec.field(default="", name="messageID")
    id_message: str | int = msgspec.field(default="", name="idMessage")


class _Link(msgspec.Struct, frozen=True, gc=False):
    text: str | None = None


class _Journaled(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One line of lastOutgoingMessages. `timestamp` is the second of the latest thing that happened to the message."""

    chat_id: str = ""
    id_message: str | int = ""
    timestamp: int = 0
    type_message: str = ""
    status_message: str = ""
    text_message: str | None = None
    extended_text_message: _Link | None = None
    caption: str | None = None
    file_name: str | None = None
    send_by_api: bool | None = None

    @property
    def text(self) -> str | None:
        """Its text, wherever it stands."""
        if self.text_message is not None or self.extended_text_message is None:
            return self.text_message
        return self.extended_text_message.text


_QUEUE: Final = msgspec.json.Decoder(list[_Queued])
_JOURNAL: Final = msgspec.json.Decoder(list[_Journaled])
_STATE: Final = re.compile(r"[A-Za-z]{1,40}")
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def in_queue(content: bytes, request: Request) -> Iterator[Trace]:
    """Where a message stands in showMessagesQueue, the newest first; nowhere in what cannot be read.

    A queue tells no times, and no more than its first 500 messages.
    """
    try:
        lines = _QUEUE.decode(content)
    except _UNREADABLE:
        return
    for line in reversed(lines):
        id_message = str(line.message_id or line.id_message)
        if line.type == method_of(request) and id_message and _is(request, line.body, line.body.message):
            yield Trace(chat_id=request.chat_id, id=id_message, state="queued")


def in_journal(content: bytes, request: Request, *, since_us: int) -> Iterator[Trace]:
    """Where a message stands in lastOutgoingMessages, the newest first; nowhere in what cannot be read.

    Passed over is what last changed in a second before `since_us`, and what a person wrote on the device.
    """
    try:
        lines = _JOURNAL.decode(content)
    except _UNREADABLE:
        return
    for line in sorted(lines, key=lambda line: line.timestamp, reverse=True):
        if line.timestamp < since_us // SECOND_US or line.send_by_api is False or not line.id_message:
            continue
        if _is(request, line, line.text):
            state = line.status_message if _STATE.fullmatch(line.status_message) else ""
            yield Trace(chat_id=request.chat_id, id=str(line.id_message), state=state)


def _is(request: Request, line: _QueuedBody | _Journaled, text: str | None) -> bool:
    if line.chat_id != request.chat_id:
        return False
    match request:
        case TextRequest():
            return text == request.message
        case FileRequest(caption=None):
            # Without a word beside it a file is known by its name, which journals do not always keep.
            return not line.caption and line.file_name == request.file_name
        case FileRequest():
            return line.caption == request.caption


def _file_name(media: WhatsAppMedia) -> str:
    """The name that the caller gave, else the one at the end of the URL, else one that tells the kind."""
    if media.filename is not None:
        return media.filename
    last = unquote(urlsplit(media.url).path).rpartition("/")[2]
    if "." in last.strip(".") and last.isprintable():
        return last
    return f"{media.kind}{_ENDINGS[media.kind]}"
