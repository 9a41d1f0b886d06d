"""What stands in the place of a socket on the wire: an object of that type which has no file behind it.

This file answers for clients that insist on making their own socket (aiohttp does, through its happy eyeballs, and a
webhook lane checks the address as it makes one). It must never open anything, nor be seen by another thread.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

_REAL: Final = socket.socket
# Set while a wire is up: other threads go on making real sockets.
_home: list[int] = []


class Plug(socket.socket):
    """A socket that was never opened. `at` is the address it was plugged into."""

    at: tuple[str, int]

    def __new__(cls, *args: int, **options: int) -> "Plug":
        """A plug; another thread gets the real socket that it asked for."""
        if _home and threading.get_ident() == _home[-1]:
            return super().__new__(cls)
        return cast("Plug", _REAL(*args, **options))

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:  # noqa: A002  # As in the standard library.
        # Not the inherited one, which opens a file.
        self._io_refs = 0
        self._closed = False

    def setblocking(self, flag: bool, /) -> None:  # noqa: FBT001  # As in the standard library.
        """Nothing blocks on the wire."""


@contextmanager
def plugs() -> Iterator[None]:
    """While it is entered, sockets that this thread makes are plugs."""
    _home.append(threading.get_ident())
    socket.socket = Plug  # type: ignore[misc]
    try:
        yield
    finally:
        socket.socket = _REAL  # type: ignore[misc]
        _home.pop()
