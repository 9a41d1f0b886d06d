"""What SendGrid's answers mean: a table, read from the top.

This file answers for turning one answer into an outcome (SendGrid's pages on the v3 API, its errors and rate limits).
SendGrid has no idempotency keys and no codes but the HTTP status, so a second request is a second mail, and now and
then the words of an error have to be read. It must never raise for what was answered.
"""

import re
from typing import Final, Literal, assert_never

import msgspec

from adapters.channels.http_account import Answer
from adapters.channels.http_mail import until_tomorrow_us
from adapters.channels.scrubbing import scrubbed
from core.outcomes import Ambiguous, Config, Hold, Outcome, Permanent, Rate, Taken, Transient
from core.policies import DAY_US, SECOND_US

Meaning = Literal["permanent", "transient", "ambiguous", "sender", "config", "rate", "hold"]
"""`sender`: the From is refused: our set-up's fault where it is the lane's own, the message's where it named one."""


class Rule(msgspec.Struct, frozen=True):
    """One line of the table: applies where everything that it names fits. `field` is the part that was found wrong."""

    means: Meaning
    statuses: tuple[int, ...] = ()
    field: str = ""
    says: re.Pattern[str] | None = None


RULES: Final = (
    # The day's credits are used up; they come back at midnight UTC.
    Rule("hold", (401, 403), says=re.compile(r"maximum credits exceeded", re.IGNORECASE)),
    # An address that is no verified sender identity.
    Rule("sender", (403,), field="from"),
    Rule("config", (401, 403)),
    Rule("rate", (429,)),
    Rule("permanent", (400, 404, 405, 406, 413, 415)),
    Rule("transient", (408, 425, 500, 503)),
    # A gateway, which may have lost the answer to a mail that was taken behind it.
    Rule("ambiguous", tuple(range(500, 600))),
    Rule("permanent"),
)

_WORD: Final = re.compile(r"[A-Za-z0-9_.=-]{1,100}")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a reading depends on besides the answer itself."""

    now_us: int
    to: str = ""
    own_sender: bool = True


class _Error(msgspec.Struct, frozen=True):
    message: str | None = None
    field: str | None = None


class _Errors(msgspec.Struct, frozen=True):
    errors: list[_Error] = []


_ERRORS: Final = msgspec.json.Decoder(_Errors)


def outcome_of(came: Answer | Outcome, reading: Reading) -> Outcome:
    """The outcome of what came back: an answer, or what the attempt came to without one."""
    if not isinstance(came, Answer):
        return came
    if 200 <= came.status < 300:
        given = came.headers.get("X-Message-Id", "").strip()
        return Taken(code=str(came.status), provider_id=given if _WORD.fullmatch(given) else "")
    return _refused(came, reading)


def _refused(answer: Answer, reading: Reading) -> Outcome:
    error = _error_in(answer)
    code, detail = str(answer.status), scrubbed(error.message or "", to=reading.to)
    means = next(rule.means for rule in RULES if _fits(rule, answer.status, error))
    match means:
        case "transient":
            return Transient(code=code, detail=detail, after_us=answer.after_us(reading.now_us))
        case "ambiguous":
            return Ambiguous(code=code, detail=detail)
        case "rate":
            return Rate(code=code, detail=detail, scope="account", after_us=_pause_us(answer, reading.now_us))
        case "hold":
            return Hold(code=code, detail=detail, after_us=until_tomorrow_us(reading.now_us))
        case "config":
            return Config(code=code, detail=detail)
        case "sender":
            # One message's own From must not pause the lane for all others.
            return (Config if reading.own_sender else Permanent)(code=code, detail=detail)
        case "permanent":
            return Permanent(code=code, detail=detail)
        case _:
            assert_never(means)


def _fits(rule: Rule, status: int, error: _Error) -> bool:
    return (
        (not rule.statuses or status in rule.statuses)
        and (not rule.field or (error.field or "").partition(".")[0] == rule.field)
        and (rule.says is None or rule.says.search(error.message or "") is not None)
    )


def _pause_us(answer: Answer, now_us: int) -> int | None:
    """Until the instant, in seconds since 1970, at which the limiter counts anew; never negative."""
    reset = answer.headers.get("X-RateLimit-Reset", "").strip()
    if not _SECONDS.fullmatch(reset):
        return answer.after_us(now_us)
    after_us = max(0, int(reset) * SECOND_US - now_us)
    # Limits are counted by the minute or the hour. What says otherwise is in another unit, or by another clock.
    return after_us if after_us <= DAY_US else None


def _error_in(answer: Answer) -> _Error:
    """The first of the errors: the others repeat it or follow from it."""
    try:
        return next(iter(_ERRORS.decode(answer.body).errors), _Error())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Error()
