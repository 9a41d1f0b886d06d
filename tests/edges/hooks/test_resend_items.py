"""Answers for what each of Resend's events tells of a mail, and for events of any shape."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from resend.webhooks._webhook_event import EmailBounce, EmailFailed, EmailSuppressed

from adapters.hooks.resend_items import items
from core.news import Item, Receipt, ReceiptStatus
from core.outcomes import Failure, Hold, OptOut, Permanent, Recipient

ECHO = "msg_0123456789abc"
MAIL = "56761188-7520-42d8-8898-ff6fc54ce618"
AT_US = 1_795_600_800_500_000  # 2026-11-25T10:00:00.5Z

# As their own library declares them, so that a field that does not exist is found by the type checker.
HARD: EmailBounce = {"type": "Permanent", "subType": "General", "message": "550 5.1.1 <ann@example.com> user unknown"}
FULL: EmailBounce = {"type": "Transient", "subType": "MailboxFull", "message": "mailbox of Ann is full"}
OPEN: EmailBounce = {"type": "Undetermined", "subType": "Undetermined", "message": ""}
KNOWN: EmailSuppressed = {"type": "OnAccountSuppressionList", "message": "ann@example.com bounced before"}
QUOTA: EmailFailed = {"reason": "reached_daily_quota"}
OTHER: EmailFailed = {"reason": "The attachment of ann@example.com could not be read"}


def event(kind: str, **changes: object) -> bytes:
    """An event as Resend writes it."""
    data = {
        "created_at": "2026-11-25T09:59:00.000Z",
        "email_id": MAIL,
        "message_id": "<1@eu-west-1.amazonses.com>",
        "from": "Tidings <no@example.com>",
        "to": ["ann@example.com"],
        "subject": "Tomorrow",
        "tags": {"tidings": ECHO, "category": "reminder"},
    }
    return msgspec.json.encode({"type": kind, "created_at": "2026-11-25T10:00:00.500Z", "data": {**data, **changes}})


def one(body: bytes) -> Item:
    """The only item of a body."""
    (item,) = items(body)
    return item


@pytest.mark.parametrize(
    ("kind", "status"),
    [("email.sent", "sent"), ("email.delivered", "delivered"), ("email.opened", "read")],
)
def test_what_became_of_a_mail_is_a_receipt(kind: str, status: ReceiptStatus) -> None:
    """Both of its names, the instant of the event, and the bytes as they came."""
    body = event(kind)
    receipt = Receipt(status=status, provider_id=MAIL, echo=ECHO, at_us=AT_US)
    assert items(body) == [Item(key=f"{MAIL}/{kind}", body=body, kind=kind, news=(receipt,))]


@pytest.mark.parametrize(
    ("kind", "details", "failure"),
    [
        (
            "email.bounced",
            {"bounce": HARD},
            Recipient(code="Permanent/General", detail="550 5.1.1 <address> user unknown"),
        ),
        (
            "email.bounced",
            {"bounce": FULL},
            Recipient(code="Transient/MailboxFull", detail="mailbox of <address> is full", soft=True),
        ),
        ("email.bounced", {"bounce": OPEN}, Recipient(code="Undetermined/Undetermined", soft=True)),
        ("email.bounced", {}, Recipient(code="bounced", soft=True)),
        ("email.complained", {}, OptOut(code="complained")),
        ("email.suppressed", {"suppressed": KNOWN}, Recipient(code="suppressed", detail="<address> bounced before")),
        ("email.failed", {"failed": QUOTA}, Hold(code="reached_daily_quota", detail="reached_daily_quota")),
        (
            "email.failed",
            {"failed": OTHER},
            Permanent(code="failed", detail="The attachment of <address> could not be read"),
        ),
    ],
    ids=["hard", "full", "open", "unsaid", "complained", "suppressed", "quota", "failed"],
)
def test_a_failure_says_what_it_means(kind: str, details: dict[str, object], failure: Failure) -> None:
    """Only a permanent bounce condemns an address; nothing that is kept of the words names anybody."""
    (receipt,) = one(event(kind, **details)).news
    assert receipt == Receipt(
        status="failed", provider_id=MAIL, echo=ECHO, at_us=AT_US, code=failure.code, failure=failure
    )


@pytest.mark.parametrize(
    "kind", ["email.delivery_delayed", "email.scheduled", "email.clicked", "email.received", "domain.updated", "new"]
)
def test_what_decides_nothing_is_only_handed_on(kind: str) -> None:
    """A delay is no failure; such an event still has its item for whoever handles it."""
    body = event(kind)
    assert items(body) == [Item(key=f"{MAIL}/{kind}", body=body, kind=kind)]


@pytest.mark.parametrize(
    ("tags", "echo"),
    [
        ({"tidings": ECHO}, ECHO),
        ([{"name": "category", "value": "x"}, {"name": "tidings", "value": ECHO}], ECHO),
        ({"tidings": "not one of ours"}, ""),
        ({"tidings": 5}, ""),
        ([5, {"name": "tidings"}], ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_our_own_id_comes_back_in_the_tags(tags: object, echo: str) -> None:
    """In either form, and only where it is an id of ours; the provider's id is there in any case."""
    (receipt,) = one(event("email.delivered", tags=tags)).news
    assert receipt == Receipt(status="delivered", provider_id=MAIL, echo=echo, at_us=AT_US)


@pytest.mark.parametrize(
    ("written", "at_us"),
    [
        ("2026-11-25T10:00:00.500Z", AT_US),
        ("2026-11-25 12:00:00.5+02", AT_US),
        ("2026-11-25T10:00:00.500", AT_US),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
    ],
)
def test_the_instant_is_the_provider_s(written: str, at_us: int | None) -> None:
    """With whatever offset it is written; one that cannot be read is unknown."""
    body = msgspec.json.encode({"type": "email.sent", "created_at": written, "data": {"email_id": MAIL}})
    (receipt,) = one(body).news
    assert isinstance(receipt, Receipt)
    assert receipt.at_us == at_us


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"5", b'"text"', b"{", b"\xff", b'{"type":"\xff"}', b"[" * 100_000, b'{"a":' * 100_000],
)
def test_what_cannot_be_read_is_kept_as_it_is(body: bytes) -> None:
    """It verified, so it is stored, under a key that the same bytes have when they come again."""
    assert items(body) == [Item(key=hashlib.sha256(body).hexdigest(), body=body)]


def test_an_event_about_no_mail_of_ours_tells_nothing() -> None:
    """Without either name of a mail there is nobody whom a receipt could be for."""
    body = event("email.bounced", email_id=None, tags=None, bounce=HARD)
    assert items(body) == [Item(key=hashlib.sha256(body).hexdigest(), body=body, kind="email.bounced")]


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(ECHO),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_kinds = st.sampled_from(["email.sent", "email.bounced", "email.failed", "email.suppressed", "email.complained"])


@given(body=st.binary(max_size=200))
def test_no_bytes_are_too_odd(body: bytes) -> None:
    """Any bytes are one item with those bytes."""
    assert one(body).body == body


@given(
    kind=_kinds | _values,
    created=_values,
    data=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("email_id", "to", "tags", "bounce", "suppressed", "failed"), _values),
    )
    | _values,
)
def test_no_field_is_too_odd(kind: object, created: object, data: object) -> None:
    """Fields of any type are read as far as they make sense, and never stop a hook."""
    body = msgspec.json.encode({"type": kind, "created_at": created, "data": data})
    item = one(body)
    assert item.body == body
    assert all(isinstance(news, Receipt) and (news.provider_id or news.echo) for news in item.news)
