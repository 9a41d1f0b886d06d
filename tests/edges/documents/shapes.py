"""Answers for whether a daemon answered as a document says: the same names and values, other instants and ids.

An id, a cursor or a secret that a document shows stands for the one that really came, from there on. It must never let
a name pass that the answer does not have, nor the other way round.
"""

import json
import re
from typing import Final

import pytest

_ID: Final = re.compile(r"(msg|hook|conv|lane|key|redrive|device|erasure|sys)_[0-9a-z]{13}")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# Texts of their own kind that nobody can foretell, and numbers that were measured.
_OPAQUE: Final = {"next", "secret", "commitment", "correlation", "provider_id"}
_MEASURED: Final = {"took_us", "lateness_s", "drain_forecast_s"}

# In what people read: instants, spans of time, names that providers give, and the width of columns.
_MASKS: Final = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?"), "<instant>"),
    (re.compile(r"\b\d+(\.\d+)? (ms|s|min|h)\b"), "<span>"),
    (re.compile(r"calls the message \S+"), "calls the message <name>"),
    (re.compile(r"─+"), "─"),
    (re.compile(r" +"), " "),
)


class Names:
    """What the names in a document stand for in this run."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def bind(self, shown: str, real: str) -> None:
        """From here on the name that is shown means the real one; a name never changes its meaning."""
        assert self._real.setdefault(shown, real) == real, f"{shown} stands for {self._real[shown]} and for {real}"

    def real(self, text: str) -> str:
        """A text with the real names in it."""
        for shown, real in self._real.items():
            text = text.replace(shown, real)
        return text


def compare_json(shown: str, printed: str, names: Names, place: str) -> None:
    """Every JSON value that is shown, against every one that was printed."""
    expected, found = _values(shown), _values(printed)
    assert len(expected) == len(found), f"{place}: {len(expected)} answers are shown, these came: {printed}"
    comparison = _Comparison(names, place)
    for one, other in zip(expected, found, strict=True):
        comparison.go(one, other, "")


def compare_text(shown: str, printed: str, names: Names, place: str) -> None:
    """The lines that are shown, against those that were printed."""
    for one, other in zip(_ID.finditer(shown), _ID.finditer(printed), strict=False):
        if _is_id(one[0], other[0]):
            names.bind(one[0], other[0])
    assert _masked(names.real(shown)) == _masked(printed), f"{place}: this was printed instead:\n{printed}"


class _Comparison:
    def __init__(self, names: Names, place: str) -> None:
        self._names = names
        self._place = place

    def go(self, shown: object, real: object, at: str) -> None:
        where = f"{self._place}: {at or 'the answer'}"
        name = at.rpartition("/")[2]
        match shown, real:
            case dict(), dict():
                assert shown.keys() == real.keys(), f"{where} has other names: {list(real)}"
                for key, value in shown.items():
                    self.go(value, real[key], f"{at}/{key}")
            case list(), list():
                assert len(shown) == len(real), f"{where} has {len(real)} parts"
                for index, value in enumerate(shown):
                    self.go(value, real[index], f"{at}/{index}")
            case str(), str() if name in _OPAQUE or _is_id(shown, real):
                self._names.bind(shown, real)
            case str(), str() if _MOMENT.fullmatch(shown):
                assert _MOMENT.fullmatch(real), f"{where} is {real!r}, and no instant"
            case int() | float() | None, int() | float() | None if name in _MEASURED:
                assert real is None or real >= 0, f"{where} is {real!r}, and was measured"
            case _:
                assert (type(shown), shown) == (type(real), real), f"{where} is {real!r}, not {shown!r}"


def _values(text: str) -> list[object]:
    decoder, values = json.JSONDecoder(), []
    rest = text.strip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except ValueError:
            pytest.fail(f"this is no JSON: {rest}")
        values.append(value)
        rest = rest[end:].lstrip()
    return values


def _is_id(shown: str, real: str) -> bool:
    one, other = _ID.fullmatch(shown), _ID.fullmatch(real)
    return one is not None and other is not None and one[1] == other[1]


def _masked(text: str) -> list[str]:
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return [line.rstrip() for line in text.strip().splitlines()]
