"""The statements that find messages by a filter.

This file answers for each filter going to its rows by an index that is made for it: of every way only the first rows
are read, whatever the planner believes of their number. It must never ask itself.
"""
# ruff: noqa: S608  # Statements are put together from constants of ours; every value is bound.

from collections.abc import Sequence
from typing import Final

from core.records import MessageFilter
from eventstore.rows import HEAD_COLUMNS

# The statuses that the agenda's index holds, and those that the index by status holds.
_WAITING: Final = ("queued", "scheduled", "retrying")
_RESTING: Final = ("sending", "held", "dead", "cancelled", "expired", "failed")

Values = list[object]


def heads_of(wanted: MessageFilter, limit: int, *, oldest_first: bool) -> tuple[str, Values]:
    """The statement for the heads that match, in the order of their ids, and its values."""
    order = "ASC" if oldest_first else "DESC"
    streams, values = _streams(wanted, order, limit)
    found = f"SELECT {HEAD_COLUMNS} FROM head WHERE stream = ANY(ARRAY({streams}))"
    return f"{found} ORDER BY stream {order} LIMIT {_bound(values, limit)}", values


def count_of(wanted: MessageFilter, at_most: int) -> tuple[str, Values]:
    """The statement that counts what matches, no further than `at_most`, and its values."""
    streams, values = _streams(wanted, "DESC", at_most)
    first = f"SELECT stream FROM ({streams}) AS every LIMIT {_bound(values, at_most)}"
    return f"SELECT count(*) FROM ({first}) AS found", values


def _streams(wanted: MessageFilter, order: str, limit: int) -> tuple[str, Values]:
    """A query for the first matching ids of each way to them; all of them together where there is one way only."""
    values: Values = []
    conditions = _conditions(wanted, values)
    most = _bound(values, limit)
    queries: list[str] = []
    for own, is_in_order in _ways(wanted, values):
        found = f"head WHERE {' AND '.join([*own, *conditions])}"
        # What an index gives in another order is found first, and put in order then.
        source = found if is_in_order else f"(SELECT stream FROM {found} OFFSET 0) AS found"
        queries.append(f"(SELECT stream FROM {source} ORDER BY stream {order} LIMIT {most})")
    return " UNION ALL ".join(queries), values


def _ways(wanted: MessageFilter, values: Values) -> list[tuple[list[str], bool]]:
    """The conditions that lead each way to its index, and whether that one gives ids in their order."""
    if _goes_by_status(wanted):
        statuses = wanted.status or ()
        ways = [(["kind = 'msg'", f"status = '{status}'"], True) for status in _RESTING if status in statuses]
        waiting = [status for status in _WAITING if status in statuses]
        if waiting:
            ways.append((["kind = 'msg'", "due_us IS NOT NULL", _listed(waiting, values)], False))
        return ways
    own = ["kind = 'msg'"]
    if wanted.status is not None:
        own.append(_listed(list(wanted.status), values))
    if wanted.cause:
        own.append("cause <> 0")
    if wanted.owes:
        own.append("owes")
    # The vault's index leads to the streams of a reference, and the heads are then asked by key.
    return [(own, wanted.reference is None or wanted.conversation is not None)]


def _goes_by_status(wanted: MessageFilter) -> bool:
    """Whether few messages have the statuses that are asked for, and nothing else narrows the search further."""
    is_narrow = wanted.conversation is not None or wanted.reference is not None or wanted.cause or wanted.owes
    return not is_narrow and wanted.status is not None and {*_WAITING, *_RESTING}.issuperset(wanted.status)


def _listed(statuses: Sequence[str], values: Values) -> str:
    return f"status = ANY({_bound(values, list(statuses))}::text[])"


def _conditions(wanted: MessageFilter, values: Values) -> list[str]:
    asked: list[tuple[str, object]] = [
        ("tenant = {}", wanted.tenant),
        ("channel = {}", wanted.channel),
        ("lane = {}", wanted.lane),
        ("conversation = {}", wanted.conversation),
        ("stream IN (SELECT stream FROM vault WHERE reference = {})", wanted.reference),
        ("stream < {}", wanted.before),
        ("stream > {}", wanted.after),
        ("cause = {}", wanted.cause),
        ("owes = {}", wanted.owes),
    ]
    return [condition.format(_bound(values, value)) for condition, value in asked if value is not None]


def _bound(values: Values, value: object) -> str:
    """The place of a value that is bound from here on."""
    values.append(value)
    return f"${len(values)}"
