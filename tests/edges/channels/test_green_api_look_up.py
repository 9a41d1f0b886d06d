"""Answers for what Green API is asked about a message in doubt, and for what counts as proof that it was taken."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.green_api import LIST_BYTES_MAX
from adapters.channels.green_api_messages import in_journal, in_queue, request_of
from core.outcomes import Ambiguous, Permanent, Taken
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from core.ports import Clock, Parcel
from tests.edges.channels.endpoints import Endpoint, resets, then_silence
from tests.edges.channels.green_api_server import Forced, GreenApiServer, Queued, channel_to
from tests.edges.channels.parcels import HandOver, parcel_of

pytestmark = pytest.mark.anyio

ANN, BEN = "+79001234567", "+79007654321"
CHAT = "79001234567@c.us"
TEXT = {"text": "See you at nine."}
PICTURE = {"media": {"url": "https://files.example.com/a.jpg", "kind": "image", "caption": "Look"}}
BARE = {"media": {"url": "https://files.example.com/a.jpg", "kind": "image"}}


def message(clock: Clock, number: int, content: object = TEXT, to: str = ANN) -> Parcel:
    """An attempt of one of several messages."""
    return msgspec.structs.replace(parcel_of(clock, to, content), message=f"msg_{number}")


@pytest.mark.parametrize("content", [TEXT, {**TEXT, "reply_to": "3EB0A"}, PICTURE, BARE])
async def test_a_message_whose_answer_was_lost_is_found(clock: Clock, content: object) -> None:
    """In the queue as `queued`, later in the journal by its status, each time under the id that Green API gave it."""
    started_us = clock.now_us()
    parcel = message(clock, 1, content)
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        server.loses_next_answers(1)
        assert await channel.send(parcel, HandOver()) == Ambiguous(code="disconnected")
        [queued] = server.queue
        assert await channel.look_up(parcel, started_us) == Taken(code="queued", provider_id=queued.id)
        server.work_off(1, status="delivered")
        assert await channel.look_up(parcel, started_us) == Taken(code="delivered", provider_id=queued.id)
    assert server.counts["sendMessage"] + server.counts["sendFileByUrl"] == 1


@pytest.mark.parametrize(
    ("sent", "doubtful", "to"),
    [
        (TEXT, {"text": "See you at nine"}, ANN),
        (TEXT, {"text": "see you at nine."}, ANN),
        (TEXT, TEXT, BEN),
        (TEXT, PICTURE, ANN),
        (TEXT, BARE, ANN),
        (PICTURE, BARE, ANN),
        (BARE, PICTURE, ANN),
        (PICTURE, {"text": "Look"}, ANN),
        (PICTURE, PICTURE, BEN),
    ],
)
async def test_another_message_is_no_proof(clock: Clock, sent: object, doubtful: object, to: str) -> None:
    """Another text, person or kind of content shows nothing, neither in the queue nor in the journal."""
    started_us = clock.now_us()
    async with GreenApiServer(clock) as server:
        # As after a restart: that the id is another message's is not known, and must not be needed here.
        async with channel_to(server.url, clock) as channel:
            assert isinstance(await channel.send(message(clock, 1, sent), HandOver()), Taken)
        async with channel_to(server.url, clock) as channel:
            assert await channel.look_up(message(clock, 2, doubtful, to), started_us) is None
            server.work_off(1)
            assert await channel.look_up(message(clock, 2, doubtful, to), started_us) is None


async def test_a_poll_is_no_text(clock: Clock) -> None:
    """What others have queued with the same words but by another method is not ours."""
    poll: dict[str, object] = {"chatId": CHAT, "message": TEXT["text"], "options": [{"optionName": "yes"}]}
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        server.queue.append(Queued(id="3EB0A", method="sendPoll", body=poll))
        assert await channel.look_up(message(clock, 1), clock.now_us()) is None


async def test_an_equal_message_is_not_taken_for_this_one(clock: Clock) -> None:
    """An id that was given for one message proves nothing for another with the same text to the same person."""
    started_us = clock.now_us()
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        first = await channel.send(message(clock, 1), HandOver())
        assert isinstance(first, Taken)
        assert await channel.look_up(message(clock, 2), started_us) is None
        server.work_off(1)
        assert await channel.look_up(message(clock, 2), started_us) is None
        assert await channel.look_up(message(clock, 1), started_us) == Taken(code="sent", provider_id=first.provider_id)
        server.loses_next_answers(1)
        assert await channel.send(message(clock, 2), HandOver()) == Ambiguous(code="disconnected")
        found = await channel.look_up(message(clock, 2), started_us)
        assert found == Taken(code="queued", provider_id=server.queue[0].id)
        assert found.provider_id != first.provider_id
        # What has been found is known from then on, and is nobody else's either.
        assert await channel.look_up(message(clock, 3), started_us) is None


async def test_an_equal_message_is_known_after_a_restart(clock: Clock) -> None:
    """The log names the ids of other messages: the newest that is nobody else's is taken, and of none left none."""
    async with GreenApiServer(clock) as server:
        async with channel_to(server.url, clock) as channel:
            first = await channel.send(message(clock, 1), HandOver())
            second = await channel.send(message(clock, 2), HandOver())
        assert isinstance(first, Taken)
        assert isinstance(second, Taken)
        doubtful = msgspec.structs.replace(message(clock, 3), ids_of_others=frozenset({second.provider_id}))
        async with channel_to(server.url, clock) as channel:
            found = await channel.look_up(doubtful, clock.now_us())
            assert found == Taken(code="queued", provider_id=first.provider_id)
        doubtful = msgspec.structs.replace(doubtful, ids_of_others=frozenset({first.provider_id, second.provider_id}))
        async with channel_to(server.url, clock) as channel:
            assert await channel.look_up(doubtful, clock.now_us()) is None
            server.work_off(2)
            assert await channel.look_up(doubtful, clock.now_us()) is None


