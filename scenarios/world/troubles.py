"""How a daemon ended that did not end in order: of its log's trouble, because another took its place, or of a bug.

This file answers for a bug being told apart from what any daemon may die of.
"""

import traceback
from collections.abc import Iterator
from typing import Final

from actors.sender import LOG_TROUBLE
from core.errors import CorruptLog, StoreRefused
from scenarios.world.books import Books
from scenarios.world.ground import EndedBy

TROUBLES: Final = (*LOG_TROUBLE, StoreRefused)
"""What a daemon may die of without having a bug."""


def ended_by(error: BaseException, books: Books) -> EndedBy:
    """What a daemon died of; a bug is noted."""
    leaves = list(_leaves(error))
    if all(isinstance(leaf, TROUBLES) and not isinstance(leaf, CorruptLog) for leaf in leaves):
        return "replaced" if any(isinstance(leaf, StoreRefused) for leaf in leaves) else "trouble"
    books.alarms.append("".join(traceback.format_exception(error)))
    return "bug"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
