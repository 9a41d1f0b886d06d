"""Everything that can happen, as events: the only truth that Tidings keeps.

This file answers for the shape of events on every store. Fields are only ever added, at the end, with a default; a
field is never renamed in meaning, reordered or removed (golden bytes in tests/contracts hold this). Events carry ids,
codes, instants and salted commitments, never an address or content: those live in the vault.

All instants are microseconds since 1970 UTC, all spans microseconds. The envelope (stream, version, instant, tenant,
cause) is in records.py, not here.
"""

from typing import Final, Literal

import msgspec

from core.outcomes import Failure

Order = Literal["fifo", "any"]
OnAmbiguous = Literal["resend", "hold", "fail"]


class Event(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """The root of all events. A body is the msgpack array of the fields; the type stands beside it, in the envelope."""


# -- msg: one message, its attempts and its end ------------------------------------------------------------------


class MessageAccepted(Event, frozen=True, kw_only=True):
    """Tidings has taken charge. `due_us` is the first due instant; `host` a keyed hash of a webhook's host.

    `commitment` is sha256(salt || private bytes) of the vault row; `policy` names one other than the lane's own.
    """

    channel: str
    lane: str
    conversation: int
    due_us: int
    expires_us: int | None = None
    order: Order = "fifo"
    priority: int = 5
    on_ambiguous: OnAmbiguous | None = None
    policy: str | None = None
    host: int | None = None
    commitment: bytes = b""
    size_bytes: int = 0
    trace: str = ""
    zone: str | None = None


class AttemptStarted(Event, frozen=True, kw_only=True):
    """The intent to send, durable before a byte leaves. Attempts of a message count from 1."""

    attempt: int
    lane: str
    policy_version: int
    deadline_us: int
    probe: bool = False


class AttemptTaken(Event, frozen=True, kw_only=True):
    """The provider took it: the message is concluded as `status`. `sent_at_us` is the hand-over to the socket."""

    attempt: int
    status: Literal["sent", "delivered"]
    sent_at_us: int
    took_us: int
    code: str = ""
    provider_id: str = ""


class AttemptFailed(Event, frozen=True, kw_only=True):
    """The attempt came to anything but taken. `sent_at_us` is None where nothing was handed over.

    `used` says whether it uses up one of the schedule's attempts; `due_us` is the next try, None where a further
    event of the same append holds or ends the message.
    """

    attempt: int
    outcome: Failure
    used: bool
    due_us: int | None
    sent_at_us: int | None
    took_us: int


class AttemptAborted(Event, frozen=True, kw_only=True):
    """Nothing was sent and nothing is used up: we stopped between intent and send. Due again at `due_us`."""

    attempt: int
    reason: Literal["stopping"]
    due_us: int


class AmbiguityResolved(Event, frozen=True, kw_only=True):
    """What was decided about an attempt of unknown fate, and on what evidence."""

    attempt: int
    resolution: OnAmbiguous
    evidence: Literal["policy", "operator"]


class MessageDeferred(Event, frozen=True, kw_only=True):
    """Not allowed now (quiet hours); it keeps its place and is due at `due_us`."""

    due_us: int
    reason: Literal["quiet_hours"]


class MessageHeld(Event, frozen=True, kw_only=True):
    """Open, but waiting for a person: the outcome is unknown, or it poisoned its conversation."""

    by: Literal["unknown", "parked"]


class MessageReleased(Event, frozen=True, kw_only=True):
    """A person let a held message go on, due at `due_us`."""

    due_us: int


class MessageSetAside(Event, frozen=True, kw_only=True):
    """It blocked its conversation for too long: it goes on with its retries, others no longer wait behind it."""


class MessageRescheduled(Event, frozen=True, kw_only=True):
    """Moved before its first attempt: `due_us` is its new first due instant."""

    due_us: int


class MessageRedriven(Event, frozen=True, kw_only=True):
    """A dead letter is back on the agenda with its whole schedule before it. `job` is the redrive's id, 0 for one."""

    due_us: int
    job: int = 0


class CancelRequested(Event, frozen=True, kw_only=True):
    """A cancel came while an attempt was in flight: it holds unless that attempt is taken."""

    reason: str


class MessageCancelled(Event, frozen=True, kw_only=True):
    """Ended by request, undelivered."""

    reason: str


class MessageExpired(Event, frozen=True, kw_only=True):
    """Ended because its `expires_at` passed first."""


class MessageDead(Event, frozen=True, kw_only=True):
    """Ended undelivered; it waits for a person as a dead letter."""

    reason: Literal["exhausted", "gave_up", "refused", "ambiguous"]


# -- conv: one conversation's circuit and pauses -----------------------------------------------------------------


class FailureCounted(Event, frozen=True, kw_only=True):
    """`streak` failures in a row now; the circuit is still closed."""

    streak: int


class FailuresCleared(Event, frozen=True, kw_only=True):
    """A success ended a streak before it opened the circuit."""


class CircuitOpened(Event, frozen=True, kw_only=True):
    """Nothing but one probe goes out, and that not before `until_us`. `openings` counts them since it last closed."""

    until_us: int
    streak: int
    openings: int


class CircuitClosed(Event, frozen=True, kw_only=True):
    """A probe succeeded, or a person reset the circuit, which ends the peer's own pause as well."""

    by: Literal["probe", "operator"]


class ConversationPaused(Event, frozen=True, kw_only=True):
    """The provider asked for a slower pace towards this peer: nothing goes out before `until_us`."""

    until_us: int
    code: str


# -- lane: one provider account ----------------------------------------------------------------------------------


class LaneOpened(Event, frozen=True, kw_only=True):
    """A lane was configured for the first time under this name."""

    name: str
    channel: str


class PolicyAdopted(Event, frozen=True, kw_only=True):
    """The lane's policy from now on; each attempt names the version that decided it. `body` is the policy as JSON."""

    version: int
    body: bytes


class LanePaused(Event, frozen=True, kw_only=True):
    """Nothing goes out until a person resumes it. `by` is who: a person, or our own broken set-up."""

    by: Literal["operator", "config"]
    code: str = ""


class LaneResumed(Event, frozen=True, kw_only=True):
    """A person resumed the lane."""


class LaneThrottled(Event, frozen=True, kw_only=True):
    """The provider asked for a slower pace: nothing goes out before `until_us`. `host` 0 means the whole lane."""

    until_us: int
    host: int = 0
    code: str = ""


class BreakerOpened(Event, frozen=True, kw_only=True):
    """Too many faults among the last outcomes: nothing but a probe from `until_us` on. `host` 0: the whole lane."""

    until_us: int
    faults: int
    outcomes: int
    openings: int
    host: int = 0


class BreakerClosed(Event, frozen=True, kw_only=True):
    """A probe succeeded: traffic ramps up again from here."""

    host: int = 0


# -- sys: the installation ---------------------------------------------------------------------------------------


class DaemonStarted(Event, frozen=True, kw_only=True):
    """A process took over the log. `seed` is the key of every chance it draws (jitter), so that replay draws alike."""

    boot: int
    seed: int
    release: str


class DaemonStopped(Event, frozen=True, kw_only=True):
    """The process ended in an orderly way; without this event the next start knows of a crash."""

    boot: int


class KeyAdded(Event, frozen=True, kw_only=True):
    """An API key. `digest` is an HMAC of the secret; tenant None means all tenants."""

    digest: bytes
    tenant_of_key: str | None
    role: Literal["read", "send", "operate", "admin"]
    label: str


class KeyRevoked(Event, frozen=True, kw_only=True):
    """The key no longer opens anything."""


class RedriveStarted(Event, frozen=True, kw_only=True):
    """A bulk redrive: `count` dead letters seen at its start, `per_s` of them a second at most (None: no bound)."""

    channel: str | None
    lane: str | None
    conversation: int | None
    before_us: int
    count: int
    per_s: float | None


class RedriveAdvanced(Event, frozen=True, kw_only=True):
    """So far `moved` messages went back on the agenda; `after` is the last one looked at."""

    moved: int
    after: int


class RedriveEnded(Event, frozen=True, kw_only=True):
    """Through, or cancelled by a person, after `moved` messages."""

    moved: int
    reason: Literal["done", "cancelled"]


EVENT_TYPES: Final[dict[str, type[Event]]] = {
    kind.__name__: kind
    for kind in (
        MessageAccepted, AttemptStarted, AttemptTaken, AttemptFailed, AttemptAborted, AmbiguityResolved,
        MessageDeferred, MessageHeld, MessageReleased, MessageSetAside, MessageRescheduled, MessageRedriven,
        CancelRequested, MessageCancelled, MessageExpired, MessageDead,
        FailureCounted, FailuresCleared, CircuitOpened, CircuitClosed, ConversationPaused,
        LaneOpened, PolicyAdopted, LanePaused, LaneResumed, LaneThrottled, BreakerOpened, BreakerClosed,
        DaemonStarted, DaemonStopped, KeyAdded, KeyRevoked, RedriveStarted, RedriveAdvanced, RedriveEnded,
    )
}  # fmt: skip  # One table of names; a line each would hide its order.

SCHEMA_VERSIONS: Final[dict[str, int]] = dict.fromkeys(EVENT_TYPES, 1)
