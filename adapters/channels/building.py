"""From a lane's settings to the channel behind it.

This file answers for which settings make which channel. It must never connect: a channel does that with its first send.
"""

from typing import Final, assert_never

from adapters.channels.accounts import (
    ProviderSettings,
    SandboxSettings,
    SmtpSettings,
    WebhookSettings,
    mistakes,
)
from adapters.channels.fcm_settings import FcmSettings
from adapters.channels.forward import ForwardChannel
from adapters.channels.forward_settings import ForwardSettings, KeptSettings
from adapters.channels.green_api import GreenApiChannel
from adapters.channels.green_api_settings import GreenApiSettings
from adapters.channels.http_mail_settings import ResendSettings, SendGridSettings
from adapters.channels.kept import KeptChannel
from adapters.channels.push_fcm import FcmChannel
from adapters.channels.resend import ResendChannel
from adapters.channels.sandbox import SandboxChannel
from adapters.channels.sendgrid import SendGridChannel
from adapters.channels.smtp import SmtpChannel
from adapters.channels.webhook import WebhookChannel
from adapters.channels.whatsapp_cloud import WhatsAppCloudChannel
from adapters.channels.whatsapp_cloud_settings import WhatsAppCloudSettings
from core.ports import Chance, Channel, Clock

CHANNELS_OF: Final = {
    "smtp": ("email",),
    "resend": ("email",),
    "sendgrid": ("email",),
    "whatsapp_cloud": ("whatsapp",),
    "green_api": ("whatsapp",),
    "fcm": ("push",),
    "webhook": ("webhook",),
    "sandbox": ("email", "whatsapp", "push", "webhook"),
}
"""What each provider can carry."""


def build(
    settings: ProviderSettings, *, lane: str, channel: str, clock: Clock, chance: Chance, release: str
) -> Channel:
    """The channel of a lane. Raises ValueError for settings that `mistakes` names, OSError for an unreadable `ca_file`.

    `release` is our version, which providers see as `Tidings/<release>`; `chance` decides the sandbox's misbehaviour.
    """
    if wrong := mistakes(settings):
        raise ValueError(f"lane {lane}: " + "; ".join(f"{setting}: expected {expected}" for setting, expected in wrong))
    agent = f"Tidings/{release}"
    match settings:
        case SmtpSettings():
            return SmtpChannel(settings, clock=clock)
        case ResendSettings():
            return ResendChannel(settings, clock=clock, agent=agent)
        case SendGridSettings():
            return SendGridChannel(settings, clock=clock, agent=agent)
        case WhatsAppCloudSettings():
            return WhatsAppCloudChannel(settings, clock=clock, agent=agent)
        case GreenApiSettings():
            return GreenApiChannel(settings, clock=clock, agent=agent)
        case FcmSettings():
            return FcmChannel(settings, clock=clock, agent=agent)
        case WebhookSettings():
            return WebhookChannel(settings, clock=clock, agent=agent)
        case ForwardSettings():
            return ForwardChannel(settings, clock=clock, agent=agent)
        case KeptSettings():
            return KeptChannel()
        case SandboxSettings():
            return SandboxChannel(settings, lane=lane, channel=channel, clock=clock, chance=chance)
        case _:
            assert_never(settings)
