"""Webhook channels for tests, and a name server that says what a test wants it to."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp.abc import AbstractResolver, ResolveResult

from adapters.channels.accounts import WebhookSettings
from adapters.channels.webhook import WebhookChannel
from core.ports import Clock

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
LOOPBACK = WebhookSettings(secrets=(SECRET,), allow_private=("127.0.0.0/8",), allow_http=True)


class Resolver(AbstractResolver):
    """A name server of the test's own: every name has these addresses."""

    def __init__(self, *hosts: str) -> None:
        self._hosts = hosts

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self._hosts
        ]

    async def close(self) -> None:
        """Holds nothing."""


@asynccontextmanager
async def channel_of(
    clock: Clock, settings: WebhookSettings = LOOPBACK, resolver: AbstractResolver | None = None
) -> AsyncIterator[WebhookChannel]:
    """A channel that is closed at the end."""
    channel = WebhookChannel(settings, clock=clock, agent="Tidings/test", resolver=resolver)
    try:
        yield channel
    finally:
        await channel.close()
