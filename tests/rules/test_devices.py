"""Devices and their tokens: which event may follow which status, and what is decided about one."""

from itertools import product
from typing import get_args

import pytest
from msgspec.structs import replace

from core import devices as d
from core import events as e
from core.addresses import Unfit, push_user
from core.device_names import (
    DeviceName,
    Registration,
    Token,
    device_name,
    named_in,
    private_of,
    sealed_form,
    unsealed,
)
from core.errors import CorruptLog, Forbidden, Impossible, Invalid
from core.policies import DAY_US, HOUR_US
from core.records import Head, Recorded, Sealed
from core.sealing import commitment_of

START_US = 1_769_760_000_000_000
PHONE = DeviceName(user="ann", device="phone")
TOKEN = Token(kind="token", value="t-1")
REGISTRATION = Registration(name=PHONE, token=TOKEN, platform="android", app="com.example.shop")
STATUSES: tuple[d.DeviceStatus, ...] = get_args(d.DeviceStatus)
EVENTS: dict[str, e.Event] = {
    "registered": e.DeviceRegistered(platform="android", app="com.example.shop", commitment=b"c"),
    "seen": e.DeviceSeen(),
    "staled": e.DeviceStaled(),
    "invalidated": e.DeviceInvalidated(code="UNREGISTERED"),
    "removed": e.DeviceRemoved(reason="requested"),
}
# The whole life of a device: every pair that is not here is impossible.
LIVES: dict[tuple[d.DeviceStatus | None, str], d.DeviceStatus] = {
    (None, "registered"): "active",
    ("active", "registered"): "active",
    ("active", "seen"): "active",
    ("active", "staled"): "stale",
    ("active", "invalidated"): "invalid",
    ("active", "removed"): "removed",
    ("stale", "registered"): "active",
    ("stale", "seen"): "active",
    ("stale", "invalidated"): "invalid",
    ("stale", "removed"): "removed",
    ("invalid", "registered"): "active",
    ("invalid", "removed"): "removed",
    ("removed", "registered"): "active",
}


def device(status: d.DeviceStatus = "active", *, seen_us: int = START_US) -> d.Device:
    """A device of this status, heard of at an instant."""
    return d.Device(
        id=7,
        tenant="org1",
        version=3,
        status=status,
        platform="android",
        app="com.example.shop",
        commitment=b"c",
        added_us=START_US - DAY_US,
        seen_us=seen_us,
        changed_us=seen_us,
    )


def head(stream: int, status: d.DeviceStatus, *, changed_us: int = START_US) -> Head:
    """The head row of a device."""
    return d.head_of(replace(device(status), id=stream, changed_us=changed_us), 1)


@pytest.mark.parametrize(("before", "name"), list(product((None, *STATUSES), EVENTS)))
def test_each_event_follows_where_the_table_says_and_nowhere_else(before: d.DeviceStatus | None, name: str) -> None:
    """Every pair of a status and an event has one status after it, or is impossible."""
    known = None if before is None else device(before)
    expected = LIVES.get((before, name))
    if expected is None:
        with pytest.raises(Impossible):
            d.evolve(known, EVENTS[name], START_US, stream=7, tenant="org1")
        return
    after = d.evolve(known, EVENTS[name], START_US + 5, stream=7, tenant="org1")
    assert (after.status, after.version) == (expected, 1 if known is None else 4)
    assert after.changed_us == START_US + 5


def test_another_kind_of_event_is_impossible() -> None:
    """A stream of a device holds nothing but a device's events."""
    with pytest.raises(Impossible, match="LaneResumed cannot follow for the device of stream 7: it is active"):
        d.evolve(device(), e.LaneResumed(by="operator"), START_US, stream=7, tenant="org1")


