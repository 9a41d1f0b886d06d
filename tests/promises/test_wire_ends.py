"""The two ends of a line in memory keep what asyncio promises of transports."""

import asyncio

import pytest

from scenarios.loop.boundary import BoundaryError
from scenarios.loop.run import run_virtual
from scenarios.wire.line import Line
from scenarios.wire.loop import WireLoop


class _Side(asyncio.Protocol):
    """Writes down what happens to it."""

    def __init__(self, *, keeps: bool = False) -> None:
        self.seen: list[tuple[float, str, object]] = []
        self.end: asyncio.Transport
        self._keeps = keeps

    def _note(self, what: str, value: object = None) -> None:
        self.seen.append((round(asyncio.get_running_loop().time(), 6), what, value))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.end = transport

    def data_received(self, data: bytes) -> None:
        self._note("data", data)

    def eof_received(self) -> bool:
        self._note("eof")
        return self._keeps

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("lost", type(exc).__name__)

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")


def _joined(*, keeps: bool = False) -> tuple[_Side, _Side]:
    client, server = _Side(), _Side(keeps=keeps)
    Line(asyncio.get_running_loop(), client, server, carries=False).open()
    return client, server


def test_bytes_come_in_order_and_then_the_end_of_them() -> None:
    """What was written before a close arrives before it; each side loses the line once, without an error."""

    async def main() -> None:
        client, server = _joined()
        client.end.write(b"one")
        client.end.writelines([b"two", b"three"])
        client.end.close()
        client.end.write(b"too late")
        await asyncio.sleep(1)
        assert [what[1:] for what in server.seen] == [
            ("data", b"one"),
            ("data", b"twothree"),
            ("eof", None),
            ("lost", "NoneType"),
        ]
        assert [what[1:] for what in client.seen] == [("lost", "NoneType")]

    run_virtual(main)


def test_a_side_that_keeps_its_half_may_still_answer() -> None:
    """After the end of what it hears, a server that keeps the line open writes back on it."""

    async def main() -> None:
        client, server = _joined(keeps=True)
        client.end.write_eof()
        await asyncio.sleep(1)
        server.end.write(b"still here")
        await asyncio.sleep(1)
        assert [what[1:] for what in client.seen] == [("data", b"still here")]

    run_virtual(main)


def test_a_broken_line_is_an_error_on_the_other_side() -> None:
    """Who breaks a line loses it without an error, the other side with one, and nothing comes after that."""

    async def main() -> None:
        client, server = _joined()
        client.end.write(b"on its way")
        client.end.abort()
        await asyncio.sleep(1)
        assert [what[1:] for what in server.seen] == [("lost", "ConnectionResetError")]
        assert [what[1:] for what in client.seen] == [("lost", "NoneType")]

    run_virtual(main)


def test_nothing_is_read_while_reading_is_paused() -> None:
    """What comes meanwhile waits, and is read in order afterwards."""

    async def main() -> None:
        client, server = _joined()
        server.end.pause_reading()
        client.end.write(b"one")
        client.end.write(b"two")
        await asyncio.sleep(1)
        assert server.seen == []
        server.end.resume_reading()
        await asyncio.sleep(1)
        assert [what[2] for what in server.seen] == [b"one", b"two"]

    run_virtual(main)


def test_a_writer_is_held_up_while_too_much_is_under_way() -> None:
    """With a bound of nothing, a writer pauses at each write and goes on once the other side has it."""

    async def main() -> None:
        client, _ = _joined()
        client.end.set_write_buffer_limits(high=0)
        client.end.write(b"much")
        assert [what for _, what, _ in client.seen] == ["pause"]
        await asyncio.sleep(1)
        assert [(at, what) for at, what, _ in client.seen] == [(0.0, "pause"), (0.002, "resume")]
        assert client.end.get_write_buffer_size() == 0

    run_virtual(main)


def test_what_is_no_connection_stays_refused() -> None:
    """A loop with a wire resolves and connects, and refuses all else like any other virtual loop."""

    async def served() -> None:
        await asyncio.get_running_loop().create_server(_Side, "127.0.0.1", 0)

    async def named() -> None:
        await asyncio.get_running_loop().getnameinfo(("127.0.0.1", 80))

    for main in (served, named):
        with pytest.raises(BoundaryError):
            run_virtual(main, kind=WireLoop)
