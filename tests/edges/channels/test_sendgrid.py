"""Answers for mails as SendGrid takes them, for doubt where it may have, and for what each of its answers comes to."""

import json

import anyio
import pytest
from multidict import CIMultiDict
from python_http_client.exceptions import HTTPError  # type: ignore[import-untyped]  # It brings no types.
from sendgrid import SendGridAPIClient  # type: ignore[import-untyped]  # It brings no types.
from sendgrid.helpers.mail import (  # type: ignore[import-untyped]  # It brings no types.
    Attachment,
    CustomArg,
    Disposition,
    FileContent,
    FileName,
    FileType,
    From,
    Header,
    Mail,
    ReplyTo,
)

from adapters.channels.http_account import Answer
from adapters.channels.sendgrid_errors import RULES, Reading, outcome_of
from core.outcomes import Ambiguous, Config, Hold, OutcomeName, Permanent, Rate, Taken, Transient, name_of
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from core.ports import Clock
from tests.edges.channels.endpoints import Endpoint, then_closes
from tests.edges.channels.http_mails import ANN, HEADERS, NOON_US, WHOLE, fresh, send, sendgrid_at
from tests.edges.channels.mail_apis import (
    HOLDS,
    LOSES,
    SENDGRID_KEY,
    FakeSendGrid,
    refuses,
    sendgrid_error,
)
from tests.edges.channels.parcels import MAIL, MESSAGE, HandOver

pytestmark = pytest.mark.anyio

FIRST = "0" * 21 + "1"


def whole_mail() -> Mail:
    """The mail with everything in it, as their own library writes it."""
    mail = Mail(
        from_email=From("zoe@clinic.example", "Zoë"),
        to_emails=ANN,
        subject=WHOLE["subject"],
        plain_text_content=WHOLE["text"],
        html_content=WHOLE["html"],
    )
    mail.reply_to = ReplyTo("desk@clinic.example", "Desk")
    for name, value in HEADERS.items():
        mail.add_header(Header(name, value))
    mail.add_custom_arg(CustomArg("tid", MESSAGE, p=0))
    file = (FileContent("QUJD"), FileName("a.txt"), FileType("text/plain"), Disposition("attachment"))
    mail.add_attachment(Attachment(*file))
    return mail


async def theirs(url: str, mail: Mail, *, key: str = SENDGRID_KEY) -> tuple[int, str]:
    """Status and id of a mail that their own client sends."""
    client = SendGridAPIClient(key, host=url)
    response = await anyio.to_thread.run_sync(client.send, mail)
    return response.status_code, response.headers["X-Message-Id"]


async def test_a_mail_is_asked_for_as_sendgrid_s_own_client_asks(clock: Clock) -> None:
    """Method, path, headers and every field of the body: what their client sends for the same mail, ours sends too."""
    handed_over = HandOver()
    async with FakeSendGrid() as api, sendgrid_at(clock, api.url) as channel:
        outcome = await channel.send(fresh(clock, WHOLE), handed_over)
        assert await theirs(api.url, whole_mail()) == (202, "0" * 21 + "2")
    assert (outcome, handed_over.count) == (Taken(code="202", provider_id=FIRST), 1)
    ours, by_client = api.requests
    assert (ours.line, by_client.line) == ("POST /v3/mail/send", "POST /v3/mail/send")
    assert json.loads(ours.body) == json.loads(by_client.body)
    for name in ("authorization", "content-type"):
        assert ours.headers[name] == by_client.headers[name]
    assert ours.headers["user-agent"] == "Tidings/test"


async def test_a_plain_mail_holds_nothing_more(clock: Clock) -> None:
    """Only what was asked for, our id, and that a program sent it; a type of a file comes without its parameters."""
    files = [{"filename": "a.ics", "content_type": 'text/calendar; charset="utf-8"', "data": "QUJD"}]
    async with FakeSendGrid() as api:
        await send(api, clock, fresh(clock))
        await send(api, clock, fresh(clock, {"subject": "s", "html": "<p>h</p>", "attachments": files}))
    plain, html = (json.loads(mail) for mail in api.mails)
    assert plain == {
        "personalizations": [{"to": [{"email": ANN}], "custom_args": {"tid": MESSAGE}}],
        "from": {"email": "no@example.com", "name": "No Reply"},
        "subject": "Tomorrow",
        "content": [{"type": "text/plain", "value": "See you at nine.\n"}],
        "headers": {"Auto-Submitted": "auto-generated"},
    }
    assert html["content"] == [{"type": "text/html", "value": "<p>h</p>"}]
    assert [file["type"] for file in html["attachments"]] == ["text/calendar"]


