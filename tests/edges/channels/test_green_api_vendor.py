"""Answers for a true fake of Green API: the vendor's own client gets along with it, and asks for what we ask for."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from anyio import to_thread
from whatsapp_api_client_python.API import GreenAPI  # type: ignore[import-untyped]  # It brings no types.

from core.outcomes import Rate, Taken
from core.ports import Clock
from tests.edges.channels.green_api_server import INSTANCE, TOKEN, Forced, GreenApiServer, channel_to
from tests.edges.channels.parcels import HandOver, parcel_of

pytestmark = pytest.mark.anyio

ANN = "+79001234567"
CHAT = "79001234567@c.us"
FILE = "https://files.example.com/price.pdf"

# The vendor's client and its answers have no types.
Asks = Callable[[Any], Any]


@contextmanager
def _client(server: GreenApiServer, token: str = TOKEN, instance: str = INSTANCE) -> Iterator[Any]:
    client = GreenAPI(instance, token, host=server.url, media=server.url)
    # It repeats what is answered with 429 after growing pauses; the pauses prove nothing here.
    adapter = client.session.get_adapter(server.url)
    adapter.max_retries = adapter.max_retries.new(backoff_factor=0)
    try:
        yield client
    finally:
        client.session.close()
        logger = logging.getLogger("whatsapp-api-client-python")
        for handler in list(logger.handlers):
            logger.removeHandler(handler)


async def asked(server: GreenApiServer, asks: Asks, *, token: str = TOKEN, instance: str = INSTANCE) -> Any:  # noqa: ANN401
    """What the vendor's client makes of an answer."""

    def ask() -> Any:  # noqa: ANN401
        with _client(server, token, instance) as client:
            return asks(client)

    return await to_thread.run_sync(ask)


def _texts(chat: str) -> Asks:
    return lambda api: api.sending.sendMessage(chat, "x")


@pytest.mark.parametrize(
    ("content", "link_preview", "asks"),
    [
        ({"text": "See you"}, None, lambda api: api.sending.sendMessage(CHAT, "See you")),
        ({"text": "שלום"}, False, lambda api: api.sending.sendMessage(CHAT, "שלום", linkPreview=False)),
        (
            {"text": "Yes", "reply_to": "3EB0A"},
            True,
            lambda api: api.sending.sendMessage(CHAT, "Yes", quotedMessageId="3EB0A", linkPreview=True),
        ),
        (
            {"media": {"url": FILE, "kind": "document"}},
            None,
            lambda api: api.sending.sendFileByUrl(CHAT, FILE, "price.pdf"),
        ),
        (
            {"media": {"url": FILE, "kind": "document", "caption": "Look", "filename": "a.pdf"}, "reply_to": "3EB0A"},
            None,
            lambda api: api.sending.sendFileByUrl(CHAT, FILE, "a.pdf", caption="Look", quotedMessageId="3EB0A"),
        ),
    ],
)
async def test_the_vendor_asks_for_what_we_ask_for(
    clock: Clock, content: object, asks: Asks, *, link_preview: bool | None
) -> None:
    """Verb, path, content type and body of a message are those of the vendor's client."""
    async with GreenApiServer(clock) as server, channel_to(server.url, clock, link_preview=link_preview) as channel:
        outcome = await channel.send(parcel_of(clock, ANN, content), HandOver())
        response = await asked(server, asks)
        ours, theirs = server.received
        first, second = server.queue
    assert outcome == Taken(code="200", provider_id=first.id)
    assert (response.code, response.data) == (200, {"idMessage": second.id})
    assert (ours.verb, ours.path, ours.content_type) == (theirs.verb, theirs.path, theirs.content_type)
    assert msgspec.json.decode(ours.body) == msgspec.json.decode(theirs.body)


async def test_the_vendor_asks_for_the_lists_that_we_ask_for(clock: Clock) -> None:
    """A look-up's two requests are the vendor's, and what they list is what the vendor's client sees."""
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        for text in ("one", "two"):
            await channel.send(parcel_of(clock, ANN, {"text": text}), HandOver())
        server.work_off(1)
        server.received.clear()
        await channel.look_up(parcel_of(clock, ANN, {"text": "three"}), clock.now_us())
        queue = await asked(server, lambda api: api.queues.showMessagesQueue())
        journal = await asked(server, lambda api: api.journals.lastOutgoingMessages(1))
        first, second, *theirs = server.received
    assert [first, second] == theirs
    assert [line["body"]["message"] for line in queue.data] == ["two"]
    assert [line["textMessage"] for line in journal.data] == ["one"]


async def test_the_vendor_sees_states_and_refusals(clock: Clock) -> None:
    """States, mistakes and wrong keys reach the vendor's client as its documents have them."""
    async with GreenApiServer(clock) as server:
        state = await asked(server, lambda api: api.account.getStateInstance())
        assert state.data == {"stateInstance": "authorized"}
        for number in ("123", "79001234567", "79001234567@c.us@c.us"):
            odd = await asked(server, _texts(number))
            assert odd.code == 400
            assert "Validation failed. Details: 'chatId' must be" in odd.error
        empty = await asked(server, lambda api: api.sending.sendMessage(CHAT, ""))
        assert "'message' is not allowed to be empty" in empty.error
        long = await asked(server, lambda api: api.sending.sendMessage(CHAT, "x" * 20_001))
        assert "length must be" in long.error
        unknown = await asked(server, lambda api: api.sending.sendPoll(CHAT, "x", [{"optionName": "y"}]))
        assert (await asked(server, lambda api: api.account.getStateInstance(), token="0" * 50)).code == 401
        assert (await asked(server, lambda api: api.account.getStateInstance(), instance="1101")).code == 403
        assert (unknown.code, list(server.queue)) == (404, [])
        server.state = "starting"
        starting = await asked(server, _texts(CHAT))
        assert (starting.code, starting.error) == (400, "instance in starting process try later")


async def test_the_vendor_repeats_and_we_do_not(clock: Clock) -> None:
    """On 429 the vendor's client posts four times for one message; ours posts once and says that it was refused."""
    refused = Forced(status=429)
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        server.answers_next(*[refused] * 4)
        await asked(server, _texts(CHAT))
        assert server.counts.pop("sendMessage") == 4
        server.answers_next(refused)
        assert isinstance(await channel.send(parcel_of(clock, ANN, {"text": "x"}), HandOver()), Rate)
        assert server.counts.pop("sendMessage") == 1
