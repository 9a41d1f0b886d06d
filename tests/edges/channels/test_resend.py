"""Answers for mails that Resend takes once, whatever is lost on the way."""

import json
from base64 import b64encode
from collections.abc import Mapping

import anyio
import msgspec
import pytest
import resend
from resend.exceptions import ResendError

from adapters.channels.http_account import Answer
from adapters.channels.http_mail_settings import ResendSettings, SendGridSettings, mistakes
from adapters.channels.resend_errors import KEY_TRUSTED_US, Reading, outcome_of
from core.outcomes import Ambiguous, Config, Outcome, Permanent, Taken, Transient
from core.policies import DAY_US, HOUR_US, SECOND_US
from core.ports import Clock
from tests.edges.channels.endpoints import Endpoint, says, then_closes
from tests.edges.channels.http_mails import ANN, NOON_US, WHOLE, fresh, resend_at, send
from tests.edges.channels.mail_apis import HOLDS, LOSES, RESEND_KEY, FakeResend, refuses, resend_error
from tests.edges.channels.parcels import MAIL, MESSAGE, HandOver, parcel_of

pytestmark = pytest.mark.anyio


async def theirs(
    url: str, monkeypatch: pytest.MonkeyPatch, key: str, *, api_key: str = RESEND_KEY, **params: object
) -> Mapping[str, object]:
    """A mail by Resend's own client, under an idempotency key."""
    monkeypatch.setattr(resend, "api_url", url)
    monkeypatch.setattr(resend, "api_key", api_key)
    asked: dict[str, object] = {"from": "Ann <a@example.com>", "to": [ANN], "subject": "s", "text": "t"}
    options: resend.Emails.SendOptions = {"idempotency_key": key}
    mail: resend.Emails.SendParams = {**asked, **params}  # type: ignore[typeddict-item]
    return await anyio.to_thread.run_sync(lambda: resend.Emails.send(mail, options))