async def test_of_equal_messages_the_newest_is_taken(clock: Clock) -> None:
    """After a restart nothing is known of earlier ones; what was sent last stands last in the queue."""
    async with GreenApiServer(clock) as server:
        for number in (1, 2):
            async with channel_to(server.url, clock) as channel:
                await channel.send(message(clock, number), HandOver())
        async with channel_to(server.url, clock) as channel:
            found = await channel.look_up(message(clock, 2), clock.now_us())
    assert found == Taken(code="queued", provider_id=server.queue[-1].id)


def _line(at_us: int, **more: object) -> dict[str, object]:
    line = {"idMessage": "3EB0A", "chatId": CHAT, "timestamp": at_us // SECOND_US, "textMessage": TEXT["text"]}
    return {**line, "type": "outgoing", "typeMessage": "textMessage", "statusMessage": "sent", **more}


@pytest.mark.parametrize("turned", [False, True])
async def test_of_equal_lines_the_newest_is_taken(clock: Clock, *, turned: bool) -> None:
    """In whatever order a journal comes, what went out last is what was asked about."""
    now_us = clock.now_us()
    lines = [_line(now_us), _line(now_us + 2 * SECOND_US, idMessage="3EB0B"), _line(now_us + SECOND_US)]
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        server.journal = lines[::-1] if turned else lines
        assert await channel.look_up(message(clock, 1), now_us) == Taken(code="sent", provider_id="3EB0B")


async def test_what_went_out_before_is_no_proof(clock: Clock) -> None:
    """Only what happened at or after the start counts, by whole seconds, which is all that Green API tells."""
    now_us = clock.now_us()
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        server.journal = [_line(now_us - SECOND_US)]
        assert await channel.look_up(message(clock, 1), now_us) is None
        server.journal = [_line(now_us)]
        assert await channel.look_up(message(clock, 1), now_us) == Taken(code="sent", provider_id="3EB0A")


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"sendByApi": True}, Taken(code="sent", provider_id="3EB0A")),
        ({"sendByApi": False}, None),
        ({"idMessage": 123456789012345678}, Taken(code="sent", provider_id="123456789012345678")),
        ({"idMessage": ""}, None),
        ({"statusMessage": "failed"}, Taken(code="failed", provider_id="3EB0A")),
        ({"statusMessage": "79001234567 has it"}, Taken(provider_id="3EB0A")),
        ({"textMessage": None, "extendedTextMessage": {"text": TEXT["text"]}}, Taken(code="sent", provider_id="3EB0A")),
        ({"timestamp": "soon"}, None),
    ],
)
async def test_a_line_of_the_journal_is_read_with_care(clock: Clock, more: dict[str, object], found: object) -> None:
    """What a person typed on the device is not ours; ids are texts; a status is kept where it is a word."""
    now_us = clock.now_us()
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        server.answers_next(Forced(status=200, body=b"[]"))
        server.answers_next(Forced(status=200, body=msgspec.json.encode([_line(now_us, **more)])))
        assert await channel.look_up(message(clock, 1), now_us) == found


