"""What a caller asks for: the request for one message, and the submission that is made from it.

This file answers for reading a request strictly and for everything that can be said about it without asking anybody.
Whether its lane and policy exist, or its idempotency key was used before, is the intake's business; the clock is passed
in. Whatever is wrong with a request is raised as errors.Invalid with a JSON pointer (errors.Malformed: no JSON at all).
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from core import addresses, ids
from core.alternatives import FALLBACKS_MAX, Alternative, FallbackRequest, alternative_of
from core.content_rules import address_of, content_of, ordered, settled
from core.content_shapes import ChannelName, Name, Short, WhatsAppContent
from core.errors import Invalid, Malformed
from core.events import CausedBy, OnAmbiguous, Order
from core.pointers import decoded
from core.policies import DAY_US, MINUTE_US

# Clocks differ and requests travel: a `send_at` so far in the past still means now.
PAST_TOLERANCE_US: Final = MINUTE_US
METADATA_BYTES_MAX: Final = 8_192

Moment = Annotated[datetime, Meta(tz=True)]
Scalar = str | int | float | bool | None
Metadata = dict[Annotated[str, Meta(max_length=100)], Scalar | list[Scalar] | dict[str, Scalar]]


PRIORITY_ELSE: Final = 5
LANES_MAX: Final = 8


class MessageRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message as it is asked for over HTTP. Moments are RFC 3339 with an offset; `content` depends on the channel.

    `time_zone` is the recipient's, for quiet hours; `metadata` is a JSON object of scalars, or of lists and objects of
    them, kept and given back unread. `failover` names lanes of the channel to go through, in order; `fallback` the
    messages to other channels of which the first is accepted once this one ended undelivered, or at `fallback_by` at
    the latest. `cause` is the outside id of the hook or message that led to this one. A null is a field left out.
    """

    channel: ChannelName
    to: Annotated[str, Meta(min_length=1, max_length=addresses.URL_CHARS_MAX)]
    content: msgspec.Raw
    idempotency_key: Short | None = None
    reference: Short | None = None
    send_at: Moment | None = None
    expires_at: Moment | None = None
    lane: Name | None = None
    order: Order | None = None
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None
    on_ambiguous: OnAmbiguous | None = None
    policy: Name | None = None
    time_zone: Annotated[str, Meta(max_length=64)] | None = None
    metadata: Metadata | None = None
    failover: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=LANES_MAX)] | None = None
    fallback: Annotated[tuple[FallbackRequest, ...], Meta(max_length=FALLBACKS_MAX)] | None = None
    fallback_by: Moment | None = None
    cause: Annotated[str, Meta(max_length=64)] | None = None


