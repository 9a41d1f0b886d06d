"""Answers for clients that go away in the middle: that is theirs to do, and no fault of ours to be logged."""

import logging

import anyio
import pytest

from tests.edges.web.house import House, bare_line

pytestmark = pytest.mark.anyio


def _head(secret: str, call: str, *more: str) -> bytes:
    return "\r\n".join((f"{call} HTTP/1.1", "Host: tidings", f"Authorization: Bearer {secret}", *more, "", "")).encode()


async def _served(house: House) -> None:
    """Returns once the server has turned its loop a few times, answering somebody else."""
    for _ in range(5):
        assert (await house.ask("GET /health/live", role=None)).status == 200


@pytest.mark.parametrize("call", ["POST /v1/messages", "POST /v1/messages/batch"])
async def test_an_upload_that_breaks_off_is_no_fault(house: House, call: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing was accepted, nothing is logged above the level of debugging, and the next request is served."""
    head = _head(await house.secret("send"), call, "Content-Type: application/json", "Content-Length: 500")
    async with bare_line(house) as line:
        await line.send(head + b'{"channel": "email"')
        await _served(house)
    await _served(house)
    assert await house.count() == 0
    assert [record.message for record in caplog.records if record.levelno > logging.DEBUG] == []


async def test_a_follower_who_leaves_is_no_fault(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Events go on to be recorded for whoever is still there, and nothing is logged above the level of debugging."""
    async with bare_line(house) as line:
        await line.send(_head(await house.secret(), "GET /v1/events/stream"))
        assert (await line.receive(12)) == b"HTTP/1.1 200"
    for _ in range(3):
        await house.until(await house.accepted(), "sent")
        await anyio.lowlevel.checkpoint()
    await _served(house)
    assert [record.message for record in caplog.records if record.levelno > logging.DEBUG] == []
