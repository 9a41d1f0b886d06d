"""Answers for the request that each message becomes, against what Meta's users send, and for reading the answer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest
from pywa.types.templates import BaseParams
from pywa_async.client import WhatsApp
from pywa_async.errors import ReEngagementMessage, TooManyMessages, WhatsAppError
from pywa_async.types.templates import BodyText, TemplateLanguage

from adapters.channels.whatsapp_cloud import WhatsAppCloudChannel, request_of
from adapters.channels.whatsapp_cloud_settings import WhatsAppCloudSettings
from core.content_rules import check_content
from core.content_shapes import WhatsAppContent
from core.outcomes import Permanent, Taken
from core.ports import Clock, Parcel
from tests.edges.channels.graph_api import PHONE_NUMBER_ID, TOKEN, VERSION, GraphApi, Refusal, refuses
from tests.edges.channels.parcels import MESSAGE, HandOver, parcel_of

pytestmark = pytest.mark.anyio

ANN = "+15550001111"
USER = "US.13491208655302741918"
QUOTED = "wamid.HBgLQUOTED"
FILE = "https://files.example/a.bin"


@asynccontextmanager
async def channel_of(clock: Clock, url: str, *, number: str = PHONE_NUMBER_ID) -> AsyncIterator[WhatsAppCloudChannel]:
    """A channel that is closed at the end."""
    settings = WhatsAppCloudSettings(phone_number_id=number, token=TOKEN, url=url)
    channel = WhatsAppCloudChannel(settings, clock=clock, agent="Tidings/test")
    try:
        yield channel
    finally:
        await channel.close()


@asynccontextmanager
async def reference_client(url: str) -> AsyncIterator[WhatsApp]:
    """A client of Meta's API that others wrote, pointed at the stand-in."""
    async with httpx.AsyncClient(trust_env=False) as session:
        client = WhatsApp(phone_id=PHONE_NUMBER_ID, token=TOKEN, session=session)
        session.base_url = httpx.URL(f"{url}/{VERSION}")
        yield client


def parcel(clock: Clock, content: object, *, to: str = ANN, outside_window: bool = False) -> Parcel:
    """One attempt at a content that the door would let in."""
    encoded = msgspec.json.encode(content)
    check_content(msgspec.json.decode(encoded, type=WhatsAppContent), "")
    return msgspec.structs.replace(parcel_of(clock, to, encoded), outside_window=outside_window)


Sends = Callable[[WhatsApp], Awaitable[object]]


def filled(body: BodyText, *values: str) -> BaseParams:
    """A template's text with its values; the client declares the component itself as the first of them."""
    return body.params(*values)  # type: ignore[arg-type]


