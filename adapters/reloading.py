"""What a reload changes and what it cannot: the lanes' channels, and the settings that only a restart takes up.

This file answers for no attempt losing its channel while it is out. It must never read a configuration.
"""

from collections.abc import Callable, Mapping
from typing import Final

from adapters.channels.accounts import ProviderSettings
from adapters.config.loading import Config
from core.ports import Channel

# What a process holds from its start to its end.
_FIXED: Final = ("listen", "public_url", "store", "installation_key", "body_bytes_max")

Build = Callable[[str, ProviderSettings], Channel]


class Channels:
    """The lanes' channels by lane name: kept over a reload where their settings stay, all closed at the end."""

    def __init__(self, build: Build, providers: Mapping[str, ProviderSettings]) -> None:
        self._build = build
        self._settings = dict(providers)
        self._retired: list[Channel] = []
        self.now = {lane: build(lane, settings) for lane, settings in providers.items()}

    def adopt(self, providers: Mapping[str, ProviderSettings]) -> None:
        """Goes on under these settings. A channel that is replaced may still have attempts out, so it stays open."""
        kept = {lane for lane, settings in providers.items() if self._settings.get(lane) == settings}
        fresh = {lane: self._build(lane, settings) for lane, settings in providers.items() if lane not in kept}
        self._retired += [channel for lane, channel in self.now.items() if lane not in kept]
        self.now = {lane: self.now[lane] if lane in kept else fresh[lane] for lane in providers}
        self._settings = dict(providers)

    async def close(self) -> None:
        """Gives back every connection."""
        for channel in (*self.now.values(), *self._retired):
            await channel.close()


def needs_restart(old: Config, new: Config) -> list[str]:
    """The settings that differ and that a reload leaves as they were."""
    return [name for name in _FIXED if getattr(old, name) != getattr(new, name)]
