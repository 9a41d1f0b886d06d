"""Answers for the log over HTTP: pages that leave nothing out, and a stream that goes on where a follower left it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import anyio
import msgspec
import pytest
from aiohttp import ClientResponse

from adapters.web.front import WebBounds
from tests.edges.web.house import EMAIL, House, Json, bare_line, later, running

pytestmark = pytest.mark.anyio


class Follower:
    """A client of the event stream."""

    def __init__(self, response: ClientResponse) -> None:
        self._response = response
        self.last = ""

    async def next(self) -> Json:
        """The next event; the id beside it is kept as `last`."""
        with anyio.fail_after(10):
            while True:
                line = (await self._response.content.readline()).decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last = value
                elif name == "data":
                    return cast("Json", msgspec.json.decode(value))

    async def line(self) -> str:
        """The next line, whatever it is."""
        with anyio.fail_after(10):
            return (await self._response.content.readline()).decode()


@asynccontextmanager
async def following(house: House, *, last: str = "", tenant: str | None = None) -> AsyncIterator[Follower]:
    """A follower from the beginning of the log, or from the last id that it saw."""
    headers = {"Authorization": f"Bearer {await house.secret('read', tenant)}"}
    if last:
        headers["Last-Event-ID"] = last
    async with house.session.get(f"{house.url}/v1/events/stream", headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield Follower(response)


def _place(event: Json) -> tuple[object, object]:
    return event["stream"], event["version"]


async def _pages(house: House, limit: int, tenant: str) -> list[Json]:
    events: list[Json] = []
    cursor = ""
    while True:
        page = (await house.ask(f"GET /v1/events?limit={limit}{cursor}", headers={"Tidings-Tenant": tenant})).json
        assert len(cast("list[Json]", page["events"])) <= limit
        events += cast("list[Json]", page["events"])
        if not page["more"]:
            return events
        cursor = f"&after={page['next']}"


async def test_pages_hold_every_event_once(house: House) -> None:
    """Whatever the size of a page, all pages together are the log: each event once, versions in order."""
    for n in range(5):
        message = await house.accepted(to=f"p{n}@example.com")
        await house.until(message, "sent")
    whole = await _pages(house, 1000, "*")
    assert await _pages(house, 3, "*") == whole
    places = [_place(event) for event in whole]
    assert len(set(places)) == len(places)
    for stream in {stream for stream, _ in places}:
        versions = [version for of, version in places if of == stream]
        assert versions == list(range(1, len(versions) + 1))
    kinds = {str(event["stream"]).partition("_")[0] for event in whole}
    assert kinds == {"msg", "lane", "key", "sys"}


async def test_a_tenant_pages_through_its_own_events_only(house: House) -> None:
    """A page holds events of the caller's tenant and none of the installation or of others."""
    await house.accepted(send_at=later(days=1))
    assert {event["tenant"] for event in await _pages(house, 2, "default")} == {"default"}
    assert await _pages(house, 2, "rival") == []


async def test_a_cursor_goes_on_where_it_stopped(house: House) -> None:
    """What happens after the last page is in the page after its cursor, and nothing else is."""
    await house.accepted(send_at=later(days=1))
    page = (await house.ask("GET /v1/events?limit=1000")).json
    at_end = (await house.ask(f"GET /v1/events?after={page['next']}")).json
    assert (at_end["events"], at_end["more"], at_end["next"]) == ([], False, page["next"])
    message = await house.accepted(to="bob@example.com", send_at=later(days=1))
    page = (await house.ask(f"GET /v1/events?after={at_end['next']}")).json
    assert [event["stream"] for event in cast("list[Json]", page["events"])] == [message["id"]]


async def test_a_follower_hears_what_was_and_what_comes(house: House) -> None:
    """The stream gives the events that there are, then each new one as it happens."""
    first = await house.accepted(send_at=later(days=1))
    async with following(house) as follower:
        assert (await follower.next())["stream"] == first["id"]
        second = await house.accepted(to="bob@example.com", send_at=later(days=1))
        event = await follower.next()
        assert (event["stream"], event["type"]) == (second["id"], "MessageAccepted")


