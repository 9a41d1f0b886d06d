"""Answers for what Green API is asked to send, and for a token that shows nowhere, whatever goes wrong."""

import logging
import traceback

import msgspec
import pytest

from adapters.channels.green_api import GreenApiChannel
from adapters.channels.green_api_settings import GreenApiSettings, mistakes
from core.outcomes import Ambiguous, Config, Outcome, Permanent, Rate, Taken, Transient, name_of
from core.policies import MINUTE_US, SECOND_US
from core.ports import Channel, Clock, LooksUp
from tests.edges.channels.endpoints import Answer, Endpoint, answers, resets, says, then_closes, then_silence
from tests.edges.channels.green_api_server import (
    INSTANCE,
    TOKEN,
    Forced,
    GreenApiServer,
    State,
    channel_to,
)
from tests.edges.channels.parcels import HandOver, parcel_of

pytestmark = pytest.mark.anyio

ANN = "+79001234567"
CHAT = "79001234567@c.us"
TEXT = {"text": "See you at nine."}
TEMPLATE = {"name": "reminder", "language": "en"}
FILE = "https://files.example.com/a/price%20list.pdf?v=2"


def media(kind: str = "document", url: str = FILE, **more: str) -> dict[str, object]:
    """A content that is a medium."""
    return {"media": {"url": url, "kind": kind, **more}}


async def test_a_channel_fits_its_ports(clock: Clock) -> None:
    """It sends, and it can be asked what became of a message."""
    async with channel_to("http://127.0.0.1:1", clock) as channel:
        assert isinstance(channel, LooksUp)
        port: Channel = channel
        assert port is channel


@pytest.mark.parametrize(
    ("content", "method", "body"),
    [
        (TEXT, "sendMessage", {"message": "See you at nine."}),
        ({"text": "שלום 👋\nline"}, "sendMessage", {"message": "שלום 👋\nline"}),
        ({**TEXT, "reply_to": "3EB0A"}, "sendMessage", {"message": TEXT["text"], "quotedMessageId": "3EB0A"}),
        ({**TEXT, "fallback_template": TEMPLATE, "marketing": True}, "sendMessage", {"message": TEXT["text"]}),
        (media(), "sendFileByUrl", {"urlFile": FILE, "fileName": "price list.pdf"}),
        (
            {**media(caption="Look", filename="a.pdf"), "reply_to": "3EB0A"},
            "sendFileByUrl",
            {"urlFile": FILE, "fileName": "a.pdf", "caption": "Look", "quotedMessageId": "3EB0A"},
        ),
        (media(caption=""), "sendFileByUrl", {"urlFile": FILE, "fileName": "price list.pdf"}),
    ],
)
async def test_a_content_becomes_one_request(
    clock: Clock, content: object, method: str, body: dict[str, object]
) -> None:
    """Texts and media are asked for once, with nothing that was not asked for, and taken with the id that comes."""
    handed_over = HandOver()
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        outcome = await channel.send(parcel_of(clock, ANN, content), handed_over)
        [queued] = server.queue
    assert outcome == Taken(code="200", provider_id=queued.id)
    [received] = server.received
    assert received.path == f"/waInstance{INSTANCE}/{method}/{TOKEN}"
    assert msgspec.json.decode(received.body) == {"chatId": CHAT, **body}
    assert handed_over.count == 1


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("https://example.com/photo.jpeg", "image", "photo.jpeg"),
        ("https://example.com/", "image", "image.jpg"),
        ("https://example.com/get?id=7", "video", "video.mp4"),
        ("https://example.com/.", "audio", "audio.mp3"),
        ("https://example.com/a%0Ab.pdf", "document", "document.bin"),
        ("https://example.com/files/", "sticker", "sticker.webp"),
    ],
)
async def test_a_file_without_a_name_gets_one(clock: Clock, url: str, kind: str, name: str) -> None:
    """Green API wants a name whose end tells the kind: the URL's own, or one that says as much."""
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        assert isinstance(await channel.send(parcel_of(clock, ANN, media(kind, url)), HandOver()), Taken)
        assert server.queue[0].body["fileName"] == name


