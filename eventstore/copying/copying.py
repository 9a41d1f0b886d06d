"""The copy itself: each row of a log in one store to another store, and proof that all of them arrived.

This file answers for a copy being whole, verified and the same on both sides, or not there at all. It must never change
where it copies from.
"""

from pathlib import Path

import msgspec

from core.errors import CorruptLog, StoreRefused
from eventstore.copying import file, server
from eventstore.copying.tables import TABLES, Sum, differing
from eventstore.integrity import Progress, Steps
from eventstore.postgres.opening import open_log
from eventstore.sqlite.checking import verify
from eventstore.sqlite.files import remove


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy brought over."""

    events: int
    messages: int
    rows: int


async def copy_to_server(path: Path, url: str, *, identity: int, hear: Progress | None = None) -> Copied:
    """Copies the log in a file to an empty database. Raises StoreRefused, or CorruptLog where the log is not sound.

    Neither may be in use by a daemon. All of it is committed at once, after it was read back.
    """
    file.refuse_missing(path)
    with file.for_nobody_else(path):
        # Before the database is taken: meanwhile nobody would say that we are alive.
        messages = _sound(path)
        log = await open_log(url, identity=identity)
        try:
            await server.refuse_company(url, identity)
            if log.newest() != (0, 0):
                raise StoreRefused("the database holds a log already: copy to an empty one; nothing was changed")
            # Before there is an event: they would have to be moved.
            await server.make_months(url, file.months_of(path))
            sums = await _write_server(path, url, identity, hear)
        finally:
            await log.close()
    return _copied(sums, messages)


async def copy_to_file(
    url: str, path: Path, *, identity: int, as_it_is: bool = False, hear: Progress | None = None
) -> Copied:
    """Copies the log in a database to a new file. Raises StoreRefused, or CorruptLog where the log is not sound.

    No daemon may be at work on either. The file is there once it is verified and the same as the database; `as_it_is`
    leaves out the first, for whoever wants to mend it.
    """
    with file.for_nobody_else(path):
        file.refuse_used(path)
        log = await open_log(url, identity=identity)
        try:
            await server.refuse_company(url, identity)
            return await _moved_into_place(url, path, identity, hear, as_it_is=as_it_is)
        finally:
            await log.close()


async def extract(url: str, path: Path, hear: Progress | None = None) -> None:
    """Copies the log as it is now to a new file, to be looked at: also beside a daemon, and sound or not."""
    async with server.reading(url) as connection:
        await _read_server(connection, path, hear)


async def _write_server(path: Path, url: str, identity: int, hear: Progress | None) -> dict[str, Sum]:
    sums = {table.name: Sum() for table in TABLES}
    async with server.writing(url, identity) as target:
        with file.snapshot_of(path) as source:
            # Once to write each row, and once to read it again.
            steps = Steps(2 * file.size_of(source), hear)
            for table, chunk in file.chunks_of(source):
                await server.write(target, table, chunk)
                sums[table.name].add(chunk)
                steps.heard(len(chunk))
        _refuse_difference(sums, await server.sums_of(target, steps))
        await server.take_stock(target)
    return sums


async def _moved_into_place(url: str, path: Path, identity: int, hear: Progress | None, *, as_it_is: bool) -> Copied:
    beside = path.with_name(f"{path.name}.copied")
    remove(beside)
    async with server.reading(url) as connection:
        await server.refuse_waiting(connection, url)
        sums = await _read_server(connection, beside, hear)
    try:
        _refuse_difference(sums, file.sums_of(beside))
        messages = verify(beside).messages if as_it_is else _sound(beside)
        # One that came meanwhile will act on what has been copied.
        await server.refuse_company(url, identity)
        file.put_in_place(beside, path)
    finally:
        remove(beside)
    return _copied(sums, messages)


async def _read_server(connection: server.Copying, path: Path, hear: Progress | None) -> dict[str, Sum]:
    sums = {table.name: Sum() for table in TABLES}
    steps = Steps(await server.size_of(connection), hear)
    with file.new_file(path) as target:
        async for table, chunk in server.chunks_of(connection):
            file.write(target, table, chunk)
            sums[table.name].add(chunk)
            steps.heard(len(chunk))
    return sums


def _sound(path: Path) -> int:
    """How many messages a log has. Raises CorruptLog where anything is wrong in it."""
    report = verify(path)
    if report.faults:
        raise CorruptLog(f"the log is not sound, nothing was changed: {report.faults[0]}; run `tidings verify`")
    return report.messages


def _refuse_difference(ours: dict[str, Sum], theirs: dict[str, Sum]) -> None:
    wrong = differing(ours, theirs)
    if wrong:
        raise CorruptLog(f"what was read again differs from what was written, in {', '.join(wrong)}; nothing is kept")


def _copied(sums: dict[str, Sum], messages: int) -> Copied:
    return Copied(events=sums["event"].rows, messages=messages, rows=sum(one.rows for one in sums.values()))
