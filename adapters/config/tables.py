"""The tables of a configuration file: which keys there are, how each is read, and its default.

This file answers for the form of the file and nothing else; what the values come to is compiled in policies.py and
lanes.py. An attribute carries the unit that a key's text spells out (`gap = "2s"` is `gap_us`). UNSET means that the
file says nothing, so that what it extends stands; "none" takes away what may be absent.
"""

from collections.abc import Iterable
from typing import Annotated, Any, cast

import msgspec
from msgspec import UNSET, UnsetType, field

from adapters.config.hidden import Secret
from adapters.config.kinds import POSITIVE, Count, PositiveUs, Rate, SpanUs, Table, Text
from adapters.config.providers import (
    CHANNELS,
    SERVES,
    FcmTable,
    GreenApiTable,
    ResendTable,
    SandboxTable,
    SendGridTable,
    SmtpTable,
    WebhookTable,
    WhatsAppCloudTable,
)
from adapters.config.reading import Required
from adapters.config.units import (
    Listen,
    Unfit,
    choice,
    fraction,
    listen,
    minute_of_day,
    size,
    web_address,
    whole,
    zone,
)
from core.events import OnAmbiguous, Order
from core.policies import DAY_US, Poison
from core.settings import Bounds


def _poison(raw: object) -> Poison:
    match raw:
        case "block":
            return Poison(kind="block")
        case "park":
            return Poison(kind="park")
        case {"skip_after": wait, **rest} if not rest:
            try:
                skip_after_us = POSITIVE(wait)
            except Unfit as unfit:
                raise Unfit(str(unfit), within="skip_after") from None
            assert isinstance(skip_after_us, int), "a span reads as whole microseconds"
            return Poison(kind="skip", skip_after_us=skip_after_us)
        case _:
            raise Unfit('"block" or "park" or { skip_after = "1h" }')


# Named here, since in a class body the field of the same name would stand in the way of the reading.
Address = Annotated[Listen, listen]
Zone = Annotated[str, zone, Required]


class ServerTable(Table, frozen=True, kw_only=True):
    """Where the daemon listens, and under which address others reach it."""

    listen: Address = Listen(host="127.0.0.1", port=8420)
    public_url: Annotated[str, web_address] | None = None


class StoreTable(Table, frozen=True, kw_only=True):
    """Where the log is; the URL is a secret, since one of a server may hold a password.

    Without `installation_key` it lies in a file beside the store, or in the data directory of a log on a server.
    """

    url: Secret | None = None
    installation_key: Secret | None = None
    dedup_for_us: PositiveUs = field(default=35 * DAY_US, name="dedup_for")


class RetryTable(Table, frozen=True, kw_only=True):
    """A list of waits, or first * factor ... `times` of them up to a ceiling."""

    after_us: tuple[PositiveUs, ...] | UnsetType = field(default=UNSET, name="after")
    first_us: PositiveUs | UnsetType = field(default=UNSET, name="first")
    factor: Annotated[float, fraction(1, 100)] | UnsetType = UNSET
    times: Annotated[int, whole(0, 1_000)] | UnsetType = UNSET
    ceiling_us: PositiveUs | UnsetType = field(default=UNSET, name="ceiling")
    jitter: Annotated[float, fraction(0, 1)] | UnsetType = UNSET


class LimitsTable(Table, frozen=True, kw_only=True):
    """Bounds of a lane's traffic."""

    lane: Rate | UnsetType | None = UNSET
    tenant: Rate | UnsetType | None = UNSET
    recipient: Rate | UnsetType | None = UNSET
    burst: Count | UnsetType | None = UNSET
    gap_us: SpanUs | UnsetType = field(default=UNSET, name="gap")
    concurrency: Count | UnsetType = UNSET
    host_concurrency: Count | UnsetType = UNSET


class CircuitTable(Table, frozen=True, kw_only=True):
    """A conversation's circuit."""

    failures: Count | UnsetType = UNSET
    cooldown_us: PositiveUs | UnsetType = field(default=UNSET, name="cooldown")
    ceiling_us: PositiveUs | UnsetType = field(default=UNSET, name="ceiling")


class BreakerTable(Table, frozen=True, kw_only=True):
    """A lane's breaker."""

    share: Annotated[float, fraction(0.01, 1)] | UnsetType = UNSET
    of: Annotated[int, whole(1, 10_000)] | UnsetType = UNSET
    within_us: PositiveUs | UnsetType = field(default=UNSET, name="within")
    cooldown_us: PositiveUs | UnsetType = field(default=UNSET, name="cooldown")
    ceiling_us: PositiveUs | UnsetType = field(default=UNSET, name="ceiling")


