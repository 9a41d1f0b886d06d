"""Directories of stopped daemons whose logs have a past, for the cases that start on one.

Answers for: writing each once a sitting, since a past of a million messages takes a minute.
Must never: hand out one that a daemon has changed since.
"""

from pathlib import Path
from typing import Final

from benchmarks.daemon import daemon
from benchmarks.parties import party, python
from benchmarks.sitting import Sitting

CONVERSATIONS: Final = 100_000
LOG: Final = Path("data", "tidings.db")
"""Where the log lies in such a directory."""
_SEED_WITHIN_S = 1_800.0


def history(sitting: Sitting, messages: int) -> Path:
    """A directory with at least so many ended messages, to be read or copied: other cases get the same."""
    for room in sitting.folder.glob("history-*"):
        if int(room.name.partition("-")[2]) >= messages:
            return room
    return own_history(sitting, messages, sitting.folder / f"history-{messages}")


def own_history(sitting: Sitting, messages: int, room: Path) -> Path:
    """The same in a directory that is made for one case alone, which may go on in it."""
    room.mkdir(exist_ok=True)
    with daemon(room):
        pass  # its first start makes the log and the keys
    sitting.say(f"a history of {messages:,} messages is written, once")
    with party("seed", python("benchmarks.seed", room / LOG, messages, CONVERSATIONS), room) as running:
        running.output(within_s=_SEED_WITHIN_S)
    return room
