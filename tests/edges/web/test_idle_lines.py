"""Answers for connections on which no request comes to be: they are closed, however slowly something dribbles in."""

import anyio
import pytest

from adapters.web.front import WebBounds
from tests.edges.web.house import Line, bare_line, running

pytestmark = pytest.mark.anyio

IDLE_S = 0.1
_A_MOMENT_S = 0.02
_WHOLE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


async def _dribbled(line: Line, *, pieces_max: int = 100) -> bool:
    """Sends a header's value a letter at a time; whether the other side had enough of it."""
    with anyio.fail_after(10):
        for _ in range(pieces_max):
            if await _is_over(line):
                return True
            await line.send(b"x")
    return False


async def _is_over(line: Line) -> bool:
    with anyio.move_on_after(_A_MOMENT_S):
        try:
            return await line.receive(1) == b""
        except ConnectionResetError:
            return True
    return False


@pytest.mark.parametrize("begins", [b"", b"GET /health/live HTTP/1.1\r\nX-Slow: "], ids=["silent", "half a head"])
async def test_a_line_without_a_request_is_closed(begins: bytes) -> None:
    """Whoever connects and never sends the whole head of a request is hung up on."""
    async with running(door=WebBounds(idle_s=IDLE_S)) as house, bare_line(house) as line:
        await line.send(begins)
        assert await line.all() == b""


async def test_a_head_that_dribbles_wins_no_time() -> None:
    """A letter now and then does not keep the line open: a head has to be whole within its time."""
    async with running(door=WebBounds(idle_s=IDLE_S)) as house, bare_line(house) as line:
        await line.send(b"GET /health/live HTTP/1.1\r\nX-Slow: ")
        assert await _dribbled(line)


async def test_the_time_of_a_head_begins_with_each_answer() -> None:
    """A line that was used is kept for the next request, and no longer than another for one that stays half."""
    async with running(door=WebBounds(idle_s=IDLE_S)) as house, bare_line(house) as line:
        for _ in range(2):
            await line.send(_WHOLE)
            assert (await line.receive(4096)).startswith(b"HTTP/1.1 200 ")
        await line.send(_WHOLE[:-4])
        assert await line.all() == b""
