"""Answers for pointers into bodies, whatever the bodies are."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hooks.scalars import scalar_at, steps_of
from core.pointers import pointer

texts = st.text(st.characters(codec="utf-8") | st.sampled_from("~/01"), max_size=5)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)

# The document and the pointers of RFC 6901, section 5, where they come to a scalar.
DOCUMENT = json.dumps(
    {
        "foo": ["bar", "baz"],
        "": 0,
        "a/b": 1,
        "c%d": 2,
        "e^f": 3,
        "g|h": 4,
        "i\\j": 5,
        'k"l': 6,
        " ": 7,
        "m~n": 8,
        "deep": {"list": [{"id": "cus_1"}, None, [True, False]], "01": "zero", "-": "dash"},
        "empty": "",
        "big": 123456789012345678901234567890,
        "float": 1.5,
        "negative": -3,
        "~1": "tilde",
        "é": "ü",
    }
).encode()


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        *(("/foo/0", "bar"), ("/", "0"), ("/a~1b", "1"), ("/c%d", "2"), ("/e^f", "3"), ("/g|h", "4"), ("/i\\j", "5")),
        *(('/k"l', "6"), ("/ ", "7"), ("/m~0n", "8"), ("/~01", "tilde"), ("/é", "ü"), ("/deep/list/0/id", "cus_1")),
        *(("/deep/list/2/0", "true"), ("/deep/list/2/1", "false"), ("/deep/01", "zero"), ("/deep/-", "dash")),
        *(("/empty", ""), ("/big", "123456789012345678901234567890"), ("/float", "1.5"), ("/negative", "-3")),
    ],
)
def test_a_pointer_finds_its_scalar(at: str, expected: str) -> None:
    """Names with slashes and tildes, indexes, numbers to the last digit, and truth values."""
    assert scalar_at(DOCUMENT, at) == expected


@pytest.mark.parametrize(
    "at",
    [
        *(
            "",
            "/foo",
            "/deep",
            "/deep/list/1",
            "/foo/2",
            "/foo/-",
            "/foo/00",
            "/foo/-1",
            "/foo/+1",
            "/foo/\u0660",
            "/foo/0/0",
        ),
        *(
            "/nothing",
            "/foo/bar",
            "/empty/0",
            "/big/0",
            "/foo/99999999999999999999",
            "/deep/list/0/id/x",
            "//",
            "/foo/",
        ),
    ],
)
def test_what_is_no_scalar_is_nothing(at: str) -> None:
    """Objects, lists, null, and whatever is not there."""
    assert scalar_at(DOCUMENT, at) is None


@pytest.mark.parametrize("at", ["a", "a/b", "#/a", "/~", "/~2", "/a~", " /a"])
def test_what_is_no_pointer_is_told(at: str) -> None:
    """A configuration can refuse it at the start."""
    with pytest.raises(ValueError, match="expected a JSON pointer"):
        steps_of(at)
    with pytest.raises(ValueError, match="expected a JSON pointer"):
        scalar_at(b"not looked at", at)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff", b'{"a":"\xff"}', b'{"a":NaN}', b'{"a":1e999}', b'{"a":"\\ud800"}', b"\xef\xbb\xbf{}"),
        *(b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"9" * 10_000 + b"}", b"a=1", b"null", b"\x00"),
    ],
)
def test_a_body_that_cannot_be_read_holds_nothing(body: bytes) -> None:
    """Broken, too deep, too large for a number, or no JSON at all."""
    assert scalar_at(body, "/a") is None


def test_the_longest_numbers_that_can_be_read_can_be_told() -> None:
    """Up to the digits that the interpreter converts, a number is itself; past them it is nothing."""
    for digits in (4_299, 4_300, 4_301):
        found = scalar_at(b'{"a":' + b"9" * digits + b"}", "/a")
        assert found in {"9" * digits, None}


@given(document=documents)
def test_every_scalar_of_a_document_is_found_by_its_pointer(document: object) -> None:
    """Whatever the names on the way are made of; what is not a scalar is not found."""
    body = json.dumps(document, ensure_ascii=False).encode()
    for at, value in _places("", document):
        expected = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
        assert scalar_at(body, at) == (expected if isinstance(value, str | int) else None)


@given(body=st.binary(), at=st.sampled_from(["", "/", "/0", "/a/b", "/é"]))
def test_any_bytes_hold_a_text_or_nothing(body: bytes, at: str) -> None:
    """Nothing is raised for a body."""
    found = scalar_at(body, at)
    assert found is None or isinstance(found, str)


def _places(at: str, value: object) -> Iterator[tuple[str, object]]:
    yield at, value
    match value:
        case dict():
            for name, inner in value.items():
                yield from _places(pointer(at, name), inner)
        case list():
            for index, inner in enumerate(value):
                yield from _places(pointer(at, index), inner)
        case _:
            pass
