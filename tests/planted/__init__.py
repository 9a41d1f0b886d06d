"""Bugs to plant in a simulated daemon: in policies, in recovery, in races. Each is found by a law, in a small world.

The oracle is only as good as what it finds: whoever changes laws, worlds or shrinking runs it over `PLANTED`.
"""

from collections.abc import Mapping
from typing import Final

from tests.planted.plant import Planted
from tests.planted.policies import POLICIES
from tests.planted.races import RACES
from tests.planted.recovery import RECOVERY

__all__ = ["PLANTED", "Planted"]

PLANTED: Final[Mapping[str, Planted]] = {**POLICIES, **RECOVERY, **RACES}