# What each message is to us, and how a user of the other client sends the same.
SAME: dict[str, tuple[object, str, Sends]] = {
    "text": (
        {"text": "Grüße 👋 https://x.example"},
        ANN,
        lambda client: client.send_text(ANN, "Grüße 👋 https://x.example", tracker=MESSAGE),
    ),
    "text-to-a-user-id": ({"text": "hi"}, USER, lambda client: client.send_text(USER, "hi", tracker=MESSAGE)),
    "reply": (
        {"text": "hi", "reply_to": QUOTED},
        ANN,
        lambda client: client.send_text(ANN, "hi", reply_to_message_id=QUOTED, tracker=MESSAGE),
    ),
    "template": (
        {"template": {"name": "order_update", "language": "en_US"}},
        ANN,
        lambda client: client.send_template(ANN, "order_update", TemplateLanguage.ENGLISH_US, tracker=MESSAGE),
    ),
    "template-with-components": (
        {
            "template": {
                "name": "order_update",
                "language": "de",
                "components": [{"type": "BODY", "parameters": [{"type": "text", "text": "Ann"}]}],
            },
            "marketing": True,
        },
        USER,
        lambda client: client.send_template(
            USER, "order_update", TemplateLanguage.GERMAN, [filled(BodyText("Hi {{1}}", "Bob"), "Ann")], tracker=MESSAGE
        ),
    ),
    "image": (
        {"media": {"url": FILE, "kind": "image", "caption": "A view"}},
        ANN,
        lambda client: client.send_image(ANN, FILE, "A view", tracker=MESSAGE),
    ),
    "video": (
        {"media": {"url": FILE, "kind": "video", "caption": "A view"}, "reply_to": QUOTED},
        ANN,
        lambda client: client.send_video(ANN, FILE, "A view", reply_to_message_id=QUOTED, tracker=MESSAGE),
    ),
    "document": (
        {"media": {"url": FILE, "kind": "document", "caption": "Your bill", "filename": "bill.pdf"}},
        ANN,
        lambda client: client.send_document(ANN, FILE, "bill.pdf", "Your bill", tracker=MESSAGE),
    ),
    "document-without-a-name": (
        {"media": {"url": FILE, "kind": "document"}},
        ANN,
        lambda client: client.send_document(ANN, FILE, None, tracker=MESSAGE),
    ),
    "audio": (
        {"media": {"url": FILE, "kind": "audio", "caption": "never shown", "filename": "never-shown.ogg"}},
        ANN,
        lambda client: client.send_audio(ANN, FILE, tracker=MESSAGE),
    ),
    "sticker": (
        {"media": {"url": FILE, "kind": "sticker"}},
        ANN,
        lambda client: client.send_sticker(ANN, FILE, tracker=MESSAGE),
    ),
}


@pytest.mark.parametrize("name", SAME)
async def test_a_message_is_sent_as_others_send_it(clock: Clock, name: str) -> None:
    """Path, credentials and body are those that another client of Meta's sends for the same message."""
    content, to, sends = SAME[name]
    async with (
        GraphApi() as graph,
        channel_of(clock, graph.url) as channel,
        reference_client(graph.url) as client,
    ):
        await sends(client)
        outcome = await channel.send(parcel(clock, content, to=to), HandOver())
        theirs, ours = graph.requests
    assert isinstance(outcome, Taken)
    assert len(graph.taken) == 2, "the stand-in took both"
    assert ours.body == theirs.body
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    for header in ("authorization", "content-type"):
        assert ours.headers[header] == theirs.headers[header]
    assert ours.headers["user-agent"] == "Tidings/test"


async def test_the_id_that_meta_gives_is_kept(clock: Clock) -> None:
    """A text is taken under its wamid; a template's own word for how it was taken is the code."""
    template = {"template": {"name": "t", "language": "en"}}
    async with GraphApi() as graph, channel_of(clock, graph.url) as channel:
        text = await channel.send(parcel(clock, {"text": "hi"}), HandOver())
        accepted = await channel.send(parcel(clock, template), HandOver())
    async with GraphApi(message_status="held_for_quality_assessment") as graph, channel_of(clock, graph.url) as channel:
        held = await channel.send(parcel(clock, template), HandOver())
    assert text == Taken(code="200", provider_id="wamid.HBgL0000")
    assert accepted == Taken(code="accepted", provider_id="wamid.HBgL0001")
    assert held == Taken(code="held_for_quality_assessment", provider_id="wamid.HBgL0000")


@pytest.mark.parametrize(
    ("kind", "content"), [("text", {"text": "hi"}), ("image", {"media": {"url": FILE, "kind": "image"}})]
)
async def test_a_template_stands_in_where_the_window_is_closed(
    clock: Clock, kind: str, content: dict[str, object]
) -> None:
    """The fallback is sent instead of free content outside the window, and never inside it."""
    fallback = {"name": "we_wrote", "language": "en", "components": [{"type": "body", "parameters": []}]}
    both = {**content, "fallback_template": fallback, "reply_to": QUOTED}
    async with GraphApi() as graph, channel_of(clock, graph.url) as channel:
        assert isinstance(await channel.send(parcel(clock, both), HandOver()), Taken)
        assert isinstance(await channel.send(parcel(clock, both, outside_window=True), HandOver()), Taken)
    inside, outside = (sent.body for sent in graph.requests)
    assert (inside["type"], outside["type"]) == (kind, "template")
    assert outside["template"] == {
        "name": "we_wrote", "language": {"code": "en"}, "components": [{"type": "body", "parameters": []}],
    }  # fmt: skip
    assert outside["context"] == {"message_id": QUOTED}
    assert not {"text", "image"} & outside.keys()


