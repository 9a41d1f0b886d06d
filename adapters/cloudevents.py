"""Events of the log as CloudEvents 1.0 (the JSON event format), for programs that read many sources alike.

This file answers for the attributes. It must never show what the log itself does not: no address, no content, and of
keys no digest.
"""

from typing import Final

from msgspec.structs import replace

from adapters.web.telling import EventAnswer, told
from core.ids import encode
from eventstore.codec import UnknownEvent, type_of
from eventstore.sqlite.searching import Found

SOURCE: Final = "/tidings"
_TYPE: Final = "tidings."


def cloud_event(found: Found, source: str) -> dict[str, object]:
    """One event; `source` and `id` together name it for ever. Extensions are left out where they would say nothing."""
    event = shown(found)
    return {
        "specversion": "1.0",
        "id": f"{event.stream}/{event.version}",
        "source": source,
        "type": f"{_TYPE}{event.type}",
        "subject": event.stream,
        "time": event.at,
        "datacontenttype": "application/json",
        **_extensions(found, event),
        "data": event.data,
    }


def shown(found: Found) -> EventAnswer:
    """An event as people read it. What a newer release wrote has no form here but bytes, which would help nobody."""
    event = found.recorded.event
    answer = told(found.recorded, found.channel)
    return replace(answer, type=type_of(event), data={}) if isinstance(event, UnknownEvent) else answer


def _extensions(found: Found, event: EventAnswer) -> dict[str, object]:
    """Names as the specification asks for them: lower-case letters and digits alone."""
    conversation = encode("conv", found.conversation) if found.conversation else None
    extensions = {"tenant": event.tenant or None, "cause": event.cause, "partitionkey": conversation}
    return {name: value for name, value in extensions.items() if value is not None}
