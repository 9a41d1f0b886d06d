"""Answers for a shell's `tidings` being a forked program too: a program of that name, and who listens to it.

It must never outlive its block: whatever was typed and still runs is killed with the one that typed it.
"""

import marshal
import os
import shlex
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

from tests.forking.programs import Program

_TYPED: Final = Path(__file__).with_name("typed.py")


@contextmanager
def listening() -> Iterator[dict[str, str]]:
    """The variables under which a shell finds the program, for the length of a block."""
    # A directory of its own with a short name: the address of a socket has room for a hundred letters.
    with TemporaryDirectory(prefix="tidings-") as folder, socket.socket(socket.AF_UNIX) as door:
        program = Path(folder, "tidings")
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS {shlex.quote(str(_TYPED))} "$@"\n')
        program.chmod(0o700)
        address = str(Path(folder, "door"))
        door.bind(address)
        door.listen()
        thread = threading.Thread(target=_listen, args=(door,), daemon=True)
        thread.start()
        try:
            # Other programs of our environment are found as well, its Python first of all.
            path = os.pathsep.join((folder, str(Path(sys.executable).parent), os.environ["PATH"]))
            yield {"PATH": path, "FORKING_DOOR": address}
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join()


def _listen(door: socket.socket) -> None:
    # Ends once the door is shut.
    with suppress(OSError):
        while True:
            caller, _ = door.accept()
            threading.Thread(target=_serve, args=(caller,), daemon=True).start()


def _serve(caller: socket.socket) -> None:
    """Runs what was typed; a caller that is gone takes its program with it."""
    with caller:
        length, streams, _, _ = socket.recv_fds(caller, 4, 2)
        with caller.makefile("rb") as said, os.fdopen(streams[0], "w") as output, os.fdopen(streams[1], "w") as errors:
            typed = marshal.loads(said.read(int.from_bytes(length, "big")))  # noqa: S302  # By our own shell.
            cwd, words, environ = cast("tuple[str, list[str], dict[str, str]]", typed)
            program = Program(words, environ=environ, cwd=Path(cwd), output=output, errors=errors)
        wait([program.sentinel, caller])
        program.kill()
        # A program that a signal ended is told as a shell tells it.
        status = program.wait()
        with suppress(OSError):
            caller.sendall(str(status if status >= 0 else 128 - status).encode())
