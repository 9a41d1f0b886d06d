"""What FCM's refusals mean: a table, read from the top (Firebase's page on error codes; google.rpc.Status).

This file answers for turning one answer other than 200 into an outcome. It must never raise for what FCM said, nor find
a doubt in what was answered: a push that comes twice is seen once, since both carry the same collapse keys.
"""

import re
from typing import Final, Literal, assert_never

import msgspec

from adapters.channels.scrubbing import scrubbed
from core.outcomes import Config, Outcome, Permanent, Rate, Recipient, Transient
from core.policies import MINUTE_US, SECOND_US

# Firebase's page on sending at scale: a minute where a refused quota names no wait, and at least ten seconds after 503.
QUOTA_WAIT_US: Final = MINUTE_US
OUTAGE_WAIT_US: Final = 10 * SECOND_US
# An error that FCM itself cannot name is most likely the message's own, so its whole schedule would be wasted on it.
UNSPECIFIED_RETRIES_MAX: Final = 2

Meaning = Literal[
    "recipient", "recipient_soft", "permanent", "config", "rate_pair", "rate_lane", "outage", "transient", "unspecified"
]
"""`recipient_soft`: the registration is refused, but it may be the message that was meant. `outage`: wait a while."""


class Rule(msgspec.Struct, frozen=True):
    """One line of the table: applies where everything that it names fits.

    `by_fcm`: the code stands in FCM's own detail, and not only in the form that all of Google's errors have.
    """

    means: Meaning
    codes: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    by_fcm: bool = False
    field: re.Pattern[str] | None = None
    says: re.Pattern[str] | None = None


_REGISTRATION: Final = re.compile(r"message\.(?:token|fid)")
_ANY_FIELD: Final = re.compile(r".*")
_TOO_BIG: Final = re.compile(r"too (?:big|large)|exceeds|payload|data key|\bttl\b", re.IGNORECASE)
_DEVICE: Final = re.compile(r"device|registration|\btokens?\b|\bfids?\b|installation", re.IGNORECASE)

RULES: Final = (
    # This registration.
    Rule("recipient", ("UNREGISTERED",)),
    Rule("recipient", ("SENDER_ID_MISMATCH",)),
    Rule("recipient", ("INVALID_ARGUMENT",), field=_REGISTRATION),
    # This message.
    Rule("permanent", ("INVALID_ARGUMENT",), field=_ANY_FIELD),
    Rule("permanent", ("INVALID_ARGUMENT",), says=_TOO_BIG),
    # Without a field FCM means the registration, most of the time.
    Rule("recipient_soft", ("INVALID_ARGUMENT",), by_fcm=True),
    Rule("permanent", ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "NOT_FOUND")),
    # The project's key for APNs or for web push: a fault of our set-up, but of one platform, and no answer says which
    # registrations are on it. Pausing the lane would hold up all other devices, so each message fails by itself.
    Rule("permanent", ("THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR")),
    # Our own set-up.
    Rule("config", ("UNAUTHENTICATED", "PERMISSION_DENIED")),
    # Not now.
    Rule("rate_pair", ("QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED"), says=_DEVICE),
    Rule("rate_lane", ("QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED")),
    Rule("outage", ("UNAVAILABLE",)),
    Rule("transient", ("INTERNAL", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "UNKNOWN")),
    Rule("unspecified", ("UNSPECIFIED_ERROR",)),
    # Answers that bear no code known here: of a proxy, or of a newer FCM.
    Rule("config", statuses=(401, 403)),
    Rule("rate_lane", statuses=(429,)),
    Rule("outage", statuses=(503,)),
    Rule("transient", statuses=(408, 425, 500, 502, 504)),
    Rule("permanent"),
)

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading an answer raises that is no JSON, other JSON than expected, or JSON made to be deep."""

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One answer other than 200. `fcm` is the code in FCM's own detail, `rpc` that in the form of all Google's errors.

    Both are empty where there is none; `fields` are the parts of the request that it complains about.
    """

    status: int
    fcm: str = ""
    rpc: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()
    after_us: int | None = None

    @property
    def code(self) -> str:
        """The code that says most."""
        return self.fcm or self.rpc or str(self.status)