@pytest.mark.parametrize("asked", [True, False])
async def test_a_preview_is_asked_for_only_where_the_lane_says_so(clock: Clock, *, asked: bool) -> None:
    """`link_preview` of the settings goes with texts, and with nothing else."""
    async with GreenApiServer(clock) as server, channel_to(server.url, clock, link_preview=asked) as channel:
        for content in (TEXT, media()):
            assert isinstance(await channel.send(parcel_of(clock, ANN, content), HandOver()), Taken)
        text, file = server.queue
    assert text.body["linkPreview"] is asked
    assert "linkPreview" not in file.body


@pytest.mark.parametrize(
    ("to", "content", "code"),
    [
        (ANN, {"template": TEMPLATE}, "no_templates"),
        ("US.13491208655302741918", TEXT, "no_phone_number"),
        ("US.ENT.13491208655302741918", media(), "no_phone_number"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused_here(clock: Clock, to: str, content: object, code: str) -> None:
    """Templates and users without a number end the message with a clear code, and nothing is sent."""
    handed_over = HandOver()
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        outcome = await channel.send(parcel_of(clock, to, content), handed_over)
        assert await channel.look_up(parcel_of(clock, to, content), clock.now_us()) is None
    assert isinstance(outcome, Permanent)
    assert (outcome.code, handed_over.count, server.received) == (code, 0, [])


@pytest.mark.parametrize(
    ("state", "name", "code"),
    [
        ("authorized", "taken", "200"),
        ("notAuthorized", "taken", "200"),
        ("yellowCard", "taken", "200"),
        ("starting", "transient", "400 starting"),
        ("suspended", "config", "403 suspended"),
        ("expired", "config", "400 expired"),
        ("deleted", "config", "400 deleted"),
    ],
)
async def test_each_state_of_an_instance_has_its_outcome(clock: Clock, state: State, name: str, code: str) -> None:
    """Where the queue takes it, it is taken; an instance that starts is waited for; a dead one is for a person."""
    async with GreenApiServer(clock, state=state) as server, channel_to(server.url, clock) as channel:
        outcome = await channel.send(parcel_of(clock, ANN, TEXT), HandOver())
    assert (name_of(outcome), outcome.code) == (name, code)


@pytest.mark.parametrize(("instance", "token", "code"), [("1101", TOKEN, "403"), (INSTANCE, "0123456789abcdef", "401")])
async def test_a_wrong_instance_or_token_is_our_own_fault(clock: Clock, instance: str, token: str, code: str) -> None:
    """The lane pauses and keeps its messages."""
    async with GreenApiServer(clock) as server:
        settings = GreenApiSettings(instance=instance, token=token, url=server.url)
        channel = GreenApiChannel(settings, clock=clock, agent="Tidings/test")
        outcome = await channel.send(parcel_of(clock, ANN, TEXT), HandOver())
        await channel.close()
    assert outcome == Config(code=code)


async def test_nothing_is_repeated_behind_our_back(clock: Clock) -> None:
    """A limiter and a gateway are answered once each: a second request would be a second message."""
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        server.answers_next(Forced(status=429, headers={"Retry-After": "3"}), Forced(status=502), Forced(status=500))
        outcomes = [await channel.send(parcel_of(clock, ANN, TEXT), HandOver()) for _ in range(3)]
    rate, gateway, error = outcomes
    assert rate == Rate(code="429", scope="sender", after_us=3 * SECOND_US)
    assert (gateway, error) == (Ambiguous(code="502"), Ambiguous(code="500"))
    assert server.counts == {"sendMessage": 3}


async def test_a_redirect_is_not_followed_with_a_message(clock: Clock) -> None:
    """Neither message nor token go where an answer points to."""
    async with (
        GreenApiServer(clock) as other,
        GreenApiServer(clock) as server,
        channel_to(server.url, clock) as channel,
    ):
        server.answers_next(Forced(status=307, headers={"Location": f"{other.url}{'/elsewhere'}"}))
        outcome = await channel.send(parcel_of(clock, ANN, TEXT), HandOver())
    assert (outcome, other.received) == (Config(code="307 redirect"), [])


async def faulty(clock: Clock, answer: Answer, *, within_us: int = 10 * SECOND_US) -> tuple[Outcome, int]:
    """What a message comes to that is answered so, and how often it was handed over."""
    handed_over = HandOver()
    async with Endpoint(answer) as endpoint, channel_to(endpoint.url(""), clock) as channel:
        outcome = await channel.send(parcel_of(clock, ANN, TEXT, within_us=within_us), handed_over)
    return outcome, handed_over.count


async def test_no_answer_leaves_doubt_once_the_message_left(clock: Clock) -> None:
    """Silence, a lost connection and nonsense after the first byte are ambiguous."""
    assert await faulty(clock, then_silence(), within_us=200_000) == (Ambiguous(code="timeout"), 1)
    assert await faulty(clock, resets) == (Ambiguous(code="disconnected"), 1)
    assert await faulty(clock, says(b"what?\r\n\r\n")) == (Ambiguous(code="bad_answer"), 1)
    cut = then_closes(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"idMess')
    outcome, count = await faulty(clock, cut)
    assert (name_of(outcome), outcome.code, count) == ("ambiguous", "200 no_id", 1)


async def test_what_fails_before_the_message_leaves_is_no_doubt(clock: Clock) -> None:
    """A closed port and a deadline that has passed are tried again without further thought."""
    handed_over = HandOver()
    async with Endpoint(answers(200)) as endpoint:
        gone = endpoint.url("")
    async with channel_to(gone, clock) as channel:
        assert await channel.send(parcel_of(clock, ANN, TEXT), handed_over) == Transient(code="connect")
        late = parcel_of(clock, ANN, TEXT, within_us=0)
        assert await channel.send(late, handed_over) == Transient(code="timeout")
    assert handed_over.count == 0


LEAKY = (
    answers(404, f'{{"path":"/waInstance{INSTANCE}/sendMessage/{TOKEN}","message":["no"]}}'.encode()),
    answers(400, f"Cannot POST /waInstance{INSTANCE}/sendMessage/{TOKEN}".encode()),
    answers(302, headers={"Location": f"/waInstance{INSTANCE}/sendMessage/{TOKEN}"}),
    answers(500, f"<a href=/waInstance{INSTANCE}/sendMessage/{TOKEN}>".encode()),
    then_silence(),
    resets,
    says(b"what?\r\n\r\n"),
    then_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n"),
    answers(200, b'{"idMessage":"3EB0"}'),
)


async def test_the_token_shows_nowhere(
    clock: Clock, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """No outcome, log line, warning, representation or printed line tells it, whatever becomes of a request."""
    caplog.set_level(logging.DEBUG)
    shown = []
    for answer in LEAKY:
        async with Endpoint(answer) as endpoint, channel_to(endpoint.url(""), clock) as channel:
            shown.append(repr(await channel.send(parcel_of(clock, ANN, TEXT, within_us=300_000), HandOver())))
            shown.append(repr(channel))
    async with channel_to("http://127.0.0.1:1", clock) as channel:
        shown.append(repr(await channel.send(parcel_of(clock, ANN, TEXT), HandOver())))
        shown.append(repr(await channel.look_up(parcel_of(clock, ANN, TEXT), clock.now_us() - MINUTE_US)))
    settings = GreenApiSettings(instance=INSTANCE, token=TOKEN)
    shown += [repr(settings), str(settings), f"{settings!r}", repr([settings])]
    written = "\n".join([*shown, caplog.text, *(repr(record.args) for record in caplog.records), *capfd.readouterr()])
    assert len(shown) == 2 * len(LEAKY) + 6
    assert TOKEN not in written
    assert "waInstance" not in written


def test_settings_that_cannot_stand_are_named_without_their_values(clock: Clock) -> None:
    """Every mistake at once, in words, and a channel that cannot be built says nothing either."""
    settings = GreenApiSettings(instance="11a", token="se/cret", url="http://api.example.com?x")
    found = mistakes(settings)
    assert [name for name, _ in found] == ["url", "instance", "token"]
    assert not any(value in words for value in ("11a", "se/cret", "api.example.com?x") for _, words in found)
    assert mistakes(GreenApiSettings(instance=INSTANCE, token=TOKEN)) == []
    with pytest.raises(ValueError, match="expected") as refused:
        GreenApiChannel(settings, clock=clock, agent="Tidings/test")
    assert "se/cret" not in "".join(traceback.format_exception(refused.value))
