"""What the actors are told about their surroundings: lanes, named policies and every bound, as plain values.

The configuration file is read by adapters/config.py; a scenario file by scenarios/. Both end here.
"""

import msgspec

from core.policies import DAY_US, SECOND_US, Policy


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """A channel through one provider account. `provider` is for people; the port behind it is passed separately.

    `account` is what several lanes share at their provider: where it is throttled, all of them are. `has_receipts`: the
    provider tells afterwards what became of a message, by the id that it gave it. `fans_out`: it sends to devices only,
    so that whatever is for a user becomes a message for each of theirs.
    """

    name: str
    channel: str
    provider: str
    policy: Policy
    account: str = ""
    has_receipts: bool = False
    fans_out: bool = False


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can grow, and how far. Past a bound the door answers 429 or 503; nothing accepted is dropped."""

    awake_max: int = 10_000
    """Conversations kept in memory."""
    idle_us: int = 120 * SECOND_US
    """How long a conversation stays awake without mail."""
    window_max: int = 64
    """Open messages of one line of a conversation that are kept in memory."""
    agenda_window_max: int = 2_000
    """Waiting conversations kept in memory for one (lane, tenant, priority)."""
    deferred_max: int = 20_000
    """Conversations of such a group kept in memory beyond that: due, but waiting for a limit or a circuit."""
    mail_max: int = 1_024
    """Callers that may wait for one conversation's turn."""
    parcels_bytes_max: int = 32 * 1024 * 1024
    """Recently accepted contents kept in memory, so that a first send reads nothing."""
    peers_max: int = 100_000
    """Addresses whose conversation is remembered, so that accepting for them reads nothing."""
    accepting_max: int = 20_000
    """Requests that may wait for their commit at once."""
    send_at_max_us: int = 400 * DAY_US
    """How far ahead a message may be scheduled."""
    dedup_for_us: int = 35 * DAY_US
    """How long an idempotency key is remembered."""
    stop_within_us: int = 8 * SECOND_US
    """How long a clean stop waits for attempts in flight."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. Lanes are in configured order: the first of a channel is its default.

    `policies` are those that a message may name: the presets and the configured ones, complete.
    """

    lanes: tuple[Lane, ...]
    policies: dict[str, Policy]
    bounds: Bounds = Bounds()
