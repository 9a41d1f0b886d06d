"""Answers for what each of SendGrid's events tells of a mail or a person, and for batches of any shape."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hooks.sendgrid_items import items
from core.news import Item, News, PeerNews, Receipt, ReceiptStatus
from core.outcomes import Failure, Hold, OptOut, Permanent, Recipient
from core.policies import SECOND_US

ECHO = "msg_0123456789abc"
ID = "14c5d75ce93_dfd-64b469A"
AT_US = 1_513_299_569 * SECOND_US


def event(kind: str, **changes: object) -> dict[str, object]:
    """An event as SendGrid writes it."""
    return {
        "email": "ann@example.com",
        "timestamp": 1_513_299_569,
        "smtp-id": f"<{ID}@ismtpd-555>",
        "event": kind,
        "category": ["reminder"],
        "sg_event_id": "ZGVsaXZlcmVkLTA-==",
        "sg_message_id": f"{ID}.filter0001.16648.5515E0B88.0",
        "tid": ECHO,
        **changes,
    }


def told(kind: str, **changes: object) -> tuple[News, ...]:
    """The news of one event."""
    (item,) = items(msgspec.json.encode([event(kind, **changes)]))
    return item.news


def failed(failure: Failure) -> Receipt:
    """The receipt of a mail that failed so."""
    return Receipt(status="failed", provider_id=ID, echo=ECHO, at_us=AT_US, code=failure.code, failure=failure)


def test_a_batch_comes_apart_into_its_events() -> None:
    """Each with its own id, its own bytes as they came, and in the order in which they came."""
    one = b'{"sg_event_id": "a1",  "event":"processed", "timestamp": 1.0e3}'
    two = b'{"event":"delivered","sg_event_id":"b-2==","sg_message_id":"m.x.y","timestamp":7}'
    assert items(b" [ " + one + b" ,\r\n" + two + b"]\r\n") == [
        Item(key="a1", body=one, kind="processed"),
        Item(
            key="b-2==",
            body=two,
            kind="delivered",
            news=(Receipt(status="delivered", provider_id="m", at_us=7 * SECOND_US),),
        ),
    ]


@pytest.mark.parametrize(("kind", "status"), [("delivered", "delivered"), ("open", "read")])
def test_what_became_of_a_mail_is_a_receipt(kind: str, status: ReceiptStatus) -> None:
    """Under the id that the API answered with, which ends at the first dot, and under ours."""
    assert told(kind) == (Receipt(status=status, provider_id=ID, echo=ECHO, at_us=AT_US),)


@pytest.mark.parametrize("kind", ["processed", "deferred", "click", "account_status_change", "new"])
def test_what_decides_nothing_is_only_handed_on(kind: str) -> None:
    """A delay is no failure; such an event still has its item for whoever handles it."""
    (item,) = items(msgspec.json.encode([event(kind, response="400 try again later")]))
    assert (item.key, item.kind, item.news) == ("ZGVsaXZlcmVkLTA-==", kind, ())


@pytest.mark.parametrize(
    ("details", "failure"),
    [
        (
            {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 <ann@example.com> unknown"},
            Recipient(code="bounce 5.1.1", detail="550 5.1.1 <address> unknown"),
        ),
        (
            {"type": "blocked", "status": "5.7.1", "reason": "550 blocked by a list"},
            Recipient(code="blocked 5.7.1", detail="550 blocked by a list", soft=True),
        ),
        ({"status": "ann@example.com"}, Recipient(code="bounce")),
    ],
    ids=["bounce", "blocked", "unsaid"],
)
def test_a_bounce_says_what_it_means(details: dict[str, object], failure: Failure) -> None:
    """A block proves nothing about the address, a bounce does; nothing that is kept of the words names anybody."""
    assert told("bounce", **details) == (failed(failure),)


@pytest.mark.parametrize(
    ("reason", "failure"),
    [
        ("Bounced Address", Recipient(code="dropped", detail="Bounced Address")),
        ("Invalid", Recipient(code="dropped", detail="Invalid")),
        ("Unsubscribed Address", OptOut(code="dropped", detail="Unsubscribed Address")),
        ("Spam Reporting Address", OptOut(code="dropped", detail="Spam Reporting Address")),
        (
            "Recipient List over Package Quota",
            Hold(code="dropped", detail="Recipient List over Package Quota"),
        ),
        ("Invalid SMTPAPI header", Permanent(code="dropped", detail="Invalid SMTPAPI header")),
        ("", Permanent(code="dropped")),
    ],
)
def test_a_dropped_mail_says_why(reason: str, failure: Failure) -> None:
    """SendGrid sent nothing; its reason tells whether that is about the address, the person, the plan or the mail."""
    assert told("dropped", reason=reason) == (failed(failure),)


def test_a_complaint_is_a_wish_to_get_nothing_more() -> None:
    """Whoever reports a mail as spam is written to no more."""
    assert told("spamreport") == (failed(OptOut(code="spamreport")),)


@pytest.mark.parametrize("kind", ["unsubscribe", "group_unsubscribe"])
def test_to_unsubscribe_is_a_wish_about_marketing(kind: str) -> None:
    """The message's own conversation learns of it, and the person under whatever address they are known."""
    stopped = PeerNews(did="stopped", channel="email", address="Ann@example.com", at_us=AT_US, marketing=True)
    assert told(kind, email="Ann@EXAMPLE.com") == (failed(OptOut(code=kind, marketing=True)), stopped)
    assert told(kind, email="nobody") == (failed(OptOut(code=kind, marketing=True)),)


