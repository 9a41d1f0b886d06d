"""The driver's rows as those that every table store has.

This file answers for nothing but their types: the driver's rows are read by place, as tuples are.
"""

from typing import cast

from core.records import Head, Sealed
from eventstore import rows
from eventstore.codec import EventRow
from eventstore.postgres.connection import Row


def event_row(row: Row) -> EventRow:
    """A row of EVENT_COLUMNS."""
    return cast("EventRow", row)


def head_of_row(row: Row) -> Head:
    """The head in a row of HEAD_COLUMNS."""
    return rows.head(cast("rows.HeadRow", row))


def sealed_of_row(row: Row) -> Sealed:
    """The vault row in a row of SEALED_COLUMNS."""
    return rows.sealed(cast("rows.SealedRow", row))
