"""Answers for what each update of Meta's hooks tells, read side by side with a parser that others wrote."""

import hashlib

import msgspec
import pytest
from pywa.client import WhatsApp
from pywa.types.base_update import RawUpdate
from pywa.types.message import Message
from pywa.types.message_status import MessageStatus
from pywa.types.user_preferences import UserMarketingPreferences

from adapters.channels.whatsapp_cloud_errors import OUTCOMES, error_of, failure_of
from adapters.hooks.meta_items import items_of
from core.news import Item, LaneNews, PeerNews, Receipt
from core.outcomes import OptOut, Permanent, Recipient
from core.policies import SECOND_US
from tests.edges.hooks.meta_bodies import (
    AT_S,
    METADATA,
    Object,
    body,
    change,
    contact,
    entry,
    error,
    preference,
    status,
    updates,
    written,
)

pytestmark = pytest.mark.slow

PHONE, USER = "+15550000001", "US.13491208655302740001"
AT_US = (AT_S + 1) * SECOND_US


@pytest.fixture(scope="module")
def client() -> WhatsApp:
    """A parser of Meta's updates that others wrote."""
    return WhatsApp(phone_id="1", token="t")


def raw_update(item: Item) -> RawUpdate:
    """An item as the other parser takes it."""
    return RawUpdate(item.body, hmac_header=None, update_hash="")


def one(*changes: Object) -> Item:
    """The only item of these changes."""
    (item,) = items_of(body(entry(*changes)))
    return item


def wrote(address: str) -> PeerNews:
    """Person 1 wrote, known by this address."""
    return PeerNews(did="wrote", channel="whatsapp", address=address, at_us=AT_US)


def test_a_message_tells_who_wrote(client: WhatsApp) -> None:
    """Its key is its id, and the person is known by number and by user id; the other parser reads the same."""
    item = one(updates(contacts=[contact(1)], messages=[written(1)]))
    assert (item.key, item.kind) == ("wamid.IN0001", "message")
    assert item.news == (wrote(PHONE), wrote(USER))
    read = Message.from_update(client, raw_update(item))
    assert (read.id, f"+{read.from_user.wa_id}", read.from_user.bsuid) == (item.key, PHONE, USER)
    assert int(read.timestamp.timestamp()) * SECOND_US == AT_US
    assert read.text == "hello 1 👋"


@pytest.mark.parametrize("people", [[contact(1, wa_id=False)], []])
def test_a_person_may_show_no_number(people: list[Object]) -> None:
    """Who hides the number is known by the user id alone, with or without a contact beside the message."""
    item = one(updates(contacts=people, messages=[written(1, wa_id=False)]))
    assert item.news == (wrote(USER),)


def test_a_person_of_an_enterprise_has_a_third_name() -> None:
    """The id that a parent business knows a person by is one more address."""
    item = one(updates(contacts=[{**contact(1), "parent_user_id": "US.ENT.77"}], messages=[written(1)]))
    assert item.news == (wrote(PHONE), wrote(USER), wrote("US.ENT.77"))


@pytest.mark.parametrize(
    "more",
    [
        {"type": "system", "system": {"type": "user_changed_number", "wa_id": "15550009999"}},
        {"type": "request_welcome"},
        {"type": "revoke", "revoke": {"original_message_id": "wamid.IN0000"}},
        {"group_id": "Y2FwaV9ncm91cA"},
    ],
)
def test_what_nobody_wrote_to_us_opens_no_window(more: Object) -> None:
    """Meta's own notes, a message taken back and one to a group are handed on, and tell of nobody writing."""
    item = one(updates(contacts=[contact(1)], messages=[{**written(1), **more}]))
    assert (item.key, item.kind, item.news) == ("wamid.IN0001", "message", ())


@pytest.mark.parametrize("kind", ["button", "interactive", "image", "reaction", "unsupported", "something_new"])
def test_whatever_a_person_sends_is_writing(kind: str) -> None:
    """Every other type, those of tomorrow too, shows a person who turned to us."""
    assert one(updates(contacts=[contact(1)], messages=[written(1, type=kind)])).news[0] == wrote(PHONE)


@pytest.mark.parametrize(
    ("word", "means"), [("sent", "sent"), ("delivered", "delivered"), ("read", "read"), ("played", "read")]
)
def test_a_status_is_a_receipt(client: WhatsApp, word: str, means: str) -> None:
    """It names Meta's id, gives ours back and has an instant; its key is id and word, so no two of them are one."""
    item = one(updates(contacts=[contact(1)], statuses=[status(word)]))
    assert (item.key, item.kind) == (f"wamid.OUT0001/{word}", "status")
    (receipt,) = item.news
    assert receipt == Receipt(status=means, provider_id="wamid.OUT0001", echo="msg_0000000000001", at_us=AT_US)  # type: ignore[arg-type]
    read = MessageStatus.from_update(client, raw_update(item))
    assert (read.id, read.tracker, read.status.value) == (receipt.provider_id, receipt.echo, word)
    assert int(read.timestamp.timestamp()) * SECOND_US == receipt.at_us


@pytest.mark.parametrize("code", sorted(OUTCOMES))
def test_a_failure_is_classified_by_the_same_table(client: WhatsApp, code: int) -> None:
    """What a request with this code comes to is what the receipt says, and the other parser reads the same code."""
    item = one(updates(contacts=[contact(1)], statuses=[status("failed", errors=[error(code)])]))
    (receipt,) = item.news
    assert isinstance(receipt, Receipt)
    assert (receipt.status, receipt.code) == ("failed", str(code))
    assert receipt.failure == failure_of(error_of(msgspec.json.encode(error(code))), to=PHONE[1:])
    assert receipt.failure is not None
    assert PHONE[1:] not in receipt.failure.detail
    read = MessageStatus.from_update(client, raw_update(item))
    assert read.error is not None
    assert str(read.error.code) == receipt.code