async def test_without_a_fallback_meta_is_asked_all_the_same(clock: Clock) -> None:
    """What we know of a window may be old, so free content goes out as it is and Meta judges."""
    async with GraphApi() as graph, channel_of(clock, graph.url) as channel:
        outcome = await channel.send(parcel(clock, {"text": "hi"}, outside_window=True), HandOver())
    assert isinstance(outcome, Taken)
    assert graph.requests[0].body["text"] == {"body": "hi", "preview_url": False}


def test_components_travel_untouched(clock: Clock) -> None:
    """What a caller says about a template is passed on to the last digit, and the same in every attempt."""
    components = b'[{"type":"body","parameters":[{"z":1.50,"a":1e400}]}]'
    content = b'{"template":{"name":"t","language":"en","components":' + components + b"}}"
    first, second = (request_of(parcel_of(clock, ANN, content, attempt=attempt)) for attempt in (1, 2))
    assert b'"components":' + components in first
    assert first == second


@pytest.mark.parametrize(
    ("order", "error"),
    [(refuses(131056), TooManyMessages), (refuses(131047), ReEngagementMessage), (refuses(190), WhatsAppError)],
)
async def test_the_stand_in_refuses_as_meta_does(order: Refusal, error: type[WhatsAppError]) -> None:
    """The other client recognises each refusal of the stand-in as the error that it names."""
    async with GraphApi(order) as graph, reference_client(graph.url) as client:
        with pytest.raises(error) as raised:
            await client.send_text(ANN, "hi", tracker=MESSAGE)
    assert raised.value.details == "What is wrong in detail"
    assert len(graph.requests) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"messaging_product": "telegram"},
        {"surprise": 1},
        {"to": "1555", "recipient": None},
        {"text": {"body": ""}},
        {"text": {"body": "x" * 4_097}},
        {"text": "hi"},
        {"type": "image", "image": {"link": FILE, "filename": "x"}},
        {"type": "hologram", "hologram": {}},
        {"context": {"id": QUOTED}},
    ],
)
async def test_the_stand_in_takes_nothing_that_meta_would_refuse(wrong: dict[str, object]) -> None:
    """A request that is wrong in one place is refused, so that a test that passes against it means something."""
    right: dict[str, object] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": ANN,
        "type": "text",
        "text": {"body": "hi"},
        "biz_opaque_callback_data": MESSAGE,
    }
    async with GraphApi() as graph, httpx.AsyncClient(trust_env=False) as session:
        url = f"{graph.url}/{VERSION}/{PHONE_NUMBER_ID}/messages"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        good = await session.post(url, json=right, headers=headers)
        bad = await session.post(url, json=right | wrong, headers=headers)
        stranger = await session.post(url, json=right, headers={"Authorization": "Bearer other"})
    assert (good.status_code, bad.status_code, stranger.status_code) == (200, 400, 401)
    assert (bad.json()["error"]["code"], len(graph.taken)) == (100, 1)


async def test_a_number_that_meta_does_not_know_is_our_mistake(clock: Clock) -> None:
    """A wrong `phone_number_id` stops the lane; it never costs messages."""
    async with GraphApi() as graph, channel_of(clock, graph.url, number="1") as channel:
        outcome = await channel.send(parcel(clock, {"text": "hi"}), HandOver())
    assert (type(outcome).__name__, outcome.code) == ("Config", "100")
    assert not isinstance(outcome, Permanent)
