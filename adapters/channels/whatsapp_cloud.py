"""WhatsApp through Meta's Cloud API: one POST an attempt, from one phone number.

This file answers for the request that a message becomes and for reading the id that Meta gives it. It must never tell
of a message as sent that Meta did not name, nor let the token into a text: some of Meta's errors repeat it.

Meta knows no idempotency key, so what is in doubt stays in doubt. Our id travels as `biz_opaque_callback_data`; every
status that Meta reports carries it back, which can settle the doubt later.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from adapters.channels.http_account import Answer, HttpAccount
from adapters.channels.whatsapp_cloud_errors import error_of, failure_of
from adapters.channels.whatsapp_cloud_settings import WhatsAppCloudSettings
from adapters.loose_json import elements, members, text
from core.content_shapes import WhatsAppContent, WhatsAppMedia, WhatsAppTemplate
from core.outcomes import Ambiguous, Outcome, Taken
from core.ports import Clock, Parcel

Part = dict[str, object]

_DECODER: Final = msgspec.json.Decoder(WhatsAppContent)
_ENCODER: Final = msgspec.json.Encoder()
# What goes with a medium, by its kind (Cloud API, messages reference); anything else would be refused.
_CAPTIONED: Final = {"image", "video", "document"}
_NAMED: Final = {"document"}


class WhatsAppCloudChannel:
    """One sender. Raises ValueError for a `url` that cannot stand and OSError for an unreadable `ca_file`."""

    def __init__(self, settings: WhatsAppCloudSettings, *, clock: Clock, agent: str) -> None:
        self._clock = clock
        self._token = settings.token
        self._path = f"/{settings.version}/{settings.phone_number_id}/messages"
        self._account = HttpAccount(
            base_url=settings.url,
            clock=clock,
            agent=agent,
            timeout_us=settings.timeout_us,
            ca_file=settings.ca_file,
        )

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Posts once. What fails before the first byte leaves is transient; after it, ambiguous."""
        answer = await self._account.request(
            "POST",
            self._path,
            body=request_of(parcel),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            deadline_us=parcel.deadline_us,
            handed_over=handed_over,
        )
        return self._outcome(answer, parcel) if isinstance(answer, Answer) else answer

    async def close(self) -> None:
        """Closes every connection, once the requests that are under way have ended."""
        await self._account.close()

    def _outcome(self, answer: Answer, parcel: Parcel) -> Outcome:
        said = members(answer.body)
        error = error_of(said.get("error"))
        if error is None and 200 <= answer.status < 300:
            return _taken(said, answer.status)
        if error is not None:
            error = msgspec.structs.replace(error, text=error.text.replace(self._token, "<token>"))
        return failure_of(error, status=answer.status, after_us=answer.after_us(self._clock.now_us()), to=parcel.to)


def request_of(parcel: Parcel) -> bytes:
    """The body that a parcel becomes: the same bytes in every attempt, but for a fallback that the window asks for."""
    content = _DECODER.decode(parcel.content)
    kind, part = _part(content, outside_window=parcel.outside_window)
    # With the plus sign: Meta may take a number without one for a local number of the sender's country.
    person = "to" if parcel.to.startswith("+") else "recipient"
    request: Part = {"messaging_product": "whatsapp", "recipient_type": "individual", person: parcel.to}
    if content.reply_to is not None:
        request["context"] = {"message_id": content.reply_to}
    request |= {"type": kind, kind: part, "biz_opaque_callback_data": parcel.message}
    return _ENCODER.encode(request)


def _part(content: WhatsAppContent, *, outside_window: bool) -> tuple[str, Part]:
    """Meta's name for the kind of message, and the part of the request that has that name."""
    template = content.template
    if outside_window and content.fallback_template is not None:
        template = content.fallback_template
    if template is not None:
        return "template", _template(template)
    if content.media is not None:
        return content.media.kind, _media(content.media)
    assert content.text is not None, "a content without template and media is a text"
    return "text", {"body": content.text, "preview_url": False}


def _template(template: WhatsAppTemplate) -> Part:
    part: Part = {"name": template.name, "language": {"code": template.language}}
    if template.components is not msgspec.UNSET:
        part["components"] = template.components
    return part


def _media(media: WhatsAppMedia) -> Part:
    part: Part = {"link": media.url}
    if media.caption is not None and media.kind in _CAPTIONED:
        part["caption"] = media.caption
    if media.filename is not None and media.kind in _NAMED:
        part["filename"] = media.filename
    return part


def _taken(said: dict[str, msgspec.Raw], status: int) -> Outcome:
    named = members(next(iter(elements(said.get("messages"))), None))
    provider_id = text(named.get("id"))
    if not provider_id:
        # Something in between may have answered, so nothing shows that Meta took it; nor that it did not.
        return Ambiguous(code="bad_answer", detail=f"HTTP {status} without a message id")
    # Of templates only: `accepted`, `held_for_quality_assessment` or `paused`; all of them may still fail later.
    return Taken(code=text(named.get("message_status")) or str(status), provider_id=provider_id)
