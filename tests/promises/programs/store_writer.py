"""Writes to a log from many tasks at once until it is killed, and says on its output what was acknowledged.

Run as `python -m tests.promises.programs.store_writer PATH ROUND`, or with the URL of a database for PATH. Each line is
a stream and a version, written after the log said that they are durable; a line is one write, so that none is torn by
the kill.
"""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from core.ids import Mint
from core.ports import Log
from eventstore.postgres.opening import open_log
from eventstore.sqlite.log import SqliteLog
from tests.contracts.scribe import Scribe, alias, vault_row

TASKS = 24


async def write(log: Log, scribe: Scribe, peer: str) -> None:
    """One message after another, each through its whole life."""
    while True:
        acceptance = scribe.acceptance(peer, key=f"{peer}/{scribe.now_us}")
        stream = acceptance.sealed.stream
        await log.accept(acceptance)
        acknowledge(stream, 1)
        device = scribe.opened("device", peer)
        phone = device.heads[0].head.stream
        await log.append(replace(device, aliases=(alias(phone, peer),), sealed=(vault_row(phone, peer),)))
        for step in (scribe.start, scribe.failed, partial(scribe.start, lane="spare"), scribe.taken):
            append = step(stream)
            await log.append(replace(append, aliases=(alias(stream, f"{stream}"),)))
            acknowledge(stream, append.drafts[-1].version)


def acknowledge(stream: int, version: int) -> None:
    """Says that a version is durable."""
    os.write(1, f"{stream} {version}\n".encode())


async def main(place: str, turn: int) -> None:
    """Opens the log and writes for ever."""
    log: Log
    if place.startswith("postgresql:"):
        log = await open_log(place, identity=turn + 1)
    else:
        log = await SqliteLog.open(Path(place))
    largest, at_us = log.newest()
    scribe = Scribe()
    scribe.mint = Mint(floor=largest)
    scribe.now_us = max(scribe.now_us, at_us)
    await asyncio.gather(*(write(log, scribe, f"peer{turn}/{n}") for n in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
