"""Runs a log out of room, watches what it says, gives the room back, and prints what happened as one line of JSON.

Run as `python -m tests.promises.programs.store_starved PATH HOW`. HOW is `limit`, where the operating system lets no
file grow, or `ballast`, where a file beside the log fills its file system until it is removed.
"""

import asyncio
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from core.errors import AppendUnknown, StoreUnavailable
from core.records import Stored
from eventstore.sqlite.checking import verify
from eventstore.sqlite.log import SqliteLog
from tests.contracts.scribe import Scribe


class Told(msgspec.Struct, kw_only=True):
    """What the log said, in the order of asking."""

    stored_before: int = 0
    refused: list[str] = []
    unknown: int = 0
    health: str = ""
    refused_at_once: str = ""
    stored_after: int = 0
    events: int = 0
    faults: list[str] = []
    reads_while_full: bool = False


def forbid_growth() -> Callable[[], None]:
    """No file of this process may become larger than a few pages from here; gives back the way out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(path: Path) -> Callable[[], None]:
    """Fills the file system but for a few pages; gives back the way out."""
    ballast = path.with_name("ballast")
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - 40_000))
    return ballast.unlink


async def main(path: Path, how: str) -> Told:
    """The whole story."""
    told = Told()
    log, scribe = await SqliteLog.open(path), Scribe()
    stream = scribe.acceptance("first")
    await log.accept(stream)
    give_back = forbid_growth() if how == "limit" else fill(path)
    while not told.refused and not told.unknown:
        burst = [log.accept(scribe.acceptance(f"peer{told.stored_before}/{n}")) for n in range(20)]
        for answer in await asyncio.gather(*burst, return_exceptions=True):
            match answer:
                case Stored():
                    told.stored_before += 1
                case StoreUnavailable():
                    told.refused.append(str(answer))
                case AppendUnknown():
                    told.unknown += 1
                case _:
                    raise AssertionError(answer)
    told.health = " ".join(log.health())
    try:
        await log.accept(scribe.acceptance("hasty"))
    except StoreUnavailable as error:
        told.refused_at_once = str(error)
    told.reads_while_full = len(await log.events_of(stream.sealed.stream)) == 1
    give_back()
    while told.stored_after < 30:
        # The log tries again by itself; nobody tells it that there is room.
        try:
            told.stored_after += await log.accept(scribe.acceptance(f"later{told.stored_after}")) == Stored()
        except StoreUnavailable:
            await asyncio.sleep(0)
    await log.close()
    report = verify(path)
    told.events, told.faults = report.events, [str(fault) for fault in report.faults]
    return told


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))).decode())
