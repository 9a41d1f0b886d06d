"""Outgoing webhooks: one signed POST an attempt, to public addresses unless the lane allows others.

This file answers for what an endpoint sees and for reading its answer. It must never follow a redirect, repeat a
request by itself, keep what an endpoint answered beyond its status, or connect to an address that was not checked.

On the wire (Standard Webhooks 1.0.0): `webhook-id` is the message's id in every attempt, `webhook-timestamp` the second
of this attempt, `webhook-signature` one entry a secret (a lane without secrets sends none); `Tidings-Attempt` counts
from 1.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec
from aiohttp import ClientSession, ClientTimeout
from aiohttp.abc import AbstractResolver
from yarl import URL

from actors.deadlines import Deadlines
from adapters.channels.accounts import WebhookSettings
from adapters.channels.endpoint_answers import answered, drained, unanswered
from adapters.channels.http_exchange import BROKEN, Body, Connections, trust
from adapters.channels.networks import Networks
from adapters.channels.signing import Signer
from core.content_shapes import WebhookContent
from core.outcomes import Outcome, Permanent, Transient
from core.policies import SECOND_US
from core.ports import Clock, Parcel

_DECODER: Final = msgspec.json.Decoder(WebhookContent)
_ENCODER: Final = msgspec.json.Encoder()
_UNBOUND: Final = ClientTimeout(total=None)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    type: str
    timestamp: datetime
    data: msgspec.Raw


class WebhookChannel:
    """One lane's endpoints: a signer, a door for addresses, and one session whose connections are reused."""

    def __init__(
        self, settings: WebhookSettings, *, clock: Clock, agent: str, resolver: AbstractResolver | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._signer = Signer(settings.secrets)
        self._deadlines = Deadlines()
        self._connections = Connections(
            agent=agent,
            tls=trust(settings.ca_file),
            keep_alive_us=settings.keep_alive_us,
            resolver=resolver,
            socket_factory=Networks(settings.allow_private).socket_to,
        )
        # Hosts with a connection that may be idle now, and when each was last called: the longest ago first.
        self._kept: dict[str, int] = {}

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Posts once. What fails before the first byte leaves is transient; after it, ambiguous."""
        with self._connections.in_use() as session:
            return await self._post(session, parcel, handed_over)

    async def close(self) -> None:
        """Closes every connection, once the requests that are under way have ended."""
        await self._connections.close()

    async def _post(self, session: ClientSession, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        if not parcel.to.startswith("https:") and not self._settings.allow_http:
            return Permanent(code="http_refused", detail="this lane calls https endpoints only")
        now_us = self._clock.now_us()
        left_us = min(parcel.deadline_us - now_us, self._settings.timeout_us)
        if left_us <= 0:
            return Transient(code="timeout")
        try:
            url = _url(parcel.to)
        except ValueError:
            return Permanent(code="url")
        body = Body(*_rendered(parcel), handed_over)
        try:
            # Bounded here: a bound of the client's own is looked at several times a request.
            with self._deadlines.within(left_us / SECOND_US):
                response = await session.post(
                    url,
                    data=body,
                    headers=self._headers(parcel, now_us, body.content),
                    allow_redirects=False,
                    timeout=_UNBOUND,
                )
        except BROKEN as error:
            return unanswered(error, left=body.left)
        outcome = answered(response, self._clock.now_us())
        await drained(response)
        return outcome

    def _headers(self, parcel: Parcel, now_us: int, body: bytes) -> dict[str, str]:
        at_s = now_us // SECOND_US
        headers = {
            "webhook-id": parcel.message,
            "webhook-timestamp": str(at_s),
            "Tidings-Attempt": str(parcel.attempt),
        }
        if self._signer:
            headers["webhook-signature"] = self._signer.signatures(parcel.message, at_s, body)
        if not self._keeps(parcel.to, now_us):
            headers["Connection"] = "close"
        return headers

    def _keeps(self, url: str, now_us: int) -> bool:
        """Whether the connection that serves a URL may stay open: idle ones are bounded, by their number of hosts."""
        host = url.split("/", 3)[2]
        if self._kept.pop(host, None) is None:
            oldest_us = now_us - self._settings.keep_alive_us
            while self._kept and next(iter(self._kept.values())) < oldest_us:
                del self._kept[next(iter(self._kept))]
            if len(self._kept) >= self._settings.hosts_kept_max:
                return False
        self._kept[host] = now_us
        return True


# The same endpoints are called over and over, and the client takes a URL apart each time it is given as text.
_url: Final = lru_cache(maxsize=1_024)(URL)


def _rendered(parcel: Parcel) -> tuple[bytes, str]:
    """Body and content type: the same bytes in every attempt, since they depend on what was accepted alone."""
    content = _DECODER.decode(parcel.content)
    if content.body is not None:
        return content.body.encode(), content.content_type or "text/plain"
    assert content.type is not None, "a webhook without a body is an event, and an event has a type"
    assert content.data is not msgspec.UNSET, "an event has data"
    accepted = _EPOCH + timedelta(microseconds=parcel.accepted_us)
    return _ENCODER.encode(_Event(type=content.type, timestamp=accepted, data=content.data)), "application/json"
