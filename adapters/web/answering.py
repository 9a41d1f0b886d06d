"""Calls that daemons which stand by hand on, answered by the one that acts.

This file answers for each being made as if its caller had come here: over loopback to this daemon's own door, so that
keys, bounds, figures and problems are the same. It must never look at what a call asks for, nor make one twice, nor be
asked before that door answers by itself: it would hand the call on again.
"""

import io
from typing import Final

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, DummyCookieJar, hdrs
from yarl import URL

from actors.sealing import CannotOpen
from adapters.web.forwarding import passed_on
from adapters.web.problems import MEDIA_TYPE, Problem, encoded, problem
from adapters.web.sealing import Call, Reply, Sealing
from core.ports import Secrets, Witness

# Shorter than its asker waits, so that it hears what is known.
WITHIN_S: Final = 12.0
_REPLY_BYTES_MAX: Final = 16 << 20
# The library adds none of its own: a call has the headers that its caller gave it.
_NOT_ADDED: Final = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)


class Answering:
    """Who makes them. `close` gives the connections back."""

    def __init__(self, url: str, *, secrets: Secrets, witness: Witness) -> None:
        """`url` is this daemon's own, without a slash at its end."""
        self._url = url
        self._sealing = Sealing(secrets)
        self._witness = witness
        self._session = ClientSession(
            timeout=ClientTimeout(total=WITHIN_S),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_NOT_ADDED,
        )

    async def answer(self, asked: bytes) -> bytes:
        """The sealed answer to a sealed call; empty where this daemon cannot open it."""
        try:
            call = self._sealing.opened(asked, Call)
        except CannotOpen:
            self._witness.note("call_unread")
            return b""
        return self._sealing.sealed(await self._made(call), to=asked)

    async def close(self) -> None:
        """Gives back every connection."""
        await self._session.close()

    async def _made(self, call: Call) -> Reply:
        try:
            async with self._session.request(
                call.method,
                URL(self._url + call.target, encoded=True),
                headers=call.headers,
                # As a stream: the library warns of large bodies that it is given as bytes.
                data=io.BytesIO(call.body) if call.body else None,
                allow_redirects=False,
            ) as answered:
                body = await answered.read()
        except ClientConnectorError:
            return _reply(problem("unavailable", "the acting daemon takes no more connections", retry_after_s=1))
        except (ClientError, TimeoutError):
            words = "the acting daemon did not answer; ask for the state, or repeat the call"
            return _reply(problem("unknown-outcome", words, retry_after_s=5))
        if len(body) > _REPLY_BYTES_MAX:
            words = f"the answer is longer than the {_REPLY_BYTES_MAX} bytes that are handed on: ask the acting daemon"
            return _reply(problem("too-large", words))
        return Reply(status=answered.status, headers=passed_on(answered.headers.items()), body=body)


def _reply(told: Problem) -> Reply:
    headers = [("Content-Type", MEDIA_TYPE)]
    if told.retry_after_s is not None:
        headers.append(("Retry-After", str(told.retry_after_s)))
    return Reply(status=told.status, headers=tuple(headers), body=encoded(told))
