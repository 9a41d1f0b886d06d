"""Secrets of a configuration: read from where they are kept, and shown nowhere.

This file answers for `{ env = "NAME" }`, `{ file = "path" }` and a literal text. It must never put a secret into a
message, and a Secret never shows itself: not in repr, not in a log line, not in JSON.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

import msgspec

# More than any key or password; a mistyped path must not read a disk into memory.
_FILE_BYTES_MAX: Final = 65_536
EXPECTED: Final = 'a secret: { env = "NAME" }, { file = "path" } or a text that is not empty'


class Secret:
    """A text that only `reveal` gives away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself, for the one place that needs it."""
        return self._text

    def __repr__(self) -> str:
        """Never the secret."""
        return "Secret(hidden)"

    def __eq__(self, other: object) -> bool:
        """Whether both hide the same text: how a reload sees that nothing changed."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Fits equality."""
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        """Refuses to be copied into a pickle."""
        raise TypeError("a secret is not serialised")


class NoSecret(Exception):
    """There is no secret to be had: what was seen (without any part of it), and what was expected."""

    def __init__(self, seen: str, expected: str = EXPECTED) -> None:
        super().__init__(seen)
        self.seen = seen
        self.expected = expected


def secret(raw: object, environ: Mapping[str, str], base: Path) -> Secret:
    """The secret that a value names. Relative files lie below `base`; raises NoSecret where there is none."""
    match raw:
        case str() if raw:
            return Secret(raw)
        case {"env": str(name), **rest} if not rest:
            return _from_environment(name, environ)
        case {"file": str(name), **rest} if not rest and name:
            return _from_file(base / name)
        case _:
            raise NoSecret(_kind(raw))


def _from_environment(name: str, environ: Mapping[str, str]) -> Secret:
    found = environ.get(name)
    if found is None:
        raise NoSecret(f"the environment has no {name}", f"the secret in the environment variable {name}")
    if not found:
        raise NoSecret(f"the environment variable {name} is empty", "the secret in it")
    return Secret(found)


def _from_file(path: Path) -> Secret:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise NoSecret(f"{path} cannot be read ({error.strerror})", "a file that holds the secret") from None
    try:
        # Editors end a file with a line break that is no part of the secret.
        found = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise NoSecret(f"{path} is no text", "a file that holds the secret as UTF-8 text") from None
    if len(content) > _FILE_BYTES_MAX:
        raise NoSecret(f"{path} is larger than {_FILE_BYTES_MAX} bytes", "a file that holds the secret alone")
    if not found:
        raise NoSecret(f"{path} is empty", "a file that holds the secret")
    return Secret(found)


def _kind(raw: object) -> str:
    match raw:
        case str():
            return "an empty text"
        case dict():
            return "a table of another form"
        case _:
            return msgspec.json.encode(type(raw).__name__).decode()
