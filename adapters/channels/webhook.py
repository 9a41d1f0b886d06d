"""Outgoing webhooks: one signed POST an attempt, to public addresses unless the lane allows others.

This file answers for what an endpoint sees and for reading its answer. It must never follow a redirect, repeat a
request by itself, keep what an endpoint answered beyond its status, or connect to an address that was not checked.

On the wire (Standard Webhooks 1.0.0): `webhook-id` is the message's id in every attempt, `webhook-timestamp` the second
of this attempt, `webhook-signature` one entry a secret (a lane without secrets sends none); `Tidings-Attempt` counts
from 1.
"""

import math
import ssl
from asyncio import Event, timeout
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, AbstractStreamWriter
from aiohttp.payload import Payload

from adapters.channels.accounts import WebhookSettings
from adapters.channels.networks import AddressRefused, Networks
from adapters.channels.signing import Signer
from core.content_shapes import WebhookContent
from core.outcomes import Ambiguous, Outcome, Permanent, Transient, of_endpoint_status, retry_after_us
from core.policies import SECOND_US
from core.ports import Clock, Parcel

# The status says all that we use; a body is read only so that its connection can serve again, and only this much of it.
ANSWER_BYTES_MAX: Final = 4_096
_ANSWER_TAIL_S: Final = 0.5
_RESOLVED_FOR_S: Final = 30

_DECODER: Final = msgspec.json.Decoder(WebhookContent)
_ENCODER: Final = msgspec.json.Encoder()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


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
        self._agent = agent
        self._resolver = resolver
        self._signer = Signer(settings.secrets)
        self._networks = Networks(settings.allow_private)
        self._tls = ssl.create_default_context()
        if settings.ca_file is not None:
            self._tls.load_verify_locations(cafile=settings.ca_file)
        self._session: ClientSession | None = None
        self._in_flight = 0
        self._settled: Event | None = None
        # Hosts with a connection that may be idle now, and when each was last called: the longest ago first.
        self._kept: dict[str, int] = {}

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Posts once. What fails before the first byte leaves is transient; after it, ambiguous."""
        self._in_flight += 1
        try:
            return await self._post(parcel, handed_over)
        finally:
            self._in_flight -= 1
            if self._in_flight == 0 and self._settled is not None:
                self._settled.set()

    async def close(self) -> None:
        """Closes every connection, once the requests that are under way have ended: their deadlines bound that."""
        if self._in_flight:
            self._settled = Event()
            await self._settled.wait()
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _post(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        if not parcel.to.startswith("https:") and not self._settings.allow_http:
            return Permanent(code="http_refused", detail="this lane calls https endpoints only")
        now_us = self._clock.now_us()
        left_us = min(parcel.deadline_us - now_us, self._settings.timeout_us)
        if left_us <= 0:
            return Transient(code="timeout")
        body = _Body(*_rendered(parcel), handed_over)
        try:
            response = await self._opened().post(
                parcel.to,
                data=body,
                headers=self._headers(parcel, now_us, body.content),
                allow_redirects=False,
                # Unrounded: by default aiohttp stretches what is longer than 5 s to the next whole second.
                timeout=ClientTimeout(total=left_us / SECOND_US, ceil_threshold=math.inf),
            )
        except (ClientError, TimeoutError, OSError) as error:
            return _fault(error, left=body.left)
        outcome = self._outcome(response)
        if not response.closed:
            await _drain(response)
        return outcome

    def _opened(self) -> ClientSession:
        # Not before the first send: a session belongs to the running loop, and a checked configuration needs none.
        if self._session is None:
            connector = TCPConnector(
                ssl=self._tls,
                resolver=self._resolver,
                ttl_dns_cache=_RESOLVED_FOR_S,
                socket_factory=self._networks.socket_to,
                keepalive_timeout=self._settings.keep_alive_us / SECOND_US,
                limit=0,  # The governor bounds what is in flight; a second queue here would only eat deadlines.
            )
            self._session = ClientSession(
                connector=connector,
                headers={"User-Agent": self._agent},
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

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

    def _outcome(self, response: ClientResponse) -> Outcome:
        status = response.status
        if not 200 <= status < 300 and response.headers.get("webhook-delivery") == "abort-message":
            return Permanent(code=str(status), detail="the endpoint asked to stop delivering this message")
        asked = response.headers.get("Retry-After")
        after_us = None if asked is None else retry_after_us(asked, self._clock.now_us())
        return of_endpoint_status(status, after_us=after_us, detail=_PHRASES.get(status, ""))


class _Body(Payload):
    """The bytes to post; knows the moment at which the first of them leaves, together with the headers."""

    _autoclose = True

    def __init__(self, content: bytes, content_type: str, handed_over: Callable[[], None]) -> None:
        super().__init__(content, content_type=content_type)
        self._size = len(content)
        self._handed_over = handed_over
        self.content = content
        self.left = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The body as text, which aiohttp asks for in error messages."""
        return self.content.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Writes headers and body."""
        # A connection that was lost since it was taken from the pool carries nothing: then writing raises.
        if writer.transport is not None and not writer.transport.is_closing():
            self.left = True
            self._handed_over()
        await writer.write(self.content)


def _rendered(parcel: Parcel) -> tuple[bytes, str]:
    """Body and content type: the same bytes in every attempt, since they depend on what was accepted alone."""
    content = _DECODER.decode(parcel.content)
    if content.body is not None:
        return content.body.encode(), content.content_type or "text/plain"
    assert content.type is not None, "a webhook without a body is an event, and an event has a type"
    assert content.data is not msgspec.UNSET, "an event has data"
    accepted = _EPOCH + timedelta(microseconds=parcel.accepted_us)
    return _ENCODER.encode(_Event(type=content.type, timestamp=accepted, data=content.data)), "application/json"


def _fault(error: ClientError | TimeoutError | OSError, *, left: bool) -> Outcome:
    """What a request without an answer came to."""
    match error:
        case ClientConnectorCertificateError():
            # Their certificate is their endpoint's fault, which they may mend; our own set-up is fine.
            return Transient(code="certificate")
        case ClientConnectorSSLError():
            return Transient(code="tls")
        case ClientConnectorDNSError():
            return Transient(code="dns")
        case ClientConnectorError(os_error=AddressRefused() as refused):
            return Permanent(code="address_refused", detail=str(refused))
        case ClientConnectorError():
            return Transient(code="connect")
        case InvalidURL():
            return Permanent(code="url")
        case TimeoutError():
            code = "timeout"
        case ClientResponseError():
            code = "bad_answer"
        case _:
            code = "disconnected"
    return Ambiguous(code=code) if left else Transient(code=code)


async def _drain(response: ClientResponse) -> None:
    left_bytes = ANSWER_BYTES_MAX
    try:
        async with timeout(_ANSWER_TAIL_S):
            while left_bytes > 0 and not response.content.at_eof():
                left_bytes -= len(await response.content.readany())
    except (ClientError, TimeoutError, OSError):
        pass  # The status has been read, and with it the outcome; only the connection is lost.
    finally:
        response.release()
