"""What takes a message's place on another channel, should it end undelivered: as it is asked for, and as it is kept.

This file answers for reading an alternative as strictly as a message. When one begins is not decided here.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from core import addresses
from core.content_rules import address_of, content_of
from core.content_shapes import ChannelName, Name

FALLBACKS_MAX: Final = 4


class FallbackRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What takes a message's place on another channel, should it end undelivered."""

    channel: ChannelName
    to: Annotated[str, Meta(min_length=1, max_length=addresses.URL_CHARS_MAX)]
    content: msgspec.Raw
    lane: Name | None = None


class Alternative(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A well-formed fallback, as the vault keeps it."""

    channel: str
    to: str
    content: bytes
    host: str | None = None
    lane: str | None = None


def alternative_of(wanted: FallbackRequest, at: str) -> Alternative:
    """The alternative that is asked for, `at` being where that stands; raises Invalid for the first mistake in it."""
    content = content_of(wanted.channel, wanted.content, f"{at}/content")
    to, host = address_of(wanted.channel, wanted.to, f"{at}/to")
    return Alternative(channel=wanted.channel, to=to, content=content, host=host, lane=wanted.lane)


def sealed_fallbacks(fallbacks: tuple[Alternative, ...]) -> bytes | None:
    """How the vault keeps the fallbacks of a message."""
    return _PACKER.encode(fallbacks) if fallbacks else None


def unsealed_fallbacks(kept: bytes | None) -> tuple[Alternative, ...]:
    """The fallbacks again."""
    return () if kept is None else _UNPACKER.decode(kept)


_PACKER: Final = msgspec.msgpack.Encoder()
_UNPACKER: Final = msgspec.msgpack.Decoder(tuple[Alternative, ...])
