"""Environment variables that stand over the file: `TIDINGS_STORE__URL` is `url` of `[store]`.

This file answers for which variables count and where they go. It must never read what they hold: the tables do, with
the same readings as for the file.
"""

import re
from collections.abc import Iterator, Mapping
from typing import cast

import msgspec

from adapters.config.positions import KeyPath
from adapters.config.reading import FromEnvironment

# Two underscores at least: TIDINGS_URL and TIDINGS_KEY belong to the client commands, and an orchestrator sets names
# such as TIDINGS_PORT and TIDINGS_SERVICE_HOST for every service called tidings.
_OVERRIDE = re.compile(r"TIDINGS_[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*(?:__[A-Za-z0-9_]+)+")


def overridden(tree: Mapping[str, object], environ: Mapping[str, str]) -> tuple[dict[str, object], dict[KeyPath, str]]:
    """The tree with the variables put in, and which variable stands at which path."""
    result = _copied(tree)
    variables: dict[KeyPath, str] = {}
    for variable in sorted(name for name in environ if _OVERRIDE.fullmatch(name)):
        path = _place(result, variable.removeprefix("TIDINGS_").split("__"))
        variables[path] = variable
        at = result
        for key in path[:-1]:
            if not isinstance(at.get(str(key)), dict):
                at[str(key)] = {}
            at = cast("dict[str, object]", at[str(key)])
        at[str(path[-1])] = FromEnvironment(environ[variable])
    return result, variables


def near_misses(environ: Mapping[str, str], tables: Mapping[str, type[msgspec.Struct]]) -> Iterator[str]:
    """A sentence for each variable that is a key of one of these tables but for an underscore, and so no key at all."""
    for table, kind in tables.items():
        for field in msgspec.structs.fields(kind):
            key = field.encode_name.upper()
            missed, meant = f"TIDINGS_{table.upper()}_{key}", f"TIDINGS_{table.upper()}__{key}"
            if missed in environ:
                yield f"{missed} in the environment sets nothing: write {meant}, with two underscores."


def _place(tree: Mapping[str, object], words: list[str]) -> KeyPath:
    # Variables are written in capitals and know no hyphens: a key that is there and fits is meant, else a new one.
    path: list[str] = []
    at: object = tree
    for word in words:
        keys = at if isinstance(at, dict) else {}
        key = next((key for key in keys if _as_variable(key) == word.lower()), word.lower())
        path.append(key)
        at = keys.get(key)
    return tuple(path)


def _as_variable(key: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", key.lower())


def _copied(tree: Mapping[str, object]) -> dict[str, object]:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in tree.items()}
