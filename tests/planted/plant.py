"""One planted bug: the broken parts, the world in which they show, and the law that has to find them."""

from pathlib import Path
from typing import Final

import msgspec

from scenarios.world.ground import Parts

_WORLDS: Final = Path(__file__).parent / "worlds"


class Planted(msgspec.Struct, frozen=True, kw_only=True):
    """A daemon of these `parts` breaks `law` in `file`, under one of so many seeds at least; sound parts break none.

    What a run needs is made anew in each life of the daemon, so one value serves any number of runs.
    """

    parts: Parts
    file: Path
    law: int
    seeds: int = 3


def world(name: str) -> Path:
    """A small world of this package."""
    return _WORLDS / f"{name}.toml"