def test_a_device_is_what_its_events_come_to() -> None:
    """Instants, codes and reasons are those of the latest event that tells them; a registration begins anew."""
    events = [EVENTS[name] for name in ("registered", "seen", "invalidated", "registered", "staled", "removed")]
    recorded = [
        Recorded(stream=9, version=n, shard=1, seq=n, at_us=START_US + n, tenant="org1", cause=0, event=event, link=b"")
        for n, event in enumerate(events, start=1)
    ]
    invalid, anew, gone = d.fold(recorded[:3]), d.fold(recorded[:4]), d.fold(recorded)
    assert (invalid.seen_us, invalid.changed_us, invalid.code) == (START_US + 2, START_US + 3, "UNREGISTERED")
    assert (anew.seen_us, anew.code, anew.added_us) == (START_US + 4, "", START_US + 1)
    assert (gone.seen_us, gone.reason, gone.version) == (START_US + 4, "requested", 6)
    assert d.fold(recorded[4:], anew) == gone


def test_an_active_device_has_changed_when_it_was_heard_of() -> None:
    """What the sweep finds by its head's last change, it finds by its silence."""
    known: d.Device | None = None
    for n, name in enumerate(("registered", "seen", "staled", "seen", "removed", "registered")):
        known = d.evolve(known, EVENTS[name], START_US + n, stream=7, tenant="org1")
        if known.status == "active":
            assert d.head_of(known, 1).changed_us == known.seen_us == START_US + n


@pytest.mark.parametrize(
    ("status", "silent_us", "word"),
    [
        ("active", 0, "nothing"),
        ("active", DAY_US - 1, "nothing"),
        ("active", DAY_US, "seen"),
        ("stale", 0, "seen"),
        ("invalid", 0, "anew"),
        ("removed", 0, "anew"),
    ],
)
def test_the_same_token_again_is_recorded_once_a_day(status: d.DeviceStatus, silent_us: int, word: str) -> None:
    """An application that registers at each start adds one event a day at most, and wakes what was given up."""
    now_us = START_US + silent_us
    found = d.greeting(device(status), REGISTRATION, TOKEN, now_us=now_us, stale_after_us=30 * DAY_US)
    assert found == word


