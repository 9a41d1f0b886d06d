"""What a run came to, small enough to cross from one process to another."""

import msgspec

from scenarios.laws.registry import Breach


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `crash_at` are the boundaries at which its power went out; `story` tells a failure, else it is empty.

    `statuses` counts messages, `digest` is that of the log, in hexadecimal. `swarm`: the world was one of those that
    swarm around its file; `marks` are those that it reached, where somebody asked. `store` is where its log was, empty
    for the usual one.
    """

    file: str
    seed: int
    crash_at: tuple[int, ...]
    events: int
    digest: str
    lives: int
    boundaries: int
    statuses: dict[str, int]
    deliveries: int
    duplicates: int
    breaches: tuple[Breach, ...]
    unmet: tuple[str, ...]
    story: str = ""
    swarm: bool = False
    marks: tuple[str, ...] = ()
    store: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether every law and every expectation held."""
        return not self.breaches and not self.unmet

    @property
    def failure(self) -> str:
        """What failed, in a few words: failures that read alike are told once."""
        return "; ".join([*(f"law {breach.law}: {breach.name}" for breach in self.breaches), *self.unmet])
