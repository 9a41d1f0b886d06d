"""Channels to handlers for tests, and hooks to hand to them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiohttp.abc import AbstractResolver
from msgspec.structs import replace

from adapters.channels.forward import ForwardChannel
from adapters.channels.forward_settings import ForwardSettings
from core.content_shapes import HookContent
from core.policies import SECOND_US
from core.ports import Clock, Parcel
from tests.edges.channels.parcels import parcel_of

HOOK: Final = "hook_0123456789abc"
SIGNING_SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
# Spaced, escaped and ended as no encoder of ours would.
BODY: Final = b'{ "id":"evt_1", "name":"caf\\u00e9 a\\/b" }\r\n'


def hook_of(
    clock: Clock,
    *,
    body: bytes = BODY,
    headers: Mapping[str, str] | None = None,
    kind: str = "",
    attempt: int = 1,
    within_us: int = 10 * SECOND_US,
) -> Parcel:
    """One attempt for a hook of the source `shop`."""
    kept = {"Content-Type": "application/json"} if headers is None else dict(headers)
    content = HookContent(source="shop", key="evt_1", body=body, headers=kept, kind=kind)
    parcel = parcel_of(clock, "shop/event/evt_1", msgspec.json.encode(content), attempt=attempt, within_us=within_us)
    return replace(parcel, message=HOOK)


@asynccontextmanager
async def handler_at(
    clock: Clock, url: str, *, resolver: AbstractResolver | None = None, **settings: object
) -> AsyncIterator[ForwardChannel]:
    """A channel to the handler at a URL, closed at the end."""
    channel = ForwardChannel(
        replace(ForwardSettings(url=url), **settings), clock=clock, agent="Tidings/test", resolver=resolver
    )
    try:
        yield channel
    finally:
        await channel.close()