KeyOf = Literal["client", "fallback", "fanout", "plan"]


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is well-formed: typed, checked, and in normal form.

    `content` is the JSON of the channel's content struct; `host` the lower-case host of a webhook's URL, else None;
    `subject` the normal form of the address, by which the peer is known. `request` is everything that was asked for
    but the key itself, in one canonical order, empty where there is no key that it could be compared under;
    `request_before` the same as an earlier release had it, empty where that is no other. `cause` is the stream that led
    to it, 0 where none did, and `caused_by` what that is. `key_of` says whose key it is: the client chose it, or it is
    one of our own, which no client's ever equals.
    """

    channel: str
    to: str
    content: bytes
    host: str | None
    subject: str
    idempotency_key: str | None
    reference: str | None
    send_at_us: int | None
    expires_at_us: int | None
    lane: str | None
    order: Order | None
    priority: int
    policy: str | None
    trace: str
    correlation: str | None
    on_ambiguous: OnAmbiguous | None = None
    zone: str | None = None
    metadata: bytes | None = None
    request: bytes = b""
    request_before: bytes = b""
    failover: tuple[str, ...] = ()
    fallbacks: tuple[Alternative, ...] = ()
    fallback_by_us: int | None = None
    cause: int = 0
    caused_by: CausedBy = ""
    key_of: KeyOf = "client"


def submission_of(
    body: bytes,
    *,
    now_us: int,
    send_at_max_us: int,
    trace: str = "",
    correlation: str | None = None,
    idempotency_key: str | None = None,
) -> Submission:
    """The submission that a JSON body asks for at `now_us`; raises Invalid for the first mistake.

    `idempotency_key` is the one of the header, which may stand for the field.
    """
    submission = read(body, trace=trace, correlation=correlation, idempotency_key=idempotency_key)
    return in_time(submission, now_us=now_us, send_at_max_us=send_at_max_us)


def read(
    body: bytes, *, trace: str = "", correlation: str | None = None, idempotency_key: str | None = None
) -> Submission:
    """The submission that a JSON body asks for, whenever it is read: its instants are not held against a clock."""
    request = _request_of(body)
    content = content_of(request.channel, request.content, "/content")
    to, host = address_of(request.channel, request.to)
    if request.time_zone is not None and not _ZONE.fullmatch(request.time_zone):
        raise Invalid("/time_zone", "expected the name of a time zone such as Europe/Berlin")
    cause, caused_by = _cause(request.cause)
    # A call that names more than fifteen arguments makes a dict of them first, which costs as much as reading the JSON.
    submission = Submission(
        channel=request.channel,
        to=to,
        content=content,
        host=host,
        subject=to,
        idempotency_key=_key(request.idempotency_key, idempotency_key),
        reference=None if request.reference is None else not_blank(request.reference, "/reference"),
        send_at_us=None if request.send_at is None else _instant_us(request.send_at),
        expires_at_us=None if request.expires_at is None else _instant_us(request.expires_at),
        lane=request.lane,
        order=request.order,
        priority=PRIORITY_ELSE if request.priority is None else request.priority,
        policy=request.policy,
        trace=trace,
        correlation=correlation,
    )
    if cause or not _is_plain(request):
        submission = replace(submission, cause=cause, caused_by=caused_by, **_beyond(request))
    return submission if submission.idempotency_key is None else _comparable(submission)


def _is_plain(request: MessageRequest) -> bool:
    """Whether a request asks for nothing beyond what nearly all of them do."""
    return (
        request.on_ambiguous is None
        and request.time_zone is None
        and request.metadata is None
        and request.failover is None
        and request.fallback is None
        and request.fallback_by is None
    )


def _beyond(request: MessageRequest) -> dict[str, object]:
    """What a submission holds of such a request beyond that."""
    metadata = None if request.metadata is None else _metadata(request.metadata)
    failover = _lanes(request)
    fallbacks = tuple(alternative_of(wanted, f"/fallback/{n}") for n, wanted in enumerate(request.fallback or ()))
    if request.fallback_by is not None and not fallbacks:
        raise Invalid("/fallback_by", "expected a fallback that could begin then")
    return {
        "on_ambiguous": request.on_ambiguous,
        "zone": request.time_zone,
        "metadata": metadata,
        "failover": failover,
        "fallbacks": fallbacks,
        "fallback_by_us": None if request.fallback_by is None else _instant_us(request.fallback_by),
    }


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What of a content decides about its sending."""

    has_template: bool = False
    marketing: bool = False


def shape_of(content: bytes) -> Shape:
    """The shape of an encoded WhatsApp content."""
    whatsapp = _WHATSAPP_DECODER.decode(content)
    return Shape(has_template=whatsapp.fallback_template is not None, marketing=whatsapp.marketing)


def in_time(submission: Submission, *, now_us: int, send_at_max_us: int) -> Submission:
    """The same submission held against the clock: a `send_at` of just now becomes None.

    Raises Invalid where its instants lie in the past or make no sense together, or where `send_at` lies further ahead
    than `send_at_max_us`, or `fallback_by` that much further than when it is due.
    """
    send_at_us, expires_at_us = submission.send_at_us, submission.expires_at_us
    if send_at_us is not None:
        if send_at_us < now_us - PAST_TOLERANCE_US:
            raise Invalid("/send_at", "lies in the past")
        if send_at_us > now_us + send_at_max_us:
            raise Invalid("/send_at", f"lies more than {send_at_max_us // DAY_US} days ahead")
    if expires_at_us is not None:
        if expires_at_us <= now_us:
            raise Invalid("/expires_at", "lies in the past")
        if send_at_us is not None and expires_at_us <= send_at_us:
            raise Invalid("/expires_at", "expected a moment after send_at")
        # An offset can lead a moment of the year 9999 into one that no calendar of ours could show again.
        if expires_at_us > _LAST_MOMENT_US:
            raise Invalid("/expires_at", "lies beyond the year 9999 in UTC")
    if submission.fallback_by_us is not None:
        begins_us = max(now_us, send_at_us or 0)
        if submission.fallback_by_us <= begins_us:
            raise Invalid("/fallback_by", "expected a moment to come, after send_at")
        if expires_at_us is not None and submission.fallback_by_us > expires_at_us:
            raise Invalid("/fallback_by", "expected no moment after expires_at, when the fallback begins anyway")
        if submission.fallback_by_us > begins_us + send_at_max_us:
            raise Invalid("/fallback_by", f"lies more than {send_at_max_us // DAY_US} days after the message is due")
    if send_at_us is not None and send_at_us <= now_us:
        return replace(submission, send_at_us=None)
    return submission


