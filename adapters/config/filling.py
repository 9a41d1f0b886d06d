"""From a table to the settings that it fills, and from what is wrong with those back to the keys of the table.

This file answers for settings and tables agreeing on names. It must never judge a value: the settings' own file does.
"""

import re
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET

from adapters.config.hidden import Secret
from adapters.config.kinds import Table
from adapters.config.positions import KeyPath
from adapters.config.reading import Reader

# Names stand in paths (/v1/lanes/{name}), in file names of the sandbox and in environment variables.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_INDEXED: Final = re.compile(r"(\w+)\[(\d+)\]")


def given(table: Table, data: Path) -> dict[str, object]:
    """What a table says, by attribute: secrets in the open, certificates below the data directory."""
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(table):
        value = getattr(table, field.name)
        if isinstance(value, Secret):
            found[field.name] = value.reveal()
        elif isinstance(value, tuple):
            found[field.name] = tuple(part.reveal() if isinstance(part, Secret) else part for part in value)
        elif field.name == "ca_file" and isinstance(value, str):
            found[field.name] = str(data / value)
        elif value is not UNSET:
            found[field.name] = value
    return found


def note(
    reader: Reader,
    mistakes: Iterable[tuple[str, str]],
    path: KeyPath,
    keys: Mapping[str, str],
    *,
    missing: Container[str] = (),
) -> None:
    """Notes what settings find wrong with themselves.

    `keys` are the keys of those whose name is another word, `missing` those that the file does not give.
    """
    for setting, expected in mistakes:
        indexed = _INDEXED.fullmatch(setting)
        name, *place = (indexed[1], int(indexed[2])) if indexed else (setting,)
        inner: KeyPath = (keys.get(str(name), name), *place)
        # What is broken or missing already was reported with what was seen.
        if reader.sound((*path, *inner)) and not reader.is_broken(path):
            reader.mistake((*path, *inner), "missing" if name in missing else "a value that cannot stand", expected)


def check_ca_file(reader: Reader, ca_file: str | None, path: KeyPath) -> None:
    """Notes certificates that are not there."""
    if ca_file is not None and not Path(ca_file).is_file():
        reader.mistake((*path, "ca_file"), f"{ca_file} is no file", "a file of certificates in PEM form")


def check_name(reader: Reader, name: str, path: KeyPath) -> None:
    """Notes the name of a lane or a source that would not fit where names stand."""
    if _NAME.fullmatch(name) is None:
        reader.mistake(path, "a name of another form", "1 to 64 letters, digits, '_' or '-'")
