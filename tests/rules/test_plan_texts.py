"""Answers for contents with places in them: every place is filled, and nothing else of the JSON changes."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from core.plan_texts import Text


def filled(raw: str, **values: str) -> str:
    """A content with its places filled."""
    return Text(raw.encode(), "/content").filled(values).decode()


def test_places_are_filled() -> None:
    """A name between braces gives way to its value, as often as it stands there, at any depth."""
    text = Text(b'{"subject":"Dear {name}","data":[{"to":"{name} {last}"}]}', "/content")
    assert text.names == {"name", "last"}
    assert text.filled({"name": "Ann", "last": "Lee"}) == b'{"subject":"Dear Ann","data":[{"to":"Ann Lee"}]}'


def test_doubled_braces_are_braces() -> None:
    """Two of the same kind are one, also around a name and behind one another."""
    assert filled('{"text":"{{name}} {{{name}}} }}{{"}', name="Ann") == '{"text":"{name} {Ann} }{"}'


def test_names_of_fields_are_left_alone() -> None:
    """Only what a field holds is filled, never what it is called."""
    assert filled('{"{name}" : "{name}"}', name="Ann") == '{"{name}" : "Ann"}'


def test_all_else_stays_as_it_was_written() -> None:
    """Numbers beyond any float, spaces, escapes and the order of fields are the caller's."""
    raw = '{ "b": 1.50,\t"a": 1e400, "c": "\\u00e9\\n\\"" , "d":12345678901234567890123}'
    assert filled(raw) == raw
    assert Text(raw.encode(), "").canonical == raw.encode()


def test_an_escaped_brace_is_a_brace() -> None:
    """JSON may write any character as an escape, and means the same by it."""
    assert filled('{"text":"\\u007bname\\u007D"}', name="Ann") == '{"text":"Ann"}'


@pytest.mark.parametrize(
    "words", ["{", "}", "{}", "{ name}", "{na me}", "{1st}", "{{name}", "{name", "{a{b}}", "{a.b}"]
)
def test_a_lone_brace_is_a_mistake(words: str) -> None:
    """Whatever is neither doubled nor around a name is refused, with the place of its content."""
    with pytest.raises(Invalid) as refused:
        Text(msgspec.json.encode({"text": words}), "/reminders/0/content/email")
    assert refused.value.at == "/reminders/0/content/email"


def test_strings_that_are_no_json_are_a_mistake() -> None:
    """An escape that means no character is refused where it would have to be read."""
    with pytest.raises(Invalid, match="valid JSON"):
        Text(b'{"text":"{name} \\ud800"}', "")


def test_a_content_is_the_same_in_whatever_order() -> None:
    """Two contents whose fields differ in nothing but order and spaces have one canonical form."""
    one, other = Text(b'{"a": 1, "b": "{x}"}', ""), Text(b'{"b":"{x}","a":1}', "")
    assert one.canonical == other.canonical
    assert one.canonical != Text(b'{"b":"{y}","a":1}', "").canonical


@given(value=st.text(), around=st.text())
def test_no_value_escapes_its_string(value: str, around: str) -> None:
    """Whatever a value holds, the content is JSON with just that in the value's place."""
    doubled = around.replace("{", "{{").replace("}", "}}")
    raw = json.dumps({"text": f"{doubled}{{name}}{doubled}", "n": 1})
    assert json.loads(filled(raw, name=value)) == {"text": f"{around}{value}{around}", "n": 1}


@given(
    tree=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_content_without_places_is_what_it_was(tree: object) -> None:
    """Once its braces are doubled, any JSON comes out as it went in."""
    assert json.loads(filled(json.dumps(_doubled(tree)))) == tree


def _doubled(tree: object) -> object:
    match tree:
        case str():
            return tree.replace("{", "{{").replace("}", "}}")
        case list():
            return [_doubled(part) for part in tree]
        case dict():
            return {name: _doubled(part) for name, part in tree.items()}
        case _:
            return tree
