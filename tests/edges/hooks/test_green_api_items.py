"""Answers for what each notification of Green API means, and for taking each of them once."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hooks.green_api_items import instance_of, items
from core.news import Item, LaneNews, News, PeerNews, Receipt, ReceiptStatus
from core.outcomes import Failure, Permanent, Recipient, Window
from core.policies import SECOND_US

AT_S = 1_767_225_600  # 2026-01-01T00:00:00Z
AT_US = AT_S * SECOND_US
CHAT = "79001234567@c.us"
GROUP = "120363153000000000@g.us"
ANN = "+79001234567"
COMMON = {
    "instanceData": {"idInstance": 110100000000000001, "wid": "79000000000@c.us", "typeInstance": "whatsapp"},
    "timestamp": AT_S,
}


def of(kind: str, **more: object) -> bytes:
    """A notification as Green API posts it."""
    return msgspec.json.encode({"typeWebhook": kind, **COMMON, **more})


def status(word: str, **more: object) -> bytes:
    """What became of a message."""
    message = {"chatId": CHAT, "idMessage": "3EB0A", "status": word, "sendByApi": True, "description": ""}
    return of("outgoingMessageStatus", **{**message, **more})


def incoming(chat: str = CHAT, **more: object) -> bytes:
    """What somebody wrote."""
    sender = {"chatId": chat, "sender": "79001234567@c.us", "chatName": "", "senderName": "Ann"}
    message = {"typeMessage": "textMessage", "textMessageData": {"textMessage": "hi"}}
    return of("incomingMessageReceived", idMessage="F7AE", senderData=sender, messageData=message, **more)


def only(body: bytes) -> Item:
    """The one item of a notification."""
    [item] = items(body)
    return item


def receipt(word: str, failure: Failure | None = None) -> Receipt:
    """The receipt of the message in `status`."""
    ended: ReceiptStatus = "failed" if failure is not None else msgspec.convert(word, ReceiptStatus)
    return Receipt(status=ended, provider_id="3EB0A", at_us=AT_US, code=word, failure=failure)


@pytest.mark.parametrize(
    ("body", "news"),
    [
        (status("sent"), receipt("sent")),
        (status("delivered"), receipt("delivered")),
        (status("read"), receipt("read")),
        (status("failed"), receipt("failed", Permanent(code="failed"))),
        (status("failed", description={"code": 1}), receipt("failed", Permanent(code="failed"))),
        (
            status("failed", description="SWE004: too many in 79001234567@c.us"),
            receipt("failed", Permanent(code="failed", detail="SWE004: too many in <address>")),
        ),
        (status("noAccount"), receipt("noAccount", Recipient(code="noAccount"))),
        (status("notInGroup", chatId=GROUP), receipt("notInGroup", Permanent(code="notInGroup"))),
        (status("noActiveSession"), receipt("noActiveSession", Window(code="noActiveSession"))),
        (
            status("sent", idMessage=123456789012345678, timestamp=None),
            Receipt(status="sent", provider_id="123456789012345678", code="sent"),
        ),
        (status("sent", timestamp=-1), Receipt(status="sent", provider_id="3EB0A", code="sent")),
        (status("sent", timestamp=10**15), Receipt(status="sent", provider_id="3EB0A", code="sent")),
        (status("yellowCard"), LaneNews(state="down", code="yellowCard")),
        (status("pending"), None),
        (status("sent", idMessage=None), None),
        (incoming(), PeerNews(did="wrote", channel="whatsapp", address=ANN, at_us=AT_US)),
        (incoming(GROUP), None),
        (incoming("79001234567"), None),
        (incoming("12@c.us"), None),
        (incoming("0123456789@c.us"), None),
        (of("incomingMessageReceived", idMessage="F7AE", senderData=None), None),
        (
            of("incomingBlock", chatId=CHAT, chatState="blocked"),
            PeerNews(did="stopped", channel="whatsapp", address=ANN, at_us=AT_US),
        ),
        (of("incomingBlock", chatId=CHAT, chatState="open"), None),
        (of("incomingBlock", chatState="blocked"), None),
        (of("stateInstanceChanged", stateInstance="authorized"), LaneNews(state="up", code="authorized")),
        *(
            (of("stateInstanceChanged", stateInstance=state), LaneNews(state="down", code=state))
            for state in ("notAuthorized", "blocked", "yellowCard", "suspended", "sleepMode", "starting", "unheardOf")
        ),
        (of("stateInstanceChanged", stateInstance="79001234567 is out"), LaneNews(state="down", code="unknown")),
        (of("stateInstanceChanged"), None),
        (of("statusInstanceChanged", statusInstance="offline"), None),
        (
            of("quotaExceeded", quotaData={"used": 3, "total": "3", "status": "CORRESPONDENTS_QUOTA_EXCEEDED"}),
            LaneNews(state="alert", code="CORRESPONDENTS_QUOTA_EXCEEDED"),
        ),
        (of("quotaExceeded"), LaneNews(state="alert", code="quotaExceeded")),
        (of("outgoingAPIMessageReceived", idMessage="3EB0A", senderData={"chatId": CHAT}), None),
        (of("deviceInfo", deviceData={"platform": "iphone"}), None),
        (of("somethingNew", status="sent", idMessage="3EB0A"), None),
    ],
)
def test_every_notification_has_its_news(body: bytes, news: News | None) -> None:
    """Messages, people and the instance, each by its own word; everything else is only handed on, as it came."""
    item = only(body)
    assert item.news == (() if news is None else (news,))
    assert item.body == body
    assert item.kind == msgspec.json.decode(body)["typeWebhook"]


@pytest.mark.parametrize(
    "twice",
    [
        (status("read"), status("read", timestamp=AT_S + 60, description="again")),
        (status("sent", idMessage=12345), status("sent", idMessage="12345")),
        (incoming(), incoming(timestamp=AT_S + 60)),
        (of("stateInstanceChanged", stateInstance="blocked"), of("stateInstanceChanged", stateInstance="blocked")),
    ],
)
def test_a_notification_that_comes_twice_has_one_key(twice: tuple[bytes, bytes]) -> None:
    """What is known of a message counts, not when it is told; for the instance the second counts as well."""
    first, second = twice
    assert only(first).key == only(second).key


def test_what_differs_has_a_key_of_its_own() -> None:
    """Another status, message, chat, instance, kind or moment is another notification."""
    other = {"idInstance": 1102, "wid": "", "typeInstance": "whatsapp"}
    bodies = [
        status("sent"),
        status("delivered"),
        status("sent", idMessage="3EB0B"),
        status("sent", chatId="79007654321@c.us"),
        status("sent", instanceData=other),
        of("outgoingMessageReceived", chatId=CHAT, idMessage="3EB0A", status="sent"),
        incoming(),
        incoming("79007654321@c.us"),
        of("stateInstanceChanged", stateInstance="blocked"),
        of("stateInstanceChanged", stateInstance="authorized"),
        of("stateInstanceChanged", stateInstance="blocked", timestamp=AT_S + 1),
        of("statusInstanceChanged", statusInstance="online"),
        of("statusInstanceChanged", statusInstance="offline"),
        of("incomingBlock", chatId=CHAT, chatState="blocked"),
        of("incomingBlock", chatId=CHAT, chatState="blocked", timestamp=AT_S + 1),
        of("quotaExceeded", timestamp=None, quotaData={"used": 3}),
        of("quotaExceeded", timestamp=None, quotaData={"used": 4}),
        of("incomingCall", status="offer"),
        of("incomingCall", status="missed"),
    ]
    assert len({only(body).key for body in bodies}) == len(bodies)


def test_a_key_names_nobody() -> None:
    """It is a digest of fixed length, whatever stands in the notification."""
    for body in (status("read"), status("read", idMessage="3" * 5_000), incoming(), b"nonsense"):
        key = only(body).key
        assert (len(key), key.isalnum(), "79001234567" in key) == (64, True, False)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"nonsense", b"[]", b"null", b'"text"', b"{}", b"\xff", b'{"typeWebhook":"\xff"}'),
        *(b'{"typeWebhook":7}', b'{"typeWebhook":null}', b'{"typeWebhook":"' + b"x" * 61 + b'"}'),
        *(b"[" * 100_000, b'{"x":' * 100_000, b'{"typeWebhook":"stateInstanceChanged","x":' + b"[" * 100_000),
        of("stateInstanceChanged", stateInstance={"state": "blocked"}),
        of("outgoingMessageStatus", chatId=[CHAT]),
        of("stateInstanceChanged", stateInstance="blocked", timestamp="soon"),
        b'{"typeWebhook":"stateInstanceChanged","timestamp":' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: f"{body[:24]!r}-{len(body)}",
)
def test_what_cannot_be_read_is_kept_as_it_came(body: bytes) -> None:
    """One item whose key is the digest of the bytes, so that a repetition is still known; it has no news."""
    assert items(body) == [Item(key=hashlib.sha256(body).hexdigest(), body=body)]
    assert instance_of(body) is None


@pytest.mark.parametrize(
    ("data", "instance"),
    [
        ({"idInstance": 1101}, "1101"),
        ({"idInstance": "1101"}, "1101"),
        ({"idInstance": 110100000000000001}, "110100000000000001"),
        ({"idInstance": ""}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_instance_is_told_as_a_text(data: object, instance: str | None) -> None:
    """A door compares it with what belongs to the token; where there is none, it says so."""
    assert instance_of(of("stateInstanceChanged", instanceData=data)) == instance


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20),
    st.sampled_from([CHAT, "sent", "failed", "authorized", "blocked"]),
    st.dictionaries(st.sampled_from(["idInstance", "chatId", "status"]), st.integers() | st.text(max_size=9)),
)  # fmt: skip  # One choice of what may stand anywhere.
_KINDS = ("outgoingMessageStatus", "incomingMessageReceived", "incomingBlock", "stateInstanceChanged", "quotaExceeded")
_FIELDS = (
    *("instanceData", "timestamp", "chatId", "idMessage", "status", "description", "stateInstance", "statusInstance"),
    *("chatState", "senderData", "quotaData"),
)


@given(body=st.binary(max_size=300))
def test_no_bytes_raise(body: bytes) -> None:
    """Whatever is posted is one item with those bytes."""
    assert only(body).body == body
    assert instance_of(body) is None or body.startswith(b"{")


@given(kind=st.sampled_from(_KINDS), fields=st.dictionaries(st.sampled_from(_FIELDS), _VALUES))
def test_no_notification_raises(kind: str, fields: dict[str, object]) -> None:
    """Right kinds with wrong fields are one item too, and what is told of a message always says which."""
    body = msgspec.json.encode({"typeWebhook": kind, **fields})
    item = only(body)
    assert (item.body, len(item.key)) == (body, 64)
    for news in item.news:
        assert not isinstance(news, Receipt) or news.provider_id
        assert not isinstance(news, PeerNews) or news.address.startswith("+")
        assert not isinstance(news, LaneNews) or news.code
