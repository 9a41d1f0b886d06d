"""What is no sound HTTP is refused like everything else: with a problem, and the end of the connection."""

from typing import cast

import msgspec
import pytest

from tests.edges.web.house import House, Json, bare_line

pytestmark = pytest.mark.anyio

_SECRET = b"tk_0123456789"
_CHUNKED = b"Host: x\r\nTransfer-Encoding: chunked\r\n"


def _problem(given: bytes) -> Json:
    """The one problem that an answer is, after which the line has ended; it quotes nothing of what came."""
    head, _, body = given.partition(b"\r\n\r\n")
    first, *lines = head.lower().split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    assert headers[b"content-type"] == b"application/problem+json", given
    assert headers.get(b"connection") == b"close" or first.startswith(b"http/1.0 "), given
    assert int(headers[b"content-length"]) == len(body), given
    told = cast("Json", msgspec.json.decode(body))
    assert first.split(b" ")[1] == str(told["status"]).encode(), given
    assert _SECRET not in given
    return told


async def _told(house: House, *pieces: bytes) -> Json:
    async with bare_line(house) as line:
        for piece in pieces:
            await line.send(piece)
        return _problem(await line.all())


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense " + _SECRET + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET / HTTP/9.x\r\n\r\n",
        b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization Bearer " + _SECRET + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + _SECRET + b"\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + _SECRET * 1_000 + b"\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nContent-Length: 1\r\n" + _CHUNKED + b"\r\n",
    ],
    ids=["line", "tls", "version", "long_line", "no_colon", "nul", "long_header", "length", "two_lengths"],
)
async def test_a_head_that_is_no_http_gets_a_problem(house: House, sent: bytes) -> None:
    """Whatever the server cannot read as a request's head gets a 400 problem, and the connection ends."""
    told = await _told(house, sent)
    assert (told["status"], told["type"]) == (400, "urn:tidings:problem:malformed")


async def test_a_broken_request_after_a_sound_one_gets_a_problem(house: House) -> None:
    """On a line that was kept open the sound request is answered, then the broken one is refused."""
    async with bare_line(house) as line:
        await line.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await line.receive(4096)).startswith(b"HTTP/1.1 200 ")
        await line.send(b"nonsense\r\n\r\n")
        told = _problem(await line.all())
    assert told["type"] == "urn:tidings:problem:malformed"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/cancel"])
@pytest.mark.parametrize("body", [b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}no end\r\n0\r\n\r\n"], ids=["size", "end"])
async def test_broken_chunks_get_a_problem(house: House, path: str, body: bytes) -> None:
    """Broken chunks that came with their head get a 400 problem, and the connection ends."""
    key = await house.secret("operate")
    head = f"POST {path} HTTP/1.1\r\nAuthorization: Bearer {key}\r\n".encode() + _CHUNKED + b"\r\n"
    async with bare_line(house) as line:
        await line.send(head + body)
        told = _problem(await line.all())
    assert (told["status"], told["type"]) == (400, "urn:tidings:problem:malformed")
    assert await house.count() == 0