async def test_a_follower_that_comes_back_misses_and_repeats_nothing(house: House) -> None:
    """Wherever a follower stopped, with its last id it goes on at the very next event."""
    for n in range(3):
        await house.until(await house.accepted(to=f"p{n}@example.com"), "sent")
    heard: list[Json] = []
    last = ""
    for _ in range(9):
        async with following(house, last=last) as follower:
            heard.append(await follower.next())
            last = follower.last
    assert heard == await _pages(house, 1000, "default")


async def test_a_follower_hears_of_its_tenant_only(house: House) -> None:
    """A tenant's follower is told nothing of others, however much happens there."""
    async with following(house, tenant="acme") as follower:
        for n in range(3):
            await house.accepted(to=f"p{n}@example.com", send_at=later(days=1))
        mine = (await house.ask("POST /v1/messages", EMAIL | {"send_at": later(days=1)}, tenant="acme")).json
        assert (await follower.next())["stream"] == mine["id"]


async def test_a_quiet_stream_is_kept_alive() -> None:
    """Where nothing happens, a comment comes every heartbeat."""
    async with running(door=WebBounds(heartbeat_s=0.05)) as house, following(house) as follower:
        assert [await follower.line() for _ in range(4)] == [": still here\n", "\n"] * 2


async def test_followers_are_bounded() -> None:
    """One follower too many gets 429 with Retry-After; once another leaves there is room again."""
    async with running(door=WebBounds(followers_max=1, heartbeat_s=0.05)) as house:
        async with following(house):
            given = await house.ask("GET /v1/events/stream")
            assert (given.status, given.kind, given.headers["Retry-After"]) == (429, "busy", "30")
        with anyio.fail_after(10):
            while (await _status_of_stream(house)) != 200:
                await anyio.lowlevel.checkpoint()


@pytest.mark.slow
async def test_a_follower_that_does_not_read_is_let_go() -> None:
    """A follower that leaves what it was sent unread is cut off, and frees its place."""
    door = WebBounds(followers_max=1, patience_s=0.2)
    async with running(door=door) as house, bare_line(house) as deaf:
        await house.paused()
        key = await house.secret("read")
        await deaf.send(f"GET /v1/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        assert await deaf.receive(12) == b"HTTP/1.1 200"
        assert await _status_of_stream(house) == 429
        lines = b"\n".join(msgspec.json.encode(EMAIL | {"to": f"p{n}@example.com"}) for n in range(1_000))
        with anyio.fail_after(30):
            while (await _status_of_stream(house)) != 200:
                await house.ask("POST /v1/messages/batch", raw=lines)


async def test_a_revoked_key_ends_its_streams(house: House) -> None:
    """A stream ends as soon as the key that it was opened with is revoked."""
    made = (await house.ask("POST /v1/keys", {"role": "read"})).json
    headers = {"Authorization": f"Bearer {made['secret']}"}
    async with house.session.get(f"{house.url}/v1/events/stream", headers=headers) as response:
        assert response.status == 200
        await house.ask(f"DELETE /v1/keys/{made['id']}")
        with anyio.fail_after(10):
            assert await response.content.read() == b""


async def test_a_house_that_closes_ends_its_streams(house: House) -> None:
    """A daemon that stops serving ends every stream in an orderly way instead of waiting for its followers."""
    message = await house.accepted(send_at=later(days=1))
    async with following(house) as follower:
        assert (await follower.next())["stream"] == message["id"]
        await house.stop_serving()
        assert [await follower.line() for _ in range(2)] == ["\n", ""]


async def _status_of_stream(house: House) -> int:
    headers = {"Authorization": f"Bearer {await house.secret('read')}"}
    async with house.session.get(f"{house.url}/v1/events/stream", headers=headers) as response:
        return response.status
