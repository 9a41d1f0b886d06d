"""Compiles the lanes of a file: each channel through one provider account, with its policy.

This file answers for which provider serves which channel and for handing each provider its own settings. What those
settings must hold together is the provider's business (adapters/channels/accounts.py); it is asked here, so that its
mistakes are shown with all others.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from adapters.channels.accounts import (
    Misbehaviour,
    ProviderSettings,
    SandboxSettings,
    SmtpSettings,
    WebhookSettings,
    mistakes,
)
from adapters.channels.fcm_settings import FcmSettings
from adapters.channels.green_api_settings import GreenApiSettings
from adapters.channels.http_mail_settings import ResendSettings, SendGridSettings
from adapters.channels.whatsapp_cloud_settings import WhatsAppCloudSettings
from adapters.config.filling import check_ca_file, check_name, given, note
from adapters.config.policies import Policies
from adapters.config.positions import KeyPath
from adapters.config.providers import CHANNELS, SERVES, SandboxTable, WebhookTable
from adapters.config.reading import Reader
from adapters.config.tables import LaneTable
from core.policies import Policy
from core.settings import Lane

# Settings whose key in the file is another word.
_KEY_OF: Final = {"sender": "from"}
# Providers that have to be told something: settings without it, which stand in while mistakes are collected, and how a
# table begins.
_BLANK: Final[Mapping[str, tuple[ProviderSettings, str]]] = {
    "smtp": (SmtpSettings(host="", sender=""), '{ host = "127.0.0.1", from = "us@example.com" }'),
    "resend": (ResendSettings(key="", sender=""), '{ key = { env = "RESEND_KEY" }, from = "us@example.com" }'),
    "sendgrid": (SendGridSettings(key="", sender=""), '{ key = { env = "SENDGRID_KEY" }, from = "us@example.com" }'),
    "whatsapp_cloud": (
        WhatsAppCloudSettings(phone_number_id="", token=""),
        '{ phone_number_id = "106540352242922", token = { env = "META_TOKEN" } }',
    ),
    "green_api": (
        GreenApiSettings(instance="", token=""),
        '{ instance = "1101000001", token = { env = "GREEN_TOKEN" } }',
    ),
    "fcm": (FcmSettings(service_account=""), '{ service_account = { file = "service-account.json" } }'),
}
# Those that tell afterwards, by a hook, what became of a message, under the id that they gave it.
_HAVE_RECEIPTS: Final = frozenset({"resend", "sendgrid", "whatsapp_cloud", "green_api"})


class Lanes(msgspec.Struct, frozen=True, kw_only=True):
    """The compiled lanes in the order of the file, their providers by name, and the channels that use each policy."""

    lanes: tuple[Lane, ...]
    providers: dict[str, ProviderSettings]
    users: dict[str, set[str]]
    warnings: tuple[str, ...]


def lanes_of(
    reader: Reader, tables: Mapping[str, LaneTable], policies: Policies, data: Path, *, has_hooks: bool
) -> Lanes:
    """Every lane of the file; one with mistakes is left out, since nothing will be built from it.

    Where the file `has_hooks` it may go without lanes: what comes in is handed to handlers.
    """
    lanes: list[Lane] = []
    providers: dict[str, ProviderSettings] = {}
    users: dict[str, set[str]] = {}
    accounts = _Accounts()
    policies.check_failovers(
        {name: table.channel for name, table in tables.items()}, {name: table.policy for name, table in tables.items()}
    )
    if not tables and not has_hooks and reader.sound(("lanes",)):
        reader.mistake(("lanes",), "missing", 'at least one lane, such as [lanes.mail] with channel = "email"')
    for name, table in tables.items():
        path: KeyPath = ("lanes", name)
        if reader.is_broken(path):
            continue  # It is no table, which was said.
        check_name(reader, name, path)
        _check_provider(reader, table, path)
        # Where the channel is not known, any preset serves to check the rest.
        policy = policies.of_lane(table.policy, table.channel or CHANNELS[0], (*path, "policy"))
        policy, settings = _provider(table, policy, data)
        note(reader, mistakes(settings), (*path, table.provider), _KEY_OF)
        check_ca_file(reader, getattr(settings, "ca_file", None), (*path, table.provider))
        if table.policy.preset is not None and table.channel:
            users.setdefault(table.policy.preset, set()).add(table.channel)
        if reader.sound(path):
            lanes.append(
                Lane(
                    name=name,
                    channel=table.channel,
                    provider=table.provider,
                    policy=policy,
                    account=accounts.of(name, settings),
                    has_receipts=table.provider in _HAVE_RECEIPTS,
                    # A sandbox also takes a push to a user without devices, which repeated would be there twice.
                    fans_out=table.channel == "push" and table.provider != "sandbox",
                )
            )
            providers[name] = settings
    warnings = [
        f"Lane {name} signs nothing: its receivers cannot tell our deliveries from forged ones. Give it secrets."
        for name, settings in providers.items()
        if isinstance(settings, WebhookSettings) and not settings.secrets
    ]
    return Lanes(lanes=tuple(lanes), providers=providers, users=users, warnings=tuple(warnings))


def _check_provider(reader: Reader, table: LaneTable, path: KeyPath) -> None:
    serves = SERVES.get(table.provider, CHANNELS)
    if table.channel and table.channel not in serves:
        fitting = [name for name, channels in SERVES.items() if table.channel in channels]
        seen = f'"{table.provider}", which does not serve {table.channel}'
        reader.mistake((*path, "provider"), seen, " or ".join(f'"{name}"' for name in fitting))
    for name in SERVES:
        if getattr(table, name) is not UNSET and table.provider and name != table.provider:
            reader.mistake((*path, name), f"a table for {name}", f"one for {table.provider}, the provider of this lane")
    if table.provider in _BLANK and getattr(table, table.provider) is UNSET:
        reader.mistake((*path, table.provider), "missing", f"a table such as {_BLANK[table.provider][1]}")


class _Accounts:
    """Which lanes are of one account at their provider, and so are slowed down together."""

    def __init__(self) -> None:
        self._of_key: dict[str, str] = {}

    def of(self, lane: str, settings: ProviderSettings) -> str:
        """The account's name: as it is configured, else the first lane with the same key; "" where nothing tells."""
        match settings:
            case WhatsAppCloudSettings():
                return settings.account
            case ResendSettings() | SendGridSettings():
                return settings.account or self._of_key.setdefault(settings.key, lane)
            case _:
                return ""


def _provider(table: LaneTable, policy: Policy, data: Path) -> tuple[Policy, ProviderSettings]:
    own = getattr(table, table.provider, UNSET)
    if table.provider in _BLANK:
        blank, _ = _BLANK[table.provider]
        return policy, blank if own is UNSET else replace(blank, **given(own, data))
    if table.provider == "webhook":
        webhook = own if isinstance(own, WebhookTable) else WebhookTable()
        # One bound in two places: whichever the lane itself gives stands, the policy's where it gives neither.
        if webhook.timeout_us is not UNSET and table.policy.timeout_us is UNSET:
            policy = replace(policy, timeout_us=webhook.timeout_us)
        return policy, replace(WebhookSettings(timeout_us=policy.timeout_us), **given(webhook, data))
    sandbox = own if isinstance(own, SandboxTable) else SandboxTable()
    misbehave = tuple(replace(Misbehaviour(), **given(part, data)) for part in sandbox.misbehave)
    filled = given(sandbox, data) | {"misbehave": misbehave, "directory": str(data / sandbox.directory)}
    return policy, replace(SandboxSettings(directory=""), **filled)
