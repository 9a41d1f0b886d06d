"""From a lane's settings to the channel behind it.

This file answers for which settings make which channel. It must never connect: a channel does that with its first send.
"""

from typing import Final, assert_never

from adapters.channels.accounts import ProviderSettings, SandboxSettings, SmtpSettings, WebhookSettings, mistakes
from adapters.channels.sandbox import SandboxChannel
from adapters.channels.smtp import SmtpChannel
from adapters.channels.webhook import WebhookChannel
from core.ports import Chance, Channel, Clock

CHANNELS_OF: Final = {"smtp": ("email",), "webhook": ("webhook",), "sandbox": ("email", "whatsapp", "push", "webhook")}
"""What each provider can carry."""


def build(
    settings: ProviderSettings, *, lane: str, channel: str, clock: Clock, chance: Chance, release: str
) -> Channel:
    """The channel of a lane. Raises ValueError for settings that `mistakes` names, OSError for an unreadable `ca_file`.

    `release` is our version, which endpoints see as `Tidings/<release>`; `chance` decides the sandbox's misbehaviour.
    """
    if wrong := mistakes(settings):
        raise ValueError(f"lane {lane}: " + "; ".join(f"{setting}: expected {expected}" for setting, expected in wrong))
    match settings:
        case SmtpSettings():
            return SmtpChannel(settings, clock=clock)
        case WebhookSettings():
            return WebhookChannel(settings, clock=clock, agent=f"Tidings/{release}")
        case SandboxSettings():
            return SandboxChannel(settings, lane=lane, channel=channel, clock=clock, chance=chance)
        case _:
            assert_never(settings)
