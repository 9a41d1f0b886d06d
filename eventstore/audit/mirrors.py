"""What the events of one stream come to, of whatever kind it is: its head, and what the vault must hold of it.

This file answers for every head being made again from events alone, in the memory of one stream's state. It must never
look at a head or a vault row.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from core import conversation, devices, message
from core import events as e
from core.conversation import Conversation
from core.devices import Device
from core.errors import Impossible
from core.records import Head, StreamKind


class Mirror(Protocol):
    """A stream's state, taken further one event at a time."""

    def take(self, event: e.Event, at_us: int) -> None:
        """One more event. Raises Impossible where it cannot follow."""
        ...

    def head(self, shard: int) -> Head:
        """The head row that mirrors the stream."""
        ...


class MessageMirror:
    """A message."""

    __slots__ = ("message",)

    def __init__(self, stream: int, at_us: int, tenant: str, event: e.Event, *, cause: int) -> None:
        self.message = message.begun(stream, at_us, tenant, event, cause=cause)

    def take(self, event: e.Event, at_us: int) -> None:
        """One more event."""
        message.grow(self.message, event, at_us)

    def head(self, shard: int) -> Head:
        """The head row."""
        return message.head_of(self.message, shard)


class DeviceMirror:
    """A device."""

    __slots__ = ("_stream", "_tenant", "device")

    def __init__(self, stream: int, at_us: int, tenant: str, event: e.Event) -> None:
        self._stream, self._tenant = stream, tenant
        self.device: Device = devices.evolve(None, event, at_us, stream=stream, tenant=tenant)

    def take(self, event: e.Event, at_us: int) -> None:
        """One more event."""
        self.device = devices.evolve(self.device, event, at_us, stream=self._stream, tenant=self._tenant)

    def head(self, shard: int) -> Head:
        """The head row."""
        return devices.head_of(self.device, shard)


class ConversationMirror:
    """What is recorded of a conversation beside its messages."""

    __slots__ = ("state",)

    def __init__(self, stream: int, at_us: int, tenant: str, event: e.Event) -> None:
        self.state = conversation.evolve(Conversation(id=stream, tenant=tenant), event, at_us)

    def take(self, event: e.Event, at_us: int) -> None:
        """One more event."""
        self.state = conversation.evolve(self.state, event, at_us)

    def head(self, shard: int) -> Head:
        """The head row."""
        return conversation.head_of(self.state, shard)


# The streams whose head says no more than which event came first and which came last.
_LANE: Final[Mapping[type[e.Event], str]] = dict.fromkeys(
    (
        *(e.LaneOpened, e.PolicyAdopted, e.LanePaused, e.LaneResumed, e.LaneThrottled),
        *(e.BreakerOpened, e.BreakerClosed, e.ShadowBegan, e.ShadowTold, e.ShadowEnded, e.PolicyPromoted),
    ),
    "open",
)
_PLAN: Final[Mapping[type[e.Event], str]] = {e.PlanSet: "pending", e.PlanApplied: "applied"}
_STRAY: Final[Mapping[type[e.Event], str]] = {
    e.StrayKept: "waiting", e.StrayClaimed: "claimed", e.StrayDropped: "dropped"
}  # fmt: skip  # A table of three.
_KEY: Final[Mapping[type[e.Event], str]] = {e.KeyAdded: "active", e.KeyRevoked: "revoked"}
_REDRIVE: Final[Mapping[type[e.Event], str]] = {
    e.RedriveStarted: "running", e.RedriveAdvanced: "running", e.RedriveEnded: "ended"
}  # fmt: skip  # A table of three.
_ERASURE: Final[Mapping[type[e.Event], str]] = {
    e.ErasureStarted: "erasing", e.ErasureAdvanced: "erasing", e.SubjectErased: "erased"
}  # fmt: skip  # A table of three.
_DIARY: Final[Mapping[type[e.Event], str]] = dict.fromkeys((e.DaemonStarted, e.DaemonStopped, e.PolicySet), "diary")
PLAIN: Final[Mapping[type[e.Event], tuple[StreamKind, Mapping[type[e.Event], str]]]] = {
    e.LaneOpened: ("lane", _LANE),
    e.PlanSet: ("plan", _PLAN),
    e.StrayKept: ("stray", _STRAY),
    e.KeyAdded: ("sys", _KEY),
    e.RedriveStarted: ("sys", _REDRIVE),
    e.ErasureStarted: ("sys", _ERASURE),
    e.DaemonStarted: ("sys", _DIARY),
}


class PlainMirror:
    """A lane, a plan, a stray, a key, a redrive, an erasure or the installation's diary."""

    __slots__ = ("_at_us", "_status", "_stream", "_tenant", "_version", "first", "last")

    def __init__(self, stream: int, at_us: int, tenant: str, event: e.Event) -> None:
        self._stream, self._tenant, self.first, self._version = stream, tenant, event, 0
        self.take(event, at_us)

    def take(self, event: e.Event, at_us: int) -> None:
        """One more event."""
        _, statuses = PLAIN[type(self.first)]
        status = statuses.get(type(event))
        if status is None:
            begun = type(self.first).__name__
            raise Impossible(f"{type(event).__name__} cannot stand in a stream that begins with {begun}")
        self._version, self._status, self._at_us, self.last = self._version + 1, status, at_us, event

    def head(self, shard: int) -> Head:
        """The head row."""
        kind, _ = PLAIN[type(self.first)]
        first = self.first
        return Head(
            stream=self._stream,
            kind=kind,
            shard=shard,
            tenant=self._tenant,
            version=self._version,
            status=self._status,
            channel=first.channel if isinstance(first, e.LaneOpened) else "",
            lane=first.name
            if isinstance(first, e.LaneOpened)
            else first.lane
            if isinstance(first, e.StrayKept)
            else "",
            changed_us=self._at_us,
        )


def begun(stream: int, at_us: int, tenant: str, event: e.Event, *, cause: int) -> Mirror:
    """The state of a stream right after its first event. Raises Impossible where no stream begins with it."""
    if type(event) is e.MessageAccepted:
        return MessageMirror(stream, at_us, tenant, event, cause=cause)
    if type(event) in PLAIN:
        return PlainMirror(stream, at_us, tenant, event)
    if isinstance(event, e.DeviceRegistered):
        return DeviceMirror(stream, at_us, tenant, event)
    return ConversationMirror(stream, at_us, tenant, event)
