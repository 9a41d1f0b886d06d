"""Readings of the values that only scenario files have: instants, steps of a clock, answers, templates.

This file answers for turning one value into something typed; a value that does not fit raises Unfit with what was
expected. Durations, rates and the like are read as in the configuration file.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast

import msgspec

from adapters.config.units import Unfit, fraction, span, whole
from core.ids import EPOCH_MS
from core.policies import SECOND_US

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN = span()
_POSITIVE = span(least_us=1_000)
_SHARE = fraction(0, 1)
_STATUS = whole(100, 599)
_TEMPLATE: Final = re.compile(r"\{n(?:(//|%)([1-9]\d{0,8}))?(?::0(\d{1,2}))?\}", re.ASCII)

Kind = Literal["status", "timeout", "reset", "lost_reply", "refused", "slow"]
WORDS: Final[tuple[Kind, ...]] = ("timeout", "reset", "lost_reply", "refused")
_ANSWER: Final = (
    '"timeout", "reset", "lost_reply", "refused", or a table such as'
    ' { status = 503, headers = { Retry-After = "30" }, share = 0.5 } or { slow = "20s" }'
)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the other side does with a request instead of taking it.

    `timeout` and `reset`: it never arrives. `lost_reply`: it is taken, and the connection breaks before we hear of it.
    `refused`: nobody listens. `slow`: it is taken, and the answer comes so much later. `share` of the requests meets
    it.
    """

    kind: Kind
    status: int = 0
    headers: dict[str, str] = {}
    body: str = ""
    slow_us: int = 0
    share: float | None = None


def instant(raw: object) -> int:
    """A TOML date and time with an offset, in microseconds since 1970; ids count from 2025 on, so not before that."""
    if isinstance(raw, datetime) and raw.tzinfo is not None:
        found_us = (raw - _EPOCH) // timedelta(microseconds=1)
        if EPOCH_MS * 1_000 <= found_us < (EPOCH_MS + (1 << 40)) * 1_000:
            return found_us
    raise Unfit("a date and time such as 2026-01-30T08:00:00Z, from 2025 on")


def step(raw: object) -> int:
    """How far a wall clock steps: "+1h" or "-90s", in microseconds."""
    if isinstance(raw, str) and raw[:1] in {"+", "-"}:
        try:
            found_us = cast("int", _POSITIVE(raw[1:]))
        except Unfit:
            pass
        else:
            return found_us if raw[0] == "+" else -found_us
    raise Unfit('a step such as "+1h" or "-90s"')


def answer(raw: object) -> Answer:
    """One of the ways in which the other side fails."""
    for word in WORDS:
        if raw == word:
            return Answer(kind=word)
    if not isinstance(raw, dict):
        raise Unfit(_ANSWER)
    rest = {str(name): value for name, value in raw.items()}
    share = rest.pop("share", None)
    found = _detailed(rest)
    if found is None or rest:
        raise Unfit(_ANSWER)
    return found if share is None else msgspec.structs.replace(found, share=cast("float", _SHARE(share)))


def _detailed(rest: dict[str, object]) -> Answer | None:
    """The answer in a table, from which everything that belongs to it is taken out; None where there is none."""
    if "status" in rest:
        status = cast("int", _STATUS(rest.pop("status")))
        return Answer(kind="status", status=status, headers=_headers(rest), body=_body(rest))
    if "slow" in rest:
        return Answer(kind="slow", slow_us=cast("int", _POSITIVE(rest.pop("slow"))))
    for word in WORDS:
        if rest.get(word) is True:
            del rest[word]
            return Answer(kind=word)
    return None


def _headers(rest: dict[str, object]) -> dict[str, str]:
    found = rest.pop("headers", {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Unfit('headers as a table of texts, such as { Retry-After = "30" }')
    return {str(name).lower(): value for name, value in found.items()}


def _body(rest: dict[str, object]) -> str:
    found = rest.pop("body", "")
    if not isinstance(found, str):
        raise Unfit("a body as a text")
    return found


def amount(raw: object) -> int:
    """A count, or a duration in microseconds: what an expectation is bounded by."""
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return raw
    if isinstance(raw, str):
        return cast("int", _SPAN(raw))
    raise Unfit('a whole number, or a duration such as "5s"')


def pace(raw: object) -> float:
    """So many a second."""
    if isinstance(raw, int | float) and not isinstance(raw, bool) and 0 < raw <= SECOND_US:
        return float(raw)
    raise Unfit("a number a second, above 0")


def template(raw: object) -> str:
    """A text in which {n} stands for the number of an arrival, {n%7} and {n//7} for parts of it, {n:07} with zeros."""
    if not isinstance(raw, str) or not raw:
        raise Unfit("a text, in which {n}, {n%7}, {n//7} and {n:07} stand for the number of the arrival")
    filled(raw, 1)
    return raw


def content(raw: object) -> Mapping[str, object]:
    """The content of a message as its channel wants it, with templates in its texts."""
    if not isinstance(raw, dict):
        raise Unfit('a table, such as { text = "See you tomorrow" }')
    return cast("Mapping[str, object]", raw)


def filled(text: str, number: int) -> str:
    """A template with the number of an arrival in it."""
    return _TEMPLATE.sub(lambda found: _part(number, found).zfill(int(found[3] or 0)), text)


def _part(number: int, found: re.Match[str]) -> str:
    if found[1] is None:
        return str(number)
    return str(number // int(found[2]) if found[1] == "//" else number % int(found[2]))
