"""What a reload changes and what it cannot: the lanes' channels, and the settings that only a restart takes up.

This file answers for no attempt losing its channel while it is out. It must never read a configuration.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from adapters.channels.accounts import ProviderSettings
from adapters.config.loading import Config
from core.ports import Channel
from core.settings import Lane

# What a process holds from its start to its end, and how the file calls it.
_FIXED: Final = {
    "listen": "server.listen",
    "public_url": "server.public_url",
    "store": "store.url",
    "installation_key": "store.installation_key",
    "body_bytes_max": "bounds.body_max",
}

Build = Callable[[Lane, ProviderSettings], Channel]


class Channels:
    """The lanes' channels by lane name: kept over a reload where their settings stay, all closed at the end."""

    def __init__(self, build: Build, config: Config) -> None:
        self._build = build
        self._retired: list[Channel] = []
        self._made_of: dict[str, tuple[str, ProviderSettings]] = {}
        self.now: dict[str, Channel] = {}
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Goes on under these settings. A channel that is replaced may still have attempts out, so it stays open."""
        made_of = {lane.name: (lane.channel, config.providers[lane.name]) for lane in config.settings.lanes}
        fresh = {
            lane.name: self._build(lane, config.providers[lane.name])
            for lane in config.settings.lanes
            if made_of[lane.name] != self._made_of.get(lane.name)
        }
        self._retired += [channel for name, channel in self.now.items() if name not in made_of or name in fresh]
        self.now = {name: fresh.get(name) or self.now[name] for name in made_of}
        self._made_of = made_of

    async def close(self) -> None:
        """Gives back every connection."""
        for channel in (*self.now.values(), *self._retired):
            await channel.close()


def needs_restart(old: Config, new: Config) -> list[str]:
    """The keys of the file that differ and that a reload leaves as they were."""
    differing = [key for name, key in _FIXED.items() if getattr(old, name) != getattr(new, name)]
    before, after = old.settings.bounds, new.settings.bounds
    if before.dedup_for_us != after.dedup_for_us:
        differing.append("store.dedup_for")
    if replace(before, dedup_for_us=after.dedup_for_us) != after:
        differing.append("[bounds]")
    return differing
