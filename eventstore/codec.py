"""Events to bytes and back: a body is the msgpack array of an event's fields, its type and schema version beside it.

This file answers for what the log's bytes mean, in every release to come (golden bytes in tests/contracts). It must
never guess: a type or schema version that it does not know is handed on as UnknownEvent, unread.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from core.errors import CorruptLog, StreamParked
from core.events import EVENT_TYPES, SCHEMA_VERSIONS, Event
from core.records import Recorded

# pos, shard, seq, stream, version, type, schema version, at, tenant, cause, body, link. `pos` is the store's own
# order of arrival and part of no promise; the ten between pos and link are what the link is made over, in this order.
EventRow = tuple[int, int, int, int, int, str, int, int, str, int, bytes, bytes]
# The same without `pos`, and with the texts as the bytes that a link is made over.
LinkedRow = tuple[int, int, int, int, bytes, int, int, bytes, int, bytes, bytes]


class UnknownEvent(Event, frozen=True, kw_only=True, array_like=True, gc=False):
    """An event of a newer release, kept as it is: shown in pages and copied whole, but never folded."""

    type: str
    schema_version: int
    body: bytes


_ENCODER: Final = msgspec.msgpack.Encoder()
_NAMES: Final = {kind: (name, SCHEMA_VERSIONS[name]) for name, kind in EVENT_TYPES.items()}
# The newest schema version that is known of each type, and what reads its bodies.
_KNOWN: Final[dict[str, tuple[int, Callable[[bytes], Event]]]] = {
    name: (SCHEMA_VERSIONS[name], msgspec.msgpack.Decoder(kind).decode) for name, kind in EVENT_TYPES.items()
}
# The same by the type's name in bytes, for whoever reads many and makes no text of it.
READERS: Final = {name.encode(): known for name, known in _KNOWN.items()}


def encode(event: Event) -> tuple[str, int, bytes]:
    """The event's type name, schema version and body."""
    if isinstance(event, UnknownEvent):
        return event.type, event.schema_version, event.body
    name, schema_version = _NAMES[type(event)]
    return name, schema_version, _ENCODER.encode(event)


def decode(name: str, schema_version: int, body: bytes) -> Event:
    """The event behind a body; UnknownEvent where a newer release wrote it. Raises msgspec's error for garbage.

    An older schema version needs no decoder of its own: fields are only ever added at the end, with a default.
    """
    known = _KNOWN.get(name)
    if known is None or schema_version > known[0]:
        return UnknownEvent(type=name, schema_version=schema_version, body=body)
    return known[1](body)


def linked(row: EventRow) -> LinkedRow:
    """An event as its link is made over it."""
    _, shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body, link = row
    return shard, seq, stream, version, name.encode(), schema_version, at_us, tenant.encode(), cause, body, link


def type_of(event: Event) -> str:
    """The event's type name, of an unknown one too."""
    return event.type if isinstance(event, UnknownEvent) else type(event).__name__


def recorded(row: EventRow) -> Recorded:
    """A row of the log as the rest of the house sees it."""
    _, shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body, link = row
    try:
        event = decode(name, schema_version, body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptLog(
            f"shard {shard}, seq {seq}: the body of stream {stream}, event {version} ({name}) cannot be decoded:"
            f" {error}; run `tidings verify`"
        ) from error
    return Recorded(
        stream=stream,
        version=version,
        shard=shard,
        seq=seq,
        at_us=at_us,
        tenant=tenant,
        cause=cause,
        event=event,
        link=link,
    )


def readable(events: list[Recorded]) -> list[Recorded]:
    """The same events; raises StreamParked where one of them is unknown, since nothing behind it can be folded."""
    for entry in events:
        if isinstance(entry.event, UnknownEvent):
            raise StreamParked(entry.stream, entry.version, f"{entry.event.type}/{entry.event.schema_version}")
    return events
