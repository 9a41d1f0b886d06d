"""SQLite without the locks that nobody here needs: each connection is used by one thread alone.

SQLite as Linux ships it takes a mutex for every value that is bound or read, and one for every piece of memory, which
it counts. Python's module has a connection used by the thread that opened it and no other, which is what SQLite asks
of a program that does without ("multi-thread", https://sqlite.org/threadsafe.html).

This file answers for asking SQLite for that, once, before it begins. It must never be needed: where SQLite cannot be
asked, or began already, all is as before and slower.
"""

import ctypes
from importlib.util import find_spec
from typing import Final

# From sqlite3.h, where they can never change.
_OK: Final = 0
_CONFIG_MULTITHREAD: Final = 2
_CONFIG_MEMSTATUS: Final = 9


def unlock() -> bool:
    """Whether SQLite goes without its locks in this process from now on. It must not have been used before."""
    module = find_spec("_sqlite3")
    if module is None or not module.has_location:
        # Part of the interpreter itself: nothing that could be asked.
        return False
    try:
        # Reaches SQLite through what Python's module was linked with, whichever library that is.
        configure = ctypes.CDLL(module.origin).sqlite3_config
    except (OSError, AttributeError):
        return False
    return bool(configure(_CONFIG_MULTITHREAD) == _OK and configure(_CONFIG_MEMSTATUS, 0) == _OK)
