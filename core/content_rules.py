"""Rules of a content that its shape cannot say: one of several fields, sizes together, nothing that forges a header.

This file answers for whether a content can be sent at all, and to the address that is given. It must never change what
a content says.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from core import addresses
from core.content_shapes import (
    CONTENTS,
    ChannelName,
    Content,
    EmailContent,
    PushContent,
    WebhookContent,
    WhatsAppContent,
    WhatsAppTemplate,
)
from core.errors import Invalid
from core.mail_headers import check_headers
from core.pointers import decoded, pointer

# FCM and APNs take 4,096 bytes a notification, and 27 of them are our own id, by which an application tells repeats.
PUSH_BYTES_MAX: Final = 4_096 - 27

_WORD: Final = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
_MEDIA_TYPE: Final = re.compile(rf'{_WORD}/{_WORD}(?:\s*;\s*{_WORD}=(?:{_WORD}|"[^"\\\r\n]*"))*')
# A part of these types has rules of its own, which base64 breaks (RFC 2046 section 5).
_NOT_ATTACHED: Final = ("multipart/", "message/")


def read_content(channel: ChannelName, content: bytes | msgspec.Raw, at: str) -> Content:
    """A content that can be sent; raises Invalid for the first mistake in it, `at` being where it stands."""
    read = decoded(_DECODERS[channel], content, at=at)
    check_content(read, at)
    return read


def content_of(channel: ChannelName, content: msgspec.Raw, at: str) -> bytes:
    """The same as JSON with its fields in order, as the vault keeps it."""
    return _ENCODER.encode(read_content(channel, content, at))


def settled(channel: str, content: bytes) -> bytes:
    """The same bytes for the same content, as `content_of` made it: only the order and spaces of nested JSON go."""
    read = _DECODERS[channel].decode(content)
    match read:
        case WebhookContent(data=msgspec.Raw() as data):
            read = replace(read, data=ordered(data))
        case WhatsAppContent(template=template, fallback_template=other):
            read = replace(read, template=_settled_template(template), fallback_template=_settled_template(other))
        case _:
            pass
    return _DETERMINISTIC.encode(read)


def _settled_template(template: WhatsAppTemplate | None) -> WhatsAppTemplate | None:
    if template is None or template.components is msgspec.UNSET:
        return template
    return replace(template, components=ordered(template.components))


def ordered(encoded: bytes | msgspec.Raw) -> msgspec.Raw:
    """The same JSON with the keys of every object in order and no spaces."""
    try:
        return msgspec.Raw(_SORTED.encode(msgspec.json.decode(encoded)))
    except msgspec.DecodeError:
        # A number beyond any float is valid JSON: such a content is the same only if its bytes are.
        return msgspec.Raw(encoded)


def address_of(channel: str, to: str, at: str = "/to") -> tuple[str, str | None]:
    """The normal form of a channel's address, and a webhook's host; raises Invalid where it is none."""
    try:
        if channel == "webhook":
            return addresses.endpoint(to)
        return _ADDRESSES[channel](to), None
    except addresses.Unfit as unfit:
        raise Invalid(at, str(unfit)) from None


def check_content(content: Content, at: str) -> None:
    """Raises Invalid for the first thing in a content that cannot be sent; `at` is where the content stands."""
    match content:
        case EmailContent():
            _check_email(content, at)
        case WhatsAppContent():
            _check_whatsapp(content, at)
        case PushContent():
            _check_push(content, at)
        case WebhookContent():
            _check_webhook(content, at)


def _check_email(content: EmailContent, at: str) -> None:
    if not content.subject.isprintable():
        raise Invalid(f"{at}/subject", "expected one line without control characters")
    if not content.text and not content.html:
        raise Invalid(f"{at}/text", "expected a text, an html form, or both")
    for name, body in (("text", content.text), ("html", content.html)):
        if body and "\0" in body:
            raise Invalid(f"{at}/{name}", "expected no NUL character")
    for name, mailbox in (("from", content.from_), ("reply_to", content.reply_to)):
        if mailbox is not None:
            _check_mailbox(mailbox, f"{at}/{name}")
    if content.headers:
        check_headers(content.headers, f"{at}/headers")
    for index, attachment in enumerate(content.attachments):
        place = pointer(at, "attachments", index)
        if not attachment.filename.isprintable():
            raise Invalid(f"{place}/filename", "expected printable characters")
        _check_media_type(attachment.content_type, f"{place}/content_type")
        if attachment.content_type.lower().startswith(_NOT_ATTACHED):
            raise Invalid(f"{place}/content_type", "expected a single part; application/octet-stream takes any file")


def _check_whatsapp(content: WhatsAppContent, at: str) -> None:
    given = [part for part in (content.text, content.template, content.media) if part is not None]
    if len(given) != 1:
        raise Invalid(at, "expected exactly one of text, template and media")
    if content.text is not None and not content.text.strip():
        raise Invalid(f"{at}/text", "expected a text that is not blank")
    if content.template is not None and content.fallback_template is not None:
        raise Invalid(f"{at}/fallback_template", "expected none beside a template, which needs no open window")
    for name, template in (("template", content.template), ("fallback_template", content.fallback_template)):
        components = msgspec.UNSET if template is None else template.components
        if components is not msgspec.UNSET and not bytes(components).startswith(b"["):
            raise Invalid(f"{at}/{name}/components", "expected an array")
    if (media := content.media) is not None:
        try:
            addresses.endpoint(media.url)
        except addresses.Unfit as unfit:
            raise Invalid(f"{at}/media/url", str(unfit)) from None


def _check_push(content: PushContent, at: str) -> None:
    if not content.title.strip() and not content.body.strip():
        raise Invalid(at, "expected a title or a body that is not blank")
    size_bytes = len(content.title.encode()) + len(content.body.encode())
    size_bytes += sum(len(name.encode()) + len(value.encode()) for name, value in content.data.items())
    if size_bytes > PUSH_BYTES_MAX:
        raise Invalid(at, f"expected at most {PUSH_BYTES_MAX} bytes of title, body and data together, not {size_bytes}")


def _check_webhook(content: WebhookContent, at: str) -> None:
    is_event = content.type is not None or content.data is not msgspec.UNSET
    is_body = content.body is not None or content.content_type is not None
    if is_event == is_body:
        raise Invalid(at, "expected either type and data, or body and content_type")
    if is_event:
        _check_event(content, at)
    else:
        _check_body(content, at)


def _check_event(content: WebhookContent, at: str) -> None:
    if content.type is None:
        raise Invalid(f"{at}/type", "is required beside data")
    if content.data is msgspec.UNSET:
        raise Invalid(f"{at}/data", "is required beside type")
    if not content.type.isprintable():
        raise Invalid(f"{at}/type", "expected printable characters")


def _check_body(content: WebhookContent, at: str) -> None:
    if content.body is None:
        raise Invalid(f"{at}/body", "is required beside content_type")
    if content.content_type is None:
        raise Invalid(f"{at}/content_type", "is required beside body")
    _check_media_type(content.content_type, f"{at}/content_type")


def _check_mailbox(text: str, place: str) -> None:
    try:
        addresses.mailbox(text)
    except addresses.Unfit as unfit:
        raise Invalid(place, str(unfit)) from None


def _check_media_type(text: str, place: str) -> None:
    if not _MEDIA_TYPE.fullmatch(text):
        raise Invalid(place, "expected a media type such as text/plain")


_ADDRESSES: Final[dict[str, Callable[[str], str]]] = {
    "email": addresses.email,
    "whatsapp": addresses.whatsapp,
    "push": addresses.push_user,
}
_DECODERS: Final = {channel: msgspec.json.Decoder(kind) for channel, kind in CONTENTS.items()}
_ENCODER: Final = msgspec.json.Encoder()
_SORTED: Final = msgspec.json.Encoder(order="sorted")
# Objects by key, structs as they are: so what an earlier release kept is the same wherever nothing was out of order.
_DETERMINISTIC: Final = msgspec.json.Encoder(order="deterministic")
