"""The months of the event table: a partition each, made ahead of the streams that are born in it.

This file answers for nothing that is written waiting long for a month, nor failing for want of one: what has none goes
to the default. It must never take away an event, nor change one.
"""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from core.ids import ID_MAX, born_ms, first_at
from core.ports import Witness
from eventstore.postgres.connection import TROUBLE, Connection, connect, words_of

# Two months are time to notice that a third could not be made.
AHEAD: Final = 2
# How soon that is tried again, by log time, and how long the first event of a month that is not there waits for it.
AGAIN_US: Final = 600_000_000
WAIT_S: Final = 2.0
# So many events go along from the default when their month is made; with more of them it stays there.
MOVED_MAX: Final = 10_000

_BOUNDS: Final = """
SELECT pg_get_expr(relpartbound, oid), EXISTS (SELECT FROM event_default)
  FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'event'::regclass"""
_BOUND: Final = re.compile(r"FROM \('?(MINVALUE|\d+)'?\) TO \('?(MAXVALUE|\d+)'?\)")
_STRAYED: Final = """
SELECT count(*) FROM (SELECT FROM event_default WHERE stream >= $1 AND stream < $2 LIMIT $3) AS found"""
# A place of its own for each event is kept a month: a partitioned table can only keep it together with the stream.
# Somebody who reads the whole log keeps the default busy, and behind whoever waits for it everybody else would wait:
# so briefly, and with ATTACH, since CREATE ... PARTITION OF would wait for every reader and writer.
_MAKE: Final = """
SET LOCAL lock_timeout = '200ms';
SET LOCAL statement_timeout = '2s';
CREATE TABLE {name} (LIKE event, PRIMARY KEY (pos))
  WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
{move};
ALTER TABLE event ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({beyond})"""
_MOVE: Final = """
WITH moved AS (DELETE FROM event_default WHERE stream >= {first} AND stream < {beyond} RETURNING *)
  INSERT INTO {name} SELECT * FROM moved"""


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """A month of UTC, as the streams that are born in it: ids from `first` on, and before `beyond`."""

    name: str
    first: int
    beyond: int


def month_of(stream: int) -> Month:
    """The month in which a stream was born."""
    start = _moment(born_ms(stream)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(days=32)).replace(day=1)
    return Month(name=f"event_{start:%Y_%m}", first=first_at(_ms(start)), beyond=min(first_at(_ms(end)), ID_MAX))


def months_from(at_us: int) -> list[Month]:
    """The month of an instant, and those that are to be there by then as well."""
    # What a clock says that is far off is no reason to fail.
    months = [month_of(min(max(first_at(at_us // 1_000), 0), ID_MAX))]
    while len(months) <= AHEAD and months[-1].beyond < ID_MAX:
        months.append(month_of(months[-1].beyond))
    return months


async def lacking(connection: Connection, months: Sequence[Month]) -> dict[Month, int]:
    """Those of these months that are to be made, and how many events of each are in the default: not too many.

    Raises what the driver raises.
    """
    rows = await connection.fetch(_BOUNDS)
    spans = [_span(bound) for bound, _ in rows]
    found = [month for month in months if not any(low < month.beyond and month.first < high for low, high in spans)]
    if not any(has_strayed for _, has_strayed in rows):
        return dict.fromkeys(found, 0)
    strayed = {month: await _strayed(connection, month) for month in found}
    return {month: count for month, count in strayed.items() if count <= MOVED_MAX}


async def make(connection: Connection, month: Month, *, strayed: int) -> None:
    """Leaves a partition for a month that lacks one, with what is in the default. Raises what the driver raises."""
    values = {"name": month.name, "first": month.first, "beyond": month.beyond}
    move = _MOVE.format(**values) if strayed else ""
    # One transaction on one trip: whoever freezes in between would keep everybody from the default.
    await connection.execute(_MAKE.format(**values, move=move))


async def _strayed(connection: Connection, month: Month) -> int:
    return int(await connection.fetchval(_STRAYED, month.first, month.beyond, MOVED_MAX + 1))


def _span(bound: str) -> tuple[int, int]:
    """The ids that a partition takes, from the first up to the one that is beyond; none for the default."""
    if (found := _BOUND.search(bound)) is None:
        return 0, 0
    low, high = found.groups()
    return (0 if low == "MINVALUE" else int(low)), (ID_MAX if high == "MAXVALUE" else int(high))


class Months:
    """The acting daemon's care for them. It has a task and a connection only while there is something to make."""

    def __init__(self, url: str, witness: Witness | None) -> None:
        self._url = url
        self._witness = witness
        # When there is something to do again, and from when on no month is known to be there: by log time.
        self.due_us = 0
        self._bare_us = 0
        self._task: asyncio.Task[None] | None = None

    async def heed(self, at_us: int) -> None:
        """Something is about to be written at an instant that is due. The first waits, where that has no month."""
        if self._task is not None:
            # A database that hangs must not hold up each batch.
            return
        self._task = asyncio.get_running_loop().create_task(self._work(at_us))
        if at_us >= self._bare_us:
            await asyncio.wait((self._task,), timeout=WAIT_S)

    async def close(self) -> None:
        """Makes no more; what was not finished is undone."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _work(self, at_us: int) -> None:
        months = months_from(at_us)
        try:
            await self._make(months)
        except TROUBLE as error:
            # Nothing is lost by it: until then events go to the default.
            self.due_us = at_us + AGAIN_US
            if self._witness is not None:
                self._witness.note("months_refused", error=words_of(error))
        else:
            # A clock beyond all ids is due at once again.
            self.due_us = max(_end_us(months[0]), at_us + AGAIN_US)
        finally:
            self._task = None

    async def _make(self, months: list[Month]) -> None:
        connection = await connect(self._url)
        try:
            to_make = await lacking(connection, months)
            self._bare_us = min(map(_start_us, to_make), default=_end_us(months[-1]))
            for month, strayed in to_make.items():
                await make(connection, month, strayed=strayed)
                self._bare_us = _end_us(month)
        finally:
            connection.terminate()


def _start_us(month: Month) -> int:
    return born_ms(month.first) * 1_000


def _end_us(month: Month) -> int:
    return born_ms(month.beyond) * 1_000


def _moment(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def _ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
