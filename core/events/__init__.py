"""Everything that can happen, as events: the only truth that Tidings keeps.

This file answers for the shape of events on every store. Fields are only ever added, at the end, with a default; a
field is never renamed in meaning, reordered or removed (golden bytes in tests/contracts hold this). Events carry ids,
codes, instants and salted commitments, never an address or content: those live in the vault.

All instants are microseconds since 1970 UTC, all spans microseconds. The envelope (stream, version, instant, tenant,
cause) is in records.py, not here.
"""

from typing import Final

from core.events.conversation import (
    CircuitClosed,
    CircuitOpened,
    ConversationPaused,
    FailureCounted,
    FailuresCleared,
    PaceRestored,
    PeerRestored,
    PeerStruck,
    PeerSuppressed,
    WindowClosed,
    WindowOpened,
)
from core.events.directory import (
    DeviceInvalidated,
    DeviceRegistered,
    DeviceRemoved,
    DeviceSeen,
    DeviceStaled,
    PlanApplied,
    PlanSet,
    StrayClaimed,
    StrayDropped,
    StrayKept,
)
from core.events.installation import (
    DaemonStarted,
    DaemonStopped,
    KeyAdded,
    KeyRevoked,
    RedriveAdvanced,
    RedriveEnded,
    RedriveStarted,
)
from core.events.lane import (
    BreakerClosed,
    BreakerOpened,
    Contrast,
    LaneOpened,
    LanePaused,
    LaneResumed,
    LaneThrottled,
    PolicyAdopted,
    PolicyPromoted,
    Sample,
    ShadowBegan,
    ShadowEnded,
    ShadowTold,
)
from core.events.message import (
    AmbiguityResolved,
    AttemptAborted,
    AttemptFailed,
    AttemptProved,
    AttemptStarted,
    AttemptTaken,
    CancelRequested,
    FallbackRefused,
    FallbackStarted,
    LaneChanged,
    MessageAccepted,
    MessageCancelled,
    MessageDead,
    MessageDeferred,
    MessageExpired,
    MessageHeld,
    MessageRedriven,
    MessageReleased,
    MessageRescheduled,
    MessageSetAside,
    ReceiptSeen,
    ReconcileStarted,
)
from core.events.shape import CausedBy, Event, OnAmbiguous, Order, ReceiptStatus

__all__ = [
    "EVENT_TYPES",
    "SCHEMA_VERSIONS",
    "AmbiguityResolved",
    "AttemptAborted",
    "AttemptFailed",
    "AttemptProved",
    "AttemptStarted",
    "AttemptTaken",
    "BreakerClosed",
    "BreakerOpened",
    "CancelRequested", "CausedBy",
    "CircuitClosed",
    "CircuitOpened",
    "Contrast",
    "ConversationPaused",
    "DaemonStarted",
    "DaemonStopped",
    "DeviceInvalidated",
    "DeviceRegistered",
    "DeviceRemoved",
    "DeviceSeen",
    "DeviceStaled",
    "Event",
    "FailureCounted",
    "FailuresCleared",
    "FallbackRefused",
    "FallbackStarted",
    "KeyAdded",
    "KeyRevoked",
    "LaneChanged",
    "LaneOpened",
    "LanePaused",
    "LaneResumed",
    "LaneThrottled",
    "MessageAccepted",
    "MessageCancelled",
    "MessageDead",
    "MessageDeferred",
    "MessageExpired",
    "MessageHeld",
    "MessageRedriven",
    "MessageReleased",
    "MessageRescheduled",
    "MessageSetAside",
    "OnAmbiguous",
    "Order",
    "PaceRestored",
    "PeerRestored",
    "PeerStruck",
    "PeerSuppressed",
    "PlanApplied",
    "PlanSet",
    "PolicyAdopted",
    "PolicyPromoted",
    "ReceiptSeen",
    "ReceiptStatus",
    "ReconcileStarted",
    "RedriveAdvanced",
    "RedriveEnded",
    "RedriveStarted",
    "Sample",
    "ShadowBegan",
    "ShadowEnded",
    "ShadowTold",
    "StrayClaimed",
    "StrayDropped",
    "StrayKept",
    "WindowClosed",
    "WindowOpened",
]  # fmt: skip  # What other rooms know as `events`, in one block.

EVENT_TYPES: Final[dict[str, type[Event]]] = {
    kind.__name__: kind
    for kind in (
        MessageAccepted, AttemptStarted, AttemptTaken, AttemptFailed, AttemptAborted, ReconcileStarted, AttemptProved,
        AmbiguityResolved, MessageDeferred, MessageHeld, MessageReleased, MessageSetAside, MessageRescheduled,
        MessageRedriven, CancelRequested, MessageCancelled, MessageExpired, MessageDead, LaneChanged, ReceiptSeen,
        FallbackStarted, FallbackRefused,
        FailureCounted, FailuresCleared, CircuitOpened, CircuitClosed, ConversationPaused, PaceRestored, WindowOpened,
        WindowClosed, PeerStruck, PeerSuppressed, PeerRestored,
        LaneOpened, PolicyAdopted, LanePaused, LaneResumed, LaneThrottled, BreakerOpened, BreakerClosed,
        ShadowBegan, ShadowTold, ShadowEnded, PolicyPromoted,
        DeviceRegistered, DeviceSeen, DeviceStaled, DeviceInvalidated, DeviceRemoved,
        PlanSet, PlanApplied, StrayKept, StrayClaimed, StrayDropped,
        DaemonStarted, DaemonStopped, KeyAdded, KeyRevoked, RedriveStarted, RedriveAdvanced, RedriveEnded,
    )
}  # fmt: skip  # One table of names; a line each would hide its order.

# Fields were added at the end since these were first released.
_GROWN: Final = {
    "MessageAccepted": 2, "AttemptStarted": 2, "AttemptFailed": 3, "AmbiguityResolved": 2, "ConversationPaused": 2,
    "LaneResumed": 2, "ReceiptSeen": 2, "StrayKept": 2,
}  # fmt: skip  # A table of eight.

SCHEMA_VERSIONS: Final[dict[str, int]] = {name: _GROWN.get(name, 1) for name in EVENT_TYPES}
