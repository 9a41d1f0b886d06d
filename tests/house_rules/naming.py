"""Answers for what a name in a file really stands for, and for how a finding is written.

It follows imports within one file only; it must never import the code that it reads.
"""

import ast
from collections.abc import Iterator

import msgspec

from tests.house_rules.sources import Source

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, and where: `within` is the function around it, empty at the top of the file."""

    path: str
    line: int
    words: str
    within: str = ""

    @property
    def at(self) -> str:
        """The place as exceptions.toml names it: `path` or `path::function`."""
        return f"{self.path}::{self.within}" if self.within else self.path

    def __str__(self) -> str:
        """One line that editors and terminals can jump to."""
        return f"{self.path}:{self.line}: {self.words}"


def finding(source: Source, node: ast.stmt | ast.expr | ast.ExceptHandler, words: str) -> Finding:
    """A finding at the line where the node begins."""
    return Finding(path=source.path, line=node.lineno, words=words)


def imports(source: Source) -> Iterator[tuple[ast.stmt, str]]:
    """Each import statement with the full name of each thing that it brings in: `os.urandom` for the one in os."""
    for node in source.import_statements:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif node.module is not None:
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def meanings(source: Source) -> dict[str, str]:
    """What each imported name of the file stands for: `dt` is `datetime.datetime`, where it was imported as such."""
    found: dict[str, str] = {}
    for node in source.import_statements:
        if isinstance(node, ast.Import):
            # `import os.path` binds `os`; `import os.path as p` binds `p` to the whole.
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
            found |= {root: root for alias in node.names if not alias.asname for root in [alias.name.partition(".")[0]]}
        elif node.module is not None:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def full_name(node: ast.AST, meaning: dict[str, str]) -> str | None:
    """The dotted name that an expression spells, its first part replaced by its meaning; None for anything else."""
    match node:
        case ast.Name(id=name):
            return meaning.get(name, name)
        case ast.Attribute(value=value, attr=attr):
            owner = full_name(value, meaning)
            return None if owner is None else f"{owner}.{attr}"
        case _:
            return None


def functions(source: Source) -> Iterator[tuple[str, FunctionNode]]:
    """Every function of the file, methods and inner functions too, with a name such as `Roster.wake`."""
    yield from _functions(source.tree, "")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, FunctionNode]]:
    # Statements lie in lists, and no expression holds a function but a lambda, which has no name.
    for child in (child for value in vars(node).values() if isinstance(value, list) for child in value):
        if isinstance(child, FunctionNode):
            yield f"{prefix}{child.name}", child
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _functions(child, f"{prefix}{child.name}." if isinstance(child, ast.ClassDef) else prefix)
