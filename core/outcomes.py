"""What one attempt came to: a closed set of ten, and the reading of HTTP answers into it.

This file answers for the meaning of each outcome. It must never raise for what a provider did: every answer, however
odd, has an outcome here.
"""

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, Literal

import msgspec

RateScope = Literal["pair", "sender", "account", "lane"]

DETAIL_CHARS_MAX: Final = 200


class _Outcome(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """`code` is the provider's own code ("503", "550 5.1.1"); `detail` a scrubbed text without personal data."""

    code: str = ""
    detail: str = ""


class Taken(_Outcome, frozen=True, kw_only=True, tag="taken"):
    """The provider has it. `provider_id` is its own id for the message, empty where it gives none."""

    provider_id: str = ""


class Permanent(_Outcome, frozen=True, kw_only=True, tag="permanent"):
    """This message can never succeed as it is; nothing else is affected.

    `unasked`, here and below: it was settled in our own house, so it shows nothing of the other side.
    """

    unasked: bool = False


class Transient(_Outcome, frozen=True, kw_only=True, tag="transient"):
    """A fault of provider or network; the message was definitely not taken. `after_us`: it asked to wait so long.

    `retries_max` ends the message after so many retries, however long its schedule: for codes that mostly mean a fault
    of the message itself. None leaves it to the schedule.
    """

    after_us: int | None = None
    retries_max: int | None = None


class Rate(_Outcome, frozen=True, kw_only=True, tag="rate"):
    """A limiter refused. Pauses exactly `scope`; does not use up an attempt.

    `growth` above 1 multiplies `after_us` with each further refusal in a row of the same conversation (4 for Meta's
    pair limit: 1, 4, 16, 64 s).
    """

    scope: RateScope = "pair"
    after_us: int | None = None
    growth: int = 1


class Recipient(_Outcome, frozen=True, kw_only=True, tag="recipient"):
    """The address cannot be reached or does not exist.

    `soft`: no proof that it never will be (a full mailbox, an unreachable phone): it counts as a strike, and only
    several of them suppress the address.
    """

    soft: bool = False
    unasked: bool = False


class OptOut(_Outcome, frozen=True, kw_only=True, tag="optout"):
    """The recipient does not want to hear from us: nothing at all, or nothing that is marketing."""

    marketing: bool = False


class Config(_Outcome, frozen=True, kw_only=True, tag="config"):
    """Our own credentials, account or sender set-up is broken: pauses the lane and keeps its messages."""


class Hold(_Outcome, frozen=True, kw_only=True, tag="hold"):
    """Allowed only after `after_us` (a daily quota, a marketing cap); does not use up an attempt."""

    after_us: int | None = None
    unasked: bool = False


class Window(_Outcome, frozen=True, kw_only=True, tag="window"):
    """The conversation's reply window is closed: free-form content will not be taken."""


class Ambiguous(_Outcome, frozen=True, kw_only=True, tag="ambiguous"):
    """It may have been taken: bytes had left and no answer came, or the process died in between."""


# Tuples, since a union is made anew each time that it is written, and these are asked several times an attempt.
_FAULTS: Final = (Transient, Ambiguous)
_OURS_AT_TIMES: Final = (Permanent, Recipient, Hold)

Outcome = Taken | Permanent | Transient | Rate | Recipient | OptOut | Config | Hold | Window | Ambiguous
Failure = Permanent | Transient | Rate | Recipient | OptOut | Config | Hold | Window | Ambiguous

OutcomeName = Literal[
    "taken", "permanent", "transient", "rate", "recipient", "optout", "config", "hold", "window", "ambiguous"
]


def name_of(outcome: Outcome) -> OutcomeName:
    """The outcome's one word, as it is shown and counted."""
    tag = outcome.__struct_config__.tag
    assert isinstance(tag, str), f"an outcome without a tag: {outcome!r}"
    return tag  # type: ignore[return-value]  # The tags above are exactly the names.


def is_fault(outcome: Outcome) -> bool:
    """Whether circuit and breaker count it against the other side: only transient and ambiguous outcomes.

    A permanent refusal is an answer of a peer that works.
    """
    return isinstance(outcome, _FAULTS)


def is_unasked(outcome: Outcome) -> bool:
    """Whether nobody outside was asked: it proves neither a peer nor a provider to work, nor to fail."""
    return isinstance(outcome, _OURS_AT_TIMES) and outcome.unasked


def of_provider_status(status: int, *, after_us: int | None = None, detail: str = "") -> Outcome:
    """The outcome of a provider's HTTP answer where its own table says nothing better (RFC 9110 for the codes).

    A gateway's 502 or 504 is ambiguous: the request may have been taken behind it and the answer lost on the way.
    """
    code = str(status)
    if 200 <= status < 300:
        return Taken(code=code)
    if status == 429:
        return Rate(code=code, detail=detail, scope="sender", after_us=after_us)
    if status in (502, 504):
        return Ambiguous(code=code, detail=detail)
    if status in (408, 425) or status >= 500:
        return Transient(code=code, detail=detail, after_us=after_us)
    if status in (401, 403):
        return Config(code=code, detail=detail)
    return Permanent(code=code, detail=detail)


def of_endpoint_status(status: int, *, after_us: int | None = None, detail: str = "") -> Outcome:
    """The outcome of a customer's webhook endpoint, after Standard Webhooks 1.0.0.

    Only 2xx is success; 410 says that the endpoint is gone; 429 asks for a slower pace; anything else, redirects and
    other 4xx included, is a fault of the endpoint that its owner may mend, so it is tried again.
    """
    code = str(status)
    if 200 <= status < 300:
        return Taken(code=code)
    if status == 410:
        return Recipient(code=code, detail=detail)
    if status == 429:
        return Rate(code=code, detail=detail, scope="pair", after_us=after_us)
    return Transient(code=code, detail=detail, after_us=after_us)


def retry_after_us(value: str | None, now_us: int) -> int | None:
    """The wait that a Retry-After header asks for, in microseconds from now (RFC 9110 section 10.2.3).

    Takes delta-seconds or any of the three HTTP dates. A past date is 0; garbage and a missing header are None.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return int(text[:12]) * 1_000_000
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        # The asctime form names no zone, and every HTTP date is in GMT.
        moment = moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp() * 1_000_000) - now_us)
