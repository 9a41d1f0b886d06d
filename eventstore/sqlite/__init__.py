"""The log in one SQLite file, for one daemon."""

from typing import Final

from eventstore.sqlite.unlocked import unlock

# Here, since every file of this room uses SQLite, and it can be asked only before the first of them does.
IS_UNLOCKED: Final = unlock()
