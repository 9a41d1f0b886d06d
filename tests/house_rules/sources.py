"""Answers for what the house rules read: the Python files of every room, one after the other, and all tracked texts.

It must never judge; it only says which files there are and what stands in them.
"""

import ast
import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("core", "actors", "eventstore", "adapters", "scenarios")
ROOMS: Final = (*PACKAGES, "tests", "benchmarks")


class Source(msgspec.Struct, frozen=True, kw_only=True, dict=True):  # with room for what is worked out once
    """One Python file: its path from the root of the project with `/` between the parts, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The top-level package that the file belongs to."""
        return self.path.partition("/")[0]

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """The tree and all below it, parents before children. Every rule looks at them, so they are gathered once."""
        # As ast.walk() finds them, in half its time: of a million nodes it asks each for every field by name.
        found: list[ast.AST] = [self.tree]
        for node in found:
            for value in vars(node).values():
                if isinstance(value, list):
                    found += [item for item in value if isinstance(item, ast.AST)]
                elif isinstance(value, ast.AST):
                    found.append(value)
        return tuple(found)

    @cached_property
    def import_statements(self) -> tuple[ast.Import | ast.ImportFrom, ...]:
        """Those of them that bring in names, wherever they stand."""
        return tuple(node for node in self.nodes if isinstance(node, ast.Import | ast.ImportFrom))


def source(path: str, text: str) -> Source:
    """A source from its text; a SyntaxError names the path."""
    return Source(path=path, text=text, tree=ast.parse(text, filename=path))


def sources() -> Iterator[Source]:
    """Every Python file of every room that exists, sorted by path, tracked or not: a new file is judged at once."""
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        yield source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))


def tracked_texts() -> dict[str, str] | None:
    """Every tracked file by its path; files that are not UTF-8 are left out, None where there is no git to ask."""
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)  # noqa: S607 (wherever git lies)
    except (OSError, subprocess.CalledProcessError):
        return None
    texts: dict[str, str] = {}
    for name in filter(None, listing.stdout.decode().split("\0")):
        path = ROOT / name
        if path.is_file() and (text := _decoded(path.read_bytes())) is not None:
            texts[name] = text
    return texts


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
