"""What a mail server's replies mean: a table, read from the top.

This file answers for turning one reply at one step of a transaction into an outcome (RFC 5321 for codes, RFC 3463 for
enhanced codes, the big mailbox providers' pages for the rest). It must never raise for what a server said.
"""

import re
from typing import Final, Literal, assert_never

import msgspec

from adapters.channels.scrubbing import scrubbed
from core.outcomes import Ambiguous, Config, Hold, Outcome, Permanent, Rate, Recipient, Taken, Transient
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US

Step = Literal["greeting", "login", "sender", "recipient", "data", "mail"]
"""Connecting and EHLO; STARTTLS and AUTH; MAIL; RCPT; the answer to DATA; the answer to the mail itself."""

Meaning = Literal[
    "permanent", "transient", "greylist", "rate_pair", "rate_lane", "recipient", "config", "sender", "hold"
]
"""`sender`: the From is refused: our set-up's fault where it is the lane's own, the message's where it named one."""


class Rule(msgspec.Struct, frozen=True):
    """One line of the table: applies where everything that it names fits. A status that ends in a dot is a prefix."""

    means: Meaning
    kind: Literal[4, 5]
    codes: tuple[int, ...] = ()
    statuses: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    says: re.Pattern[str] | None = None


def _says(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_BEFORE_MAIL: Final[tuple[Step, ...]] = ("greeting", "login")
_TO_THE_MAIL: Final[tuple[Step, ...]] = ("recipient", "data", "mail")
_RATE: Final = _says(r"unusual rate|rate limit|(?:sending|message) rate|too fast|throttl")
_LISTED: Final = _says(r"spamhaus|spamcop|barracuda|sorbs|\b(?:dns)?[br]bl\b|(?:block|black|deny)[ -]?list")
_LISTED_CONTENT: Final = _says(r"surbl|uribl|\bdbl\b|\b(?:ur[il]|link|message contain)s?\b")
_QUOTA: Final = _says(r"(?:daily|hourly|sending|outgoing)[\w ]{0,40} (?:limit|quota)[\w ]{0,20} (?:exceeded|reached)")
_RELAYING: Final = _says(r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not permitted|not allowed)|unable to relay")

RULES: Final = (
    # Not now.
    Rule("greylist", 4, says=_says(r"gr[ae]y-?list|try again in \d|retry in \d")),
    Rule("rate_pair", 4, statuses=("4.2.1",), says=_says(r"too fast|too quickly|rate|too many")),
    Rule("rate_lane", 4, statuses=("4.7.28",)),
    Rule("rate_lane", 4, says=_RATE),
    Rule("greylist", 4, codes=(450, 451), statuses=("4.7.1", "4.2.0")),
    Rule("transient", 4),
    Rule("hold", 5, statuses=("5.4.5",)),
    Rule("hold", 5, says=_QUOTA),
    # Our own set-up.
    Rule("config", 5, steps=_BEFORE_MAIL),
    Rule("config", 5, codes=(530, 534, 535, 538)),
    Rule("config", 5, says=_RELAYING),
    Rule("permanent", 5, steps=("mail",), says=_LISTED_CONTENT),
    Rule("config", 5, says=_LISTED),
    Rule("config", 5, statuses=("5.7.25",)),
    Rule("sender", 5, statuses=("5.1.7", "5.1.8", "5.7.60", "5.7.23", "5.7.26", "5.7.27", "5.7.30", "5.7.515")),
    # This message.
    Rule("permanent", 5, statuses=("5.4.6", "5.3.4", "5.2.3", "5.5.", "5.6.")),
    Rule("permanent", 5, codes=(500, 501, 502, 503, 504, 552), steps=("sender", "data")),
    # This recipient.
    Rule("recipient", 5, statuses=("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"), steps=_TO_THE_MAIL),
    Rule("recipient", 5, statuses=("5.2.1", "5.2.2", "5.4.1", "5.4.4"), steps=_TO_THE_MAIL),
    Rule("recipient", 5, codes=(521, 556), steps=_TO_THE_MAIL),
    # A refusal that says no more means what was asked at its step.
    Rule("sender", 5, steps=("sender",)),
    Rule("permanent", 5, statuses=("5.7.",)),
    Rule("recipient", 5, codes=(550, 551, 553), steps=("recipient",)),
    Rule("permanent", 5),
)

_STATUS: Final = re.compile(r"^([245])\.(\d{1,3})\.(\d{1,3})(?!\d)", re.MULTILINE)
_WAIT: Final = re.compile(r"(?:in|after)\s+(\d{1,6})\s*(s|sec|second|m|min|minute|h|hour)s?\b", re.IGNORECASE)
_UNITS_US: Final = {"s": SECOND_US, "m": MINUTE_US, "h": HOUR_US}
_QUEUED: Final = (
    re.compile(r"queued as ([\w.+-]{1,80}+)(?!@)", re.IGNORECASE),  # Postfix and many relays; never an address
    re.compile(r"\bid=([\w.-]{1,80})", re.IGNORECASE),  # Exim
    re.compile(r"\bInternalId=(\d{1,40})", re.IGNORECASE),  # Exchange
    re.compile(r"^(?:2\.\d\.\d )?Ok:? ([0-9a-f][0-9a-f-]{20,80})\s*$", re.IGNORECASE | re.MULTILINE),  # SES
)


class Reply(msgspec.Struct, frozen=True):
    """One reply of a server: its code, its lines without that code, and the step that it answers."""

    code: int
    text: str
    step: Step

    @property
    def status(self) -> str:
        """The enhanced code (RFC 3463), empty where there is none."""
        # A class that contradicts the code is a mistake of the server's, and then the code is what relays go by.
        found = _STATUS.search(self.text)
        return found[0] if found and found[1] == str(self.code)[0] else ""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a reading depends on besides the reply itself."""

    now_us: int
    greylist_floor_us: int
    to: str = ""
    own_sender: bool = True


def outcome_of(reply: Reply, reading: Reading) -> Outcome:
    """The outcome of a reply that ends an attempt: a refusal at any step, or the answer to the mail."""
    shown = f"{reply.code} {reply.status}".rstrip()
    if reply.step == "mail" and 200 <= reply.code < 300:
        return Taken(code=shown, provider_id=provider_id_in(reply.text))
    detail = scrubbed(reply.text, to=reading.to)
    if not 400 <= reply.code < 600:
        # No refusal, but not what the step asks for either: the server has lost count. Only at the last step may it
        # have taken the mail all the same.
        return (Ambiguous if reply.step == "mail" else Transient)(code=shown, detail=detail)
    means = next(rule.means for rule in RULES if _fits(rule, reply))
    match means:
        case "transient":
            return Transient(code=shown, detail=detail)
        case "greylist":
            after_us = max(_wait_us(reply.text) or 0, reading.greylist_floor_us)
            return Transient(code=shown, detail=detail, after_us=after_us)
        case "rate_pair":
            return Rate(code=shown, detail=detail, scope="pair", after_us=_wait_us(reply.text))
        case "rate_lane":
            return Rate(code=shown, detail=detail, scope="lane", after_us=_wait_us(reply.text))
        case "hold":
            after_us = _wait_us(reply.text) or _until_tomorrow_us(reading.now_us)
            return Hold(code=shown, detail=detail, after_us=after_us)
        case "recipient":
            return Recipient(code=shown, detail=detail)
        case "config":
            return Config(code=shown, detail=detail)
        case "sender":
            # One message's own From must not pause the lane for all others.
            return (Config if reading.own_sender else Permanent)(code=shown, detail=detail)
        case "permanent":
            return Permanent(code=shown, detail=detail)
        case _:
            assert_never(means)


def provider_id_in(text: str) -> str:
    """The id under which a server says that it has queued a mail, empty where it says none."""
    found = next((found for pattern in _QUEUED if (found := pattern.search(text))), None)
    return "" if found is None else found[1]


def _fits(rule: Rule, reply: Reply) -> bool:
    return (
        reply.code // 100 == rule.kind
        and (not rule.codes or reply.code in rule.codes)
        and (not rule.statuses or any(_is_status(reply.status, wanted) for wanted in rule.statuses))
        and (not rule.steps or reply.step in rule.steps)
        and (rule.says is None or rule.says.search(reply.text) is not None)
    )


def _is_status(status: str, wanted: str) -> bool:
    return status.startswith(wanted) if wanted.endswith(".") else status == wanted


def _wait_us(text: str) -> int | None:
    found = _WAIT.search(text)
    return None if found is None else int(found[1]) * _UNITS_US[found[2][0].lower()]


def _until_tomorrow_us(now_us: int) -> int:
    """Quotas of a day begin anew at midnight UTC or somewhat later: at least an hour, so that none is asked in vain."""
    return max(DAY_US - now_us % DAY_US, HOUR_US)
