"""Answers for batches: one answer a line, in order, each by itself, while lines and answers are still flowing."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import anyio
import msgspec
import pytest

from adapters.web.front import WebBounds
from core.records import Acceptance, Repeated, Stored
from eventstore.memory import MemoryLog
from eventstore.sqlite.log import SqliteLog
from tests.edges.web.house import EMAIL, House, Json, Line, bare_line, later, running

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NDJSON = {"Content-Type": "application/x-ndjson"}


def mail(number: int, **changes: object) -> Json:
    """An email to one of fifty people, to be kept until later."""
    return EMAIL | {"to": f"p{number % 50}@example.com", "send_at": later(days=1)} | changes


def lines_of(messages: Iterable[object]) -> bytes:
    """Messages as JSON lines."""
    return b"".join(msgspec.json.encode(message) + b"\n" for message in messages)


async def test_every_line_is_answered_in_order(house: House) -> None:
    """Five thousand lines get five thousand answers, and the nth answer is the nth line's message."""
    given = await house.ask(
        "POST /v1/messages/batch",
        raw=lines_of(mail(n, idempotency_key=f"key-{n}") for n in range(5_000)),
        headers=NDJSON,
        role="send",
    )
    assert (given.status, given.headers["Content-Type"]) == (200, "application/x-ndjson")
    assert [answer["duplicate"] for answer in given.lines] == [False] * 5_000
    assert await house.count() == 5_000
    for n in (0, 1, 2_500, 4_999):
        again = await house.ask("POST /v1/messages", mail(n, idempotency_key=f"key-{n}", send_at=None))
        assert (again.status, again.json["id"]) == (409, given.lines[n]["id"])


async def test_lines_of_one_conversation_keep_their_order(house: House) -> None:
    """The messages of a batch to one peer go out in the order of their lines, a first contact too."""
    call = {"channel": "webhook", "to": "https://example.com/hook"}
    bodies = [call | {"content": {"type": "a.b", "data": n}} for n in range(200)]
    given = await house.ask("POST /v1/messages/batch", raw=lines_of(bodies), headers=NDJSON)
    await house.until(given.lines[-1], "delivered")
    assert [msgspec.json.decode(parcel.content)["data"] for parcel in house.provider.seen] == list(range(200))


async def test_a_first_contact_keeps_its_order_where_reading_takes_time(tmp_path: Path) -> None:
    """On a log in a file, where a new peer has to be looked up first, ids still follow the order of the lines."""
    async with running(await SqliteLog.open(tmp_path / "tidings.db")) as house:
        await house.paused()
        bodies = [EMAIL | {"to": f"p{n % 3}@example.com"} for n in range(3_000)]
        given = await house.ask("POST /v1/messages/batch", raw=lines_of(bodies), headers=NDJSON)
        for peer in range(3):
            made = [str(answer["id"]) for answer in given.lines[peer::3]]
            assert made == sorted(made)


async def test_a_bad_line_does_not_spoil_the_others(house: House) -> None:
    """A line that cannot be taken gets the problem that it would get alone; the lines around it are accepted."""
    bad: list[bytes] = [b"{", b"[]", b'{"channel": "fax"}', msgspec.json.encode(EMAIL | {"to": 7}), b"\xff"]
    good = msgspec.json.encode(mail(1))
    raw = b"".join(good + b"\n" + line + b"\n" for line in bad) + good
    given = await house.ask("POST /v1/messages/batch", raw=raw, headers=NDJSON)
    assert len(given.lines) == 2 * len(bad) + 1
    assert all(str(answer["id"]).startswith("msg_") for answer in given.lines[::2])
    for line, answer in zip(bad, given.lines[1::2], strict=True):
        assert answer == (await house.ask("POST /v1/messages", raw=line)).json
    assert await house.count() == len(bad) + 1


async def test_a_line_over_the_bound_is_one_mistake() -> None:
    """A line that is too long gets 413 for itself, and is passed over without being kept."""
    async with running(door=WebBounds(body_bytes_max=1_000)) as house:
        raw = lines_of([mail(1), mail(2, metadata={"x": "y" * 400_000}), mail(3)])
        given = await house.ask("POST /v1/messages/batch", raw=raw, headers=NDJSON)
        assert [answer["status"] for answer in given.lines] == ["scheduled", 413, "scheduled"]
        assert "1000 bytes" in str(given.lines[1]["detail"])


async def test_blank_lines_and_line_ends_do_not_matter(house: House) -> None:
    """Blank lines have no answer; a line may end in CR LF, and the last one in nothing."""
    line = msgspec.json.encode(mail(1))
    given = await house.ask("POST /v1/messages/batch", raw=b"\r\n\n" + line + b"\r\n  \n" + line, headers=NDJSON)
    assert [answer["status"] for answer in given.lines] == ["scheduled"] * 2
    nothing = await house.ask("POST /v1/messages/batch", raw=b"", headers=NDJSON)
    assert (nothing.status, nothing.body) == (200, b"")


async def test_a_key_in_a_batch_counts_once(house: House) -> None:
    """Two lines with the same key and request are one message, also within one batch."""
    raw = lines_of([mail(1, idempotency_key="one", send_at=None)] * 3)
    given = await house.ask("POST /v1/messages/batch", raw=raw, headers=NDJSON)
    assert len({answer["id"] for answer in given.lines}) == 1
    assert [answer["duplicate"] for answer in given.lines] == [False, True, True]


