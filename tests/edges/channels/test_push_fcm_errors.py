"""Answers for every refusal of FCM: each row of the table, and answers that are none of its own."""

import msgspec
import pytest

from adapters.channels.fcm_errors import (
    OUTAGE_WAIT_US,
    QUOTA_WAIT_US,
    RULES,
    UNSPECIFIED_RETRIES_MAX,
    Meaning,
    Refusal,
    Rule,
    outcome_of,
    refusal_of,
    rule_of,
)
from core.outcomes import Config, Outcome, Permanent, Rate, Recipient, Transient
from core.policies import SECOND_US
from tests.edges.channels.fcm_server import Told, refusal

TOKEN = "fRt-1:APA91bExample"
INVALID = "INVALID_ARGUMENT"
BAD_TOKEN = "The registration token is not a valid FCM registration token"
TOO_BIG = "Android message is too big"

# What FCM answers, as its page, its own libraries and reports of its users show it, and what each means.
ANSWERS: tuple[tuple[Told, Meaning], ...] = (
    (refusal(404, "NOT_FOUND", "Requested entity was not found.", fcm="UNREGISTERED"), "recipient"),
    (refusal(403, "PERMISSION_DENIED", "SenderId mismatch", fcm="SENDER_ID_MISMATCH"), "recipient"),
    (refusal(400, INVALID, "Invalid registration token", fcm=INVALID, field="message.token"), "recipient"),
    (refusal(400, INVALID, "Invalid installation", field="message.fid"), "recipient"),
    (refusal(400, INVALID, "Invalid value at 'message.data[0].value'", field="message.data[0].value"), "permanent"),
    (refusal(400, INVALID, "Invalid JSON payload received. Unknown name", field=""), "permanent"),
    (refusal(400, INVALID, "Invalid data payload key: from", fcm=INVALID, field="message.data"), "permanent"),
    (refusal(400, INVALID, TOO_BIG, fcm=INVALID), "permanent"),
    (refusal(400, INVALID, BAD_TOKEN, fcm=INVALID), "recipient_soft"),
    (refusal(400, INVALID, "Request contains an invalid argument.", fcm=INVALID), "recipient_soft"),
    (refusal(400, INVALID, "Request contains an invalid argument."), "permanent"),
    (refusal(400, "FAILED_PRECONDITION"), "permanent"),
    (refusal(400, "OUT_OF_RANGE"), "permanent"),
    (refusal(404, "NOT_FOUND", "Project not found."), "permanent"),
    (refusal(401, "UNAUTHENTICATED", "Auth error from APNS", fcm="THIRD_PARTY_AUTH_ERROR"), "permanent"),
    (refusal(401, "UNAUTHENTICATED", fcm="APNS_AUTH_ERROR"), "permanent"),
    (refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), "config"),
    (refusal(403, "PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied"), "config"),
    (refusal(403, "PERMISSION_DENIED", "Firebase Cloud Messaging API has not been used before"), "config"),
    (refusal(429, "RESOURCE_EXHAUSTED", "Device message rate exceeded", fcm="QUOTA_EXCEEDED"), "rate_pair"),
    (refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded for 'Send requests'", fcm="QUOTA_EXCEEDED"), "rate_lane"),
    (refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded"), "rate_lane"),
    (refusal(503, "UNAVAILABLE", fcm="UNAVAILABLE"), "outage"),
    (refusal(503, "UNAVAILABLE"), "outage"),
    (refusal(500, "INTERNAL", fcm="INTERNAL"), "transient"),
    (refusal(504, "DEADLINE_EXCEEDED"), "transient"),
    (refusal(409, "ABORTED"), "transient"),
    (refusal(499, "CANCELLED"), "transient"),
    (refusal(500, "UNKNOWN"), "transient"),
    (refusal(500, "UNKNOWN", fcm="UNSPECIFIED_ERROR"), "unspecified"),
    # No answers of FCM's own.
    (Told(status=401, body=b"<html>"), "config"),
    (Told(status=403), "config"),
    (Told(status=429, body=b"\xff"), "rate_lane"),
    (Told(status=503, body=b"{}"), "outage"),
    (Told(status=500, body={"error": "down"}), "transient"),
    (Told(status=502, body=b"<html>Bad Gateway"), "transient"),
    (Told(status=504), "transient"),
    (Told(status=408), "transient"),
    (Told(status=425), "transient"),
    (Told(status=301), "permanent"),
    (Told(status=404, body=b"<html>"), "permanent"),
    (Told(status=413), "permanent"),
    # A newer FCM: what it says in Google's form, or its status, still counts.
    (refusal(503, "UNAVAILABLE", fcm="BRAND_NEW"), "outage"),
    (refusal(429, "BRAND_NEW", fcm="BRAND_NEWER"), "rate_lane"),
    (refusal(400, "BRAND_NEW"), "permanent"),
    (refusal(400, INVALID, "Newer", fcm="BRAND_NEW"), "permanent"),
)


def read(told: Told, *, after_us: int | None = None) -> Refusal:
    """An answer as the channel reads it."""
    body = told.body if isinstance(told.body, bytes) else msgspec.json.encode(told.body)
    return refusal_of(told.status, body, after_us=after_us)


@pytest.mark.parametrize(("told", "means"), ANSWERS)
def test_every_answer_has_its_meaning(told: Told, means: Meaning) -> None:
    """FCM's own code first, then Google's, then the status; fields and texts where a code has two meanings."""
    assert rule_of(read(told)).means == means


def test_no_row_of_the_table_is_dead() -> None:
    """Each row decides one of the answers above, and each code that it names stands in one of them."""
    refused = [read(told) for told, _ in ANSWERS]
    assert {RULES.index(rule_of(one)) for one in refused} == set(range(len(RULES)))
    seen = {code for one in refused for code in (one.fcm, one.rpc, one.status)}
    assert {code for rule in RULES for code in (*rule.codes, *rule.statuses)} <= seen


def test_the_last_row_takes_everything() -> None:
    """Whatever FCM comes to say has an outcome."""
    assert RULES[-1] == Rule("permanent")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (refusal(404, "NOT_FOUND", "gone", fcm="UNREGISTERED"), Recipient(code="UNREGISTERED", detail="gone")),
        (refusal(400, INVALID, "bad", fcm=INVALID), Recipient(code=INVALID, detail="bad", soft=True)),
        (refusal(400, INVALID, "bad", field="message.data"), Permanent(code=INVALID, detail="bad message.data")),
        (refusal(401, "UNAUTHENTICATED", fcm="THIRD_PARTY_AUTH_ERROR"), Permanent(code="THIRD_PARTY_AUTH_ERROR")),
        (refusal(403, "PERMISSION_DENIED", "no"), Config(code="PERMISSION_DENIED", detail="no")),
        (
            refusal(429, "RESOURCE_EXHAUSTED", fcm="QUOTA_EXCEEDED"),
            Rate(code="QUOTA_EXCEEDED", scope="lane", after_us=QUOTA_WAIT_US),
        ),
        (
            refusal(429, "RESOURCE_EXHAUSTED", "device rate"),
            Rate(code="RESOURCE_EXHAUSTED", detail="device rate", scope="pair", after_us=QUOTA_WAIT_US),
        ),
        (refusal(503, "UNAVAILABLE"), Transient(code="UNAVAILABLE", after_us=OUTAGE_WAIT_US)),
        (refusal(500, "INTERNAL"), Transient(code="INTERNAL")),
        (Told(status=502), Transient(code="502")),
        (
            refusal(500, "UNKNOWN", fcm="UNSPECIFIED_ERROR"),
            Transient(code="UNSPECIFIED_ERROR", retries_max=UNSPECIFIED_RETRIES_MAX),
        ),
    ],
)
def test_every_meaning_has_its_outcome(told: Told, expected: Outcome) -> None:
    """With the code that says most, the text, and a wait where FCM wants one that it did not name."""
    assert outcome_of(read(told)) == expected


