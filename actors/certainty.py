"""What an actor knows after an append: everything, or that the log has to be asked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def certain_or(forget: Callable[[], None]) -> Iterator[None]:
    """Calls `forget` unless the block ends well.

    Refused, unknown or cancelled while waiting: what memory took for granted must go then. Of an append, only the log
    can say what became of it.
    """
    is_certain = False
    try:
        yield
        is_certain = True
    finally:
        if not is_certain:
            forget()
