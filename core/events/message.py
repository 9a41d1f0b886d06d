"""msg: one message, its attempts, its end, and what its provider tells of it afterwards."""

from typing import Literal

from core.events.shape import CausedBy, Event, OnAmbiguous, Order, ReceiptStatus
from core.outcomes import Failure

AbortReason = Literal["stopping", "lease"]


class MessageAccepted(Event, frozen=True, kw_only=True):
    """Tidings has taken charge. `due_us` is the first due instant; `host` a keyed hash of a webhook's host.

    `commitment` is sha256(salt || private bytes) of the vault row; `policy` names one other than the lane's own.
    `lanes` are those that it may fail over to, in order, its own among them; empty: none. `fallbacks` counts the
    messages to other channels that the vault holds for the case that this one fails, and `fallback_by_us` is when its
    time ends in favour of the first of them. `has_template`: something stands in for free text outside a reply window.
    `caused_by` says what the stream is that led to this one (the `cause` of its envelope). `fans_out`: it is to a user,
    and becomes a message for each of their devices; `is_part`: it is one of those, and its cause that push.
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
    lanes: tuple[str, ...] = ()
    fallbacks: int = 0
    fallback_by_us: int | None = None
    has_template: bool = False
    marketing: bool = False
    caused_by: CausedBy = ""
    fans_out: bool = False
    is_part: bool = False


class AttemptStarted(Event, frozen=True, kw_only=True):
    """The intent to send, durable before a byte leaves. Attempts of a message count from 1.

    `by_template`: the peer's reply window is closed, so what stands in for free text is sent.
    """

    attempt: int
    lane: str
    policy_version: int
    deadline_us: int
    probe: bool = False
    by_template: bool = False


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
    """Nothing was sent and nothing is used up: we stopped between intent and send. Due again at `due_us`.

    `lease`: this daemon was not sure any more that it is the one that acts.
    """

    attempt: int
    reason: AbortReason
    due_us: int


class ReconcileStarted(Event, frozen=True, kw_only=True):
    """Nobody knows what became of the attempt: evidence is awaited until `until_us`, then the policy decides."""

    attempt: int
    until_us: int


class AttemptProved(Event, frozen=True, kw_only=True):
    """An attempt of unknown fate was taken after all: the message is concluded as sent, on this evidence.

    `receipt`: the provider's receipt names the message; `look_up`: the provider was asked.
    """

    attempt: int
    evidence: Literal["receipt", "look_up"]
    provider_id: str = ""
    code: str = ""


class AmbiguityResolved(Event, frozen=True, kw_only=True):
    """What was decided about an attempt of unknown fate, and on what evidence.

    `due_us` is the next try where one follows a vain wait for evidence, None in all other cases.
    """

    attempt: int
    resolution: OnAmbiguous
    evidence: Literal["policy", "operator"]
    due_us: int | None = None


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
    """Moved before its first attempt: `due_us` is its new first due instant, `zone` its recipient's time zone from now.

    Without a `zone` that stays as it was.
    """

    due_us: int
    zone: str | None = None


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

    reason: Literal["exhausted", "gave_up", "refused", "ambiguous", "suppressed"]


class LaneChanged(Event, frozen=True, kw_only=True):
    """Failover: it goes on in another lane of its channel, due at `due_us`.

    `failed`: its attempt there came to nothing; `down`: the lane it leaves lets nothing out.
    """

    lane: str
    due_us: int
    reason: Literal["failed", "down"]


class ReceiptSeen(Event, frozen=True, kw_only=True):
    """The provider told what became of it. Statuses only rise: sent, delivered, read; failed counts over sent alone.

    `attempt` is the last that had started when it came. `told_us` is the provider's own instant, None where it names
    none; `failure` classifies a failed one.
    """

    status: ReceiptStatus
    attempt: int
    told_us: int | None = None
    code: str = ""
    failure: Failure | None = None
    provider_id: str = ""


class FallbackStarted(Event, frozen=True, kw_only=True):
    """It ended undelivered, and `message` to another channel was accepted in its place."""

    message: int
    channel: str


class FallbackRefused(Event, frozen=True, kw_only=True):
    """What should have taken its place cannot be accepted (any more): nothing follows."""

    code: str


class EndTold(Event, frozen=True, kw_only=True):
    """The push that it is a part of has heard of its end: it failed, whatever the reason, or has surely arrived."""

    status: ReceiptStatus
