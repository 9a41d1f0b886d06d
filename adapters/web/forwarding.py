"""Calls that only the acting daemon can answer, handed on by one that stands by.

This file answers for the caller getting the very answer of the acting daemon, or a 503 that says what is known. Whoever
may not make the call is refused before it is handed on. It must never hand a call on twice: nobody knows whether the
first was carried out.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from aiohttp import hdrs, web
from multidict import CIMultiDict

from actors.sealing import CannotOpen
from adapters.web.front import Front
from adapters.web.problems import Declined, problem
from adapters.web.reading import whole_body
from adapters.web.sealing import Call, Reply, Sealing
from core.errors import Overloaded

# What belongs to one connection (RFC 9110, section 7.6.1) or is made anew for the next one.
HOP_BY_HOP: Final = frozenset({
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    "content-length", "expect", "host", "date", "server",
})  # fmt: skip  # One line as long as it fits.
# Everything that a target may hold as it is: what is no ASCII is written as its bytes.
_AS_IT_IS: Final = "".join(map(chr, range(0x21, 0x7F)))


async def forwarded(front: Front, request: web.Request) -> web.Response:
    """The acting daemon's answer to a request. Raises Overloaded, and what `Stand.ask` does."""
    stand = front.stand
    assert stand is not None, "the acting daemon answers by itself"
    if front.forwards >= front.bounds.forwards_max:
        raise Overloaded(f"{front.bounds.forwards_max} calls wait for the acting daemon already")
    front.forwards += 1
    try:
        sealing = Sealing(front.secrets)
        asked = sealing.sealed(_call_of(request, await whole_body(front, request)))
        given = await stand.ask(asked)
        if request.method not in {"GET", "HEAD"}:
            # What a call has changed is seen by the next one here, as it would be there.
            await stand.look_again()
    finally:
        front.forwards -= 1
    try:
        reply = sealing.opened(given, Reply, to=asked)
    except CannotOpen:
        words = "the acting daemon has another installation key: [store] installation_key has to be the same everywhere"
        raise Declined(problem("unavailable", words, retry_after_s=5)) from None
    return web.Response(status=reply.status, headers=CIMultiDict(reply.headers), body=reply.body)


def _call_of(request: web.Request, body: bytes) -> Call:
    # A HEAD is a GET whose body the server keeps back.
    method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
    target = request.rel_url.raw_path_qs
    if not target.isascii():
        target = quote(target.encode(errors="surrogateescape"), safe=_AS_IT_IS)
    return Call(method=method, target=target, headers=passed_on(request.headers.items()), body=body)


def passed_on(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The headers that are meant for the other end, and can be sent again."""
    # Names are of a kind of text of their own, which nothing could write.
    return tuple(
        (str(name), value) for name, value in headers if name.lower() not in HOP_BY_HOP and value.isprintable()
    )
