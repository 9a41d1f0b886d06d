"""Keys over HTTP: adding, listing and revoking them.

This file answers for shapes and calls. A secret is shown once, in the answer that made it, and never again; whoever
administers one tenant sees and makes only that tenant's keys.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from aiohttp import web

from adapters.moments import moment
from adapters.web.answers import Answer, answer
from adapters.web.auth import Caller, tenant_name
from adapters.web.front import Front
from adapters.web.problems import Declined, problem
from adapters.web.reading import body_of, id_in_path
from core import ids
from core.errors import Invalid, NotFound
from core.pointers import decoded
from core.views import KeyState, Role


class KeyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to make. `tenant` null or missing: all tenants."""

    role: Role
    tenant: str | None = None
    label: Annotated[str, msgspec.Meta(max_length=200)] = ""


class KeyAnswer(Answer, frozen=True, kw_only=True):
    """One key, without its secret. `tenant` null: all tenants."""

    id: str
    tenant: str | None
    role: Role
    label: str
    added_at: datetime
    revoked: bool

    @classmethod
    def of(cls, state: KeyState) -> "KeyAnswer":
        """The outside form of a key's state."""
        return cls(
            id=ids.encode("key", state.id),
            tenant=state.tenant,
            role=state.role,
            label=state.label,
            added_at=moment(state.added_us),
            revoked=state.revoked,
        )


class NewKey(KeyAnswer, frozen=True, kw_only=True):
    """A key with its secret, which is shown here once."""

    secret: str


class KeyList(Answer, frozen=True, kw_only=True):
    """All keys that the caller administers, revoked ones too."""

    keys: list[KeyAnswer]


_REQUESTS: Final = msgspec.json.Decoder(KeyRequest)


async def add(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Makes a key; an administrator of one tenant makes keys for that tenant."""
    asked = decoded(_REQUESTS, await body_of(front, request))
    # Another tenant's operators read it on a terminal, which would carry out what is no character.
    if not asked.label.isprintable():
        raise Invalid("/label", "expected printable characters on one line")
    tenant = asked.tenant if asked.tenant is None else tenant_name(asked.tenant, "/tenant")
    if not caller.is_everywhere:
        tenant = tenant or caller.tenant
        if tenant != caller.tenant:
            raise Declined(problem("role", "this key may make keys for its own tenant only"))
    state, secret = await front.system.keys.add(tenant=tenant, role=asked.role, label=asked.label)
    shown = KeyAnswer.of(state)
    return answer(NewKey(**msgspec.structs.asdict(shown), secret=secret), 201)


async def listing(front: Front, _: web.Request, caller: Caller) -> web.Response:
    """Every key that the caller administers."""
    return answer(KeyList(keys=[KeyAnswer.of(state) for state in _administered(front, caller)]))


async def revoke(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Revokes a key at once; revoking one twice is no mistake."""
    key = id_in_path(request, "key")
    if all(state.id != key for state in _administered(front, caller)):
        raise NotFound("there is no such key for this tenant")
    await front.system.keys.revoke(key)
    return web.Response(status=204)


def _administered(front: Front, caller: Caller) -> list[KeyState]:
    return [state for state in front.system.keys.all() if caller.is_everywhere or state.tenant == caller.tenant]
