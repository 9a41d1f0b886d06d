"""Readings of the values that only scenario files have: instants, steps of a clock, amounts, templates, daemons.

This file answers for turning one value into something typed; a value that does not fit raises Unfit with what was
expected. Durations, rates and the like are read as in the configuration file.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, cast

from adapters.config.units import Unfit, span
from core.ids import EPOCH_MS
from core.policies import SECOND_US

# Longer than any run.
FOREVER_US: Final = 1 << 60
# More daemons than anybody runs on one database show nothing that these do not.
DAEMONS_MAX: Final = 5
# The daemon that acts at that instant, whichever it is; others go by their number, from 1 on.
ACTING: Final = 0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN = span()
_POSITIVE = span(least_us=1_000)
_KNOWN_MAX: Final = 4_096
# Up to ten million letters: more than any door lets in.
_FILLER: Final = re.compile(r"\{fill:(\d{1,7})\}", re.ASCII)
_TEMPLATE: Final = re.compile(r"\{n(?:(//|%)([1-9]\d{0,8}))?(?::0(\d{1,2}))?\}", re.ASCII)


class Lasting(int):
    """Microseconds that were written as a duration where a count could stand as well."""


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


def remembered(raw: object) -> int | None:
    """How long the other side knows a message again, in microseconds: for ever where it says true, None for never."""
    if isinstance(raw, bool):
        return FOREVER_US if raw else None
    try:
        return cast("int", _POSITIVE(raw))
    except Unfit:
        raise Unfit('true, false, or a duration such as "24h"') from None


def amount(raw: object) -> int:
    """A count, or a duration in microseconds: what an expectation is bounded by."""
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return raw
    if isinstance(raw, str):
        return Lasting(cast("int", _SPAN(raw)))
    raise Unfit('a whole number, or a duration such as "5s"')


def daemon(raw: object) -> int:
    """The number of a daemon, or ACTING."""
    if raw == "acting":
        return ACTING
    if isinstance(raw, int) and not isinstance(raw, bool) and 1 <= raw <= DAEMONS_MAX:
        return raw
    raise Unfit(f'the number of a daemon from 1 to {DAEMONS_MAX}, or "acting"')


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
    """A template with the number of an arrival in it, and with as much text as it asks for: {fill:20000}."""
    if "{fill:" in text:
        return _numbered(_FILLER.sub(lambda found: "x" * int(found[1]), text), number)
    return _known(text, number)


def _numbered(text: str, number: int) -> str:
    return _TEMPLATE.sub(lambda found: _part(number, found).zfill(int(found[3] or 0)), text)


# The worlds of one file say the same, seed after seed. What was filled up is too long to be kept.
_known: Final = lru_cache(_KNOWN_MAX)(_numbered)


def _part(number: int, found: re.Match[str]) -> str:
    if found[1] is None:
        return str(number)
    return str(number // int(found[2]) if found[1] == "//" else number % int(found[2]))
