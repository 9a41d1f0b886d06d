"""How answers are written: JSON with RFC 3339 times, from structs that also make the OpenAPI document.

This file answers for encoding. Which names an answer has is said beside the calls that give it; programs rely on
those: add fields, rename and remove none.
"""

from datetime import datetime
from typing import Final

import msgspec
from aiohttp import web

from adapters.moments import moment

_ENCODER: Final = msgspec.json.Encoder()
_JSON_HEADERS: Final = {"Content-Type": "application/json"}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The root of all answers."""


def answer(value: Answer, status: int = 200) -> web.Response:
    """A value as a JSON answer."""
    return web.Response(body=_ENCODER.encode(value), status=status, headers=_JSON_HEADERS)


def encoded(value: Answer) -> bytes:
    """A value as JSON."""
    return _ENCODER.encode(value)


def moment_or_none(instant_us: int | None) -> datetime | None:
    """An instant as a datetime, which msgspec writes as RFC 3339; None stays None."""
    return None if instant_us is None else moment(instant_us)
