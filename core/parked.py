"""A message between its acceptance by one daemon and its being taken in by the one that acts: the body of an inbox row.

This file answers for what such a row says, in this release and the next, and for the message being the same whoever
reads it meanwhile. It holds nothing personal: address and content are in the vault already. It must never be read by
guessing: what a newer release parked waits for one.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from core.errors import CorruptLog, StreamParked
from core.events import SCHEMA_VERSIONS, MessageAccepted
from core.ids import shard_of
from core.message import Message, accepted
from core.message import head_of as head_of_message
from core.records import Acceptance, Alias, Append, Draft, Head, HeadChange, Recorded

_NAME: Final = MessageAccepted.__name__


class Parked(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """Everything that the first append of a message needs, but for its instant and its inbox row.

    `at_us` is when it was accepted. Its first event is recorded later, when the acting daemon takes it in, since log
    time never goes back.
    """

    stream: int
    tenant: str
    event: MessageAccepted
    cause: int
    aliases: tuple[Alias, ...]
    at_us: int


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """The body, and what has to be known before it can be read. `schema_version` is that of the event in it."""

    schema_version: int
    stream: int
    parked: msgspec.Raw


_ENCODER: Final = msgspec.msgpack.Encoder()
_ENVELOPES: Final = msgspec.msgpack.Decoder(_Envelope)
_DECODER: Final = msgspec.msgpack.Decoder(Parked)


def parked(acceptance: Acceptance) -> bytes:
    """What an acceptance leaves for the acting daemon, beside its vault row, its key and its address."""
    append = acceptance.append
    (draft,) = append.drafts
    assert isinstance(draft.event, MessageAccepted), f"stream {draft.stream} begins with {type(draft.event).__name__}"
    body = Parked(
        stream=draft.stream,
        tenant=append.tenant,
        event=draft.event,
        cause=draft.cause,
        aliases=append.aliases,
        at_us=append.at_us,
    )
    raw = msgspec.Raw(_ENCODER.encode(body))
    return _ENCODER.encode(_Envelope(schema_version=SCHEMA_VERSIONS[_NAME], stream=draft.stream, parked=raw))


def unparked(body: bytes) -> Parked:
    """What an inbox row says. Raises StreamParked for one of a newer release, CorruptLog for what is none at all."""
    try:
        envelope = _ENVELOPES.decode(body)
        if envelope.schema_version > SCHEMA_VERSIONS[_NAME]:
            raise StreamParked(envelope.stream, 1, f"{_NAME}/{envelope.schema_version}")
        return _DECODER.decode(envelope.parked)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptLog(f"an inbox row of {len(body)} bytes cannot be decoded: {error}") from error


def message_of(parked: Parked, at_us: int) -> Message:
    """The message that it comes to where it is taken in at an instant."""
    return accepted(parked.stream, at_us, parked.tenant, _event(parked, at_us), cause=parked.cause)


def head_of(parked: Parked, at_us: int) -> Head:
    """The head that it comes to where it is taken in at an instant."""
    return head_of_message(message_of(parked, at_us), shard_of(parked.tenant, parked.event.conversation))


def append_of(parked: Parked, at_us: int, inbox_id: int) -> Append:
    """The append that takes it in at an instant, and its inbox row with it."""
    head = head_of(parked, at_us)
    return Append(
        shard=head.shard,
        tenant=parked.tenant,
        at_us=at_us,
        drafts=(Draft(stream=parked.stream, version=1, event=_event(parked, at_us), cause=parked.cause),),
        heads=(HeadChange(head=head, was=None),),
        aliases=parked.aliases,
        inbox=inbox_id,
    )


def _event(parked: Parked, at_us: int) -> MessageAccepted:
    """What was due when it came is due when it is taken in, and takes its place in its line by that instant.

    Clocks of several daemons lie apart: by that of the one that took it, it would be late or pass others.
    """
    event = parked.event
    return replace(event, due_us=at_us) if event.due_us <= parked.at_us else event


def recorded_of(parked: Parked) -> Recorded:
    """Its first event as readers see it until it is taken in: it has no number and no link yet."""
    return Recorded(
        stream=parked.stream,
        version=1,
        shard=shard_of(parked.tenant, parked.event.conversation),
        seq=0,
        at_us=parked.at_us,
        tenant=parked.tenant,
        cause=parked.cause,
        event=parked.event,
        link=b"",
    )
