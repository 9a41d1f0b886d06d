"""Answers for calls that a daemon which stands by hands on: its caller gets what the acting one answers, no more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from adapters.chance import SystemSecrets
from adapters.clock import SystemClock, monotonic_s
from adapters.web.answering import Answering
from adapters.web.app import app_of, runner_of
from adapters.web.desks import Side
from adapters.web.front import Front, WebBounds
from core.errors import AppendUnknown, StoreUnavailable
from core.settings import Settings
from tests.edges.web.house import EMAIL, Given, House, running

pytestmark = pytest.mark.anyio


class Between:
    """The way between two daemons, which a test may look at or cut."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.asked: list[bytes] = []
        self.answered: list[bytes] = []
        self.looks = 0
        self.fault: Exception | None = None
        self.is_open = anyio.Event()
        self.is_open.set()

    async def ask(self, request: bytes) -> bytes:
        """The other daemon's answer."""
        self.asked.append(request)
        await self.is_open.wait()
        if self.fault is not None:
            raise self.fault
        self.answered.append(await self.answering.answer(request))
        return self.answered[-1]

    async def all_asked(self, count: int) -> None:
        """Returns once so many calls are on their way."""
        with anyio.fail_after(30):
            while len(self.asked) < count:
                await anyio.lowlevel.checkpoint()

    async def look_again(self) -> None:
        """Counts, since both sides of these tests know the same."""
        self.looks += 1


