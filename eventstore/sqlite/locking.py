"""The operating system's lock beside the file.

This file answers for one daemon a file, and for telling a log that is gone from one that never was. It must never be
what keeps two writers apart on a file system that several machines share: there it may do nothing.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from core.errors import StoreRefused

_BYTES_MAX: Final = 200
_REMEMBERED: Final = "a log was made here"


class Lock:
    """The operating system's lock beside a file: it goes with the process, whatever ends that.

    The lock's file also remembers that there was a log, so that one that is gone is not taken for a new one.
    """

    def __init__(self, path: Path) -> None:
        self._place = _beside(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreRefused(f"{path} cannot be opened: {error.strerror or error} ({self._place})") from error
        owner, _, memory = os.pread(self._file, _BYTES_MAX, 0).decode(errors="replace").partition("\n")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise StoreRefused(
                f"{path} is in use by another daemon (process {owner or 'unknown'}); stop it first, or use another data"
                " directory"
            ) from error
        self._had_log = memory.startswith(_REMEMBERED)
        self._write(_REMEMBERED if self._had_log else "")

    def check(self, path: Path) -> None:
        """Refuses a log that was here once and is missing or empty now. Raises StoreRefused."""
        if self._had_log and not (path.is_file() and path.stat().st_size):
            raise StoreRefused(
                f"{path} is missing or empty, but a log was made here: restore a copy, or remove {self._place} to begin"
                " a new log"
            )

    def remember(self) -> None:
        """There is a log now."""
        self._write(_REMEMBERED)

    def release(self) -> None:
        """Lets the next daemon in. Releasing twice is harmless."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, memory: str) -> None:
        content = f"{os.getpid()}\n{memory}\n".encode()
        os.pwrite(self._file, content, 0)
        os.ftruncate(self._file, len(content))


def is_held(path: Path) -> bool:
    """Whether a daemon has the log in this file now. Nothing is written, and no daemon is kept out for longer than
    the look takes. Raises StoreRefused where nobody can tell.
    """
    try:
        file = os.open(_beside(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreRefused(f"{_beside(path)} cannot be opened: {error.strerror or error}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _beside(path: Path) -> Path:
    # A file of its own: closing the database's file by hand would drop SQLite's own locks on it.
    return path.with_name(f"{path.name}.lock")
