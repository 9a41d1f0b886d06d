"""Answers for where a mistake is pointed at: every key of every document has a line, and it is the right one."""

import tomllib

from hypothesis import given, reject
from hypothesis import strategies as st

from adapters.config.positions import KeyPath, lines_of

DOCUMENT = '''# a comment with = and [brackets]
title = "a # that is no comment"

[server]
listen = "127.0.0.1:8420"   # [not.a.header]

[lanes."with.dot"]
smtp = { host = 'a"b', "from" = "x", nested = { deep = [1, 2] } }
policy.limits.tenant = "30/min"
text = """
[not.a.header]
key = "in a text"
ends with two quotes"""""
after = [
  "1s",  # one
  """5
  s""", '30s',
]
when = 1979-05-27 07:32:00

[[things]]
name = 'first'
[[things]]
name = "second\\\\"
[things.inner]
x = \'\'\'it's "raw" '\'\'\'
[[things.list]]
y = -1.5e3
'''


def test_each_key_of_a_rich_document_stands_on_its_line() -> None:
    """Comments, quotes, dots, arrays over several lines and arrays of tables do not lead the pointer astray."""
    found = lines_of(DOCUMENT)
    expected: dict[KeyPath, int] = {
        ("title",): 2,
        ("server",): 4,
        ("server", "listen"): 5,
        ("lanes", "with.dot"): 7,
        ("lanes", "with.dot", "smtp", "from"): 8,
        ("lanes", "with.dot", "smtp", "nested", "deep", 1): 8,
        ("lanes", "with.dot", "policy", "limits", "tenant"): 9,
        ("lanes", "with.dot", "text"): 10,
        ("lanes", "with.dot", "after"): 14,
        ("lanes", "with.dot", "after", 0): 15,
        ("lanes", "with.dot", "after", 1): 16,
        ("lanes", "with.dot", "after", 2): 17,
        ("lanes", "with.dot", "when"): 19,
        ("things", 0, "name"): 22,
        ("things", 1): 23,
        ("things", 1, "name"): 24,
        ("things", 1, "inner", "x"): 26,
        ("things", 1, "list", 0, "y"): 28,
    }
    assert {path: found.get(path) for path in expected} == expected


_words = st.text("ab. =#[]{}'\"\\\n,é", max_size=6)
_bare_keys = st.text("abAB01-_", min_size=1, max_size=4)
_scalars = st.one_of(
    st.integers(-9, 9).map(str),
    st.booleans().map(lambda value: str(value).lower()),
    _words.map(lambda text: '"' + _escaped(text) + '"'),
    _words.map(lambda text: '"""' + _escaped(text, breaks=True) + '"""'),
    st.text('ab. =#[]{}",\\', max_size=6).map(lambda text: f"'{text}'"),
    st.text('ab. =#[]{}",\\\n', max_size=6).map(lambda text: f"'''{text}'''"),
    st.just("2026-01-30T08:00:00Z"),
)
_gaps = st.sampled_from(["", " ", "\n", " # note ]}\n", "\n\n"])
_keys = st.one_of(_bare_keys, _words.map(lambda text: '"' + _escaped(text) + '"'))


def _escaped(text: str, *, breaks: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return text if breaks else text.replace("\n", "\\n")


def _arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    parts = st.lists(st.tuples(_gaps, values, _gaps), max_size=3)
    return parts.map(lambda items: "[" + ",".join(before + value + after for before, value, after in items) + "]")


def _inline_tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    parts = st.dictionaries(_keys, values, max_size=3)
    return parts.map(lambda items: "{ " + ", ".join(f"{key} = {value}" for key, value in items.items()) + " }")


_values = st.recursive(_scalars, lambda inner: st.one_of(_arrays(inner), _inline_tables(inner)), max_leaves=6)
_pairs = st.tuples(_keys, _values, _gaps).map(lambda parts: f"{parts[0]} = {parts[1]}{parts[2]}")
_headers = st.tuples(st.lists(_keys, min_size=1, max_size=2), st.booleans()).map(
    lambda parts: f"[[{'.'.join(parts[0])}]]" if parts[1] else f"[{' . '.join(parts[0])}]"
)
_documents = st.lists(st.one_of(_pairs, _headers), max_size=8).map("\n".join)


def _paths(value: object, path: KeyPath = ()) -> set[KeyPath]:
    found = {path} if path else set()
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return found.union(*(_paths(inner, (*path, key)) for key, inner in items))


@given(document=_documents)
def test_every_key_of_any_document_has_a_line(document: str) -> None:
    """Whatever parses, the scan finds exactly the keys that the parser found, and no line beyond the last."""
    try:
        tree = tomllib.loads(document)
    except tomllib.TOMLDecodeError:
        reject()
    found = lines_of(document)
    assert set(found) == _paths(tree)
    assert all(1 <= line <= document.count("\n") + 1 for line in found.values())
