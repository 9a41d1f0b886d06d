"""When Python looks for cycles: not while a log of any length goes by.

This file answers for that alone. It must never leave a process without its collector that had one.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Rows and events are no cycles, and looking for cycles among them takes time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
