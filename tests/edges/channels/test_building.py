"""Answers for settings that cannot stand, and for the channel that each provider's settings make."""

from pathlib import Path

import pytest

from adapters.chance import KeyedChance
from adapters.channels.accounts import (
    ProviderSettings,
    SandboxSettings,
    SmtpSettings,
    WebhookSettings,
    mistakes,
)
from adapters.channels.building import build
from adapters.channels.fcm_settings import FcmSettings
from adapters.channels.green_api import GreenApiChannel
from adapters.channels.green_api_settings import GreenApiSettings
from adapters.channels.http_mail_settings import ResendSettings, SendGridSettings
from adapters.channels.networks import is_loopback
from adapters.channels.push_fcm import FcmChannel
from adapters.channels.resend import ResendChannel
from adapters.channels.sandbox import SandboxChannel
from adapters.channels.sendgrid import SendGridChannel
from adapters.channels.smtp import SmtpChannel
from adapters.channels.webhook import WebhookChannel
from adapters.channels.whatsapp_cloud import WhatsAppCloudChannel
from adapters.channels.whatsapp_cloud_settings import WhatsAppCloudSettings
from core.ports import Clock
from tests.edges.channels.fcm_server import account_text

SMTP = SmtpSettings(host="mail.example", sender="Ann <ann@example.com>")
HIDDEN = "whsec_hidden?"


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (SMTP, SmtpChannel),
        (WebhookSettings(), WebhookChannel),
        (SandboxSettings(directory="data"), SandboxChannel),
        (WhatsAppCloudSettings(phone_number_id="1", token="t"), WhatsAppCloudChannel),
        (GreenApiSettings(instance="1", token="12345678"), GreenApiChannel),
        (FcmSettings(service_account=account_text()), FcmChannel),
        (ResendSettings(key="k", sender="a@b.example"), ResendChannel),
        (SendGridSettings(key="k", sender="a@b.example"), SendGridChannel),
    ],
)
def test_settings_make_their_channel(clock: Clock, settings: ProviderSettings, kind: type) -> None:
    """Each provider has its channel, and none needs a loop or a connection to be made."""
    made = build(settings, lane="l", channel="email", clock=clock, chance=KeyedChance(1), release="1")
    assert type(made) is kind
    assert mistakes(settings) == []


@pytest.mark.parametrize(
    ("settings", "at"),
    [
        (SmtpSettings(host="h", sender="nobody"), ["sender"]),
        (SmtpSettings(host="h", sender="a@b.example", user="u"), ["user"]),
        (SmtpSettings(host="h", sender="a@b.example", password="p"), ["user"]),
        (SmtpSettings(host="h", sender="a@b.example", user="u", password="p", tls="none"), ["tls"]),
        (SmtpSettings(host="h", sender="", user="u", tls="none"), ["sender", "user", "tls"]),
        (WebhookSettings(secrets=("ok", HIDDEN)), ["secrets[1]"]),
        (
            WebhookSettings(secrets=("",), allow_private=("10.0.0.0/8", "10.0.0.1/8")),
            ["secrets[0]", "allow_private[1]"],
        ),
        (SandboxSettings(directory="d", sender="x"), ["sender"]),
        (WhatsAppCloudSettings(phone_number_id="x", token=f"{HIDDEN} ", url="x"), ["url", "phone_number_id", "token"]),
        (GreenApiSettings(instance="x", token=HIDDEN, url="http://a.example"), ["url", "instance", "token"]),
        (FcmSettings(service_account=HIDDEN, project_id="X"), ["project_id", "service_account"]),
        (ResendSettings(key=f"{HIDDEN} ", sender="x"), ["key", "sender"]),
        (SendGridSettings(key=f"{HIDDEN} ", sender="x"), ["key", "sender"]),
    ],
)
def test_every_mistake_is_named_and_none_is_shown(clock: Clock, settings: ProviderSettings, at: list[str]) -> None:
    """All that cannot stand is told at once with what was expected, and never with a secret."""
    found = mistakes(settings)
    assert [place for place, _ in found] == at
    with pytest.raises(ValueError, match="lane calls: ") as raised:
        build(settings, lane="calls", channel="email", clock=clock, chance=KeyedChance(1), release="1")
    assert HIDDEN not in str(raised.value)


def test_settings_never_show_themselves() -> None:
    """Whoever logs settings by accident logs no password."""
    for settings in (
        SmtpSettings(host="h", sender="a@b.example", user="u", password="opensesame"),
        WhatsAppCloudSettings(phone_number_id="1", token="opensesame"),
        GreenApiSettings(instance="1", token="opensesame"),
        FcmSettings(service_account="opensesame"),
        ResendSettings(key="opensesame", sender="a@b.example"),
        SendGridSettings(key="opensesame", sender="a@b.example"),
    ):
        assert repr(settings) == f"{type(settings).__name__}(hidden)"


def test_a_missing_authority_is_told_when_the_channel_is_made(clock: Clock, tmp_path: Path) -> None:
    """A file of certificates that is not there fails at the start, not at the first mail."""
    lost = str(tmp_path / "ca.pem")
    for settings in (SmtpSettings(host="h", sender="a@b.example", ca_file=lost), WebhookSettings(ca_file=lost)):
        with pytest.raises(FileNotFoundError):
            build(settings, lane="l", channel="email", clock=clock, chance=KeyedChance(1), release="1")


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_a_port_that_is_not_named_is_the_usual_one(tls: str) -> None:
    """25 for a relay nearby, 587 with STARTTLS, 465 with TLS from the first byte."""
    account = SmtpSettings(host="h", sender="a@b.example", tls=tls)  # type: ignore[arg-type]
    assert account.port_used == {"none": 25, "starttls": 587, "implicit": 465}[tls]
    assert SmtpSettings(host="h", sender="a@b.example", port=2525).port_used == 2525


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("LOCALHOST", True), ("127.8.8.8", True), ("::1", True), ("10.0.0.1", False), ("x.y", False)],
)
def test_what_stays_on_this_machine_is_known_by_name(host: str, *, expected: bool) -> None:
    """Only names that cannot mean another machine count as this one."""
    assert is_loopback(host) is expected
