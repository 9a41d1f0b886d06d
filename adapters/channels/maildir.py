"""Files that a mail or a line is kept in, each complete and on disk before anybody can see it.

This file answers for the Maildir layout and for appending lines. It runs in threads and must never touch a loop.
"""

import os
from pathlib import Path


class Maildir:
    """A mailbox as every mail reader knows it: `tmp`, `new` and `cur`; the directories appear with the first mail."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made = False

    def put(self, name: str, data: bytes) -> None:
        """Writes one mail under a name of its own; the same name again replaces it. Raises OSError."""
        if not self._made:
            for part in ("tmp", "new", "cur"):
                (self._path / part).mkdir(parents=True, exist_ok=True)
            self._made = True
        written, final = self._path / "tmp" / name, self._path / "new" / name
        with written.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        written.replace(final)
        _sync_directory(final.parent)


class Lines:
    """A file of lines that only grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made = False

    def put(self, line: bytes) -> None:
        """Appends one line in a single write, so that lines of several threads never mix. Raises OSError."""
        if not self._made:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as file:
            file.write(line + b"\n")
            os.fsync(file.fileno())
        if not self._made:
            _sync_directory(self._path.parent)
            self._made = True


def _sync_directory(path: Path) -> None:
    # A rename or a new file is on disk only once its directory is.
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