@pytest.mark.parametrize(
    ("errors", "failure"),
    [
        ([error("131026")], Recipient(code="131026", soft=True)),
        ([error(131050), error(131026)], OptOut(code="131050", marketing=True)),
        ([error(4_999)], Permanent(code="4999")),
        ([], Permanent(code="unknown")),
        (None, Permanent(code="unknown")),
        (["odd"], Permanent(code="unknown")),
    ],
)
def test_a_failure_always_has_a_reason(errors: object, failure: Recipient | OptOut | Permanent) -> None:
    """The first error counts; without one that can be read the message is refused for reasons unknown."""
    (receipt,) = one(updates(statuses=[status("failed", errors=errors)])).news
    assert isinstance(receipt, Receipt)
    assert receipt.failure is not None
    assert msgspec.structs.replace(receipt.failure, detail="") == failure
    assert receipt.code == failure.code


def test_errors_may_stand_beside_the_statuses() -> None:
    """A change that names its errors once means its failed statuses."""
    value = change("messages", metadata=METADATA, statuses=[status("failed")], errors=[error(131047)])
    (receipt,) = one(value).news
    assert isinstance(receipt, Receipt)
    assert receipt.code == "131047"


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"status": "warning"}, "wamid.OUT0001/warning"),
        ({"type": "payment"}, "wamid.OUT0001/payment/failed"),
        ({"id": None, "biz_opaque_callback_data": None}, ""),
        ({"status": 7}, ""),
    ],
)
def test_what_is_no_receipt_says_nothing_of_a_message(more: Object, key: str) -> None:
    """A word of tomorrow, a failed payment and a status of nothing are handed on without news."""
    item = one(updates(statuses=[{**status("failed"), **more}]))
    assert (item.kind, item.news) == ("status", ())
    assert item.key == key or (not key and len(item.key) == 64)


@pytest.mark.parametrize(("value", "did"), [("stop", "stopped"), ("resume", "resumed"), ("signup", "resumed")])
def test_a_person_may_stop_marketing(client: WhatsApp, value: str, did: str) -> None:
    """Stopping and resuming are told for every name of the person, for marketing alone."""
    wishes = change("user_preferences", metadata=METADATA, contacts=[contact(1)], user_preferences=[preference(value)])
    item = one(wishes)
    assert item.kind == "user_preferences"
    assert item.news == tuple(
        PeerNews(did=did, channel="whatsapp", address=address, at_us=AT_US, marketing=True)  # type: ignore[arg-type]
        for address in (PHONE, USER)
    )
    read = UserMarketingPreferences.from_update(client, raw_update(item))
    assert (read.value.value, bool(read)) == (value, did == "resumed")


@pytest.mark.parametrize("more", [{"value": "pause"}, {"category": "utility_messages"}, {"wa_id": "x", "user_id": ""}])
def test_other_wishes_are_handed_on(more: Object) -> None:
    """A wish that we do not know, or of nobody that we could know, changes nothing."""
    item = one(change("user_preferences", user_preferences=[{**preference("stop"), **more}]))
    assert (item.kind, item.news) == ("user_preferences", ())


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("phone_number_quality_update", {"event": "FLAGGED", "current_limit": "TIER_1K"}, "/FLAGGED"),
        ("account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}, "/DISABLED_UPDATE"),
        ("account_review_update", {"decision": "REJECTED"}, "/REJECTED"),
        ("account_alerts", {"alert_info": {"alert_type": "OBA_REJECTED"}}, "/OBA_REJECTED"),
        ("message_template_status_update", {"event": "PAUSED", "message_template_id": 1}, "/PAUSED"),
        ("account_update", {"event": "Call +1 555 000 0001 now"}, ""),
        ("account_update", {}, ""),
    ],
)
def test_the_state_of_the_account_is_an_alert(field: str, value: Object, code: str) -> None:
    """Quality, reviews and restrictions alert whoever runs the account, by field and event and never by prose."""
    item = one(change(field, **value))
    assert (item.kind, item.news) == (field, (LaneNews(state="alert", code=f"{field}{code}"),))


def test_errors_of_no_message_are_an_alert() -> None:
    """What Meta tells of the number as a whole reaches a person by its code."""
    item = one(change("messages", metadata=METADATA, errors=[error(131031)]))
    assert (item.kind, item.news) == ("messages", (LaneNews(state="alert", code="errors/131031"),))


@pytest.mark.parametrize("field", ["calls", "smb_message_echoes", "history", "user_id_update", "flows", "tomorrow"])
def test_other_fields_are_handed_on(field: str) -> None:
    """A field that we do not act upon is one item as a whole, whatever its lists are called."""
    item = one(change(field, messages=[written(1)], statuses=[status("failed")], user_preferences=[preference("stop")]))
    assert (item.kind, item.news) == (field, ())
    assert len(item.key) == 64


def test_a_change_has_a_key_of_its_own() -> None:
    """The same change is the same item when it comes again, and another one when it happens again."""
    flagged = change("phone_number_quality_update", event="FLAGGED")
    first, again = (items_of(body(entry(flagged)))[0].key for _ in range(2))
    later = items_of(body(entry(flagged, at_s=AT_S + 60)))[0].key
    other = items_of(body(entry(change("phone_number_quality_update", event="UNFLAGGED"))))[0].key
    assert first == again
    assert len({first, later, other}) == 3
    change_bytes, time_bytes = msgspec.json.encode(flagged), str(AT_S).encode()
    assert first == hashlib.sha256(change_bytes + b"\n" + time_bytes).hexdigest()
