"""Answers for what a WhatsApp message comes to when anything but an acceptance comes back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest

from adapters.channels.whatsapp_cloud import WhatsAppCloudChannel
from adapters.channels.whatsapp_cloud_settings import WhatsAppCloudSettings, mistakes_of
from core.outcomes import Ambiguous, Config, Outcome, Permanent, Rate, Recipient, Taken, Transient, Window
from core.policies import HOUR_US, SECOND_US
from core.ports import Clock
from tests.edges.channels.endpoints import Answer, Endpoint, answers, resets, then_closes, then_silence
from tests.edges.channels.graph_api import PHONE_NUMBER_ID, TOKEN, GraphApi, Refusal, refuses, says
from tests.edges.channels.parcels import Certificates, HandOver, parcel_of

pytestmark = pytest.mark.anyio

ANN = "+15550001111"
TEXT = {"text": "hi"}
SETTINGS = WhatsAppCloudSettings(phone_number_id=PHONE_NUMBER_ID, token=TOKEN, url="http://127.0.0.1:1")
ACCEPTED = b'{"messages":[{"id":"wamid.X"}]}'


@asynccontextmanager
async def channel_of(clock: Clock, url: str, **changes: object) -> AsyncIterator[WhatsAppCloudChannel]:
    """A channel that is closed at the end."""
    settings = msgspec.structs.replace(SETTINGS, url=url, **changes)
    channel = WhatsAppCloudChannel(settings, clock=clock, agent="Tidings/test")
    try:
        yield channel
    finally:
        await channel.close()


async def refused(clock: Clock, order: Refusal) -> tuple[Outcome, GraphApi]:
    """What one message comes to that is answered so, and the other side."""
    handed_over = HandOver()
    async with GraphApi(order) as graph, channel_of(clock, graph.url) as channel:
        outcome = await channel.send(parcel_of(clock, ANN, TEXT), handed_over)
    assert handed_over.count == 1
    return outcome, graph


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (refuses(131056, status=400), Rate(code="131056", scope="pair", after_us=SECOND_US, growth=4)),
        (refuses("131047"), Window(code="131047")),
        (refuses(131026, status=404), Recipient(code="131026", soft=True)),
        (refuses(190, status=401), Config(code="190")),
        (refuses(132001, status=404), Permanent(code="132001")),
        (refuses(131000, status=500), Transient(code="131000")),
        (refuses(99, status=400, is_transient=True), Transient(code="99")),
        (refuses(80007, headers={"Retry-After": "60"}), Rate(code="80007", scope="account", after_us=60 * SECOND_US)),
        (refuses(131048, headers={"Retry-After": "60"}), Rate(code="131048", scope="sender", after_us=HOUR_US)),
    ],
)  # fmt: skip
async def test_a_refusal_is_read_by_its_code(clock: Clock, order: Refusal, expected: Outcome) -> None:
    """Each refusal is one request and one outcome, with Meta's own words for what is wrong."""
    outcome, graph = await refused(clock, order)
    assert outcome == msgspec.structs.replace(expected, detail="What is wrong in detail")
    assert len(graph.requests) == 1


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (says(502, b"<html>Bad Gateway</html>"), Ambiguous(code="502")),
        (says(504, b""), Ambiguous(code="504")),
        (says(503, b"<html>"), Transient(code="503")),
        (says(500, b"Sorry, something went wrong."), Transient(code="500")),
        (says(429, b"slow down"), Rate(code="429", scope="sender")),
        (says(403, b"blocked by a proxy"), Config(code="403")),
        (says(404, b"no"), Permanent(code="404")),
        (says(302, b""), Permanent(code="302")),
    ],
)
async def test_what_is_not_metas_form_is_read_by_its_status(clock: Clock, order: Refusal, expected: Outcome) -> None:
    """A page of something in between has no code; where it may hide an acceptance the message is in doubt."""
    outcome, graph = await refused(clock, order)
    assert outcome == expected
    assert len(graph.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>Welcome</html>", b"{}", b"[]", b"null", b'{"messages":[]}', b'{"messages":[{}]}'),
        *(b'{"messages":[{"id":""}]}', b'{"messages":[{"id":7}]}', b'{"messages":{"id":"wamid.X"}}'),
        b'{"messages":[{"id":"' + b"x" * 100_000 + b'"}]}',
    ],
)
async def test_a_good_status_without_an_id_is_in_doubt(clock: Clock, body: bytes) -> None:
    """A portal's page under 200 is no acceptance; nor does it show that Meta has not taken the message."""
    outcome, _ = await refused(clock, says(200, body, "application/json"))
    assert outcome == Ambiguous(code="bad_answer", detail="HTTP 200 without a message id")


async def test_an_error_under_a_good_status_is_an_error(clock: Clock) -> None:
    """What the body says of a refusal counts, not the status above it."""
    outcome, _ = await refused(clock, refuses(131047, status=200))
    assert isinstance(outcome, Window)


async def test_the_token_never_shows(clock: Clock) -> None:
    """Meta repeats a token that it cannot read; the outcome does not."""
    said = f"Malformed access token {TOKEN}"
    for more in ({"message": said, "error_data": None}, {"error_data": {"details": said}}, {"error_data": said}):
        outcome, graph = await refused(clock, refuses(190, status=401, **more))
        assert outcome == Config(code="190", detail="Malformed access token <token>")
        assert TOKEN in graph.requests[0].headers["authorization"]


