"""What stands in the place of a socket on the wire: an object of that type which has no file behind it.

This file answers for clients that insist on making their own socket (aiohttp does, through its happy eyeballs, and a
webhook lane checks the address as it makes one), and on trusting the machine's authorities, which nobody is asked
about where there is no TLS. It must never open anything, nor be seen by another thread.
"""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

_REAL: Final = socket.socket
_REAL_TRUST: Final = ssl.create_default_context
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


def _trust(purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH, **options: str | None) -> ssl.SSLContext:
    """A context that trusts nobody: reading the machine's authorities would take longer than most of a run."""
    if _home and threading.get_ident() == _home[-1]:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _REAL_TRUST(purpose, **options)


@contextmanager
def plugs() -> Iterator[None]:
    """While it is entered, sockets that this thread makes are plugs, and its TLS contexts are empty."""
    _home.append(threading.get_ident())
    socket.socket = Plug  # type: ignore[misc]
    ssl.create_default_context = _trust  # type: ignore[assignment]
    try:
        yield
    finally:
        socket.socket = _REAL  # type: ignore[misc]
        ssl.create_default_context = _REAL_TRUST
        _home.pop()
