"""What Resend's answers mean: a table, read from the top.

This file answers for turning one answer, or the lack of one, into an outcome (Resend's pages on errors, rate limits and
idempotency keys). It must never raise for what was answered.

A request that repeats another's key and body within 24 hours cannot deliver a second mail. So what would be in doubt
elsewhere is only transient here, as long as the key lives; its code then ends in `same_key`.
"""

import re
from typing import Final, Literal, assert_never

import msgspec

from adapters.channels.http_account import Answer
from adapters.channels.http_mail import until_tomorrow_us
from adapters.channels.scrubbing import scrubbed
from core.outcomes import Ambiguous, Config, Hold, Outcome, Permanent, Rate, Taken, Transient
from core.policies import DAY_US, HOUR_US, SECOND_US

Meaning = Literal["permanent", "unanswered", "sender", "config", "rate", "hold"]
"""`unanswered`: what became of the mail is not known, as if no answer had come. `sender`: the From is refused: our
set-up's fault where it is the lane's own, the message's where it named one."""

# A repeat comes some time after the answer that asked for it: the longest usual wait between two attempts is half an
# hour. The key was first used at acceptance or later, so this errs towards doubt.
KEY_TRUSTED_US: Final = DAY_US - HOUR_US


class Rule(msgspec.Struct, frozen=True):
    """One line of the table: applies where everything that it names fits."""

    means: Meaning
    names: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    says: re.Pattern[str] | None = None


_BAD_KEY: Final = re.compile(r"api key is (?:invalid|not valid|suspended|disabled)", re.IGNORECASE)

RULES: Final = (
    # Our own set-up. A key that was deleted is called a validation error nowadays; it must not cost a single mail.
    Rule("config", ("missing_api_key", "restricted_api_key", "invalid_api_key", "suspended_api_key")),
    Rule("config", ("validation_error",), (401,)),
    Rule("config", ("validation_error",), (400, 403), _BAD_KEY),
    Rule("config", ("invalid_access", "invalid_region", "security_error")),
    # A domain that is not verified, or an account that may only write to its owner yet.
    Rule("sender", ("validation_error",), (403,)),
    Rule("sender", ("invalid_from_address",)),
    # Not now.
    Rule("hold", ("daily_quota_exceeded", "monthly_quota_exceeded")),
    Rule("rate", ("rate_limit_exceeded",)),
    Rule("unanswered", ("concurrent_idempotent_requests",)),
    Rule("unanswered", ("application_error", "internal_server_error")),
    # This message. The same key with another body is a fault of ours: what is sent depends on what was accepted alone.
    Rule("permanent", ("invalid_idempotent_request", "invalid_idempotency_key")),
    Rule("permanent", ("validation_error",), (400, 422)),
    Rule("permanent", ("missing_required_field", "missing_required_fields", "invalid_attachment", "invalid_parameter")),
    Rule("permanent", ("not_found", "method_not_allowed")),
    # Words that this table does not know, and gateways that have none.
    Rule("config", statuses=(401, 403, 451)),
    Rule("rate", statuses=(429,)),
    Rule("unanswered", statuses=(408, 425, *range(500, 600))),
    Rule("permanent"),
)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a reading depends on besides the answer itself."""

    now_us: int
    accepted_us: int
    to: str = ""
    own_sender: bool = True

    @property
    def is_repeatable(self) -> bool:
        """Whether the next attempt will still find this one's key."""
        return self.now_us < self.accepted_us + KEY_TRUSTED_US


class _Error(msgspec.Struct, frozen=True):
    name: str = ""
    message: str = ""


class _Accepted(msgspec.Struct, frozen=True):
    id: str


_ERROR: Final = msgspec.json.Decoder(_Error)
_ACCEPTED: Final = msgspec.json.Decoder(_Accepted)


def outcome_of(came: Answer | Outcome, reading: Reading) -> Outcome:
    """The outcome of what came back: an answer, or what the attempt came to without one."""
    match came:
        case Answer(status=status) if 200 <= status < 300:
            return Taken(code=str(status), provider_id=_id_in(came))
        case Answer():
            return _refused(came, reading)
        case Ambiguous(code=code, detail=detail):
            return _unanswered(code, detail, None, reading)
        case _:
            return came


def _refused(answer: Answer, reading: Reading) -> Outcome:
    error = _error_in(answer)
    code = f"{answer.status} {error.name}".rstrip() if _NAME.fullmatch(error.name) else str(answer.status)
    detail = scrubbed(error.message, to=reading.to)
    means = next(rule.means for rule in RULES if _fits(rule, answer.status, error))
    match means:
        case "unanswered":
            return _unanswered(code, detail, answer.after_us(reading.now_us), reading)
        case "rate":
            return Rate(code=code, detail=detail, scope="account", after_us=_pause_us(answer, reading.now_us))
        case "hold":
            # The limiter's own headers speak of seconds, which a quota has no use for.
            after_us = max(answer.after_us(reading.now_us) or 0, until_tomorrow_us(reading.now_us))
            return Hold(code=code, detail=detail, after_us=after_us)
        case "config":
            return Config(code=code, detail=detail)
        case "sender":
            # One message's own From must not pause the lane for all others.
            return (Config if reading.own_sender else Permanent)(code=code, detail=detail)
        case "permanent":
            return Permanent(code=code, detail=detail)
        case _:
            assert_never(means)


def _unanswered(code: str, detail: str, after_us: int | None, reading: Reading) -> Outcome:
    if reading.is_repeatable:
        return Transient(code=f"{code} same_key", detail=detail, after_us=after_us)
    return Ambiguous(code=code, detail=detail)


def _fits(rule: Rule, status: int, error: _Error) -> bool:
    return (
        (not rule.names or error.name in rule.names)
        and (not rule.statuses or status in rule.statuses)
        and (rule.says is None or rule.says.search(error.message) is not None)
    )


def _pause_us(answer: Answer, now_us: int) -> int | None:
    after_us = answer.after_us(now_us)
    if after_us is not None:
        return after_us
    reset = answer.headers.get("ratelimit-reset", "")
    return int(reset[:6]) * SECOND_US if reset.isascii() and reset.isdigit() else None


def _error_in(answer: Answer) -> _Error:
    try:
        return _ERROR.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Error()


def _id_in(answer: Answer) -> str:
    # That it was taken is what the status says; an id that cannot be read is only missing.
    try:
        found = _ACCEPTED.decode(answer.body).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return found if _WORD.fullmatch(found) else ""
