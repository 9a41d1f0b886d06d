"""Answers for what stands in the documents: their blocks of code, their tables and their links.

It must never know what any of it means.
"""

import re
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[3]
MANUALS: Final = tuple(sorted((ROOT / "docs").glob("*.md")))
DOCUMENTS: Final = (ROOT / "README.md", *MANUALS)

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_NUMBERED: Final = re.compile(r"^(\d+)\. ", re.MULTILINE)
_CODE: Final = re.compile(r"`([^`]+)`")


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One fenced block: its language, its text, and the line of the file on which it begins."""

    kind: str
    text: str
    file: Path
    line: int

    @property
    def place(self) -> str:
        """Where it stands, as editors jump to it."""
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def blocks_of(file: Path) -> list[Block]:
    """Every fenced block of a document, in order."""
    text = file.read_text()
    return [
        Block(kind=found[1], text=found[2], file=file, line=text.count("\n", 0, found.start()) + 1)
        for found in _FENCE.finditer(text)
    ]


def prose_of(file: Path) -> str:
    """A document without its blocks."""
    return _FENCE.sub("", file.read_text())


def links_of(file: Path) -> list[str]:
    """Where the links of a document lead."""
    return _LINK.findall(prose_of(file))


def anchors_of(file: Path) -> set[str]:
    """The names under which headings can be linked to, as hosts of Markdown make them."""
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in _headings(file)}


def table_under(file: Path, heading: str, *, nth: int = 1) -> list[list[str]]:
    """The rows of the nth table below a heading, without its own head; cells are stripped."""
    tables: list[list[list[str]]] = []
    was_row = False
    for line in _section(file, heading).splitlines():
        is_row = line.startswith("|")
        if is_row:
            if not was_row:
                tables.append([])
            tables[-1].append([cell.strip() for cell in line.strip().strip("|").split("|")])
        was_row = is_row
    assert len(tables) >= nth, f"{file.name} has {len(tables)} tables under {heading!r}"
    return tables[nth - 1][2:]


def list_under(file: Path, heading: str) -> list[int]:
    """The numbers of the numbered list below a heading."""
    return [int(number) for number in _NUMBERED.findall(_section(file, heading))]


def codes_in(cell: str) -> list[str]:
    """What stands in backticks."""
    return _CODE.findall(cell)


def _section(file: Path, heading: str) -> str:
    text = file.read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found is not None, f"{file.name} has no heading {heading!r}"
    rest = text[found.end() :]
    following = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest if following is None else rest[: following.start()]


def _headings(file: Path) -> list[str]:
    return _HEADING.findall(prose_of(file))
