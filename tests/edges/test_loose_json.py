"""Answers for reading JSON from outside: what is there is read, what is not comes back empty, and nothing raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.loose_json import elements, is_true, members, number, prose, text

DEEP = b"[" * 100_000


def test_one_level_at_a_time_is_read() -> None:
    """Members and elements come as the bytes that they are, so that nothing is lost on the way."""
    found = members(b'{"a": 1.50, "b": [1e999, {"c":"\\u00e9"}], "d": 123456789012345678901234567890}')
    assert {name: bytes(part) for name, part in found.items()} == {
        "a": b"1.50", "b": b'[1e999, {"c":"\\u00e9"}]', "d": b"123456789012345678901234567890",
    }  # fmt: skip
    assert [bytes(part) for part in elements(found["b"])] == [b"1e999", b'{"c":"\\u00e9"}']


@pytest.mark.parametrize("part", [None, b"", b"null", b"{", b"\xff", b'"\xff"', b'["\\ud800"]', DEEP, b"[" + DEEP])
def test_what_is_broken_is_empty(part: bytes | None) -> None:
    """Nothing is read out of bytes that are no JSON, nor out of what is absent or null."""
    assert (members(part), elements(part), text(part), prose(part)) == ({}, [], "", "")
    assert (number(part), is_true(part)) == (None, False)


def test_what_is_something_else_is_empty() -> None:
    """An array is no object, a number no text, and an object none of the rest."""
    assert (members(b"[1]"), members(b'"a"'), elements(b'{"a":1}'), elements(b"1")) == ({}, {}, [], [])
    assert (text(b"1"), prose(b"1"), text(b"[]"), prose(b"{}")) == ("", "", "", "")
    assert (number(b"[]"), is_true(b"[]")) == (None, False)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        *((b"7", 7), (b'"7"', 7), (b"0", 0), (b"99999999999999999", 99999999999999999)),
        *((b"-1", None), (b"1.5", None), (b"true", None), (b'"-1"', None), (b'" 7"', None), (b'""', None)),
        *((b"100000000000000000", None), (b'"100000000000000000"', None), (b'"\xd9\xa7"', None)),
    ],
)
def test_numbers_may_be_written_as_text(part: bytes, expected: int | None) -> None:
    """Whole numbers from 0 that fit an instant are read in both spellings, and nothing else is."""
    assert number(part) == expected


def test_a_text_is_printable_and_bounded() -> None:
    """What serves as a key has no control characters and no endless length; prose may have both."""
    assert text(b'"a\\nb"') == ""
    assert prose(b'"a\\nb"') == "a\nb"
    assert (text(b'"' + b"x" * 255 + b'"'), text(b'"' + b"x" * 256 + b'"')) == ("x" * 255, "")
    assert text(b'"xyz"', chars_max=2) == ""


def test_only_true_is_true() -> None:
    """A truth value is not guessed from a text or a number."""
    assert [is_true(part) for part in (b"true", b"false", b'"true"', b"1", None)] == [True, False, False, False, False]


@given(st.binary())
def test_nothing_raises(part: bytes) -> None:
    """Any bytes at all can be asked for anything."""
    assert isinstance(members(part), dict)
    assert isinstance(elements(part), list)
    assert isinstance(text(part), str)
    assert isinstance(prose(part), str)
    assert number(part) is None or number(part) in range(10**17)
    assert is_true(part) in {True, False}
