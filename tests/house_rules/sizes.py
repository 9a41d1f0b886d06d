"""Answers for the size of things: how long a file and a function are, and how deep a function goes.

It must never round in anybody's favour: what is over a bound stands in exceptions.toml at exactly its size.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

import msgspec

from tests.house_rules.naming import functions
from tests.house_rules.sources import Source

Dimension = Literal["file-lines", "function-lines", "function-depth"]

BOUNDS: Final[dict[Dimension, int]] = {"file-lines": 400, "function-lines": 50, "function-depth": 3}


# The amount that each known exception has; since it must be exact, it can only shrink.
Allowed = Mapping[tuple[Dimension, str], int]


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is of one thing; `at` is `path` for a file and `path::function` for a function."""

    dimension: Dimension
    at: str
    line: int
    amount: int


def sizes(source: Source) -> Iterator[Size]:
    """The file's own length, then the length and the depth of each of its functions, inner ones too.

    A function's length runs from `def` to its last line, docstring and all. Its depth is how many blocks lie around
    its innermost statement: `if`, `for`, `while`, `with`, `try`, `match` (with its `case`), an inner function or class.
    """
    yield Size(dimension="file-lines", at=source.path, line=1, amount=len(source.text.splitlines()))
    for name, function in functions(source):
        at = f"{source.path}::{name}"
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        yield Size(dimension="function-lines", at=at, line=function.lineno, amount=length)
        yield Size(dimension="function-depth", at=at, line=function.lineno, amount=_depth(function.body))


def over_their_bound(measured: Iterable[Size], allowed: Allowed) -> Iterator[str]:
    """What the ratchet does not hold: too large and not allowed, grown since, or allowed more than it needs."""
    found = {(size.dimension, size.at): size for size in measured if size.amount > BOUNDS[size.dimension]}
    for (dimension, at), size in found.items():
        bound = allowed.get((dimension, at), BOUNDS[dimension])
        path = at.partition("::")[0]
        if size.amount > bound:
            yield f"{path}:{size.line}: {at} has {dimension} {size.amount}, where {bound} are allowed"
        elif size.amount < bound:
            yield f"exceptions.toml: {at} has shrunk to {dimension} {size.amount}; tighten its entry from {bound}"
    for dimension, at in sorted(allowed.keys() - found.keys()):
        yield f"exceptions.toml: {at} needs no exception for {dimension} any more; remove its entry"


def _depth(body: Iterable[ast.stmt]) -> int:
    return max((_height(statement) for statement in body), default=0)


def _height(statement: ast.stmt) -> int:
    """How many blocks a statement piles up; an `elif` stands beside its `if`, not within it."""
    match statement:
        case ast.If(body=body, orelse=[ast.If() as alternative]):
            return max(1 + _depth(body), _height(alternative))
        case (
            ast.If(body=body, orelse=orelse)
            | ast.For(body=body, orelse=orelse)
            | ast.AsyncFor(body=body, orelse=orelse)
        ):
            return 1 + max(_depth(body), _depth(orelse))
        case ast.While(body=body, orelse=orelse):
            return 1 + max(_depth(body), _depth(orelse))
        case ast.With(body=body) | ast.AsyncWith(body=body) | ast.ClassDef(body=body):
            return 1 + _depth(body)
        case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
            return 1 + _depth(body)
        case ast.Try() | ast.TryStar():
            caught = [inner for handler in statement.handlers for inner in handler.body]
            return 1 + _depth([*statement.body, *caught, *statement.orelse, *statement.finalbody])
        case ast.Match(cases=cases):
            return 1 + _depth([inner for case in cases for inner in case.body])
        case _:
            return 0
