"""What Green API's answers to a message mean: a table, read from the top.

This file answers for turning one answer into an outcome. It must never raise for what was answered, and never keep the
`path` of an error (the token stands in it) or the description of a quota (other people's numbers stand in it).

Green API has no idempotency key: whatever may have been queued behind an error is in doubt and never simply repeated.
"""

import re
from collections.abc import Container
from typing import Final, Literal, assert_never

import msgspec

from adapters.channels.http_account import Answer
from adapters.channels.scrubbing import scrubbed
from core.outcomes import Ambiguous, Config, Hold, Outcome, Permanent, Rate, Taken, Transient
from core.policies import HOUR_US, SECOND_US

Meaning = Literal["permanent", "transient", "starting", "rate", "config", "quota", "hold", "ambiguous"]

# A restart takes seconds, a person with a telephone in the hand a minute.
STARTING_AFTER_US: Final = 30 * SECOND_US
# The limits are counts a second (50 on sending).
RATE_AFTER_US: Final = SECOND_US
# Checks of numbers are counted over hours.
CHECKS_AFTER_US: Final = 2 * HOUR_US

_OK: Final = range(200, 300)


class Rule(msgspec.Struct, frozen=True):
    """One line of the table: applies where everything that it names fits. `word` stands behind the status in codes."""

    means: Meaning
    statuses: Container[int]
    says: re.Pattern[str] | None = None
    word: str = ""


def _says(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# Stands in the table for 200 with `"status": false`, which is a refusal in the clothes of a success.
REFUSED_WITH_OK: Final = 0

_REFUSED: Final = (REFUSED_WITH_OK, 400, 403)

RULES: Final = (
    # The instance.
    Rule("config", _REFUSED, _says(r"account is expired"), "expired"),
    Rule("config", _REFUSED, _says(r"instance is deleted"), "deleted"),
    Rule("config", _REFUSED, _says(r"account is suspended"), "suspended"),
    Rule("config", _REFUSED, _says(r"limit on your tariff|quota has been exceeded"), "quota"),
    Rule("starting", _REFUSED, _says(r"not authorized"), "not_authorized"),
    Rule("starting", _REFUSED, _says(r"in starting process|is starting"), "starting"),
    Rule("starting", (REFUSED_WITH_OK,), word="refused"),
    # It says that all is well and names no message: that may be one.
    Rule("ambiguous", _OK, word="no_id"),
    # This message.
    Rule("permanent", (500,), _says(r"exceeded max upload size"), "too_large"),
    # Pace and quotas.
    Rule("rate", (429,)),
    Rule("quota", (466,)),
    Rule("hold", (469,), word="checks"),
    # Not there: a wrong instance, token or URL. A redirect would be one, and is never followed with a message.
    Rule("config", (401, 403, 404)),
    Rule("config", range(300, 400), word="redirect"),
    # In between.
    Rule("transient", (408, 425, 503)),
    Rule("ambiguous", (499, *range(500, 600))),
    # What is left says that the request is wrong: so does 400 with words that are not above.
    Rule("permanent", range(1_000)),
)

_PATH: Final = re.compile(r"/waInstance[^\s\"'<>]*")
_QUOTA_WORD: Final = re.compile(r"[A-Z_]{1,60}")


class _Quota(msgspec.Struct, frozen=True):
    status: object = None


class _Body(msgspec.Struct, frozen=True):
    """What an answer may hold, of all kinds: nothing odd beside an id may hide it. Ids are texts, rarely numbers."""

    id_message: str | int | None = msgspec.field(default=None, name="idMessage")
    status: object = None
    message: object = None
    reason: object = None
    error: object = None
    invoke: _Quota | None = msgspec.field(default=None, name="invokeStatus")
    correspondents: _Quota | None = msgspec.field(default=None, name="correspondentsStatus")

    @property
    def words(self) -> str:
        """What it says to people."""
        said = (self.message, self.reason, self.error)
        return next((text for text in said if isinstance(text, str) and text), "")


_DECODER: Final = msgspec.json.Decoder(_Body)


def outcome_of(answer: Answer, *, now_us: int, to: str, token: str) -> Outcome:
    """The outcome of an answer to a message. What could name `to` or tell `token` is taken out of its text."""
    body, words = _read(answer.body)
    status = answer.status
    if status in _OK:
        if body.status is False:
            status = REFUSED_WITH_OK
        elif body.id_message not in (None, ""):
            return Taken(code=str(status), provider_id=str(body.id_message))
    rule = rule_of(status, words)
    code = f"{answer.status} {rule.word}".rstrip()
    detail = scrubbed(_PATH.sub("", words).replace(token, "<token>"), to=to)
    match rule.means:
        case "permanent":
            return Permanent(code=code, detail=detail)
        case "transient":
            return Transient(code=code, detail=detail, after_us=answer.after_us(now_us))
        case "starting":
            return Transient(code=code, detail=detail, after_us=STARTING_AFTER_US)
        case "rate":
            after_us = max(RATE_AFTER_US, answer.after_us(now_us) or 0)
            return Rate(code=code, detail=detail, scope="sender", after_us=after_us)
        case "config":
            return Config(code=code, detail=detail)
        case "quota":
            return Config(code=f"{code} {_quota_in(body)}".rstrip(), detail="the quota of the tariff is used up")
        case "hold":
            return Hold(code=code, detail=detail, after_us=CHECKS_AFTER_US)
        case "ambiguous":
            return Ambiguous(code=code, detail=detail)
        case _:
            assert_never(rule.means)


def rule_of(status: int, words: str) -> Rule:
    """The line of the table that an answer falls under; a status may be REFUSED_WITH_OK."""
    return next(rule for rule in RULES if status in rule.statuses and (rule.says is None or rule.says.search(words)))


def _read(content: bytes) -> tuple[_Body, str]:
    """What an answer holds, and what it says in words."""
    try:
        body = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Some errors come as bare text, and those of gateways as a page.
        return _Body(), content.decode(errors="replace")
    return body, body.words


def _quota_in(body: _Body) -> str:
    """Which quota is used up, in Green API's own word (it spells it QUOTE_EXCEEDED)."""
    for quota in (body.invoke, body.correspondents):
        word = None if quota is None else quota.status
        if isinstance(word, str) and word.endswith("EXCEEDED") and _QUOTA_WORD.fullmatch(word):
            return word
    return ""