_ENCODER: Final = msgspec.json.Encoder()
_REQUEST_DECODER: Final = msgspec.json.Decoder(MessageRequest)
_WHATSAPP_DECODER: Final = msgspec.json.Decoder(WhatsAppContent)
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,3}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LAST_MOMENT_US: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def _request_of(body: bytes) -> MessageRequest:
    # The decoder leaves strings that it only passes on unread, and a broken one would come back at delivery.
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            raise Malformed("", "expected JSON in UTF-8") from None
    return decoded(_REQUEST_DECODER, body)


def _lanes(request: MessageRequest) -> tuple[str, ...]:
    lanes = request.failover or ()
    if len(set(lanes)) != len(lanes):
        raise Invalid("/failover", "expected each lane once")
    if lanes and request.lane is not None and request.lane != lanes[0]:
        raise Invalid("/lane", f"expected the first lane of failover, {lanes[0]!r}, or no lane")
    return lanes


def _cause(text: str | None) -> tuple[int, CausedBy]:
    if text is None:
        return 0, ""
    kinds: tuple[CausedBy, ...] = ("hook", "msg")
    for kind in kinds:
        number = None if kind == "" else ids.decode(kind, text)
        if number:
            return number, kind
    raise Invalid("/cause", "expected the id of a hook or message, such as hook_06ym82m4r0001")


def not_blank(text: str, at: str) -> str:
    """The text; raises Invalid where nobody could see it, so that one such name is not two."""
    if not text.strip():
        raise Invalid(at, "expected more than white space")
    return text


def _key(field: str | None, header: str | None) -> str | None:
    if header is None:
        return None if field is None else not_blank(field, "/idempotency_key")
    if not 1 <= len(header) <= 255:
        raise Invalid("/idempotency_key", "expected 1 to 255 characters in the header Idempotency-Key")
    if field is not None and field != header:
        raise Invalid("/idempotency_key", "differs from the header Idempotency-Key")
    return header


def _instant_us(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _metadata(metadata: Metadata) -> bytes:
    encoded = _ENCODER.encode(metadata)
    if len(encoded) > METADATA_BYTES_MAX:
        raise Invalid("/metadata", f"expected at most {METADATA_BYTES_MAX} bytes of JSON, not {len(encoded)}")
    return encoded


def _comparable(asked: Submission) -> Submission:
    request = _canonical(asked)
    if not asked.fallbacks:
        return replace(asked, request=request)
    # An earlier release compared the contents of fallbacks as they were written, and logs keep hashes of that.
    fallbacks = tuple(replace(other, content=settled(other.channel, other.content)) for other in asked.fallbacks)
    if fallbacks == asked.fallbacks:
        return replace(asked, request=request)
    return replace(asked, request=_canonical(replace(asked, fallbacks=fallbacks)), request_before=request)


def _canonical(asked: Submission) -> bytes:
    """The same bytes for the same request, in whatever order its fields came and however its strings were escaped."""
    parts = (
        asked.channel, asked.to, ordered(asked.content), asked.reference, asked.send_at_us, asked.expires_at_us,
        asked.lane, asked.order, asked.priority, asked.on_ambiguous, asked.policy, asked.zone,
        None if asked.metadata is None else ordered(asked.metadata),
    )  # fmt: skip  # One row of values; a line each would hide that their order is what counts.
    later = (asked.failover, asked.fallbacks, asked.fallback_by_us, asked.cause)
    # What came later counts only where it is asked for, so that requests from before compare as they did.
    return _ENCODER.encode(parts if later == ((), (), None, 0) else (*parts, later))
