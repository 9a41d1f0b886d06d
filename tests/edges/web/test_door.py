"""Answers for what all calls have in common: paths, methods, readiness, figures, description, and our own faults."""

from typing import Final, cast

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from adapters.web.routes import ROUTES
from core.errors import StoreUnavailable
from core.records import Tally
from core.settings import Bounds
from core.views import Role
from eventstore.disk import Border
from eventstore.memory import MemoryLog
from tests.edges.web.house import EMAIL, House, Json, bare_line, running

pytestmark = pytest.mark.anyio

PRIVATE: Final = "ann@example.com"


class FaultyLog(MemoryLog):
    """A log with a bug planted in one of its answers: what it raises names a person."""

    async def tallies(self, tenant: str | None) -> list[Tally]:
        raise KeyError(PRIVATE)


class FullDisk:
    """A disk that a test fills up, and nobody mends before the test ends."""

    def __init__(self) -> None:
        self.is_full = False

    def at(self, border: Border, _rows: int) -> None:
        if self.is_full and border == "before_write":
            raise StoreUnavailable("the disk is full")

    def mended(self) -> None:
        self.is_full = False


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/message", "/v1/messages/x/y/z", "/hooks/stripe", "/v1/devices/a/b/c"]
)
async def test_an_unknown_path_is_nothing(house: House, path: str) -> None:
    """A path that is not served gets a 404 problem, with or without a key."""
    roles: tuple[Role | None, ...] = ("admin", None)
    for role in roles:
        given = await house.ask(f"GET {path}", role=role)
        assert (given.status, given.kind) == (404, "not-found")


