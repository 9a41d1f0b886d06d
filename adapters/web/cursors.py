"""Positions in the log as clients keep them: opaque text.

This file answers for turning a position a shard into text and back. Its inside may change at any time (it begins with
a number for that), so nobody else may read it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from typing import Annotated, Final

import msgspec

from adapters.web.problems import invalid
from core.ids import SHARDS

_FORMAT: Final = 1
_CHARS_MAX: Final = 8_192

Shard = Annotated[int, msgspec.Meta(ge=0, lt=SHARDS)]
Seq = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class _Cursor(msgspec.Struct, frozen=True, array_like=True, gc=False):
    form: int
    reached: dict[Shard, Seq]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Cursor)


def written(position: dict[int, int]) -> str:
    """The position as text for a URL or a `Last-Event-ID`."""
    return urlsafe_b64encode(_ENCODER.encode(_Cursor(_FORMAT, position))).rstrip(b"=").decode()


def read(text: str, at: str) -> dict[int, int]:
    """The position behind a text that `written` gave; `at` is where it was given (422 where it was not)."""
    try:
        cursor = _DECODER.decode(urlsafe_b64decode(text[:_CHARS_MAX].encode("ascii") + b"=" * (-len(text) % 4)))
    except (ValueError, NotBase64, msgspec.DecodeError):
        cursor = None
    if cursor is None or cursor.form != _FORMAT:
        raise invalid(at, "expected a cursor that an earlier answer gave, unchanged")
    return cursor.reached