def outcome_of(refusal: Refusal, *, to: str = "") -> Outcome:
    """The outcome of a refusal. `to` is the registration, which no text may name."""
    code, after_us = refusal.code, refusal.after_us
    detail = scrubbed(" ".join(filter(None, (refusal.message, *refusal.fields[:1]))), to=to)
    match means := rule_of(refusal).means:
        case "recipient":
            return Recipient(code=code, detail=detail)
        case "recipient_soft":
            return Recipient(code=code, detail=detail, soft=True)
        case "permanent":
            return Permanent(code=code, detail=detail)
        case "config":
            return Config(code=code, detail=detail)
        case "rate_pair" | "rate_lane":
            wait_us = QUOTA_WAIT_US if after_us is None else after_us
            return Rate(code=code, detail=detail, scope="pair" if means == "rate_pair" else "lane", after_us=wait_us)
        case "outage":
            return Transient(code=code, detail=detail, after_us=OUTAGE_WAIT_US if after_us is None else after_us)
        case "transient":
            return Transient(code=code, detail=detail, after_us=after_us)
        case "unspecified":
            return Transient(code=code, detail=detail, after_us=after_us, retries_max=UNSPECIFIED_RETRIES_MAX)
        case _:
            assert_never(means)


def rule_of(refusal: Refusal) -> Rule:
    """The line of the table that decides: by FCM's own code if the table knows it, else by Google's, or the status."""
    for code, by_fcm in ((refusal.fcm, True), (refusal.rpc, False)):
        for rule in RULES:
            if code in rule.codes and (by_fcm or not rule.by_fcm) and _fits(rule, refusal):
                return rule
    by_status = (rule for rule in RULES if not rule.codes)
    return next(rule for rule in by_status if not rule.statuses or refusal.status in rule.statuses)


def _fits(rule: Rule, refusal: Refusal) -> bool:
    if rule.field is not None and not any(map(rule.field.fullmatch, refusal.fields)):
        return False
    return rule.says is None or rule.says.search(refusal.message) is not None


class _Violation(msgspec.Struct, frozen=True, kw_only=True):
    field: str = ""


class _Detail(msgspec.Struct, frozen=True, kw_only=True):
    kind: str = msgspec.field(name="@type", default="")
    code: str = msgspec.field(name="errorCode", default="")
    violations: tuple[_Violation, ...] = msgspec.field(name="fieldViolations", default=())


class _Error(msgspec.Struct, frozen=True, kw_only=True):
    status: str = ""
    message: str = ""
    details: tuple[msgspec.Raw, ...] = ()


class _Refused(msgspec.Struct, frozen=True, kw_only=True):
    error: _Error


_REFUSED: Final = msgspec.json.Decoder(_Refused)
_DETAIL: Final = msgspec.json.Decoder(_Detail)


def refusal_of(status: int, body: bytes, *, after_us: int | None = None) -> Refusal:
    """An answer other than 200 as it is read; what cannot be read in it is left out. `after_us` is its Retry-After."""
    try:
        error = _REFUSED.decode(body).error
    except UNREADABLE:
        return Refusal(status=status, after_us=after_us)
    details = [detail for raw in error.details if (detail := _detail(raw)) is not None]
    codes = (detail.code for detail in details if detail.kind.endswith(".FcmError"))
    return Refusal(
        status=status,
        fcm=next((code for code in codes if _CODE.fullmatch(code)), ""),
        rpc=error.status if _CODE.fullmatch(error.status) else "",
        message=error.message,
        # A complaint about the request as a whole may name no field, and is one about a field all the same.
        fields=tuple(
            violation.field
            for detail in details
            if detail.kind.endswith(".BadRequest")
            for violation in detail.violations
        ),
        after_us=after_us,
    )


def _detail(raw: msgspec.Raw) -> _Detail | None:
    try:
        return _DETAIL.decode(raw)
    except UNREADABLE:
        return None  # Of a kind that is not read here.