async def test_a_lost_answer_is_in_doubt(clock: Clock) -> None:
    """SendGrid knows no repetition: sent again it is a second mail, so nobody is told that it was not sent."""
    handed_over = HandOver()
    async with FakeSendGrid(LOSES, HOLDS) as api, sendgrid_at(clock, api.url) as channel:
        lost = await channel.send(fresh(clock), handed_over)
        silent = await channel.send(fresh(clock, within_us=200_000), handed_over)
        again = await channel.send(fresh(clock), handed_over)
    assert (lost, silent) == (Ambiguous(code="disconnected"), Ambiguous(code="timeout"))
    assert isinstance(again, Taken)
    assert (len(api.mails), handed_over.count) == (3, 3)


async def test_nothing_that_left_is_transient(clock: Clock) -> None:
    """A refused connection and a passed deadline leave no doubt."""
    handed_over = HandOver()
    async with FakeSendGrid() as api:
        gone = api.url
        async with sendgrid_at(clock, api.url) as channel:
            late = await channel.send(fresh(clock, within_us=0), handed_over)
    async with sendgrid_at(clock, gone) as channel:
        refused = await channel.send(fresh(clock), handed_over)
    assert (late, refused) == (Transient(code="timeout"), Transient(code="connect"))
    assert (handed_over.count, len(api.requests)) == (0, 0)


# Each as the provider's pages have it: status, words, the field that is wrong, what it comes to.
ERRORS_READ: list[tuple[int, str, str | None, OutcomeName]] = [
    (400, "Does not contain a valid address.", "personalizations.0.to.0.email", "permanent"),
    (400, "The from email does not contain a valid address.", "from.email", "permanent"),
    (404, "not found", None, "permanent"),
    (405, "POST method allowed only", None, "permanent"),
    (406, "Accept header is not possible", None, "permanent"),
    (413, "The content of your email is too large", None, "permanent"),
    (415, "Content-Type should be application/json.", None, "permanent"),
    (401, "The provided authorization grant is invalid, expired, or revoked", None, "config"),
    (401, "Authenticated user is not authorized to send mail", None, "config"),
    (401, "Maximum credits exceeded", None, "hold"),
    (403, "access forbidden", None, "config"),
    (403, "The from address does not match a verified Sender Identity.", "from", "config"),
    (429, "too many requests", None, "rate"),
    (408, "", None, "transient"),
    (500, "internal error", None, "transient"),
    (503, "unavailable", None, "transient"),
    (502, "", None, "ambiguous"),
    (504, "", None, "ambiguous"),
    (520, "", None, "ambiguous"),
    (302, "", None, "permanent"),
    (418, "", None, "permanent"),
]


@pytest.mark.parametrize("error", ERRORS_READ, ids=lambda error: f"{error[0]} {error[1]}")
async def test_every_error_has_its_outcome(clock: Clock, error: tuple[int, str, str | None, OutcomeName]) -> None:
    """Over the wire, one request each, and with the status that names it."""
    status, message, field, expected = error
    async with FakeSendGrid(refuses(sendgrid_error(status, message, field))) as api:
        outcome = await send(api, clock, fresh(clock))
    assert (name_of(outcome), outcome.code) == (expected, str(status))
    assert (len(api.requests), api.mails) == (1, [])


def test_every_row_of_the_table_is_met() -> None:
    """Each row decides at least one of the errors above."""
    met = set()
    for status, message, field, _ in ERRORS_READ:
        for number, rule in enumerate(RULES):
            placed = not rule.field or (field or "").partition(".")[0] == rule.field
            if (
                placed
                and (not rule.statuses or status in rule.statuses)
                and (not rule.says or rule.says.search(message))
            ):
                met.add(number)
                break
    assert met == set(range(len(RULES)))


