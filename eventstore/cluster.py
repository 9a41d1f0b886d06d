"""The memory log as a database that several daemons share: who is alive, who acts, and whose word counts.

This file answers for what every store that several daemons share must hold to: each step is atomic, a daemon is silent
by the database's clock alone, and whoever was taken for dead stays so. It must never wait, and never ask how a daemon
reaches it: that is the node's (cluster_node.py).
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from core.errors import StoreRefused
from core.ownership import SILENCE_S, SLOTS, free_slot
from eventstore.durable import Durable
from eventstore.waking import Waking

# The owner while the shards are free.
NOBODY: Final = 0


class Member(msgspec.Struct, kw_only=True):
    """A daemon that counts as alive, and when it was heard of last, in seconds by the database's clock."""

    slot: int
    heard_s: float


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What one look shows: who acts, and how long each living daemon was silent."""

    owner: int
    silences: dict[int, float]


class Cluster:
    """The database. `Node.arrive` is how a daemon comes to it."""

    def __init__(self, durable: Durable | None = None, *, clock: Callable[[], float] | None = None) -> None:
        """`clock` is the database's own, in seconds; the running loop's where none is given."""
        self.durable = durable if durable is not None else Durable()
        self._clock = clock
        self.members: dict[int, Member] = {}
        self.owner = NOBODY
        # Counts the takeovers; whoever wrote under an earlier one writes no more.
        self.epoch = 0
        # Whether everybody who acted so far has stopped in order.
        self.is_orderly = True
        # Hints: there was a commit, something was left in the inbox, a request was answered, the shards came free.
        self.committed = Waking()
        self.left = Waking()
        self.answered = Waking()
        self.freed = Waking()

    def now_s(self) -> float:
        """The database's clock."""
        return asyncio.get_running_loop().time() if self._clock is None else self._clock()

    # -- steps, each of them whole

    def add(self, identity: int) -> int:
        """A daemon is there; answers its slot."""
        assert identity not in self.members, f"node {identity} has arrived already"
        slot = free_slot({member.slot for member in self.members.values()})
        if slot is None:
            raise StoreRefused(f"{SLOTS} daemons use this log already: stop one of them first")
        self.members[identity] = Member(slot=slot, heard_s=self.now_s())
        return slot

    def heard(self, identity: int) -> bool:
        """A sign of life; answers whether it still counts as alive."""
        member = self.members.get(identity)
        if member is None:
            return False
        member.heard_s = self.now_s()
        return True

    def seen(self) -> Sight:
        """Who acts, and who was silent for how long."""
        now_s = self.now_s()
        silences = {identity: now_s - member.heard_s for identity, member in self.members.items()}
        return Sight(owner=self.owner, silences=silences)

    def bury(self, suspects: Iterable[int]) -> None:
        """Those of them that are silent still are dead from here on."""
        silences = self.seen().silences
        for identity in suspects:
            if silences.get(identity, 0) >= SILENCE_S:
                self.is_orderly = self.is_orderly and identity != self.owner
                self._remove(identity)

    def take_over(self, identity: int) -> int | None:
        """The epoch under which this daemon acts from here on; None where another does, or it counts as dead."""
        if identity not in self.members or self.owner not in {NOBODY, identity}:
            return None
        if self.owner == NOBODY:
            self.owner = identity
            self.epoch += 1
        self.heard(identity)
        return self.epoch

    def leave(self, identity: int) -> None:
        """A daemon has stopped in order: others may act at once."""
        self._remove(identity)

    def _remove(self, identity: int) -> None:
        if self.members.pop(identity, None) is None:
            return
        self.durable.parking.forget(identity)
        if self.owner == identity:
            self.owner = NOBODY
            self.freed.wake()
