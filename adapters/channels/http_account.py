"""An account at a provider that is spoken to over HTTPS: one request in, one answer or one outcome out.

This file answers for deadlines, for the hand-over, for what a fault on the way means, and for reading a bounded answer.
It must never repeat a request, follow a redirect, judge an answer (each provider's own table does), or let anything
of a URL or a header into an outcome or an error: some providers want their token in the path.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from aiohttp import ClientConnectorCertificateError, InvalidURL
from yarl import URL

from adapters.channels.base_urls import base_url_mistake
from adapters.channels.http_exchange import BROKEN, Body, Connections, fault, first_bytes, trust, within
from core.outcomes import Config, Outcome, Transient, retry_after_us
from core.policies import SECOND_US
from core.ports import Clock

# The longest answer that a provider gives to one message is a few hundred bytes; errors may quote what was sent.
ANSWER_BYTES_MAX: Final = 65_536
# Less than the 5 s after which common servers close theirs: a request that races with that would be left in doubt.
KEEP_ALIVE_US: Final = 4 * SECOND_US


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider answered. `headers` are found in any spelling of their names.

    `whole` is False where the body broke off or was longer than was asked for, and `body` is only its beginning.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True

    def after_us(self, now_us: int) -> int | None:
        """The wait that its Retry-After asks for, None without one that can be read."""
        return retry_after_us(self.headers.get("Retry-After"), now_us)


class HttpAccount:
    """The requests of one account. `base_url` has no `/` at its end; plain http stays on this machine unless allowed.

    Every request ends at the earlier of `timeout_us` and its deadline. `ca_file` adds certificates to trust. Raises
    ValueError for a base URL that cannot stand (without repeating it) and OSError for an unreadable `ca_file`.
    """

    def __init__(
        self,
        *,
        base_url: str,
        clock: Clock,
        agent: str,
        timeout_us: int,
        ca_file: str | None = None,
        allow_http: bool = False,
    ) -> None:
        if mistake := base_url_mistake(base_url, allow_http=allow_http):
            raise ValueError(f"expected {mistake}")
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._timeout_us = timeout_us
        self._connections = Connections(agent=agent, tls=trust(ca_file), keep_alive_us=KEEP_ALIVE_US)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str],
        deadline_us: int,
        handed_over: Callable[[], None] | None = None,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer | Outcome:
        """One request: the answer, or what it came to without one. `path` begins with `/`, its parts quoted.

        `body` is JSON unless `headers` name another Content-Type. `handed_over` is called when its first byte leaves;
        a fault before that is transient, or config for a certificate that is not trusted, and after it ambiguous.
        A request without a body only asks, so that no fault of it leaves a doubt.
        """
        assert path.startswith("/"), "a path is put behind the base URL as it is"
        assert body is not None or handed_over is None, "a request without a body hands nothing over"
        left_us = min(deadline_us - self._clock.now_us(), self._timeout_us)
        if left_us <= 0:
            return Transient(code="timeout")
        sent = None if body is None else Body(body, "application/json", handed_over)
        with self._connections.in_use() as session:
            try:
                response = await session.request(
                    method,
                    URL(self._base_url + path),
                    data=sent,
                    headers={"Accept-Encoding": "identity", **headers},
                    allow_redirects=False,
                    timeout=within(left_us),
                )
            except ClientConnectorCertificateError:
                # Not passing: either somebody stands in between, or our own trust is set up wrongly.
                return Config(code="certificate", detail="the provider's certificate is not trusted")
            except InvalidURL:
                return Config(code="url", detail="the account's settings do not make a URL")
            except BROKEN as error:
                return fault(error, left=sent is not None and sent.left)
            content, whole = await first_bytes(response, answer_bytes_max)
        return Answer(status=response.status, headers=response.headers, body=content, whole=whole)

    async def close(self) -> None:
        """Closes every connection, once the requests that are under way have ended."""
        await self._connections.close()