@pytest.mark.parametrize(
    ("ago_us", "minutes"),
    [(0, 1), (59 * SECOND_US, 1), (61 * SECOND_US, 2), (2 * HOUR_US, 121), (9 * DAY_US, 1440), (-HOUR_US, 1)],
)
async def test_the_journal_is_asked_for_no_more_than_it_needs(clock: Clock, ago_us: int, minutes: int) -> None:
    """Whole minutes since the start and one more, up to the day that Green API keeps a message for."""
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        await channel.look_up(message(clock, 1), clock.now_us() - ago_us)
    assert server.received[-1].path.endswith(f"?minutes={minutes}")
    assert server.counts == {"showMessagesQueue": 1, "lastOutgoingMessages": 1}
    assert {received.verb for received in server.received} == {"GET"}


@pytest.mark.parametrize(
    "answer",
    [
        Forced(status=429),
        Forced(status=401),
        Forced(status=500, body=b"[]"),
        Forced(status=200, body=b"<html>"),
        Forced(status=200, body=b'{"queue":[]}'),
        Forced(status=200, body=b'[{"body":null}]'),
        Forced(status=200, body=b"\xff\xfe"),
        Forced(status=200, body=b"[" + b"[" * 100_000),
        Forced(status=200, body=b'[{"x":' * 100_000),
        Forced(status=200, body=b"[" + b" " * LIST_BYTES_MAX + b"]"),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body[:12]!r}-{len(answer.body)}",
)
async def test_whatever_keeps_from_telling_proves_nothing(clock: Clock, answer: Forced) -> None:
    """A limiter, an error, an answer too long or unreadable: None, and the journal is asked all the same."""
    async with GreenApiServer(clock) as server, channel_to(server.url, clock) as channel:
        server.answers_next(answer, answer)
        assert await channel.look_up(message(clock, 1), clock.now_us() - MINUTE_US) is None
        server.journal = [_line(clock.now_us())]
        server.answers_next(answer)
        assert await channel.look_up(message(clock, 1), clock.now_us()) is not None


async def test_a_connection_that_breaks_proves_nothing(clock: Clock) -> None:
    """Neither does a listing that nobody answers, or that nobody listens for."""
    async with Endpoint(resets) as endpoint, channel_to(endpoint.url(""), clock) as channel:
        assert await channel.look_up(message(clock, 1), clock.now_us()) is None
    async with channel_to(endpoint.url(""), clock) as channel:
        assert await channel.look_up(message(clock, 1), clock.now_us()) is None


async def test_a_look_up_ends_by_itself(clock: Clock) -> None:
    """The attempt's own deadline has long passed; a silent server is given up after the lane's timeout."""
    parcel = msgspec.structs.replace(message(clock, 1), deadline_us=clock.now_us() - HOUR_US)
    async with Endpoint(then_silence()) as endpoint, channel_to(endpoint.url(""), clock, timeout_us=50_000) as channel:
        assert await channel.look_up(parcel, clock.now_us()) is None
    assert len(endpoint.received) >= 2


@given(content=st.binary(max_size=200))
def test_any_listing_can_be_read(content: bytes) -> None:
    """Whatever Green API lists is searched without an error."""
    parcel = Parcel(
        message="msg_1", stream=1, attempt=1, tenant="default", to=ANN,
        content=msgspec.json.encode(TEXT), accepted_us=0, deadline_us=0,
    )  # fmt: skip  # One value, whose fields are those of every other parcel.
    request = request_of(parcel, link_preview=None)
    assert not isinstance(request, Permanent)
    assert list(in_queue(content, request)) == list(in_journal(content, request, since_us=0)) == []
