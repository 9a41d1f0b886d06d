"""The settings of a provider account, one struct a provider: what a lane's table in the configuration comes to.

This file answers for names, units, defaults, and for what two settings together must not say; providers that are spoken
to over HTTP have a file of their own for that. Secrets stand here in the open, so such a struct never shows itself. It
must never read a file or the environment: the configuration did.
"""

from typing import Final, Literal, assert_never

import msgspec

from adapters.channels import (
    fcm_settings,
    forward_settings,
    green_api_settings,
    http_mail_settings,
    whatsapp_cloud_settings,
)
from adapters.channels.fcm_settings import FcmSettings
from adapters.channels.forward_settings import ForwardSettings, KeptSettings
from adapters.channels.green_api_settings import GreenApiSettings
from adapters.channels.http_mail_settings import ResendSettings, SendGridSettings
from adapters.channels.networks import is_loopback, network_mistakes
from adapters.channels.signing import secret_mistakes
from adapters.channels.whatsapp_cloud_settings import WhatsAppCloudSettings
from core.addresses import Unfit, mailbox
from core.outcomes import OutcomeName
from core.policies import MINUTE_US, SECOND_US

Tls = Literal["none", "starttls", "implicit"]

# RFC 8314 and RFC 6409: 465 with TLS from the first byte, 587 for submission; 25 for a relay nearby.
_PORTS: Final[dict[Tls, int]] = {"none": 25, "starttls": 587, "implicit": 465}


class _Account(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that may hold secrets."""

    def __repr__(self) -> str:
        """Never a secret, and so nothing at all."""
        return f"{type(self).__name__}(hidden)"


class SmtpSettings(_Account, frozen=True, kw_only=True):
    """A mail server and the account there. `sender` is the From of mails that name none, with or without a name.

    `port` None is the usual one for `tls`. `hello` is what we call ourselves in EHLO, and `message_id_domain` stands in
    Message-IDs; both default to the sender's domain. `ca_file` adds certificates to trust. `step_timeout_us` bounds
    connecting and each step before the mail itself; the answer to the mail may take until the deadline.
    """

    host: str
    sender: str
    port: int | None = None
    tls: Tls = "starttls"
    user: str | None = None
    password: str | None = None
    hello: str | None = None
    message_id_domain: str | None = None
    ca_file: str | None = None
    connections_max: int = 10
    connection_mails_max: int = 1_000
    idle_us: int = 30 * SECOND_US
    step_timeout_us: int = 30 * SECOND_US
    greylist_floor_us: int = 5 * MINUTE_US

    @property
    def port_used(self) -> int:
        """The port that is connected to."""
        return self.port if self.port is not None else _PORTS[self.tls]


class WebhookSettings(_Account, frozen=True, kw_only=True):
    """How deliveries are signed, and what else than public https addresses may be called.

    `secrets` are `whsec_` and base64, or raw texts, newest first; none: unsigned. `allow_private` are networks.
    Every attempt ends at the earlier of `timeout_us` and its deadline. `keep_alive_us` is how long an idle connection
    is kept: less than the 5 s after which common servers close theirs, so that a request never races with that; and
    connections to more than `hosts_kept_max` hosts at once are not kept.
    """

    secrets: tuple[str, ...] = ()
    allow_private: tuple[str, ...] = ()
    allow_http: bool = False
    timeout_us: int = 15 * SECOND_US
    keep_alive_us: int = 4 * SECOND_US
    hosts_kept_max: int = 256
    ca_file: str | None = None


class Misbehaviour(msgspec.Struct, frozen=True, kw_only=True):
    """What the sandbox does to order, to messages whose address `match` (a shell pattern) fits.

    `outcome` instead of taking it: for the first `times` attempts of a message (None: for all), each with probability
    `share`. `delay_us` passes between the hand-over and the answer; `after_us` is the wait that the answer asks for. An
    `ambiguous` one is written and then its answer is lost; `taken` is for a delay alone.
    """

    match: str = "*"
    outcome: OutcomeName = "transient"
    times: int | None = None
    share: float = 1.0
    delay_us: int = 0
    after_us: int | None = None
    code: str = "sandbox"


class SandboxSettings(_Account, frozen=True, kw_only=True):
    """Where a sandbox lane writes: a Maildir `<directory>/<lane>`, or JSON lines `<directory>/<lane>.jsonl`.

    The first misbehaviour that fits an attempt decides it. `sender` is the From of mails that name none.
    """

    directory: str
    sender: str = "Tidings <tidings@localhost>"
    misbehave: tuple[Misbehaviour, ...] = ()


ProviderSettings = (
    SmtpSettings
    | ResendSettings
    | SendGridSettings
    | WhatsAppCloudSettings
    | GreenApiSettings
    | FcmSettings
    | WebhookSettings
    | ForwardSettings
    | KeptSettings
    | SandboxSettings
)


def mistakes(settings: ProviderSettings) -> list[tuple[str, str]]:
    """Every setting that cannot stand as it is, with what was expected; never with the value, which may be a secret."""
    match settings:
        case SmtpSettings():
            return [*_sender_mistakes(settings.sender), *_login_mistakes(settings)]
        case WebhookSettings():
            return [
                *secret_mistakes("secrets", settings.secrets),
                *network_mistakes("allow_private", settings.allow_private),
            ]
        case ForwardSettings():
            return forward_settings.mistakes(settings)
        case KeptSettings():
            return []
        case SandboxSettings():
            return _sender_mistakes(settings.sender)
        case ResendSettings() | SendGridSettings():
            return http_mail_settings.mistakes(settings)
        case WhatsAppCloudSettings():
            return whatsapp_cloud_settings.mistakes_of(settings)
        case GreenApiSettings():
            return green_api_settings.mistakes(settings)
        case FcmSettings():
            return fcm_settings.mistakes(settings)
        case _:
            assert_never(settings)


def _sender_mistakes(sender: str) -> list[tuple[str, str]]:
    try:
        mailbox(sender)
    except Unfit as unfit:
        return [("sender", str(unfit))]
    return []


def _login_mistakes(settings: SmtpSettings) -> list[tuple[str, str]]:
    found = []
    if (settings.user is None) != (settings.password is None):
        found.append(("user", "user and password together, or neither"))
    if settings.user is not None and settings.tls == "none" and not is_loopback(settings.host):
        found.append(("tls", "starttls or implicit where there is a password, since none would send it in the clear"))
    return found
