"""The installation's own stream: when it was started and stopped, and the seed of every chance it draws.

This file answers for that stream alone. It must never tell anything of messages.
"""

from core import events as e
from core.ids import INSTALLATION, shard_of
from core.ports import Clock, Log, Secrets
from core.records import NO_TENANT, Append, Draft, Head, HeadChange, Recorded


class Diary:
    """What one process writes of its own life."""

    def __init__(self, recorded: list[Recorded], *, log: Log, clock: Clock, secrets: Secrets) -> None:
        """`recorded` is the stream as it was found."""
        self._log = log
        self._clock = clock
        self.version = len(recorded)
        # Chance is that of the first start, for good: so a replay draws alike.
        self.seed = _seed_in(recorded) or int.from_bytes(secrets.fresh(8)) >> 1 | 1

    async def started(self, release: str) -> None:
        """A process took over the log."""
        await self._write(e.DaemonStarted(boot=self.version + 1, seed=self.seed, release=release))

    async def stopped(self) -> None:
        """It ends in an orderly way."""
        await self._write(e.DaemonStopped(boot=self.version))

    async def _write(self, event: e.Event) -> None:
        at_us, shard = self._clock.now_us(), shard_of(NO_TENANT, INSTALLATION)
        head = Head(
            stream=INSTALLATION,
            kind="sys",
            shard=shard,
            tenant=NO_TENANT,
            version=self.version + 1,
            status="diary",
            changed_us=at_us,
        )
        await self._log.append(
            Append(
                shard=shard,
                tenant=NO_TENANT,
                at_us=at_us,
                drafts=(Draft(stream=INSTALLATION, version=self.version + 1, event=event),),
                heads=(HeadChange(head=head, was="diary" if self.version else None),),
            )
        )
        self.version += 1


def _seed_in(recorded: list[Recorded]) -> int | None:
    """The seed of every chance of this installation: that of its first start."""
    started = recorded[0].event if recorded else None
    return started.seed if isinstance(started, e.DaemonStarted) else None
