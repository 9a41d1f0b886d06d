"""Readings of single values: "5m", "30/min", "1MiB", "21:00", an address to listen on, a zone.

This file answers for turning one value of a file into a number with a unit. Whatever does not fit raises Unfit with
what was expected; it must never say what was seen, since that may be a secret and is the reader's to show or to hide.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from adapters.zones import zone_named
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Quota

_SPANS_US: Final = {"us": 1, "ms": 1_000, "s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US}
_WINDOWS_US: Final = {"s": SECOND_US, "min": MINUTE_US, "h": HOUR_US, "d": DAY_US}
_SIZES_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

_SPAN: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(us|ms|s|m|h|d)", re.ASCII)
_RATE: Final = re.compile(r"(\d{1,9})/(s|min|h|d)", re.ASCII)
_SIZE: Final = re.compile(r"(\d{1,12})(B|KiB|MiB|GiB)", re.ASCII)
_MINUTE: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_LISTEN: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]\s]+)):(\d{1,5})", re.ASCII)

# No wait or window that anybody means is longer; beyond it a typing error is likelier.
_SPAN_MAX_US: Final = 3_650 * DAY_US


class Unfit(Exception):
    """The value does not fit; the text says what was expected. In a table, `within` is the key of what does not fit."""

    def __init__(self, expected: str, *, within: str | None = None) -> None:
        super().__init__(expected)
        self.within = within


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """Where the daemon listens; port 0 lets the operating system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Reading = Callable[[object], object]


def span(*, least_us: int = 0) -> Reading:
    """A duration such as "15s", "5m", "2h", "1d", "500ms" or "250us", in microseconds."""
    expected = 'a duration such as "500ms", "15s", "5m", "2h" or "1d"'

    def read(raw: object) -> int:
        match = _SPAN.fullmatch(raw) if isinstance(raw, str) else None
        if match is None:
            raise Unfit(expected)
        number, unit = match.groups()
        found_us = round(float(number) * _SPANS_US[unit])
        if not least_us <= found_us <= _SPAN_MAX_US:
            raise Unfit(f"{expected}, at least {shown_span(least_us)} and at most 3650d")
        return found_us

    return read


def shown_span(span_us: int) -> str:
    """A duration as it would be written in a file: the largest unit that leaves no fraction."""
    if span_us == 0:
        return "0s"
    unit = next(unit for unit, size_us in reversed(_SPANS_US.items()) if span_us % size_us == 0)
    return f"{span_us // _SPANS_US[unit]}{unit}"


def rate(raw: object) -> Quota:
    """A limit such as "30/min": at most so many in any window of that length."""
    match = _RATE.fullmatch(raw) if isinstance(raw, str) else None
    if match is None or int(match[1]) == 0:
        raise Unfit('a rate such as "10/s", "30/min", "5/h" or "1000/d"')
    return Quota(count=int(match[1]), window_us=_WINDOWS_US[match[2]])


def size(raw: object) -> int:
    """A size such as "1MiB" or "64KiB", in bytes."""
    match = _SIZE.fullmatch(raw) if isinstance(raw, str) else None
    if match is None or int(match[1]) == 0:
        raise Unfit('a size such as "64KiB", "1MiB" or "500B"')
    return int(match[1]) * _SIZES_BYTES[match[2]]


def minute_of_day(raw: object) -> int:
    """A time of day such as "21:00", in minutes since midnight."""
    match = _MINUTE.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        raise Unfit('a time of day from "00:00" to "23:59"')
    return int(match[1]) * 60 + int(match[2])


def zone(raw: object) -> str:
    """The name of a time zone of the IANA database."""
    if not isinstance(raw, str) or zone_named(raw) is None:
        raise Unfit('the name of an IANA time zone such as "Europe/Berlin"')
    return raw


def listen(raw: object) -> Listen:
    """An address to listen on: host and port."""
    match = _LISTEN.fullmatch(raw) if isinstance(raw, str) else None
    if match is None or int(match[3]) > 65_535:
        raise Unfit('host and port such as "127.0.0.1:8420" or "[::1]:8420"')
    return Listen(host=match[1] or match[2], port=int(match[3]))


def web_address(raw: object) -> str:
    """An http or https address without query, fragment or credentials."""
    if isinstance(raw, str):
        try:
            parts = urlsplit(raw)
            port_is_sound = parts.port is None or parts.port > 0
        except ValueError:
            parts, port_is_sound = urlsplit(""), False
        sound = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        if sound and port_is_sound and not parts.query and not parts.fragment:
            return raw.rstrip("/")
    raise Unfit('an address such as "https://tidings.example.com"')


def choice(*allowed: str) -> Reading:
    """One word of a closed set."""
    expected = " or ".join(f'"{word}"' for word in allowed)

    def read(raw: object) -> str:
        if isinstance(raw, str) and raw in allowed:
            return raw
        raise Unfit(expected)

    return read


def whole(least: int, most: int = 1_000_000_000) -> Reading:
    """A whole number between two bounds."""

    def read(raw: object) -> int:
        if isinstance(raw, int) and not isinstance(raw, bool) and least <= raw <= most:
            return raw
        raise Unfit(f"a whole number from {least} to {most}")

    return read


def fraction(least: float, most: float) -> Reading:
    """A number between two bounds."""

    def read(raw: object) -> float:
        if isinstance(raw, int | float) and not isinstance(raw, bool) and least <= raw <= most:
            return float(raw)
        raise Unfit(f"a number from {least:g} to {most:g}")

    return read


def switch(raw: object) -> bool:
    """true or false."""
    if isinstance(raw, bool):
        return raw
    raise Unfit("true or false")


def text(raw: object) -> str:
    """Any text that is not empty and holds no line break."""
    if isinstance(raw, str) and raw and not set(raw) & {"\n", "\r", "\0"}:
        return raw
    raise Unfit("a text in one line, not empty")
