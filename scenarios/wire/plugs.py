"""What stands in the place of a socket on the wire: an object of that type which has no file behind it.

This file answers for clients that insist on making their own socket (aiohttp does, through its happy eyeballs, and a
webhook lane checks the address as it makes one), on trusting the machine's authorities, which nobody is asked about
where there is no TLS, and on aiohttp's own clock, by which it closes what was idle for long. It must never open
anything, nor be seen by another thread.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, cast

_REAL: Final = socket.socket
_REAL_TRUST: Final = ssl.create_default_context
# Trusts nobody. Each life of a daemon asks for one for each of its lanes, and to make one takes a millisecond.
_NOBODY: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
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
        return _NOBODY
    return _REAL_TRUST(purpose, **options)


def _age(real: Callable[[], float]) -> Callable[[], float]:
    """A clock by which idle lines grow as old as their run: by the machine's they would never be closed in one."""

    def now_s() -> float:
        is_home = bool(_home) and threading.get_ident() == _home[-1]
        return asyncio.get_running_loop().time() if is_home else real()

    return now_s


@contextmanager
def plugs() -> Iterator[None]:
    """While it is entered, this thread gets plugs for sockets, TLS contexts that are empty, and lines that grow old."""
    from aiohttp import connector  # noqa: PLC0415  # As much to import as all else: whoever does without, does.

    real_now_s = connector.monotonic  # type: ignore[attr-defined]
    _home.append(threading.get_ident())
    socket.socket = Plug  # type: ignore[misc]
    ssl.create_default_context = _trust  # type: ignore[assignment]
    connector.monotonic = _age(real_now_s)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        socket.socket = _REAL  # type: ignore[misc]
        ssl.create_default_context = _REAL_TRUST
        connector.monotonic = real_now_s  # type: ignore[attr-defined]
        _home.pop()
