"""Events of a log that answer to a question: by kind, stream, conversation, tenant, lane, channel and time.

This file answers for handing them over one at a time, in the order of arrival, however many there are. It must never
write.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from core.errors import CorruptLog
from core.records import Recorded
from core.timekeeping import INSTANT_END_US
from eventstore.codec import recorded
from eventstore.rows import EVENT_COLUMNS
from eventstore.sqlite.opening import open_to_read

_EVENTS: Final = ", ".join(f"event.{column}" for column in EVENT_COLUMNS.split(", "))
_OF_CONVERSATION: Final = (
    "(event.stream = ? OR event.stream IN"
    " (SELECT stream FROM head INDEXED BY head_conversation WHERE conversation = ? AND kind = 'msg'))"
)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which events to give; None does not narrow. Instants are microseconds: from `since_us` on, before `until_us`.

    `lane` and `channel` are those that an event's stream has now: a message that changed lanes is found in its last.
    """

    types: tuple[str, ...] | None = None
    stream: int | None = None
    conversation: int | None = None
    tenant: str | None = None
    lane: str | None = None
    channel: str | None = None
    since_us: int | None = None
    until_us: int | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event, and the channel and conversation of its message (empty and 0 where it is of none)."""

    recorded: Recorded
    channel: str
    conversation: int


def search(path: Path, wanted: Wanted) -> Iterator[Found]:
    """The events that are wanted, oldest first, also beside a daemon. Raises StoreRefused or CorruptLog."""
    conditions, values = _conditions(wanted)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    # A stream has few events, and its index gives them in the order in which they were recorded as well.
    order = "event.version" if wanted.stream is not None else "event.pos"
    statement = (
        f"SELECT {_EVENTS}, ifnull(head.channel, ''), ifnull(head.conversation, 0)"
        f" FROM event LEFT JOIN head ON head.stream = event.stream {where} ORDER BY {order}"
    )
    with closing(open_to_read(path)) as connection:
        try:
            for *row, channel, conversation in connection.execute(statement, values):
                found = recorded(tuple(row))
                _check(found)
                yield Found(recorded=found, channel=channel, conversation=conversation)
        except sqlite3.DatabaseError as error:
            raise CorruptLog(f"{path} cannot be read to its end: {error}; run `tidings verify`") from error


def _check(found: Recorded) -> None:
    """Raises CorruptLog for an instant or an id that has no form outside, which only damage brings."""
    if not (0 <= found.at_us < INSTANT_END_US and found.stream >= 0 and found.cause >= 0):
        raise CorruptLog(f"shard {found.shard}, seq {found.seq} is damaged; run `tidings verify`, restore a copy")


def _conditions(wanted: Wanted) -> tuple[list[str], list[str | int]]:
    types = wanted.types
    asked: list[tuple[str, tuple[str | int, ...] | None]] = [
        (f"event.type IN ({', '.join('?' * len(types or ()))})", types),
        ("event.stream = ?", _one(wanted.stream)),
        (_OF_CONVERSATION, None if wanted.conversation is None else (wanted.conversation, wanted.conversation)),
        ("event.tenant = ?", _one(wanted.tenant)),
        ("head.lane = ?", _one(wanted.lane)),
        ("head.channel = ?", _one(wanted.channel)),
        ("event.at_us >= ?", _one(wanted.since_us)),
        ("event.at_us < ?", _one(wanted.until_us)),
    ]
    given = [(condition, values) for condition, values in asked if values is not None]
    return [condition for condition, _ in given], [value for _, values in given for value in values]


def _one(value: str | int | None) -> tuple[str | int, ...] | None:
    return None if value is None else (value,)
