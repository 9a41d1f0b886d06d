"""What can be sent: the content of a message, one struct a channel.

This file answers for fields and plain bounds, which the decoder enforces; rules that need more than one field stand in
content_rules.py. The encoded struct is what the vault keeps and what a channel is handed, so a field is only ever added
with a default.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

ChannelName = Literal["email", "whatsapp", "push", "webhook"]

# A line of a mail has 998 characters at most (RFC 5322 section 2.1.1), its name included.
SUBJECT_CHARS_MAX: Final = 900
ATTACHMENTS_MAX: Final = 50
# What WhatsApp takes: 4,096 characters of text, 1,024 of a caption (Cloud API, messages reference).
WHATSAPP_TEXT_CHARS_MAX: Final = 4_096
WHATSAPP_CAPTION_CHARS_MAX: Final = 1_024

Short = Annotated[str, Meta(min_length=1, max_length=255)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]


class _Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a content: strict when read, without its defaults when written."""


class Attachment(_Content, frozen=True, kw_only=True):
    """A file that travels with an email. `data` is base64 in JSON."""

    filename: Short
    content_type: Short
    data: bytes


class EmailContent(_Content, frozen=True, kw_only=True):
    """An email: a subject and a text, an HTML form, or both. `from` and `reply_to` may carry a display name."""

    subject: Annotated[str, Meta(max_length=SUBJECT_CHARS_MAX)]
    text: str | None = None
    html: str | None = None
    from_: Short | None = msgspec.field(default=None, name="from")
    reply_to: Short | None = None
    headers: dict[str, str] = {}
    attachments: Annotated[tuple[Attachment, ...], Meta(max_length=ATTACHMENTS_MAX)] = ()


class WhatsAppTemplate(_Content, frozen=True, kw_only=True):
    """A template that WhatsApp has approved. `components` is passed on as it is."""

    name: Annotated[str, Meta(min_length=1, max_length=512)]
    language: Annotated[str, Meta(min_length=2, max_length=16)]
    components: msgspec.Raw | UnsetType = UNSET


class WhatsAppMedia(_Content, frozen=True, kw_only=True):
    """A file that WhatsApp fetches from `url`."""

    url: str
    kind: Literal["image", "video", "audio", "document", "sticker"]
    caption: Annotated[str, Meta(max_length=WHATSAPP_CAPTION_CHARS_MAX)] | None = None
    filename: Short | None = None


class WhatsAppContent(_Content, frozen=True, kw_only=True):
    """Exactly one of a text, a template and a medium.

    `fallback_template` stands in for a text or a medium where the peer's 24-hour window is closed. `reply_to` is the
    provider's id of the message that this one quotes. `marketing` ones heed a peer's wish to get no marketing.
    """

    text: Annotated[str, Meta(min_length=1, max_length=WHATSAPP_TEXT_CHARS_MAX)] | None = None
    template: WhatsAppTemplate | None = None
    media: WhatsAppMedia | None = None
    fallback_template: WhatsAppTemplate | None = None
    reply_to: Short | None = None
    marketing: bool = False


class PushContent(_Content, frozen=True, kw_only=True):
    """A notification; `data` goes to the application. A later one with the same `collapse_key` replaces it."""

    title: str
    body: str
    data: dict[str, str] = {}
    collapse_key: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class WebhookContent(_Content, frozen=True, kw_only=True):
    """Either an event, `type` and `data`, which we wrap and sign, or a `body` of its `content_type`, sent as it is."""

    type: Short | None = None
    data: msgspec.Raw | UnsetType = UNSET
    body: str | None = None
    content_type: Short | None = None


class HookContent(_Content, frozen=True, kw_only=True):
    """What a hook brought, for its handler: the original bytes (base64 in JSON) and the headers that matter.

    Nobody submits one over the API: hooks come in by their own door.
    """

    source: str
    key: str
    body: bytes
    headers: dict[str, str] = {}
    kind: str = ""


Content = EmailContent | WhatsAppContent | PushContent | WebhookContent

CONTENTS: Final[dict[str, type[Content]]] = {
    "email": EmailContent,
    "whatsapp": WhatsAppContent,
    "push": PushContent,
    "webhook": WebhookContent,
}
