"""Devices over HTTP: registering them, looking at them, taking them away.

This file answers for shapes and calls. A token is told to us and never given out again: whoever may read must not be
able to send.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from actors.devices import Registered
from adapters.moments import moment
from adapters.web.answers import Answer, answer
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.percent_codes import name_in_path
from adapters.web.reading import body_of
from core import ids
from core.device_names import (
    APP_CHARS_MAX,
    TOKEN_CHARS_MAX,
    DeviceName,
    Platform,
    Registration,
    Token,
    TokenKind,
    device_name,
    user_name,
)
from core.devices import DeviceStatus
from core.errors import Invalid
from core.pointers import decoded


class DeviceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device as its application sees it. `kind` says what `token` is: a registration token, or an installation id."""

    token: Annotated[str, Meta(min_length=1, max_length=TOKEN_CHARS_MAX)]
    platform: Platform
    kind: TokenKind = "token"
    app: Annotated[str, Meta(max_length=APP_CHARS_MAX)] = ""


class DeviceAnswer(Answer, frozen=True, kw_only=True):
    """One device now. `kind` is null once it was removed; `code` is what its provider said against its token.

    `seen_at` is when it last registered, to the day; `reason` is why it was removed.
    """

    id: str
    user: str
    device: str
    status: DeviceStatus
    kind: TokenKind | None
    platform: str
    app: str
    added_at: datetime
    seen_at: datetime
    changed_at: datetime
    code: str | None
    reason: str | None

    @classmethod
    def of(cls, name: DeviceName, device: Registered) -> "DeviceAnswer":
        """The outside form of a device."""
        state, held = device.state, device.held
        return cls(
            id=ids.encode("device", state.id),
            user=name.user,
            device=name.device,
            status=state.status,
            kind=None if held is None else held.kind,
            platform=state.platform,
            app=state.app,
            added_at=moment(state.added_us),
            seen_at=moment(state.seen_us),
            changed_at=moment(state.changed_us),
            code=state.code or None,
            reason=state.reason or None,
        )


class DeviceList(Answer, frozen=True, kw_only=True):
    """All devices of a user but the removed, oldest first."""

    devices: list[DeviceAnswer]


_REQUESTS: Final = msgspec.json.Decoder(DeviceRequest)


async def register(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Takes a device on: 201 where it was unknown, else 200. Durable before the answer, and as good when repeated."""
    tenant, name = caller.one_tenant, _name_in(request)
    asked = decoded(_REQUESTS, await body_of(front, request))
    if not (asked.token.isascii() and asked.token.isprintable()) or " " in asked.token:
        raise Invalid("/token", "expected printable ASCII characters without spaces")
    if not asked.app.isprintable():
        raise Invalid("/app", "expected printable characters")
    registration = Registration(
        name=name,
        token=Token(kind=asked.kind, value=asked.token),
        platform=asked.platform,
        app=asked.app,
    )
    device, is_new = await front.system.devices.register(tenant, registration)
    return answer(DeviceAnswer.of(name, device), 201 if is_new else 200)


async def listing(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Every device of a user; none for a user of whom none was ever heard."""
    user = user_name(name_in_path(request, "user"))
    found = await front.system.devices.of_user(caller.one_tenant, user)
    devices = [DeviceAnswer.of(one.private.name, one) for one in found or () if one.private is not None]
    return answer(DeviceList(devices=devices))


async def show(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """One device now, also after it was removed."""
    name = _name_in(request)
    return answer(DeviceAnswer.of(name, await front.system.devices.device(caller.one_tenant, name)))


async def remove(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Takes a device away, as at a logout; taking it away twice is no mistake."""
    await front.system.devices.remove(caller.one_tenant, _name_in(request))
    return web.Response(status=204)


def _name_in(request: web.Request) -> DeviceName:
    return device_name(name_in_path(request, "user"), name_in_path(request, "device"))