class QuietHoursTable(Table, frozen=True, kw_only=True):
    """No sends between two times of day in a zone."""

    from_minute: Annotated[int, minute_of_day, Required] = field(default=0, name="from")
    to_minute: Annotated[int, minute_of_day, Required] = field(default=0, name="to")
    zone: Zone = "UTC"


class PolicyTable(Table, frozen=True, kw_only=True):
    """What a policy changes about the one that it extends."""

    retry: RetryTable | UnsetType = UNSET
    limits: LimitsTable | UnsetType = UNSET
    circuit: CircuitTable | UnsetType = UNSET
    breaker: BreakerTable | UnsetType = UNSET
    quiet_hours: QuietHoursTable | UnsetType | None = UNSET
    on_ambiguous: Annotated[OnAmbiguous, choice("resend", "hold", "fail")] | UnsetType = UNSET
    poison: Annotated[Poison, _poison] | UnsetType = UNSET
    order: Annotated[Order, choice("fifo", "any")] | UnsetType = UNSET
    in_flight_max: Count | UnsetType = UNSET
    retry_after_ceiling_us: PositiveUs | UnsetType = field(default=UNSET, name="retry_after_ceiling")
    rate_pause_us: PositiveUs | UnsetType = field(default=UNSET, name="rate_pause")
    give_up_after_us: PositiveUs | UnsetType = field(default=UNSET, name="give_up_after")
    timeout_us: PositiveUs | UnsetType = field(default=UNSET, name="timeout")
    reconcile_us: SpanUs | UnsetType = field(default=UNSET, name="reconcile")
    failover: tuple[Text, ...] | UnsetType = UNSET
    failover_after_us: SpanUs | UnsetType = field(default=UNSET, name="failover_after")
    stale_after_us: PositiveUs | UnsetType = field(default=UNSET, name="stale_after")


class NamedPolicyTable(PolicyTable, frozen=True, kw_only=True):
    """A policy of one's own; without `extends` it changes its channel's preset."""

    extends: Text | None = None


class LanePolicyTable(PolicyTable, frozen=True, kw_only=True):
    """A lane's policy: a preset by name, its channel's where none is named, and what the lane changes about it."""

    preset: Text | None = None


class LaneTable(Table, frozen=True, kw_only=True):
    """A channel through one provider account."""

    channel: Annotated[str, choice(*CHANNELS), Required] = ""
    provider: Annotated[str, choice(*SERVES), Required] = ""
    smtp: SmtpTable | UnsetType = UNSET
    webhook: WebhookTable | UnsetType = UNSET
    sandbox: SandboxTable | UnsetType = UNSET
    whatsapp_cloud: WhatsAppCloudTable | UnsetType = UNSET
    green_api: GreenApiTable | UnsetType = UNSET
    fcm: FcmTable | UnsetType = UNSET
    resend: ResendTable | UnsetType = UNSET
    sendgrid: SendGridTable | UnsetType = UNSET
    policy: LanePolicyTable = LanePolicyTable()


def _bounds_table() -> type[msgspec.Struct]:
    # Made from the bounds themselves, so that one that is added there can be configured at once. The unit goes from
    # the name into the text: `idle_us` is `idle = "120s"`, `parcels_bytes_max` is `parcels_max = "32MiB"`.
    fields: list[tuple[str, object, object]] = [("body_bytes_max", _SIZE, field(default=1 << 20, name="body_max"))]
    for bound in msgspec.structs.fields(Bounds):
        if bound.name in _ELSEWHERE:
            continue
        kind: object = Count
        key = bound.name.replace("_bytes", "")
        if bound.name.endswith("_us"):
            kind, key = PositiveUs, bound.name.removesuffix("_us")
        elif key != bound.name:
            kind = _SIZE
        fields.append((bound.name, kind, field(default=bound.default, name=key)))
    return msgspec.defstruct("BoundsTable", cast("Iterable[tuple[str, type, Any]]", fields), frozen=True, kw_only=True)


_SIZE = Annotated[int, size]
# `[store] dedup_for` is this one's place.
_ELSEWHERE = {"dedup_for_us"}
BoundsTable = _bounds_table()


def _kept(raw: object) -> object:
    return raw


class FileTable(Table, frozen=True, kw_only=True):
    """The whole file. `bounds` is read as BoundsTable afterwards, since that one is not known to the type checker, and
    `hooks` by hooks.py, which has the tables of sources.
    """

    bounds: Annotated[object, _kept] = field(default_factory=dict)
    hooks: Annotated[object, _kept] = field(default_factory=dict)

    server: ServerTable = ServerTable()
    store: StoreTable = StoreTable()
    lanes: dict[str, LaneTable] = field(default_factory=dict)
    policies: dict[str, NamedPolicyTable] = field(default_factory=dict)
