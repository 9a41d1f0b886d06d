"""The edge of the simulated world: what a real event loop offers and this one refuses, by name.

This file answers for failing at the very call that would leave the simulation. It must never let such a call wait: on
virtual time a wait for something real ends at once with a false timeout, or never.
"""

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context
from typing import NoReturn, TypeVarTuple, Unpack

Arguments = TypeVarTuple("Arguments")

_REFUSED = (
    "add_reader",
    "add_signal_handler",
    "add_writer",
    "connect_accepted_socket",
    "connect_read_pipe",
    "connect_write_pipe",
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "getaddrinfo",
    "getnameinfo",
    "remove_reader",
    "remove_signal_handler",
    "remove_writer",
    "run_in_executor",
    "sendfile",
    "set_default_executor",
    "set_task_factory",
    "sock_accept",
    "sock_connect",
    "sock_recv",
    "sock_recv_into",
    "sock_recvfrom",
    "sock_recvfrom_into",
    "sock_sendall",
    "sock_sendfile",
    "sock_sendto",
    "start_tls",
    "subprocess_exec",
    "subprocess_shell",
)


class BoundaryError(Exception):
    """Something real was touched inside a simulated run: a clock, chance, a thread, a socket, a file, a process."""


class BoundaryLoop(asyncio.BaseEventLoop):
    """An event loop without threads, sockets, processes and signals. Its first caller's thread is its only one."""

    def __init__(self) -> None:
        super().__init__()
        self._home_thread = threading.get_ident()
        self._halted_by: BaseException | None = None

    # A simulation has no debug mode, and whatever future is made asks for it: this says no without a step of Python.
    get_debug = bool

    def halt(self, error: BaseException) -> None:
        """Ends the run with this error once the present callback returns, even where it is caught. The first counts."""
        if self._halted_by is None:
            self._halted_by = error

    def refuse(self, call: str, instead: str) -> NoReturn:
        """Raises at the line of the call, and ends the run even where that line catches everything."""
        error = BoundaryError(f"{call} was called in a simulated run: {instead}")
        self.halt(error)
        raise error

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Like `call_soon`, which is enough in the only thread there is; another thread is refused."""
        if threading.get_ident() != self._home_thread:
            self.refuse("loop.call_soon_threadsafe", "another thread cannot take part, it does not know virtual time")
        return self.call_soon(callback, *args, context=context)


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refused(loop: BoundaryLoop, *_args: object, **_options: object) -> NoReturn:
        loop.refuse(f"loop.{name}", "the world outside is reached through ports, which the scenario implements")

    refused.__name__ = name
    return refused


for _name in _REFUSED:
    setattr(BoundaryLoop, _name, _refusing(_name))