@pytest.mark.parametrize(("status", "rpc"), [(429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE"), (500, "INTERNAL")])
@pytest.mark.parametrize("after_us", [0, 7 * SECOND_US, 600 * SECOND_US])
def test_a_wait_that_was_asked_for_is_kept(status: int, rpc: str, after_us: int) -> None:
    """Retry-After counts before our own idea of a wait, whether it is shorter or longer."""
    outcome = outcome_of(read(refusal(status, rpc), after_us=after_us))
    assert isinstance(outcome, Rate | Transient)
    assert outcome.after_us == after_us


def test_what_is_kept_of_a_refusal_names_no_device() -> None:
    """The registration is blotted out wherever a text quotes it, whole or as a long word."""
    text = f"{TOKEN} is not registered, nor is {'A' * 140}"
    outcome = outcome_of(read(refusal(404, "NOT_FOUND", text, fcm="UNREGISTERED")), to=TOKEN)
    assert outcome.detail == "<address> is not registered, nor is <key>"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"\xff"',
        b'{"error":null}',
        b'{"error":{"status":7}}',
        b'{"error":{"status":"not a code\\n","details":[7,null,{"@type":3},{"errorCode":"X"}]}}',
        b'{"error":{"details":[{"@type":"a.FcmError","errorCode":"<b>"}]}}',
        b'{"error":{"details":' + b"[" * 60_000,
        b'{"error":{"details":[' + b"[" * 20_000 + b"]" * 20_000 + b"]}}",
    ],
)
def test_an_answer_that_cannot_be_read_still_has_its_status(body: bytes) -> None:
    """Nothing that is sent in the place of an error raises, and no nonsense becomes a code."""
    refused = refusal_of(503, body)
    assert refused.code == "503"
    assert outcome_of(refused) == Transient(code="503", after_us=OUTAGE_WAIT_US)
