"""Answers for the names of files and packages: each says something and is only ours.

It must never judge the names of functions and values; readers do.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from tests.house_rules.naming import Finding
from tests.house_rules.sources import PACKAGES, Source

DISTRIBUTION: Final = "tidings"
SAYS_NOTHING: Final = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}


def no_name_hides_a_standard_module(source: Source) -> Iterator[Finding]:
    """`logging.py` or `http/` beside us would be imported by somebody who meant the standard library."""
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if part in sys.stdlib_module_names:
            yield Finding(path=source.path, line=1, words=f"`{part}` is the name of a standard module")


def every_name_says_something(source: Source) -> Iterator[Finding]:
    """No file, package or class is called a manager, a helper or something common: the word hides what it does."""
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if word := SAYS_NOTHING & set(part.split("_")):
            yield Finding(path=source.path, line=1, words=f"`{part}` says nothing: {', '.join(word)}")
    for node in source.nodes:
        if isinstance(node, ast.ClassDef) and (word := SAYS_NOTHING & set(_words(node.name))):
            yield Finding(path=source.path, line=node.lineno, words=f"`{node.name}` says nothing: {', '.join(word)}")


def tests_of_core_lie_in_rules(source: Source) -> Iterator[Finding]:
    """There is no tests/core/: beside the package core, the two would be confused on the import path."""
    if source.path.startswith("tests/core/"):
        yield Finding(path=source.path, line=1, words="tests of core lie in tests/rules/")


def strangers(owners: Mapping[str, Sequence[str]]) -> list[str]:
    """Other installed distributions that own one of our names; `owners` is what `packages_distributions()` says."""
    return [
        f"{owner} also installs a top-level package `{name}`"
        for name in PACKAGES
        for owner in sorted(set(owners.get(name, ())) - {DISTRIBUTION})
    ]


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)]
