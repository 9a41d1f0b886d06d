"""Scenario files as text: what is written is read back, and answers in the words that a file has for them."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.file.answers import OUTCOMES, WORDS, answer
from scenarios.file.loading import load, read
from scenarios.file.writing import answer_value, text_of

FILES = sorted(Path("scenarios").glob("*.toml"))

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
_PLAIN = st.one_of(
    _TEXTS,
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False),
    st.booleans(),
    st.just(datetime(2026, 1, 30, 8, 0, 0, 250, tzinfo=UTC)),
)
_VALUES = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(_TEXTS, _VALUES, max_size=5))
def test_a_tree_is_read_back_as_it_was_written(tree: dict[str, object]) -> None:
    """Whatever TOML can hold: odd keys and texts, tables in tables, lists of tables, empty ones."""
    assert tomllib.loads(text_of(tree)) == tree


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_file_means_the_same_once_it_is_written(file: Path) -> None:
    """Reading what was written of it comes to the same scenario."""
    written = text_of(tomllib.loads(file.read_text()))
    assert read(written, file) == load(file)


_SHARES = st.none() | st.floats(0, 1)
_SPANS = st.sampled_from(["1ms", "250000us", "5s", "10m"])


@given(
    st.one_of(
        st.sampled_from([*WORDS, *OUTCOMES]),
        st.sampled_from(WORDS).map(lambda word: {word: True}),
        st.builds(lambda span: {"slow": span}, _SPANS),
        st.builds(lambda status, body: {"status": status, "body": body}, st.integers(100, 599), _TEXTS),
        st.just({"status": 429, "headers": {"retry-after": "30"}}),
        st.builds(lambda after, growth: {"rate": "pair", "after": after, "growth": growth}, _SPANS, st.integers(1, 9)),
        st.builds(lambda most: {"transient": True, "retries_max": most}, st.integers(0, 9)),
        st.builds(lambda span: {"hold": span, "code": "busy"}, _SPANS),
        st.sampled_from([{"recipient": "soft"}, {"optout": "marketing", "code": "131050"}, {"reorder": "5s"}]),
    ),
    _SHARES,
)
def test_an_answer_is_written_in_its_own_words(said: object, share: float | None) -> None:
    """Reading the value that is written for an answer gives that answer."""
    found = answer({**said, "share": share} if isinstance(said, dict) and share is not None else said)
    assert answer(answer_value(found)) == found