async def test_a_mail_is_asked_for_as_resend_s_own_client_asks(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Method, path, headers and every field of the body: what their client sends for the same mail, ours sends too."""
    handed_over = HandOver()
    async with FakeResend() as api, resend_at(clock, api.url) as channel:
        outcome = await channel.send(fresh(clock, WHOLE), handed_over)
        answer = await theirs(
            api.url,
            monkeypatch,
            MESSAGE + "x",
            subject=WHOLE["subject"],
            text=WHOLE["text"],
            html=WHOLE["html"],
            reply_to='"Desk" <desk@clinic.example>',
            headers=WHOLE["headers"],
            attachments=[{"filename": "a.txt", "content": "QUJD", "content_type": "text/plain"}],
            tags=[{"name": "tidings", "value": MESSAGE}],
            **{"from": '"Zoë" <zoe@clinic.example>'},
        )
    assert (outcome, handed_over.count) == (
        Taken(code="200", provider_id="49a3999c-0ce1-4ea6-ab68-000000000001"), 1,
    )  # fmt: skip
    assert answer["id"] == "49a3999c-0ce1-4ea6-ab68-000000000002"
    ours, by_client = api.requests
    assert (ours.line, by_client.line) == ("POST /emails", "POST /emails")
    assert json.loads(ours.body) == json.loads(by_client.body)
    for name in ("authorization", "content-type"):
        assert ours.headers[name] == by_client.headers[name]
    assert (ours.headers["idempotency-key"], by_client.headers["idempotency-key"]) == (MESSAGE, MESSAGE + "x")
    assert ours.headers["user-agent"] == "Tidings/test"


async def test_the_bytes_of_a_mail_never_change(clock: Clock) -> None:
    """They are pinned here: another release of ours must repeat them too, or Resend would refuse the repetition."""
    async with FakeResend() as api:
        await send(api, clock, parcel_of(clock, ANN, MAIL, attempt=1))
        await send(api, clock, parcel_of(clock, ANN, MAIL, attempt=7))
    pinned = (
        b'{"from":"\\"No Reply\\" <no@example.com>","to":["ann@example.com"],"subject":"Tomorrow",'
        b'"text":"See you at nine.\\n","headers":{"Auto-Submitted":"auto-generated"},'
        b'"tags":[{"name":"tidings","value":"msg_0123456789abc"}]}'
    )
    assert [seen.body for seen in api.requests] == [pinned, pinned]
    assert len(api.mails) == 1


async def test_a_repetition_is_answered_like_the_first(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same key and body send one mail, which is the provider's promise to their client and to us."""
    async with FakeResend() as api:
        outcomes = [await send(api, clock, fresh(clock)) for _ in range(3)]
        assert len(api.mails) == 1
        answers = [await theirs(api.url, monkeypatch, "theirs") for _ in range(3)]
    assert outcomes == [Taken(code="200", provider_id="49a3999c-0ce1-4ea6-ab68-000000000001")] * 3
    assert {answer["id"] for answer in answers} == {"49a3999c-0ce1-4ea6-ab68-000000000002"}
    assert (len(api.mails), len(api.requests)) == (2, 6)


async def test_the_same_key_with_another_body_is_refused(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be a fault of ours, so it ends the message; their own client is refused alike."""
    async with FakeResend() as api:
        assert isinstance(await send(api, clock, fresh(clock)), Taken)
        refused = await send(api, clock, fresh(clock, {"subject": "Other", "text": "words"}))
        await theirs(api.url, monkeypatch, "theirs")
        with pytest.raises(ResendError) as by_client:
            await theirs(api.url, monkeypatch, "theirs", subject="other")
    assert (type(refused), refused.code) == (Permanent, "409 invalid_idempotent_request")
    assert (by_client.value.code, by_client.value.error_type) == (409, "invalid_idempotent_request")
    assert len(api.mails) == 2


async def test_a_lost_answer_is_found_again_by_its_key(clock: Clock) -> None:
    """The mail was taken and the connection broke: the next attempt gets the answer, and nobody a second mail."""
    async with FakeResend(LOSES) as api:
        lost = await send(api, clock, fresh(clock))
        found = await send(api, clock, fresh(clock))
    assert lost == Transient(code="disconnected same_key")
    assert found == Taken(code="200", provider_id="49a3999c-0ce1-4ea6-ab68-000000000001")
    assert (len(api.mails), len(api.requests)) == (1, 2)


async def test_silence_and_a_repetition_meanwhile_leave_no_doubt(clock: Clock) -> None:
    """A request that still runs is no second mail: repeating it is told to wait, and finds the answer afterwards."""
    handed_over = HandOver()
    async with FakeResend(HOLDS) as api, resend_at(clock, api.url) as channel:
        silent = await channel.send(fresh(clock, within_us=200_000), handed_over)
        running = await channel.send(fresh(clock), handed_over)
        api.release()
        while not api.mails:
            await anyio.lowlevel.checkpoint()
        found = await channel.send(fresh(clock), handed_over)
    assert (silent, running.code) == (
        Transient(code="timeout same_key"), "409 concurrent_idempotent_requests same_key",
    )  # fmt: skip
    assert isinstance(running, Transient)
    assert isinstance(found, Taken)
    assert (len(api.mails), handed_over.count) == (1, 3)


async def test_a_lost_answer_is_in_doubt_once_the_key_may_be_forgotten(clock: Clock) -> None:
    """A day after acceptance a repetition may be a second mail, and here it is one: so it is not called transient."""
    async with FakeResend(LOSES) as api:
        lost = await send(api, clock, fresh(clock, age_us=DAY_US))
        api.forget_keys()
        await send(api, clock, fresh(clock, age_us=DAY_US))
    assert lost == Ambiguous(code="disconnected")
    assert len(api.mails) == 2


@pytest.mark.parametrize(
    "came",
    [
        Ambiguous(code="timeout"),
        Answer(status=500, headers={}, body=b""),
        Answer(status=502, headers={}, body=b"<html>"),
    ],
    ids=["silence", "fault", "gateway"],
)
def test_doubt_begins_before_the_key_ends(came: Answer | Outcome) -> None:
    """An hour is left for the repetition itself; from then on whatever stays without an answer is in doubt."""
    last = Reading(now_us=NOON_US + KEY_TRUSTED_US - 1, accepted_us=NOON_US)
    late = Reading(now_us=NOON_US + KEY_TRUSTED_US, accepted_us=NOON_US)
    assert KEY_TRUSTED_US <= DAY_US - HOUR_US
    kept = outcome_of(came, last)
    assert isinstance(kept, Transient)
    assert kept.code.endswith(" same_key")
    assert isinstance(outcome_of(came, late), Ambiguous)


async def test_nothing_that_left_is_nothing_to_repeat(clock: Clock) -> None:
    """A refused connection and a passed deadline are plainly transient, whatever the message's age."""
    handed_over = HandOver()
    async with FakeResend() as api:
        gone = api.url
        async with resend_at(clock, api.url) as channel:
            late = await channel.send(fresh(clock, within_us=0, age_us=2 * DAY_US), handed_over)
    async with resend_at(clock, gone) as channel:
        refused = await channel.send(fresh(clock, age_us=2 * DAY_US), handed_over)
    assert (late, refused) == (Transient(code="timeout"), Transient(code="connect"))
    assert (handed_over.count, len(api.requests)) == (0, 0)


async def test_a_wrong_key_stops_the_lane_and_is_never_told(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome pauses the lane and does not show the key; their own client is refused alike."""
    async with FakeResend() as api, resend_at(clock, api.url, key="re_secret") as channel:
        outcome = await channel.send(fresh(clock), HandOver())
        with pytest.raises(ResendError) as by_client:
            await theirs(api.url, monkeypatch, "theirs", api_key="re_secret")
    assert isinstance(outcome, Config)
    assert outcome.code == f"{by_client.value.code} {by_client.value.error_type}" == "401 validation_error"
    assert "re_secret" not in repr(outcome)
    assert api.mails == []


async def test_what_an_error_quotes_is_scrubbed(clock: Clock) -> None:
    """An error that repeats the address is kept without it."""
    async with FakeResend(refuses(resend_error(422, "validation_error", f"Invalid `to`: {ANN}, ann"))) as api:
        outcome = await send(api, clock, fresh(clock))
    assert outcome == Permanent(code="422 validation_error", detail="Invalid `to`: <address>, <address>")


@pytest.mark.parametrize(
    ("body", "provider_id"),
    [(b'{"id":"a-1"}', "a-1"), (b"{}", ""), (b"<html>", ""), (b'{"id":"a b"}', ""), (b"\xff", ""), (b"[" * 60_000, "")],
)
async def test_the_status_says_that_it_was_taken(clock: Clock, body: bytes, provider_id: str) -> None:
    """An id that cannot be read is only missing: the mail was taken all the same."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with Endpoint(says(head + body)) as endpoint, resend_at(clock, endpoint.url("")) as channel:
        assert await channel.send(fresh(clock), HandOver()) == Taken(code="200", provider_id=provider_id)


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[]", b'{"name":5}', b'{"name":"Bad Name"}', b"[" * 60_000])
async def test_an_error_without_words_is_read_by_its_status(clock: Clock, body: bytes) -> None:
    """A gateway in between speaks no JSON, and no text of its own becomes a code."""
    head = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with Endpoint(then_closes(head + body)) as endpoint, resend_at(clock, endpoint.url("")) as channel:
        outcome = await channel.send(fresh(clock), HandOver())
    assert outcome == Transient(code="503 same_key", after_us=7 * SECOND_US)


async def test_large_attachments_arrive_byte_for_byte(clock: Clock) -> None:
    """More than a mebibyte of any bytes goes out as base64 and comes back the same."""
    data = bytes(range(256)) * 8_192
    files = [{"filename": "a.bin", "content_type": "application/x-any", "data": b64encode(data).decode()}]
    async with FakeResend() as api:
        assert isinstance(await send(api, clock, fresh(clock, MAIL | {"attachments": files})), Taken)
    (sent,) = json.loads(api.mails[0])["attachments"]
    assert (sent["filename"], sent["content_type"]) == ("a.bin", "application/x-any")
    assert sent["content"] == b64encode(data).decode()


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"url": "http://api.example.com"}, ["url"]),
        ({"key": ""}, ["key"]),
        ({"key": "re_1\r\nX: y"}, ["key"]),
        ({"sender": "nobody"}, ["sender"]),
        ({"key": "re 1", "sender": "", "url": "x"}, ["url", "key", "sender"]),
    ],
)
@pytest.mark.parametrize("provider", [ResendSettings, SendGridSettings])
def test_settings_that_cannot_stand_are_named(
    provider: type[ResendSettings | SendGridSettings], changes: dict[str, str], wrong: list[str]
) -> None:
    """Every mistake at once, each with its setting, and none with a value that may be a secret."""
    settings = msgspec.structs.replace(provider(key="re_1", sender="A <a@example.com>"), **changes)
    found = mistakes(settings)
    assert [setting for setting, _ in found] == wrong
    assert not any("re_1" in expected or "re 1" in expected for _, expected in found)
    assert repr(settings) == f"{provider.__name__}(hidden)"
