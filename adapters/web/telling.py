"""Events as people and programs read them: readable ids, RFC 3339 times, names instead of positions.

This file answers for the outside form of one recorded event. It must never show what could only serve to forge or to
guess: digests of keys, the installation's seed, commitments' salts.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from adapters.moments import moment
from adapters.web.answers import Answer
from core import events as e
from core import ids
from core.ids import Prefix
from core.outcomes import Failure, name_of
from core.records import Recorded

Json = str | int | float | bool | None | dict[str, "Json"] | list["Json"]


class EventAnswer(Answer, frozen=True, kw_only=True):
    """One event. `version` counts within its stream from 1; `tenant` is empty for what belongs to none."""

    stream: str
    version: int
    at: datetime
    tenant: str
    type: str
    cause: str | None
    data: dict[str, object]


_KINDS: Final[dict[Prefix, tuple[type[e.Event], ...]]] = {
    "conv": (
        *(e.FailureCounted, e.FailuresCleared, e.CircuitOpened, e.CircuitClosed, e.ConversationPaused),
        *(e.PaceRestored, e.WindowOpened, e.WindowClosed, e.PeerStruck, e.PeerSuppressed, e.PeerRestored),
    ),
    "lane": (
        *(e.LaneOpened, e.PolicyAdopted, e.LanePaused, e.LaneResumed, e.LaneThrottled),
        *(e.BreakerOpened, e.BreakerClosed, e.ShadowBegan, e.ShadowTold, e.ShadowEnded, e.PolicyPromoted),
    ),
    "device": (e.DeviceRegistered, e.DeviceSeen, e.DeviceStaled, e.DeviceInvalidated, e.DeviceRemoved),
    "plan": (e.PlanSet, e.PlanApplied),
    "sys": (e.StrayKept, e.StrayClaimed, e.StrayDropped, e.DaemonStarted, e.DaemonStopped, e.PolicySet),
    "key": (e.KeyAdded, e.KeyRevoked),
    "redrive": (e.RedriveStarted, e.RedriveAdvanced, e.RedriveEnded),
    "erasure": (e.ErasureStarted, e.ErasureAdvanced, e.SubjectErased),
}
_PREFIX_OF: Final[dict[type[e.Event], Prefix]] = {kind: prefix for prefix, kinds in _KINDS.items() for kind in kinds}

_HIDDEN: Final = frozenset({"digest", "key_check", "seed"})


def told(recorded: Recorded, channel: str) -> EventAnswer:
    """The outside form of an event; `channel` is that of its message, where it is one of a message."""
    event = recorded.event
    prefix = _PREFIX_OF.get(type(event)) or ids.kind_of(channel)
    return EventAnswer(
        stream=ids.encode(prefix, recorded.stream),
        version=recorded.version,
        at=moment(recorded.at_us),
        tenant=recorded.tenant,
        type=type(event).__name__,
        cause=_cause_of(recorded),
        data=_data(event),
    )


def _cause_of(recorded: Recorded) -> str | None:
    """The outside id of what caused it: a hook or a message."""
    if not recorded.cause:
        return None
    by = recorded.event.caused_by if isinstance(recorded.event, e.MessageAccepted) else "msg"
    return ids.encode(by or "msg", recorded.cause)


def _data(told: msgspec.Struct) -> dict[str, object]:
    """The fields of an event, or of a part of one."""
    shown: dict[str, object] = {}
    for name in told.__struct_fields__:
        if name in _HIDDEN:
            continue
        value = getattr(told, name)
        if value is None:
            shown[name.removesuffix("_us") if name in _INSTANTS else name] = None
        elif name in _INSTANTS:
            shown[name.removesuffix("_us")] = moment(value)
        elif name in _FORMS:
            shown[name] = _FORMS[name](value)
        elif name in _PARTS:
            shown[name] = [_data(part) for part in value]
        elif isinstance(value, Failure):
            shown[name] = {"is": name_of(value), **msgspec.structs.asdict(value)}
        else:
            shown[name] = value
    return shown


# Fields that end in `_us` are instants or spans; spans keep their unit and stay numbers.
_INSTANTS: Final = frozenset(
    {
        *("due_us", "expires_us", "deadline_us", "sent_at_us", "until_us", "before_us"),
        *("fallback_by_us", "told_us", "at_us", "was_due_us", "would_due_us"),
    }
)
# Fields that hold structs of their own.
_PARTS: Final = frozenset({"contrasts", "samples"})


def _hexadecimal(value: bytes | int) -> str:
    # 63-bit numbers would lose digits in JavaScript, and nobody computes with a hash.
    return value.hex() if isinstance(value, bytes) else f"{value:016x}"


_FORMS: Final[dict[str, Callable[..., object]]] = {
    "conversation": lambda number: ids.encode("conv", number) if number else None,
    "job": lambda number: ids.encode("redrive", number) if number else None,
    "after": lambda number: ids.encode("msg", number) if number else None,
    "message": lambda number: ids.encode("msg", number),
    "name": lambda name: name.hex() if isinstance(name, bytes) else name,
    "host": _hexadecimal,
    "boot": _hexadecimal,
    "commitment": _hexadecimal,
    "instead_of": _hexadecimal,
    "body": msgspec.Raw,
}