@asynccontextmanager
async def beside(
    house: House, *, bounds: WebBounds | None = None, key: bytes = bytes(32)
) -> AsyncIterator[tuple[House, Between]]:
    """The door of a daemon that stands by beside a house, under this installation key, and the way to the house."""
    answering = Answering(house.url, secrets=SystemSecrets(bytes(32)), witness=house.telemetry)
    between = Between(answering)
    side = Side(
        desk=house.system,
        views=house.system.errands,
        log=house.log,
        clock=SystemClock(floor_us=house.log.newest()[1]),
        stand=between,
    )
    front = Front(
        side,
        secrets=SystemSecrets(key),
        witness=house.telemetry,
        settings=Settings(lanes=(), policies={}),
        bounds=bounds if bounds is not None else WebBounds(),
        registry=CollectorRegistry(),
        sources=(),
    )
    runner = runner_of(app_of(front, "test", monotonic_s), answers_end_s=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    annex = House(house.system, house.log, provider=house.provider, telemetry=house.telemetry, said=house.said)
    annex.port = runner.addresses[0][1]
    try:
        async with annex.session:
            yield annex, between
    finally:
        await runner.cleanup()
        await answering.close()


def same(given: Given, other: Given) -> bool:
    """Whether two answers are the same to whoever asked."""
    passing = {"date", "server"}
    headers = [
        sorted((name.lower(), value) for name, value in one.headers.items() if name.lower() not in passing)
        for one in (given, other)
    ]
    return (given.status, given.body, headers[0]) == (other.status, other.body, headers[1])


@pytest.mark.parametrize(
    "call",
    [
        *("GET /v1/lanes/mail/shadow", "GET /v1/devices/ann%2Fmarie", "GET /v1/plans/spring%20sale", "GET /v1/keys"),
        *("POST /v1/lanes/post/pause", "GET /v1/devices/%ff", "GET /v1/keys?", "DELETE /v1/keys/key_1"),
        *("POST /v1/cancel", "PUT /v1/plans/x", "HEAD /v1/keys", "POST /v1/redrives", "DELETE /v1/lanes/mail/shadow"),
    ],
)
async def test_a_call_is_answered_as_the_acting_daemon_would(call: str) -> None:
    """Status, headers and body are the same at both doors, for what is there, what is not, and what makes no sense."""
    headers = {"X-Correlation-Id": "abc", "traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
    async with running() as house, beside(house) as (annex, between):
        headers["Authorization"] = f"Bearer {await house.secret()}"
        raw = b'{"reference": 5}' if call.startswith("P") else None
        mine = await annex.ask(call, raw=raw, headers=headers, role=None)
        assert same(mine, await house.ask(call, raw=raw, headers=headers, role=None))
        assert mine.headers["X-Correlation-Id"] == "abc"
        assert len(between.asked) == 1


async def test_what_a_call_changes_is_changed() -> None:
    """An order goes through with its body, and whoever stands by looks again before it answers."""
    async with running() as house, beside(house) as (annex, between):
        assert (await annex.ask("POST /v1/lanes/mail/pause")).json["paused_by"] == "operator"
        assert between.looks == 1
        assert (await house.accepted(reference="event42"))["status"] == "queued"
        assert (await annex.ask("POST /v1/cancel", {"reference": "event42"})).json["changed"] == 1
        given = await annex.ask("POST /v1/keys", {"role": "read", "label": "é"})
        assert (given.status, given.json["label"]) == (201, "é")


async def test_calls_that_any_daemon_answers_are_not_handed_on() -> None:
    """Messages and what the log shows: nobody else is asked."""
    async with running() as house, beside(house) as (annex, between):
        await house.paused()
        message = (await annex.ask("POST /v1/messages", EMAIL)).json["id"]
        for call in (f"GET /v1/messages/{message}", "GET /v1/messages", "GET /v1/stats", "GET /v1/events"):
            assert (await annex.ask(call)).status == 200
        assert (await annex.ask("GET /health/ready", role=None)).json == {
            "status": "ready", "reasons": [], "acts": False
        }  # fmt: skip  # As it is answered.
        assert b"tidings_acting 0.0" in (await annex.ask("GET /metrics", tenant=None)).body
        assert (await annex.ask("POST /v1/nothing")).status == 404
        assert between.asked == []


async def test_whoever_may_not_call_is_not_handed_on() -> None:
    """No key, a wrong one, too small a role, too long a body: refused at this door, after one more look at the keys."""
    async with running() as house, beside(house, bounds=WebBounds(body_bytes_max=64)) as (annex, between):
        assert (await annex.ask("GET /v1/lanes", role=None)).status == 401
        assert between.looks == 0
        unknown = {"Authorization": "Bearer tk_of_nobody"}
        assert (await annex.ask("GET /v1/lanes", role=None, headers=unknown)).status == 401
        assert between.looks == 1
        assert (await annex.ask("POST /v1/lanes/mail/pause", role="read")).status == 403
        assert (await annex.ask("POST /v1/cancel", raw=bytes(65))).status == 413
        assert between.asked == []


async def test_nothing_that_is_handed_on_can_be_read_on_its_way() -> None:
    """Neither a key nor a content stands in what goes through the database, there or back."""
    async with running() as house, beside(house) as (annex, between):
        given = await annex.ask("POST /v1/keys", {"role": "read", "label": "the shop"})
        secret = str(given.json["secret"]).encode()
        (asked,), (answered,) = between.asked, between.answered
        for bare in ((await house.secret()).encode(), b"the shop", b"/v1/keys", secret):
            assert bare not in asked + answered


@pytest.mark.parametrize(
    ("fault", "kind", "after"),
    [
        (StoreUnavailable("nobody acts at the moment", retry_after_s=5), "unavailable", "5"),
        (AppendUnknown("no answer came"), "unknown-outcome", "5"),
    ],
)
async def test_a_call_that_nobody_answers_is_told_for_what_it_is(fault: Exception, kind: str, after: str) -> None:
    """Not done, or not known whether it was: 503 with Retry-After, and a problem that says which."""
    async with running() as house, beside(house) as (annex, between):
        between.fault = fault
        given = await annex.ask("POST /v1/lanes/mail/pause")
        assert (given.status, given.kind, given.headers["Retry-After"]) == (503, kind, after)
        assert len(between.asked) == 1


async def test_an_acting_daemon_that_stops_is_told_for_what_it_is() -> None:
    """One that takes no more connections did nothing: 503, and the call may be repeated."""
    async with running() as house, beside(house) as (annex, _):
        await house.secret()
        await annex.secret()
        await house.stop_serving()
        given = await annex.ask("GET /v1/lanes")
        assert (given.status, given.kind, given.headers["Retry-After"]) == (503, "unavailable", "1")


async def test_daemons_with_different_keys_do_not_understand_each_other() -> None:
    """Nothing is done, both say so, and neither tells what the other has."""
    async with running() as house, beside(house, key=bytes(31) + b"1") as (annex, _):
        given = await annex.ask("POST /v1/lanes/mail/pause")
        assert (given.status, given.kind) == (503, "unavailable")
        assert "installation_key" in str(given.json["detail"])
        assert b"call_unread" in house.said.getvalue()
        assert house.system.errands.paused_lanes == set()


async def test_calls_that_wait_are_bounded() -> None:
    """Past the bound the next is told to come again; those before it are answered."""
    async with running() as house, beside(house, bounds=WebBounds(forwards_max=3)) as (annex, between):
        await annex.secret()
        between.is_open = anyio.Event()
        given: list[Given] = []
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(gathered, annex, given)
            await between.all_asked(3)
            refused = await annex.ask("GET /v1/lanes")
            between.is_open.set()
        assert (refused.status, refused.kind) == (429, "busy")
        assert [one.status for one in given] == [200, 200, 200]


async def gathered(annex: House, given: list[Given]) -> None:
    """One call more, and its answer."""
    given.append(await annex.ask("GET /v1/lanes"))
