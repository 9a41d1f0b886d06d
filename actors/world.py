"""What every actor stands on: the ports that the process which runs them has made.

This file answers for nothing but their shape.
"""

from collections.abc import Callable
from datetime import tzinfo

import msgspec

from core.ids import Mint
from core.ports import Chance, Clock, Log, Secrets, Witness


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What the actors stand on. `chance_of` makes chance from the seed that the log keeps.

    `slot` is in every id that is minted, so that no two daemons mint the same; `mint` is there where this process has
    minted ids before, while it stood by.
    """

    log: Log
    clock: Clock
    secrets: Secrets
    witness: Witness
    chance_of: Callable[[int], Chance]
    zone_of: Callable[[str], tzinfo]
    release: str
    slot: int = 0
    mint: Mint | None = None