@pytest.mark.parametrize(
    ("stale_after_us", "silent_us", "word"),
    [(HOUR_US, HOUR_US // 30, "seen"), (HOUR_US, HOUR_US // 30 - 1, "nothing"), (900 * DAY_US, DAY_US, "seen")],
)
def test_a_device_that_registers_often_never_counts_as_silent(stale_after_us: int, silent_us: int, word: str) -> None:
    """What is not recorded is a small share of the time that may pass in silence, however short that is."""
    now_us = START_US + silent_us
    found = d.greeting(device(), REGISTRATION, TOKEN, now_us=now_us, stale_after_us=stale_after_us)
    assert found == word


def test_whatever_is_new_is_recorded_at_once() -> None:
    """A first registration, another token, kind, platform or application is an event of its own."""
    others = [
        replace(REGISTRATION, token=Token(kind="token", value="t-2")),
        replace(REGISTRATION, token=Token(kind="fid", value="t-1")),
        replace(REGISTRATION, platform="ios"),
        replace(REGISTRATION, app="com.example.other"),
    ]
    words = [d.greeting(device(), other, TOKEN, now_us=START_US, stale_after_us=DAY_US) for other in others]
    first = d.greeting(None, REGISTRATION, None, now_us=START_US, stale_after_us=DAY_US)
    assert {*words, first} == {"anew"}


@pytest.mark.parametrize("status", STATUSES)
def test_only_an_active_device_becomes_stale_and_at_its_instant(status: d.DeviceStatus) -> None:
    """It is heard of until the time is full to the microsecond; what gets no pushes does not change."""
    due_us = START_US + 30 * DAY_US
    assert d.staled(device(status), now_us=due_us - 1, stale_after_us=30 * DAY_US) is None
    found = d.staled(device(status), now_us=due_us, stale_after_us=30 * DAY_US)
    assert found == (e.DeviceStaled() if status == "active" else None)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("held", [TOKEN, Token(kind="fid", value="t-1"), Token(kind="token", value="t-2"), None])
def test_a_verdict_is_about_the_token_that_was_tried(status: d.DeviceStatus, held: Token | None) -> None:
    """A provider's word ends a device that still holds that very token, and no other."""
    event = d.invalidated(device(status), held, tried=TOKEN, code="UNREGISTERED")
    ends = held == TOKEN and status in {"active", "stale"}
    assert event == (e.DeviceInvalidated(code="UNREGISTERED") if ends else None)


def test_a_removal_is_recorded_once() -> None:
    """Whatever its status, a device is removed by one event."""
    assert [d.removed(device(status), "requested") for status in STATUSES] == [
        *[e.DeviceRemoved(reason="requested")] * 3,
        None,
    ]


def test_there_is_room_for_so_many_devices() -> None:
    """Nobody goes while there is room; with all places taken by active ones, one more is refused in clear words."""
    active = [head(n, "active") for n in range(1, d.DEVICES_MAX + 1)]
    assert d.displaced(active[1:]) is None
    with pytest.raises(Forbidden, match="at most 50 devices"):
        d.displaced(active)


def test_whoever_gets_no_pushes_makes_room() -> None:
    """A dead token goes before a silent device, the one that changed first before the others, an active one never."""
    active = [head(n, "active", changed_us=1) for n in range(1, d.DEVICES_MAX - 3)]
    stale = [head(91, "stale", changed_us=3), head(92, "stale", changed_us=2)]
    invalid = [head(93, "invalid", changed_us=9), head(94, "invalid", changed_us=8)]
    assert d.displaced([*active, *stale, *invalid]) == invalid[1]
    more = [head(n, "active", changed_us=1) for n in range(60, 62)]
    assert d.displaced([*active, *more, *stale]) == stale[1]


def test_no_user_can_be_mistaken_for_a_device() -> None:
    """The address of a device names its user and itself again, and no caller can give a user that form."""
    for name in (PHONE, DeviceName(user="user:42/ann", device="a b"), DeviceName(user="ü", device="\N{EM DASH}")):
        assert named_in(name.address) == name
        with pytest.raises(Unfit):
            push_user(name.address)
    assert named_in("ann") is None
    addresses = {DeviceName(user=user, device=device).address for user in ("a", "ab") for device in ("c", "bc")}
    assert len(addresses) == 4


@pytest.mark.parametrize(
    ("user", "part", "at"),
    [
        ("", "phone", "{user}"),
        (" ann", "phone", "{user}"),
        ("ann", "", "{device}"),
        ("ann", "pho\nne", "{device}"),
        ("ann", "p" * 256, "{device}"),
    ],
)
def test_a_name_that_is_none_is_refused(user: str, part: str, at: str) -> None:
    """User and device are 1 to 255 printable characters, and whoever gives another one is told which it was."""
    with pytest.raises(Invalid, match="1 to 255 printable characters") as caught:
        device_name(user, part)
    assert caught.value.at == at
    assert device_name("u" * 255, "p" * 255) == DeviceName(user="u" * 255, device="p" * 255)


def test_what_the_vault_keeps_is_what_was_committed_to() -> None:
    """A registration comes out of the vault as it went in, and anything else there is found out."""
    private = private_of(REGISTRATION)
    body, salt = sealed_form(private), bytes(16)
    sealed = Sealed(stream=7, tenant="org1", subject=b"s", salt=salt, private=body)
    found = unsealed(sealed, commitment_of(body, salt))
    assert (found.name, found.held) == (PHONE, TOKEN)
    with pytest.raises(CorruptLog, match="stream 7"):
        unsealed(replace(sealed, private=body[:-1] + b"!"), commitment_of(body, salt))


def test_a_channel_is_told_the_kind_of_a_token() -> None:
    """A registration token and an installation id of the same text are two addresses."""
    assert [Token(kind=kind, value="x:y").address for kind in ("token", "fid")] == ["token:x:y", "fid:x:y"]
