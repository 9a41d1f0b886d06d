"""The tables of providers: which keys each has, and how each is read. Their meaning stands with a provider's settings.

This file answers for the form only. What a table does not say (UNSET) is the provider's own default. It must never
check what two keys together mean: the settings do, and their mistakes are shown with all others.
"""

from collections.abc import Mapping
from typing import Annotated, Final, get_args

from msgspec import UNSET, UnsetType, field

from adapters.channels.accounts import Tls
from adapters.config.hidden import Secret
from adapters.config.kinds import Count, PositiveUs, SpanUs, Table, Text
from adapters.config.reading import Required
from adapters.config.units import choice, fraction, switch, text, whole
from core.outcomes import OutcomeName

CHANNELS: Final = ("email", "whatsapp", "push", "webhook")

# As adapters/channels/building.py has it, which would bring every provider's client along with it.
SERVES: Final[Mapping[str, tuple[str, ...]]] = {
    "smtp": ("email",),
    "resend": ("email",),
    "sendgrid": ("email",),
    "whatsapp_cloud": ("whatsapp",),
    "green_api": ("whatsapp",),
    "fcm": ("push",),
    "webhook": ("webhook",),
    "sandbox": CHANNELS,
}
"""What each provider can carry."""

RequiredText = Annotated[str, text, Required]
RequiredSecret = Annotated[Secret, Required]
Switch = Annotated[bool, switch]


class SmtpTable(Table, frozen=True, kw_only=True):
    """A mail server and the account there; see SmtpSettings."""

    host: RequiredText = ""
    port: Annotated[int, whole(1, 65_535)] | UnsetType = UNSET
    tls: Annotated[Tls, choice("none", "starttls", "implicit")] | UnsetType = UNSET
    sender: RequiredText = field(default="", name="from")
    user: Text | UnsetType = UNSET
    password: Secret | UnsetType = UNSET
    hello: Text | UnsetType = UNSET
    message_id_domain: Text | UnsetType = UNSET
    ca_file: Text | UnsetType = UNSET
    connections_max: Count | UnsetType = UNSET
    connection_mails_max: Count | UnsetType = UNSET
    idle_us: PositiveUs | UnsetType = field(default=UNSET, name="idle")
    step_timeout_us: PositiveUs | UnsetType = field(default=UNSET, name="step_timeout")
    greylist_floor_us: SpanUs | UnsetType = field(default=UNSET, name="greylist_floor")


class WebhookTable(Table, frozen=True, kw_only=True):
    """How deliveries are signed, and what else than public https addresses may be called; see WebhookSettings."""

    secrets: tuple[Secret, ...] | UnsetType = UNSET
    allow_private: tuple[Text, ...] | UnsetType = UNSET
    allow_http: Switch | UnsetType = UNSET
    timeout_us: PositiveUs | UnsetType = field(default=UNSET, name="timeout")
    keep_alive_us: PositiveUs | UnsetType = field(default=UNSET, name="keep_alive")
    ca_file: Text | UnsetType = UNSET


class MisbehaviourTable(Table, frozen=True, kw_only=True):
    """What a sandbox does to order; see Misbehaviour."""

    match: Text | UnsetType = UNSET
    outcome: Annotated[OutcomeName, choice(*get_args(OutcomeName))] | UnsetType = UNSET
    times: Count | UnsetType = UNSET
    share: Annotated[float, fraction(0, 1)] | UnsetType = UNSET
    delay_us: SpanUs | UnsetType = field(default=UNSET, name="delay")
    after_us: SpanUs | UnsetType = field(default=UNSET, name="after")
    code: Text | UnsetType = UNSET


class SandboxTable(Table, frozen=True, kw_only=True):
    """Where a sandbox lane writes, below the data directory unless absolute, and how it misbehaves."""

    directory: Text = "sandbox"
    sender: Text | UnsetType = field(default=UNSET, name="from")
    misbehave: tuple[MisbehaviourTable, ...] = ()


class WhatsAppCloudTable(Table, frozen=True, kw_only=True):
    """A WhatsApp number at Meta's Cloud API; see WhatsAppCloudSettings."""

    phone_number_id: RequiredText = ""
    token: RequiredSecret = Secret("")
    account: Text | UnsetType = UNSET
    url: Text | UnsetType = UNSET
    version: Text | UnsetType = UNSET
    timeout_us: PositiveUs | UnsetType = field(default=UNSET, name="timeout")
    ca_file: Text | UnsetType = UNSET


class GreenApiTable(Table, frozen=True, kw_only=True):
    """An instance at Green API; see GreenApiSettings."""

    instance: RequiredText = ""
    token: RequiredSecret = Secret("")
    url: Text | UnsetType = UNSET
    link_preview: Switch | UnsetType = UNSET
    timeout_us: PositiveUs | UnsetType = field(default=UNSET, name="timeout")
    ca_file: Text | UnsetType = UNSET


class FcmTable(Table, frozen=True, kw_only=True):
    """A Firebase project; see FcmSettings."""

    service_account: RequiredSecret = Secret("")
    project_id: Text | UnsetType = UNSET
    url: Text | UnsetType = UNSET
    timeout_us: PositiveUs | UnsetType = field(default=UNSET, name="timeout")
    ca_file: Text | UnsetType = UNSET


class _HttpMailTable(Table, frozen=True, kw_only=True):
    """An account for mail over HTTP; see http_mail_settings.py."""

    key: RequiredSecret = Secret("")
    sender: RequiredText = field(default="", name="from")
    account: Text | UnsetType = UNSET
    url: Text | UnsetType = UNSET
    timeout_us: PositiveUs | UnsetType = field(default=UNSET, name="timeout")
    ca_file: Text | UnsetType = UNSET


class ResendTable(_HttpMailTable, frozen=True, kw_only=True):
    """An account at Resend."""


class SendGridTable(_HttpMailTable, frozen=True, kw_only=True):
    """An account at SendGrid."""
