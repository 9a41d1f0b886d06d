"""Pushes for tests of FCM, and a channel that carries them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from adapters.channels.fcm_settings import FcmSettings
from adapters.channels.push_fcm import FcmChannel
from core.policies import SECOND_US
from core.ports import Clock
from tests.edges.channels.fcm_server import FcmServer

TOKEN: Final = "fRt-1_x:APA91bGHXQBB0123456789abcdefghijklmnopqrstuvwxyz"
TO: Final = f"token:{TOKEN}"
PUSH: Final = {"title": "Tomorrow", "body": "See you at nine.", "data": {"order": "42"}}


@asynccontextmanager
async def channel_of(
    clock: Clock, server: FcmServer, *, url: str | None = None, timeout_us: int = 30 * SECOND_US
) -> AsyncIterator[FcmChannel]:
    """A channel to the server, closed at the end; `url` is where messages go instead."""
    settings = FcmSettings(service_account=server.account(), url=url or server.url, timeout_us=timeout_us)
    channel = FcmChannel(settings, clock=clock, agent="Tidings/test")
    try:
        yield channel
    finally:
        await channel.close()