async def test_a_sender_that_a_message_named_does_not_stop_the_lane(clock: Clock) -> None:
    """The lane's own From being refused is our set-up; a From of the message's is the message's fault."""
    unverified = "The from address does not match a verified Sender Identity."
    refusal = refuses(sendgrid_error(403, unverified, "from"))
    async with FakeSendGrid(refusal, refusal) as api:
        assert isinstance(await send(api, clock, fresh(clock)), Config)
        assert isinstance(await send(api, clock, fresh(clock, WHOLE)), Permanent)


@pytest.mark.parametrize(
    ("headers", "after_us"),
    [
        ({"X-RateLimit-Reset": str(NOON_US // SECOND_US + 60)}, MINUTE_US),
        ({"x-ratelimit-reset": str(NOON_US // SECOND_US + 60), "Retry-After": "3"}, MINUTE_US),
        ({"X-RateLimit-Reset": str(NOON_US // SECOND_US - 60)}, 0),
        ({"X-RateLimit-Reset": str(NOON_US // 1000 + 60_000)}, None),
        ({"X-RateLimit-Reset": "-5"}, None),
        ({"X-RateLimit-Reset": "soon", "Retry-After": "3"}, 3 * SECOND_US),
        ({}, None),
    ],
)
def test_a_rate_pauses_the_account_until_it_counts_anew(headers: dict[str, str], after_us: int | None) -> None:
    """The instant is in seconds since 1970 and never lies in the past; another unit is not believed."""
    _, body, _ = sendgrid_error(429, "too many requests")
    answer = Answer(status=429, headers=CIMultiDict(headers), body=body)
    expected = Rate(code="429", detail="too many requests", scope="account", after_us=after_us)
    assert outcome_of(answer, Reading(now_us=NOON_US)) == expected


def test_used_up_credits_hold_until_midnight() -> None:
    """They come back the next day in UTC, at least an hour from now, so that they are not asked for in vain."""
    status, body, headers = sendgrid_error(401, "Maximum credits exceeded")
    answer = Answer(status=status, headers=headers, body=body)
    noon = outcome_of(answer, Reading(now_us=NOON_US))
    late = outcome_of(answer, Reading(now_us=NOON_US + 12 * HOUR_US - SECOND_US))
    assert noon == Hold(code="401", detail="Maximum credits exceeded", after_us=12 * HOUR_US)
    assert isinstance(late, Hold)
    assert (late.after_us, NOON_US % DAY_US) == (HOUR_US, 12 * HOUR_US)


async def test_a_wrong_key_stops_the_lane_and_is_never_told(clock: Clock) -> None:
    """The outcome pauses the lane and does not show the key; their own client is refused alike."""
    async with FakeSendGrid() as api, sendgrid_at(clock, api.url, key="SG.secret") as channel:
        outcome = await channel.send(fresh(clock), HandOver())
        with pytest.raises(HTTPError) as by_client:
            await theirs(api.url, whole_mail(), key="SG.secret")
    assert isinstance(outcome, Config)
    assert by_client.value.status_code == 401
    assert "SG.secret" not in repr(outcome)
    assert api.mails == []


@pytest.mark.parametrize("name", ["personalizations", "from", "subject", "content"])
async def test_the_fake_refuses_what_sendgrid_would(clock: Clock, name: str) -> None:
    """A request without what SendGrid requires is refused, whoever sends it, so that ours is known to be whole."""
    async with FakeSendGrid() as api:
        await send(api, clock, fresh(clock))
        part = json.loads(api.requests[0].body)
        del part[name]
        client = SendGridAPIClient(SENDGRID_KEY, host=api.url)
        with pytest.raises(HTTPError) as refused:
            await anyio.to_thread.run_sync(client.send, part)
    assert refused.value.status_code == 400
    assert len(api.mails) == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", b"[]", b'{"errors":5}', b'{"errors":[]}', b'{"errors":[{}]}', b"[" * 60_000]
)
async def test_an_error_without_words_is_read_by_its_status(clock: Clock, body: bytes) -> None:
    """A gateway in between speaks no JSON."""
    head = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with Endpoint(then_closes(head + body)) as endpoint, sendgrid_at(clock, endpoint.url("")) as channel:
        outcome = await channel.send(fresh(clock, MAIL), HandOver())
    assert outcome == Transient(code="503", after_us=7 * SECOND_US)