def test_to_resubscribe_takes_it_back() -> None:
    """Nothing becomes of a mail by it."""
    resumed = PeerNews(did="resumed", channel="email", address="ann@example.com", at_us=AT_US, marketing=True)
    assert told("group_resubscribe") == (resumed,)


@pytest.mark.parametrize(
    ("changes", "receipt"),
    [
        ({"tid": "another system's"}, Receipt(status="delivered", provider_id=ID, at_us=AT_US)),
        ({"tid": 5}, Receipt(status="delivered", provider_id=ID, at_us=AT_US)),
        ({"sg_message_id": None}, Receipt(status="delivered", echo=ECHO, at_us=AT_US)),
        ({"sg_message_id": "a b"}, Receipt(status="delivered", echo=ECHO, at_us=AT_US)),
        ({"timestamp": "soon"}, Receipt(status="delivered", provider_id=ID, echo=ECHO)),
        ({"timestamp": True}, Receipt(status="delivered", provider_id=ID, echo=ECHO)),
        ({"timestamp": -1}, Receipt(status="delivered", provider_id=ID, echo=ECHO)),
        ({"timestamp": 10**14}, Receipt(status="delivered", provider_id=ID, echo=ECHO)),
    ],
)
def test_what_cannot_be_is_left_out(changes: dict[str, object], receipt: Receipt) -> None:
    """Ids that are none and instants that are none are missing; the rest still counts."""
    assert told("delivered", **changes) == (receipt,)


def test_an_event_about_no_mail_of_ours_tells_nothing() -> None:
    """Without either name of a mail there is nobody whom a receipt could be for."""
    assert told("bounce", sg_message_id=None, tid=None) == ()


def test_an_event_that_cannot_be_read_keeps_no_other_back() -> None:
    """It is kept as it is, under a key that the same bytes have when they come again."""
    odd = b'{"event":"delivered","tid":"\xff"}'
    one, two, three, four = items(b'[5,{"event":"open"},' + odd + b"," + msgspec.json.encode(event("open")) + b"]")
    assert one == Item(key=hashlib.sha256(b"5").hexdigest(), body=b"5")
    assert two == Item(key=hashlib.sha256(two.body).hexdigest(), body=b'{"event":"open"}', kind="open")
    assert three == Item(key=hashlib.sha256(odd).hexdigest(), body=odd)
    assert (four.kind, len(four.news)) == ("open", 1)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"{}", b"5", b"[", b"[1,]", b"\xff", b"[" * 100_000, b"[[[" + b'{"a":' * 100_000]
)
def test_what_is_no_batch_is_kept_as_it_is(body: bytes) -> None:
    """It verified, so it is stored, whole."""
    assert items(body) == [Item(key=hashlib.sha256(body).hexdigest(), body=body)]


def test_an_empty_batch_is_nothing() -> None:
    """No event, no item."""
    assert items(b"[]") == []


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(ECHO),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_names = ("sg_event_id", "sg_message_id", "tid", "timestamp", "email", "type", "status", "reason")
_kinds = st.sampled_from(["delivered", "bounce", "dropped", "unsubscribe", "group_resubscribe"]) | _values
_events = st.fixed_dictionaries({"event": _kinds}, optional=dict.fromkeys(_names, _values))


@given(body=st.binary(max_size=200) | st.binary(max_size=200).map(lambda inner: b"[" + inner + b"]"))
def test_no_bytes_are_too_odd(body: bytes) -> None:
    """Any bytes are items whose bytes came in them."""
    assert all(item.body in body for item in items(body))


@given(events=st.lists(_events | _values, max_size=4))
def test_no_field_is_too_odd(events: list[object]) -> None:
    """Fields of any type are read as far as they make sense, one item an event."""
    found = items(msgspec.json.encode(events))
    assert [msgspec.json.decode(item.body) for item in found] == events
    receipts = [news for item in found for news in item.news if isinstance(news, Receipt)]
    assert all(receipt.provider_id or receipt.echo for receipt in receipts)
