"""Answers for where everything may be caught: in the sender, and at the top of a supervised loop that records it.

It must never allow a second catch-all in passing; each stands in exceptions.toml with the loop that it tops.
"""

import ast
from collections.abc import Iterator
from typing import Final

from tests.house_rules.naming import Finding, full_name, functions, meanings
from tests.house_rules.sources import Source

# Whatever a channel raises becomes an Outcome here, so the whole file is a border.
BORDERS: Final = {"actors/sender.py"}

EVERYTHING: Final = {"Exception", "BaseException", "builtins.Exception", "builtins.BaseException"}


def everything_is_caught_in_few_places(source: Source) -> Iterator[Finding]:
    """No bare except, no `except Exception`, no `suppress(Exception)`, and none hidden in a tuple."""
    if source.path in BORDERS:
        return
    meaning = meanings(source)
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler | ast.Call) and _catches_everything(node, meaning):
            words = "catches everything; translate the errors you know, and let the others rise"
            yield Finding(path=source.path, line=node.lineno, words=words, within=_owner(source, node))


def _owner(source: Source, sought: ast.AST) -> str:
    """The innermost function around a node, empty at the top of the file."""
    around = [name for name, function in functions(source) if any(node is sought for node in ast.walk(function))]
    return around[-1] if around else ""


def _catches_everything(node: ast.ExceptHandler | ast.Call, meaning: dict[str, str]) -> bool:
    if isinstance(node, ast.ExceptHandler):
        return node.type is None or _is_everything(node.type, meaning)
    suppresses = full_name(node.func, meaning) == "contextlib.suppress"
    return suppresses and any(_is_everything(caught, meaning) for caught in node.args)


def _is_everything(caught: ast.expr, meaning: dict[str, str]) -> bool:
    parts = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(full_name(part, meaning) in EVERYTHING for part in parts)
