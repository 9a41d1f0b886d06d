"""One daemon's side of a memory cluster: its signs of life, its looks at the others, and its right to act.

This file answers for every word to the database crossing the borders of this daemon's way to it, where it may be slow,
lost or cut. It must never act on what it only believes: whoever is dead to the database learns it by the next word.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn, TypeVar

from core.errors import AppendUnknown, StoreRefused, StoreUnavailable
from core.ownership import APART_S, BEAT_S, LOOK_S, SILENCE_S, Trust, Watch
from core.ports import Health
from eventstore.cluster import NOBODY, Cluster
from eventstore.cluster_door import MemoryDoor
from eventstore.cluster_log import NodeLog
from eventstore.disk import Disk, SoundDisk
from eventstore.waking import woken_within

T = TypeVar("T")

# How soon a sign of life is tried again that nobody heard.
_AGAIN_S: Final = 0.5


class Node:
    """A daemon that has arrived: it stands by until `acted` returns. Whoever runs it awaits `lost`, and stops then."""

    def __init__(self, cluster: Cluster, identity: int, disk: Disk) -> None:
        self.cluster = cluster
        self.identity = identity
        self.disk = disk
        self.slot = 0
        self.epoch: int | None = None
        self._trust = Trust()
        self._watch = Watch()
        self._trouble = ""
        self._reason = ""
        self._is_lost = asyncio.Event()
        # That it acts, or never will.
        self._is_decided = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.door = MemoryDoor(self)
        self.log_for_reading = NodeLog(self)
        self._log: NodeLog | None = None

    @staticmethod
    async def arrive(cluster: Cluster, identity: int, disk: Disk | None = None) -> "Node":
        """A daemon's start, under a number that no start had before; `disk` is its way to the database.

        Raises StoreUnavailable or AppendUnknown where the database cannot be reached.
        """
        node = Node(cluster, identity, disk if disk is not None else SoundDisk())
        node.slot = await node.write(lambda: cluster.add(identity))
        await node._begin()
        return node

    async def _begin(self) -> None:
        with suppress(StoreUnavailable, AppendUnknown):
            # Whoever is alone acts at once.
            await self._look()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._beat()), loop.create_task(self._observe())]

    # -- who it is

    @property
    def is_acting(self) -> bool:
        """Whether it acts, as far as it knows."""
        return self.epoch is not None and not self._reason

    async def acted(self) -> NodeLog:
        """The log as the acting daemon has it, once this is the one. Raises StoreRefused where it never will be."""
        await self._is_decided.wait()
        if self._log is None or self._reason:
            raise StoreRefused(self._reason)
        return self._log

    def may_send(self) -> bool:
        """Whether it surely still acts: so it was told lately, by its own monotonic clock."""
        return self.is_acting and self._trust.may_send(asyncio.get_running_loop().time())

    async def lost(self) -> NoReturn:
        """Raises StoreRefused once it counts as dead; waits until then."""
        await self._is_lost.wait()
        raise StoreRefused(self._reason)

    def newest(self) -> tuple[int, int]:
        """(largest id, latest instant) of the log: where ids and log time go on."""
        return self.log_for_reading.newest()

    def health(self) -> tuple[Health, str]:
        """Whether the database hears it, and why not."""
        trouble = self._reason or self._trouble
        return ("failing", trouble) if trouble else ("ok", "")

    async def close(self) -> None:
        """Lets go of everything in order; another may act at once. Where that is not heard, it will be silent."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for log in (self.log_for_reading, self._log):
            if log is not None:
                await log.close()
        with suppress(StoreUnavailable, AppendUnknown):
            await self.write(lambda: self.cluster.leave(self.identity))

    # -- words to the database

    async def write(self, step: Callable[[], T]) -> T:
        """Has a step made. Raises StoreUnavailable where it was not, AppendUnknown where nobody can tell."""
        # Each sign of life comes by here: most borders let a word pass at once.
        if (wait := self.disk.at("before_write", 0)) is not None:
            await wait
        if (wait := self.disk.at("before_sync", 0)) is not None:
            await wait
        answer = step()
        if (wait := self.disk.at("before_answer", 0)) is not None:
            await wait
        return answer

    async def read(self, question: Callable[[], T]) -> T:
        """Has a question answered. Raises StoreUnavailable."""
        if (wait := self.disk.at("before_read", 0)) is not None:
            await wait
        return question()

    def check_alive(self) -> None:
        """Part of a step: raises StoreUnavailable where the database takes this daemon for dead."""
        if self.identity not in self.cluster.members:
            self._lose()
            raise StoreUnavailable(self._reason)

    def check_acting(self, epoch: int | None) -> None:
        """Part of a step: raises StoreUnavailable where this daemon does not act under this epoch."""
        self.check_alive()
        if epoch is None or (self.cluster.owner, self.cluster.epoch) != (self.identity, epoch):
            raise StoreUnavailable("this daemon does not act: another one writes the log")

    def _lose(self) -> None:
        self._reason = self._reason or "another daemon took this one's place while it was silent"
        self._is_lost.set()
        self._is_decided.set()

    # -- signs of life

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_AGAIN_S if self._trouble else BEAT_S)
            sent_s = asyncio.get_running_loop().time()
            try:
                is_alive = await self.write(lambda: self.cluster.heard(self.identity))
            except (StoreUnavailable, AppendUnknown) as error:
                self._trouble = f"the log's database cannot be reached now: {error}"
                continue
            self._trouble = ""
            if not is_alive:
                self._lose()
                return
            self._trust.heard(sent_s)

    # -- looks at the others

    async def _observe(self) -> None:
        while not self._is_lost.is_set():
            # Asked before looking, so that shards which come free right after it are not missed.
            freed, rest_s = self.cluster.freed.ask(), LOOK_S
            with suppress(StoreUnavailable, AppendUnknown):
                rest_s = await self._look()
            await woken_within(freed, rest_s)

    async def _look(self) -> float:
        """Looks, replaces who has to be replaced, and acts where nobody does. Answers for how long nothing can be new.

        A store on a network looks about once a second. Here a look that comes before any doubt has to begin would only
        cost a simulation its time: what comes of it is the same.
        """
        cluster, loop = self.cluster, asyncio.get_running_loop()
        sight = await self.read(cluster.seen)
        others = {node: silent_s for node, silent_s in sight.silences.items() if node != self.identity}
        suspects = self._watch.look(others, loop.time())
        if suspects:
            await self.write(lambda: cluster.bury(suspects))
            sight = await self.read(cluster.seen)
        if self._may_take(sight.owner):
            sent_s = loop.time()
            epoch = await self.write(lambda: cluster.take_over(self.identity))
            if epoch is not None:
                self._trust.heard(sent_s)
                self._act(epoch)
        longest_s = max(others.values(), default=0.0)
        return max(self._watch.rest_s(loop.time()), SILENCE_S - APART_S - longest_s)

    def _may_take(self, owner: int) -> bool:
        return not self.is_acting and owner in {NOBODY, self.identity}

    def _act(self, epoch: int) -> None:
        self.epoch = epoch
        self._log = NodeLog(self, epoch, is_exclusive=self.cluster.is_orderly)
        self._is_decided.set()