async def test_a_batch_has_no_key_of_its_own(house: House) -> None:
    """An Idempotency-Key header on a batch is refused before any line is read."""
    given = await house.ask("POST /v1/messages/batch", raw=lines_of([mail(1)]), headers={"Idempotency-Key": "one"})
    assert (given.status, given.mistake[0]) == (422, "Idempotency-Key")
    assert await house.count() == 0


async def test_answers_come_while_lines_are_still_sent(house: House) -> None:
    """A client that waits for each answer before it sends the next line gets all of them."""
    answered = asyncio.Event()

    async def one_by_one() -> AsyncIterator[bytes]:
        for n in range(5):
            answered.clear()
            yield lines_of([mail(n)])
            await answered.wait()

    headers = NDJSON | {"Authorization": f"Bearer {await house.secret('send')}"}
    with anyio.fail_after(10):
        async with house.session.post(f"{house.url}/v1/messages/batch", data=one_by_one(), headers=headers) as response:
            for _ in range(5):
                assert msgspec.json.decode(await response.content.readline())["status"] == "scheduled"
                answered.set()
            assert await response.content.read() == b""


async def test_a_body_that_does_not_go_on_ends_the_batch() -> None:
    """Lines before a silence that is too long are accepted and answered; the silence is told as the last answer."""
    async with running(door=WebBounds(silence_s=0.2), lingers_s=0.1) as house, bare_line(house) as line:
        await line.send((await _head(house, "Transfer-Encoding: chunked\r\nConnection: close")).encode())
        await line.send(_chunk([mail(1), mail(2)]))
        given = await line.all()
        assert given.count(b'"scheduled"') == 2
        assert given.count(b"urn:tidings:problem:timeout") == 1
        assert await house.count() == 2


async def test_a_client_may_leave_half_way(house: House) -> None:
    """What was accepted of a batch stays accepted when its client goes away, and nobody is alarmed."""
    async with bare_line(house) as line:
        await line.send((await _head(house, "Transfer-Encoding: chunked")).encode())
        await line.send(_chunk([mail(1), mail(2)]))
        given = b""
        while given.count(b'"scheduled"') < 2:
            given += await line.receive(4096)
    with anyio.fail_after(10):
        while b'call="POST /v1/messages/batch",status="200"' not in (await house.ask("GET /metrics")).body:
            await anyio.lowlevel.checkpoint()
    assert await house.count() == 2
    assert b"request_failed" not in house.said.getvalue()


def _chunk(messages: Iterable[object]) -> bytes:
    lines = lines_of(messages)
    return b"%x\r\n%b\r\n" % (len(lines), lines)


async def _head(house: House, more: str) -> str:
    key = await house.secret("send")
    return f"POST /v1/messages/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{more}\r\n\r\n"


class FaultyLog(MemoryLog):
    """A log with a bug planted in it: it fails at every third acceptance."""

    taken = 0

    def accept(self, acceptance: Acceptance) -> "asyncio.Future[Stored | Repeated]":
        self.taken += 1
        if self.taken % 3 == 0:
            raise KeyError("ann@example.com")
        return super().accept(acceptance)  # type: ignore[return-value]  # What it returns is a future.


async def test_our_own_fault_is_one_lines_too() -> None:
    """A bug that one line meets is answered for that line, without its words, and the others are accepted."""
    async with running(FaultyLog()) as house:
        given = await house.ask("POST /v1/messages/batch", raw=lines_of(mail(n) for n in range(9)), headers=NDJSON)
        assert [answer["status"] for answer in given.lines] == ["scheduled", "scheduled", 500] * 3
        assert b"KeyError" not in given.body
        assert str(given.lines[2]["correlation"]).encode() in house.said.getvalue()


@pytest.mark.slow
async def test_a_client_may_send_everything_before_it_reads(house: House) -> None:
    """Answers wait for a client that reads only once it has sent its last line."""
    body = lines_of(mail(n) for n in range(10_000))
    async with bare_line(house) as line:
        head = await _head(house, f"Content-Length: {len(body)}\r\nConnection: close")
        await line.send(head.encode() + body)
        given = await line.all()
    assert given.count(b'"duplicate":false') == 10_000
    assert await house.count() == 10_000


@pytest.mark.slow
async def test_a_client_that_never_reads_is_left() -> None:
    """A client that takes no answer for too long is cut off; what was accepted stays, and the house goes on."""
    async with running(door=WebBounds(batch_unread_bytes_max=50_000, patience_s=0.2)) as house:
        piece, sent = _chunk(mail(n) for n in range(1_000)), 0

        async def send_for_ever(line: Line) -> None:
            nonlocal sent
            await line.send((await _head(house, "Transfer-Encoding: chunked")).encode())
            while True:
                await line.send(piece)
                sent += 1_000

        with anyio.fail_after(60), pytest.raises(ConnectionError):
            async with bare_line(house) as line:
                await send_for_ever(line)
        assert 0 < await house.count() < sent
        assert (await house.ask("POST /v1/messages", mail(1))).status == 202
