"""Devices as an application registers them over HTTP."""

import pytest

from core.devices import DEVICES_MAX
from tests.edges.web.house import House, Json

pytestmark = pytest.mark.anyio

PHONE: Json = {"token": "fRt-1_x:APA91b", "platform": "android", "app": "com.example.shop"}


def without_instants(device: Json) -> Json:
    """A device's answer without what differs from run to run."""
    return {name: value for name, value in device.items() if name != "id" and not name.endswith("_at")}


async def registered(house: House, path: str = "ann/phone", **changes: object) -> Json:
    """A device that was taken on."""
    given = await house.ask(f"PUT /v1/devices/{path}", PHONE | changes)
    assert given.status in {200, 201}, given.body
    return given.json


async def test_a_registration_is_answered_with_what_the_device_is(house: House) -> None:
    """The first time it is 201, every further time 200 with the same device; the token is never given out."""
    first = await house.ask("PUT /v1/devices/ann/phone", PHONE)
    again = await house.ask("PUT /v1/devices/ann/phone", PHONE)
    shown = await house.ask("GET /v1/devices/ann/phone")
    assert (first.status, again.status, shown.status) == (201, 200, 200)
    assert first.json == again.json == shown.json
    assert str(first.json["id"]).startswith("device_")
    assert first.json["added_at"] == first.json["seen_at"] == first.json["changed_at"]
    assert without_instants(first.json) == {
        "user": "ann",
        "device": "phone",
        "status": "active",
        "kind": "token",
        "platform": "android",
        "app": "com.example.shop",
        "code": None,
        "reason": None,
    }
    assert b"APA91b" not in first.body + shown.body


async def test_another_token_takes_the_place_of_the_one_before(house: House) -> None:
    """A device that switches to an installation id stays the device that it was."""
    first = await registered(house)
    second = await registered(house, token="cGzY1ut5RkGKJ3", kind="fid")
    assert (second["id"], second["added_at"], second["kind"]) == (first["id"], first["added_at"], "fid")
    assert second["changed_at"] != first["changed_at"]


async def test_all_devices_of_a_user_are_listed(house: House) -> None:
    """They come oldest first, without the removed and without anybody else's; a stranger has none."""
    phone, tablet = await registered(house), await registered(house, "ann/tablet", token="t-2", platform="ios")
    await registered(house, "ann/watch", token="t-3")
    await registered(house, "ben/phone", token="t-4")
    assert (await house.ask("DELETE /v1/devices/ann/watch")).status == 204
    assert (await house.ask("GET /v1/devices/ann")).json == {"devices": [phone, tablet]}
    assert (await house.ask("GET /v1/devices/nobody")).json == {"devices": []}


async def test_a_device_is_taken_away_once_and_for_all(house: House) -> None:
    """Deleting is 204 each time; the device says that it was removed, and why, until it registers again."""
    first = await registered(house)
    assert [(await house.ask("DELETE /v1/devices/ann/phone")).status for _ in range(3)] == [204] * 3
    shown = (await house.ask("GET /v1/devices/ann/phone")).json
    assert (shown["status"], shown["reason"], shown["kind"]) == ("removed", "requested", None)
    back = await registered(house)
    assert (back["status"], back["reason"], back["id"]) == ("active", None, first["id"])


async def test_a_token_moves_to_whoever_registers_it_last(house: House) -> None:
    """The device of the user before is removed and says that its token has moved."""
    await registered(house)
    await registered(house, "ben/phone")
    shown = (await house.ask("GET /v1/devices/ann/phone")).json
    assert (shown["status"], shown["reason"]) == ("removed", "moved")
    assert (await house.ask("GET /v1/devices/ben/phone")).json["status"] == "active"


async def test_names_are_taken_as_they_are_written(house: House) -> None:
    """Slashes, spaces and letters of any script in a path are part of the name once they are encoded."""
    device = await registered(house, "user%3A42%2Fann/J%C3%BCrgen's%20phone")
    assert (device["user"], device["device"]) == ("user:42/ann", "Jürgen's phone")
    assert (await house.ask("GET /v1/devices/user%3A42%2Fann")).json == {"devices": [device]}
    assert (await house.ask("GET /v1/devices/user%3A42%2fann/J%C3%BCrgen%27s%20phone")).json == device


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"token": ""}, "/token"),
        ({"token": "t" * 4_097}, "/token"),
        ({"token": "two words"}, "/token"),
        ({"token": "line\nbreak"}, "/token"),
        ({"token": "tökén"}, "/token"),
        ({"token": 7}, "/token"),
        ({"kind": "topic"}, "/kind"),
        ({"platform": "amiga"}, "/platform"),
        ({"platform": None}, "/platform"),
        ({"app": "a" * 256}, "/app"),
        ({"app": "line\nbreak"}, "/app"),
        ({"lane": "push"}, "/lane"),
    ],
)
async def test_bad_input_is_pointed_at(house: House, changes: Json, at: str) -> None:
    """Whatever is wrong with a registration is answered 422 with its place, and leaves no device behind."""
    given = await house.ask("PUT /v1/devices/ann/phone", PHONE | changes)
    assert (given.status, given.kind, given.mistake[0]) == (422, "invalid", at)
    assert (await house.ask("GET /v1/devices/ann/phone")).status == 404


