"""Answers for what the house rules read: the Python files of every room, parsed once, and all tracked texts.

It must never judge; it only says which files there are and what stands in them.
"""

import ast
import gc
import subprocess
from functools import cache, cached_property
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
        return tuple(ast.walk(self.tree))

    @cached_property
    def import_statements(self) -> tuple[ast.Import | ast.ImportFrom, ...]:
        """Those of them that bring in names, wherever they stand."""
        return tuple(node for node in self.nodes if isinstance(node, ast.Import | ast.ImportFrom))


def source(path: str, text: str) -> Source:
    """A source from its text; a SyntaxError names the path."""
    return Source(path=path, text=text, tree=ast.parse(text, filename=path))


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file of every room that exists, sorted by path, tracked or not: a new file is judged at once."""
    paths = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    # A million nodes and no garbage among them: to look for it again and again would take longer than to parse.
    gc.disable()
    try:
        return tuple(source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in paths)
    finally:
        gc.enable()


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