async def test_the_recipient_never_shows(clock: Clock) -> None:
    """Meta repeats numbers in its texts; events, which live forever, do not."""
    said = {"details": f"Recipient {ANN} ({ANN[1:]}) is not in the allowed list"}
    outcome, _ = await refused(clock, refuses(131030, error_data=said))
    assert isinstance(outcome, Config)
    assert "555" not in outcome.detail


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (resets, "disconnected"),
        (then_closes(), "disconnected"),
        pytest.param(then_silence(), "timeout", marks=pytest.mark.slow),
    ],
    ids=["reset", "end", "silence"],
)
async def test_no_answer_after_the_message_left_is_doubt(clock: Clock, answer: Answer, code: str) -> None:
    """Meta takes a repetition for a second message, so it is not repeated and not told as failed."""
    handed_over = HandOver()
    async with Endpoint(answer) as endpoint, channel_of(clock, endpoint.url("")) as channel:
        with anyio.fail_after(30):
            outcome = await channel.send(parcel_of(clock, ANN, TEXT, within_us=SECOND_US // 2), handed_over)
    assert (outcome, handed_over.count, len(endpoint.received)) == (Ambiguous(code=code), 1, 1)


async def test_the_lanes_own_timeout_ends_an_attempt(clock: Clock) -> None:
    """Whichever comes first, timeout or deadline, bounds the attempt."""
    async with Endpoint(then_silence()) as endpoint, channel_of(clock, endpoint.url(""), timeout_us=100_000) as channel:
        with anyio.fail_after(30):
            outcome = await channel.send(parcel_of(clock, ANN, TEXT, within_us=HOUR_US), HandOver())
    assert outcome == Ambiguous(code="timeout")


async def test_the_hand_over_is_told_before_the_outcome(clock: Clock) -> None:
    """Whoever counts hand-overs has counted this one before its outcome is known, and once an attempt."""
    order: list[str] = []
    async with GraphApi() as graph, channel_of(clock, graph.url) as channel:
        for _ in range(2):
            outcome = await channel.send(parcel_of(clock, ANN, TEXT), lambda: order.append("handed over"))
            order.append(type(outcome).__name__)
    assert order == ["handed over", "Taken", "handed over", "Taken"]


async def test_what_never_left_is_transient(clock: Clock) -> None:
    """A passed deadline and a closed port have sent nothing, so the message may be tried again."""
    handed_over = HandOver()
    async with Endpoint(answers(200, ACCEPTED)) as endpoint, channel_of(clock, endpoint.url("")) as channel:
        late = await channel.send(parcel_of(clock, ANN, TEXT, within_us=0), handed_over)
    async with channel_of(clock, endpoint.url("")) as channel:
        closed = await channel.send(parcel_of(clock, ANN, TEXT), handed_over)
    assert (late, closed) == (Transient(code="timeout"), Transient(code="connect"))
    assert (handed_over.count, endpoint.received) == (0, [])


async def test_meta_is_who_it_says(clock: Clock, certificates: Certificates) -> None:
    """An untrusted certificate stops the lane before the token leaves; a file may add trust."""
    async with Endpoint(answers(200, ACCEPTED), tls=certificates.server) as endpoint:
        url = endpoint.url("", host="localhost")
        async with channel_of(clock, url) as channel:
            strange = await channel.send(parcel_of(clock, ANN, TEXT), HandOver())
        async with channel_of(clock, url, ca_file=certificates.ca_file) as channel:
            known = await channel.send(parcel_of(clock, ANN, TEXT), HandOver())
    assert isinstance(strange, Config)
    assert known == Taken(code="200", provider_id="wamid.X")
    assert (strange.code, len(endpoint.received)) == ("certificate", 1)


async def test_many_at_once_each_get_their_own_id(clock: Clock) -> None:
    """Messages in flight together do not mix their answers."""
    outcomes: list[Outcome] = []
    async with GraphApi() as graph, channel_of(clock, graph.url) as channel:

        async def send() -> None:
            outcomes.append(await channel.send(parcel_of(clock, ANN, TEXT), HandOver()))

        async with anyio.create_task_group() as group:
            for _ in range(30):
                group.start_soon(send)
    ids = {outcome.provider_id for outcome in outcomes if isinstance(outcome, Taken)}
    assert ids == set(graph.taken)
    assert len(ids) == 30


def test_settings_say_what_is_wrong_and_never_show_themselves() -> None:
    """All that cannot stand is told at once with what was expected; neither way shows a token."""
    secret = "two words"
    wrong = WhatsAppCloudSettings(
        url="http://graph.facebook.com", version="26", phone_number_id="+1555", token=secret, account="x", timeout_us=0
    )
    found = mistakes_of(wrong)
    assert [setting for setting, _ in found] == ["url", "version", "phone_number_id", "token", "account", "timeout"]
    assert secret not in str(found) + repr(wrong) + str([wrong])
    good = WhatsAppCloudSettings(phone_number_id=PHONE_NUMBER_ID, token=TOKEN, account="102290129340398")
    assert mistakes_of(good) == []
    assert (good.url, good.version) == ("https://graph.facebook.com", "v26.0")
    assert TOKEN not in repr(good)