@pytest.mark.parametrize("missing", ["token", "platform"])
async def test_what_is_missing_is_said(house: House, missing: str) -> None:
    """A token without a platform, or a platform without a token, is no device."""
    given = await house.ask(
        "PUT /v1/devices/ann/phone", {name: value for name, value in PHONE.items() if name != missing}
    )
    assert (given.status, given.mistake) == (422, (f"/{missing}", "is required"))


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("%20ann/phone", "{user}"),
        ("ann/pho%0Ane", "{device}"),
        ("u" * 256 + "/phone", "{user}"),
        ("ann/%00", "{device}"),
        ("%FF/phone", "{user}"),
        ("%FF/%FF", "{user}"),
        ("ann/%C3%28", "{device}"),
        ("a%25/50%", "{device}"),
    ],
)
async def test_a_name_that_is_none_is_pointed_at(house: House, path: str, at: str) -> None:
    """A part of the path that cannot name anything is a mistake of that part, whatever is asked of it."""
    for call, body in (("PUT", PHONE), ("GET", None), ("DELETE", None)):
        given = await house.ask(f"{call} /v1/devices/{path}", body)
        assert (given.status, given.mistake[0]) == (422, at)


async def test_bodies_are_held_to_what_holds_for_all(house: House) -> None:
    """What is no JSON is malformed, a body too large is refused, and other methods are named."""
    assert (await house.ask("PUT /v1/devices/ann/phone", raw=b"{")).status == 400
    assert (await house.ask("PUT /v1/devices/ann/phone", raw=b" " * (1 << 21))).status == 413
    posted = await house.ask("POST /v1/devices/ann/phone", PHONE)
    assert (posted.status, posted.headers["Allow"]) == (405, "DELETE, GET, HEAD, PUT")


async def test_one_user_has_so_many_devices(house: House) -> None:
    """One more than the bound is answered 409 in clear words, and those that are there can still be changed."""
    for n in range(DEVICES_MAX):
        await registered(house, f"ann/device{n}", token=f"t-{n}")
    given = await house.ask("PUT /v1/devices/ann/one-more", PHONE)
    assert (given.status, given.kind) == (409, "state")
    assert "at most 50 devices" in str(given.json["detail"])
    await registered(house, "ann/device7", token="t-new")
    assert (await house.ask("DELETE /v1/devices/ann/device8")).status == 204
    await registered(house, "ann/one-more")


async def test_a_key_sees_its_own_tenant_alone(house: House) -> None:
    """Another tenant's device is not there at all: neither shown, listed, removed nor taken over."""
    await registered(house)
    foreign = {"tenant": "org2"}
    for call in ("GET /v1/devices/ann/phone", "DELETE /v1/devices/ann/phone"):
        assert (await house.ask(call, **foreign)).status == 404  # type: ignore[arg-type]  # The tenant alone.
    assert (await house.ask("GET /v1/devices/ann", tenant="org2")).json == {"devices": []}
    assert (await house.ask("PUT /v1/devices/ann/phone", PHONE, tenant="org2")).status == 201
    assert (await house.ask("GET /v1/devices/ann/phone")).json["status"] == "active"
    everybody = await house.ask("GET /v1/devices/ann", headers={"Tidings-Tenant": "*"})
    assert (everybody.status, everybody.mistake[0]) == (422, "Tidings-Tenant")


async def test_who_may_send_may_register(house: House) -> None:
    """Registering and removing take the role send, looking takes read, and nothing goes without a key."""
    calls = [
        ("PUT /v1/devices/ann/phone", "send"),
        ("GET /v1/devices/ann/phone", "read"),
        ("GET /v1/devices/ann", "read"),
        ("DELETE /v1/devices/ann/phone", "send"),
    ]
    for call, needed in calls:
        body = PHONE if call.startswith("PUT") else None
        assert (await house.ask(call, body, role=None)).status == 401
        as_reader = await house.ask(call, body, role="read", tenant="default")
        assert as_reader.status == (403 if needed == "send" else 200), call
        assert (await house.ask(call, body, role="send", tenant="default")).status in {200, 201, 204}, call


async def test_the_log_tells_a_devices_life_without_its_names(house: House) -> None:
    """Each step is an event under the device's id, and no event holds user, device or token."""
    device = await registered(house, "ann-the-user/the-phone")
    await house.ask("DELETE /v1/devices/ann-the-user/the-phone")
    page = await house.ask("GET /v1/events?limit=1000")
    events = [event for event in page.json["events"] if event["stream"] == device["id"]]  # type: ignore[attr-defined]
    assert [event["type"] for event in events] == ["DeviceRegistered", "DeviceRemoved"]
    assert events[0]["data"]["platform"] == "android"
    for word in (b"ann-the-user", b"the-phone", b"APA91b"):
        assert word not in page.body
