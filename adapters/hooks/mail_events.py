"""What the events of email providers have in common, whoever tells them: JSON of any shape, ids, instants.

This file answers for reading one event without trusting that it looks as documented: what is missing, or of another
type, reads as empty. It must never raise for any bytes, and never let through as an id what could be something else.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from core import ids
from core.news import Item, Receipt, ReceiptStatus
from core.outcomes import Failure
from core.policies import SECOND_US

Event = Mapping[str, object]

NOT_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no JSON, or nested too deeply to read."""

_ID: Final = re.compile(r"[A-Za-z0-9_.=+/-]{1,200}")
_KIND: Final = re.compile(r"[A-Za-z0-9_.]{1,60}")
# The year 5138: whoever counts in milliseconds is beyond it.
_SECONDS_MAX: Final = 10**11


def event_in(body: bytes) -> Event | None:
    """The event in a body, None where it is no JSON object."""
    try:
        event = msgspec.json.decode(body)
    except NOT_JSON:
        return None
    return event if isinstance(event, dict) else None


def text_in(event: Event, name: str) -> str:
    """A field's text, empty where it is none."""
    value = event.get(name)
    return value if isinstance(value, str) else ""


def part_in(event: Event, name: str) -> Event:
    """A field's object, empty where it is none."""
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def id_in(event: Event, name: str) -> str:
    """A field's text where it can be an id, else empty."""
    value = text_in(event, name)
    return value if _ID.fullmatch(value) else ""


def kind_in(event: Event, name: str) -> str:
    """A field's text where it can be the name of a kind, else empty."""
    value = text_in(event, name)
    return value if _KIND.fullmatch(value) else ""


def seconds_in(event: Event, name: str) -> int | None:
    """A field's instant in microseconds, where it is written in whole seconds since 1970."""
    value = event.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _SECONDS_MAX:
        return None
    return value * SECOND_US


def echo_in(event: Event, name: str) -> str:
    """A field's text where it is a message's outside id, else empty."""
    value = text_in(event, name)
    return value if ids.decode("msg", value) is not None else ""


def receipts_of(
    status: ReceiptStatus, *, provider_id: str, echo: str, at_us: int | None, failure: Failure | None = None
) -> tuple[Receipt, ...]:
    """The receipt for a mail; none where nothing tells which mail it is about."""
    if not provider_id and not echo:
        return ()
    return (
        Receipt(
            status=status,
            provider_id=provider_id,
            echo=echo,
            at_us=at_us,
            code="" if failure is None else failure.code,
            failure=failure,
        ),
    )


def unread(body: bytes) -> Item:
    """What verified but cannot be read: kept as it is, under a key that the same bytes have again."""
    return Item(key=sha256(body).hexdigest(), body=body)
