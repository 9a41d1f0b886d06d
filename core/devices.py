"""Devices that pushes go to: what the events of one come to, and every decision about it.

This file answers for the life of a device and its token as a table. It records nothing and waits for nothing. User,
device and token stand in the vault alone (device_names.py): no state here holds them.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from core import events as e
from core.device_names import Registration, Token
from core.errors import Forbidden, Impossible
from core.policies import DAY_US
from core.records import Head, Recorded

# Devices of one user. Nobody carries fifty, but a client that makes up a device at each start would come to any number.
DEVICES_MAX: Final = 50
# Applications register at each start. What says nothing new is recorded once in this share of the time after which a
# device counts as stale, and once a day at most: a stream that grew with each start would tell nothing more.
SEEN_SHARE: Final = 30

DeviceStatus = Literal["active", "stale", "invalid", "removed"]
RemovedBy = Literal["requested", "moved", "displaced"]

_ANY: Final[tuple[DeviceStatus | None, ...]] = (None, "active", "stale", "invalid", "removed")

NEXT: Final[dict[type[e.Event], dict[DeviceStatus | None, DeviceStatus]]] = {
    # The application knows its token best. A provider's verdict on it stands until it registers again; should it be
    # the same dead token, one more refused push says so again.
    e.DeviceRegistered: dict.fromkeys(_ANY, "active"),
    e.DeviceSeen: {"active": "active", "stale": "active"},
    e.DeviceStaled: {"active": "stale"},
    e.DeviceInvalidated: {"active": "invalid", "stale": "invalid"},
    e.DeviceRemoved: {"active": "removed", "stale": "removed", "invalid": "removed"},
}
"""What each event makes of each status; None is the status before the first. Anything else is impossible."""

HOLDING: Final[frozenset[DeviceStatus]] = frozenset({"active", "stale"})
"""The statuses in which a device holds its token: one token, one such device of a tenant."""


class Device(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the events of one device come to. Instants are microseconds.

    `code` is the provider's word against its token, `reason` why it was removed; both are empty otherwise.
    """

    id: int
    tenant: str
    version: int
    status: DeviceStatus
    platform: str
    app: str
    commitment: bytes
    added_us: int
    seen_us: int
    changed_us: int
    code: str = ""
    reason: str = ""


# -- the fold


def fold(recorded: Sequence[Recorded], known: Device | None = None) -> Device:
    """The device that its events come to, in order and beyond what is known of it."""
    device = known
    for entry in recorded:
        device = evolve(device, entry.event, entry.at_us, stream=entry.stream, tenant=entry.tenant)
    assert device is not None, "a device has an event, or is known already"
    return device


def evolve(device: Device | None, event: e.Event, at_us: int, *, stream: int, tenant: str) -> Device:
    """The state after one more event of a stream. Raises Impossible where it cannot follow."""
    status = NEXT.get(type(event), {}).get(None if device is None else device.status)
    if status is None:
        found = "there is none yet" if device is None else f"it is {device.status}"
        raise Impossible(f"{type(event).__name__} cannot follow for the device of stream {stream}: {found}")
    if isinstance(event, e.DeviceRegistered):
        return Device(
            id=stream,
            tenant=tenant,
            version=1 if device is None else device.version + 1,
            status=status,
            platform=event.platform,
            app=event.app,
            commitment=event.commitment,
            added_us=at_us if device is None else device.added_us,
            seen_us=at_us,
            changed_us=at_us,
        )
    assert device is not None, "only a registration begins a device"
    after = replace(device, version=device.version + 1, status=status, changed_us=at_us)
    match event:
        case e.DeviceSeen():
            return replace(after, seen_us=at_us)
        case e.DeviceInvalidated(code=code):
            return replace(after, code=code)
        case e.DeviceRemoved(reason=reason):
            return replace(after, code="", reason=reason)
        case _:
            return after


def head_of(device: Device, shard: int) -> Head:
    """The head row of a device. An active one changed when it was last heard of, which the sweep goes by."""
    return Head(
        stream=device.id,
        kind="device",
        shard=shard,
        tenant=device.tenant,
        version=device.version,
        status=device.status,
        changed_us=device.changed_us,
        code=device.code,
    )


# -- decisions


def greeting(
    device: Device | None, registration: Registration, held: Token | None, *, now_us: int, stale_after_us: int
) -> Literal["anew", "seen", "nothing"]:
    """What a registration is to be recorded as. `held` is the token that the device registered with last."""
    if device is None or device.status not in HOLDING or held != registration.token:
        return "anew"
    if (device.platform, device.app) != (registration.platform, registration.app):
        return "anew"
    if device.status == "stale" or now_us - device.seen_us >= min(DAY_US, stale_after_us // SEEN_SHARE):
        return "seen"
    return "nothing"


def staled(device: Device, *, now_us: int, stale_after_us: int) -> e.Event | None:
    """What the passing of time makes of a device, if anything."""
    if device.status != "active" or device.seen_us + stale_after_us > now_us:
        return None
    return e.DeviceStaled()


def invalidated(device: Device, held: Token | None, *, tried: Token, code: str) -> e.Event | None:
    """What a provider's verdict on a token leads to; one that the device no longer holds says nothing of it."""
    if device.status not in HOLDING or held != tried:
        return None
    return e.DeviceInvalidated(code=code)


def removed(device: Device, reason: RemovedBy) -> e.Event | None:
    """What a removal leads to; the second time it leads to nothing."""
    return None if device.status == "removed" else e.DeviceRemoved(reason=reason)


def displaced(others: Sequence[Head]) -> Head | None:
    """Which of a user's devices goes where one more comes: none while there is room, never one that gets pushes.

    One with a dead token before one unheard of, the oldest first. Raises Forbidden where all of them are active.
    """
    if len(others) < DEVICES_MAX:
        return None
    idle = [head for head in others if head.status != "active"]
    if not idle:
        raise Forbidden(f"a user has at most {DEVICES_MAX} devices, and these are all active: remove one first")
    return min(idle, key=lambda head: (head.status != "invalid", head.changed_us, head.stream))
