"""The installation's own stream: its starts and stops, the seed of every chance it draws, policies that messages name.

This file answers for that stream alone. It must never tell anything of messages.
"""

from collections.abc import Mapping

import msgspec

from actors.certainty import certain_or
from core import events as e
from core.ids import INSTALLATION, shard_of
from core.policies import PRESETS, Policy
from core.ports import Clock, Log, Secrets
from core.records import NO_TENANT, Append, Draft, Head, HeadChange, Recorded


class Diary:
    """What one process writes of its own life."""

    def __init__(self, recorded: list[Recorded], *, log: Log, clock: Clock, secrets: Secrets) -> None:
        """`recorded` is the stream as it was found."""
        self._log = log
        self._clock = clock
        self._is_lost = False
        self._read(recorded)
        self._key_check = key_check_of(secrets)
        self.boot = 0
        # When the process before this one began, 0 where there was none.
        starts = (entry.at_us for entry in reversed(recorded) if isinstance(entry.event, e.DaemonStarted))
        self.former_start_us = next(starts, 0)
        # Chance is that of the first start, for good: so a replay draws alike.
        self.seed = _seed_in(recorded) or int.from_bytes(secrets.fresh(8)) >> 1 | 1

    async def started(self, release: str) -> None:
        """A process took over the log."""
        self.boot = self._version + 1
        started = e.DaemonStarted(boot=self.boot, seed=self.seed, release=release, key_check=self._key_check)
        await self._write(started)

    async def stopped(self) -> None:
        """It ends in an orderly way."""
        await self._recall()
        await self._write(e.DaemonStopped(boot=self.boot))

    async def adopt(self, policies: Mapping[str, Policy]) -> dict[str, int]:
        """Goes on with the policies that messages may name; answers the version of each. What has changed is an event.

        Version 0 is what the release has built in.
        """
        await self._recall()
        changed = [
            e.PolicySet(name=name, version=self._version_of(name) + 1, body=body)
            for name, body in ((name, msgspec.json.encode(policy)) for name, policy in sorted(policies.items()))
            if body != self._body_of(name)
        ]
        if changed:
            await self._write(*changed)
            self._policies |= {event.name: event for event in changed}
        return {name: self._version_of(name) for name in policies}

    def _version_of(self, name: str) -> int:
        known = self._policies.get(name)
        return 0 if known is None else known.version

    def _body_of(self, name: str) -> bytes | None:
        known = self._policies.get(name)
        if known is not None:
            return known.body
        return msgspec.json.encode(PRESETS[name]) if name in PRESETS else None

    async def _write(self, *events: e.Event) -> None:
        at_us, shard = self._clock.now_us(), shard_of(NO_TENANT, INSTALLATION)
        head = Head(
            stream=INSTALLATION,
            kind="sys",
            shard=shard,
            tenant=NO_TENANT,
            version=self._version + len(events),
            status="diary",
            changed_us=at_us,
        )
        drafts = tuple(
            Draft(stream=INSTALLATION, version=version, event=event)
            for version, event in enumerate(events, self._version + 1)
        )
        change = HeadChange(head=head, was="diary" if self._version else None)
        with certain_or(self._forget):
            await self._log.append(Append(shard=shard, tenant=NO_TENANT, at_us=at_us, drafts=drafts, heads=(change,)))
        self._version += len(events)

    def _forget(self) -> None:
        self._is_lost = True

    async def _recall(self) -> None:
        """Reads the log where what was written last may be there or not."""
        if self._is_lost:
            self._read(await self._log.events_of(INSTALLATION))
            self._is_lost = False

    def _read(self, recorded: list[Recorded]) -> None:
        self._version = len(recorded)
        self._policies: dict[str, e.PolicySet] = {
            entry.event.name: entry.event for entry in recorded if isinstance(entry.event, e.PolicySet)
        }


def key_check_of(secrets: Secrets) -> bytes:
    """What an installation key is known again by."""
    return secrets.keyed_hash("installation")


def key_check_in(recorded: list[Recorded]) -> bytes | None:
    """That of the key which the log was last written under; None where it does not tell."""
    starts = [entry.event for entry in recorded if isinstance(entry.event, e.DaemonStarted)]
    return next((start.key_check for start in reversed(starts) if start.key_check), None)


def _seed_in(recorded: list[Recorded]) -> int | None:
    """The seed of every chance of this installation: that of its first start."""
    started = recorded[0].event if recorded else None
    return started.seed if isinstance(started, e.DaemonStarted) else None