@pytest.mark.parametrize("line", [b"OPTIONS * HTTP/1.1", b"CONNECT example.com:443 HTTP/1.1"])
async def test_what_is_no_path_is_nothing(house: House, line: bytes) -> None:
    """The other forms that a target may have (RFC 9112 section 3.2) get the same problem, not the library's words."""
    async with bare_line(house) as connection:
        await connection.send(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        given = await connection.all()
    assert given.startswith(b"HTTP/1.1 404 ")
    assert b"urn:tidings:problem:not-found" in given


@pytest.mark.parametrize(
    ("call", "allowed"),
    [
        ("PUT /v1/messages", "GET, HEAD, POST"),
        ("DELETE /v1/lanes", "GET, HEAD"),
        ("GET /v1/cancel", "POST"),
        ("OPTIONS /v1/keys", "GET, HEAD, POST"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(house: House, call: str, allowed: str) -> None:
    """A path that takes other methods gets 405 with an Allow header."""
    given = await house.ask(call)
    assert (given.status, given.kind, given.headers["Allow"]) == (405, "method", allowed)


async def test_an_answer_is_there_for_a_head_request(house: House) -> None:
    """HEAD answers like GET, without the body."""
    given = await house.ask("HEAD /health/ready", role=None)
    assert (given.status, given.body) == (200, b"")


async def test_a_client_may_ask_before_it_sends(house: House) -> None:
    """`Expect: 100-continue` is met; any other expectation gets 417."""
    assert (await house.ask("POST /v1/messages", EMAIL, headers={"Expect": "100-continue"})).status == 202
    given = await house.ask("POST /v1/messages", EMAIL, headers={"Expect": "a-miracle"})
    assert (given.status, given.kind) == (417, "expectation")


async def test_a_client_of_http_1_0_is_not_told_to_go_on(house: House) -> None:
    """Whatever it expects is passed over, since it knows no answer before the answer (RFC 9110, section 10.1.1)."""
    for expected in (b"100-continue", b"a-miracle"):
        async with bare_line(house) as line:
            await line.send(b"GET /health/live HTTP/1.0\r\nExpect: " + expected + b"\r\n\r\n")
            assert (await line.all()).startswith(b"HTTP/1.0 200 OK\r\n")


@pytest.mark.parametrize(
    "call", ["GET /v1/stats", "GET /v1/lanes", "POST /v1/messages", "GET /v1/messages/msg_0000000000001"]
)
async def test_a_query_that_a_call_does_not_know_is_refused(house: House, call: str) -> None:
    """Whoever narrows what cannot be narrowed gets 422, and not an answer to another question."""
    given = await house.ask(f"{call}?channel=email", EMAIL if call.startswith("POST") else None)
    assert (given.status, given.mistake) == (422, ("?channel", "is no known parameter"))
    assert await house.count() == 0


async def test_a_probe_may_say_what_it_likes(house: House) -> None:
    """Calls that need no key, which machines make, are answered whatever their query says."""
    assert (await house.ask("GET /health/ready?from=balancer", role=None)).status == 200


async def test_a_running_house_is_live_and_ready(house: House) -> None:
    """Liveness and readiness need no key."""
    assert (await house.ask("GET /health/live", role=None)).json == {"status": "live", "reasons": []}
    assert (await house.ask("GET /health/ready", role=None)).json == {"status": "ready", "reasons": [], "acts": True}


async def test_a_full_disk_refuses_new_work_and_loses_nothing() -> None:
    """While the store cannot be written, a message gets 503 with Retry-After; afterwards it is taken."""
    disk = FullDisk()
    async with running(MemoryLog(disk=disk)) as house:
        await house.secret()
        disk.is_full = True
        given = await house.ask("POST /v1/messages", EMAIL)
        assert (given.status, given.kind) == (503, "unavailable")
        assert (given.headers["Retry-After"], given.json["retry_after_s"]) == ("1", 1)
        assert "disk is full" in str(given.json["detail"])
        assert await house.count() == 0
        assert (await house.ask("POST /v1/messages", EMAIL)).status == 202


async def test_too_much_at_once_is_put_off() -> None:
    """Past the bound of what may wait for the store, a message gets 429 with Retry-After."""
    async with running(bounds=Bounds(accepting_max=0)) as house:
        given = await house.ask("POST /v1/messages", EMAIL)
        assert (given.status, given.kind, given.headers["Retry-After"]) == (429, "busy", "1")


async def test_a_house_that_stops_takes_nothing_new() -> None:
    """Once it is told to stop, readiness says why not, and a message gets 503."""
    async with running() as house:
        await house.secret()
        await house.system.stop()
        ready = await house.ask("GET /health/ready", role=None)
        assert (ready.status, ready.json["reasons"]) == (503, ["the daemon is stopping"])
        given = await house.ask("POST /v1/messages", EMAIL)
        assert (given.status, given.kind) == (503, "unavailable")


async def test_our_own_fault_tells_the_client_nothing() -> None:
    """A bug gets 500 with a correlation that the daemon's log has too, and not a word of the exception."""
    async with running(FaultyLog()) as house:
        given = await house.ask("GET /v1/stats")
        assert (given.status, given.kind) == (500, "unexpected")
        said = house.said.getvalue()
        assert str(given.json["correlation"]).encode() in said
        assert b"KeyError" in said
        assert b"test_door.py" in said
        assert PRIVATE.encode() not in said + given.body
        assert b"Traceback" not in given.body


async def test_figures_are_counted_by_call_and_status(house: House) -> None:
    """/metrics shows how often each call was answered with which status."""
    await house.accepted()
    await house.ask("POST /v1/messages", {})
    text = (await house.ask("GET /metrics", role="read")).body.decode()
    assert 'tidings_http_answers_total{call="POST /v1/messages",status="202"} 1.0' in text
    assert 'tidings_http_answers_total{call="POST /v1/messages",status="422"} 1.0' in text


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
async def test_time_counts_where_a_call_is_answered_at_once(house: House) -> None:
    """Calls that wait for nothing take time in the figures too, though the loop keeps one time for all of a turn."""
    for _ in range(3):
        await house.ask("GET /health/live", role=None)
    text = (await house.ask("GET /metrics", role="read")).body.decode()
    (took,) = [
        line for line in text.splitlines() if line.startswith('tidings_http_seconds_total{call="GET /health/live"')
    ]
    assert 0 < float(took.split()[-1]) < 60


@pytest.mark.slow
async def test_the_description_is_valid_and_complete(house: House) -> None:
    """/openapi.json is a valid OpenAPI 3.1 document that has every call of the table, and needs no key."""
    given = await house.ask("GET /openapi.json", role=None)
    document = given.json
    OpenAPIV31SpecValidator(document).validate()
    paths = cast("dict[str, Json]", document["paths"])
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert described == {route.call for route in ROUTES}


async def test_the_description_says_what_may_be_sent(house: House) -> None:
    """Contents are described for a message and its fallbacks alike, and closed sets of a query with their words."""
    document = (await house.ask("GET /openapi.json", role=None)).json
    schemas = cast("dict[str, dict[str, Json]]", cast("Json", document["components"])["schemas"])
    for request in ("MessageRequest", "FallbackRequest"):
        kinds = cast("dict[str, list[dict[str, str]]]", schemas[request]["properties"]["content"])["anyOf"]
        assert {kind["$ref"].rpartition("/")[2] for kind in kinds} == {
            *("EmailContent", "PushContent", "WebhookContent", "WhatsAppContent"),
        }
    listing = cast("dict[str, dict[str, Json]]", document["paths"])["/v1/messages"]["get"]
    parameters = {one["name"]: one["schema"] for one in cast("list[Json]", listing["parameters"])}
    channel = cast("dict[str, list[Json]]", parameters["channel"])["anyOf"]
    assert {"enum": ["email", "hook", "push", "webhook", "whatsapp"]} in channel
    assert "cause" in parameters
    following = cast("dict[str, dict[str, Json]]", document["paths"])["/v1/events/stream"]["get"]
    assert "Last-Event-ID" in {one["name"] for one in cast("list[Json]", following["parameters"])}


async def test_the_description_is_what_is_answered(house: House) -> None:
    """The fields that an accepted message is answered with are those that the description names."""
    document = (await house.ask("GET /openapi.json", role=None)).json
    schemas = cast("dict[str, dict[str, Json]]", cast("Json", document["components"])["schemas"])
    message = await house.accepted()
    assert set(message) == set(schemas["Accepted"]["properties"])
    assert set(await house.state(message)) == set(schemas["WholeMessage"]["properties"])
