"""Who calls, for which tenant, and whether their key allows it.

This file answers for keys, roles and the tenant of a request. It must never say why a key was refused beyond that it
was, and never hold a secret longer than one request.
"""

import re
from typing import Final

import msgspec
from aiohttp import hdrs, web

from adapters.web.problems import Declined, Problem, invalid, problem
from core.views import ROLES, KeyState, Role

ALL_TENANTS: Final = "*"
"""In the tenant header of a key for all tenants: what is asked for concerns all of them."""
DEFAULT_TENANT: Final = "default"

_TENANT_HEADER: Final = "Tidings-Tenant"
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SCHEME: Final = "bearer "
_SECRET_CHARS_MAX: Final = 512
_RANK: Final[dict[Role, int]] = {role: rank for rank, role in enumerate(ROLES)}


class Caller(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whoever calls. `tenant` None: what is asked for concerns all tenants; `is_everywhere`: its key is for all."""

    role: Role
    tenant: str | None
    is_everywhere: bool

    @property
    def one_tenant(self) -> str:
        """The tenant, where the call has to name one."""
        if self.tenant is None:
            raise invalid(_TENANT_HEADER, "expected one tenant's name here, not all tenants")
        return self.tenant


NOBODY: Final = Caller(role="read", tenant="", is_everywhere=False)
"""Calls what needs no key."""


def admit(request: web.Request, holder: KeyState | None, role: Role) -> Caller:
    """The caller behind a key, if it exists, has at least this role, and may act for the tenant that is asked for."""
    if holder is None or holder.revoked:
        raise Declined(_UNAUTHENTICATED, {hdrs.WWW_AUTHENTICATE: 'Bearer realm="tidings"'})
    if _RANK[holder.role] < _RANK[role]:
        words = f"this needs a key with the role {role} or above; this one has the role {holder.role}"
        raise Declined(problem("role", words))
    asked = request.headers.get(_TENANT_HEADER)
    if asked is not None and len(request.headers.getall(_TENANT_HEADER)) > 1:
        # One of them may be a client's own, beside that of a proxy that speaks for it.
        raise invalid(_TENANT_HEADER, "expected it once")
    if holder.tenant is None:
        return Caller(role=holder.role, tenant=_chosen(asked), is_everywhere=True)
    if asked is not None and asked != holder.tenant:
        raise Declined(problem("role", "this key is for one tenant only, and not for the one in Tidings-Tenant"))
    return Caller(role=holder.role, tenant=holder.tenant, is_everywhere=False)


def secret_of(request: web.Request) -> str | None:
    """The secret that a request carries (RFC 6750, section 2.1); None where there is none that could be one."""
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is None or len(header) > _SECRET_CHARS_MAX or not header.isascii():
        return None
    if header[: len(_SCHEME)].lower() != _SCHEME:
        return None
    return header[len(_SCHEME) :].strip() or None


def everywhere(caller: Caller, thing: str) -> None:
    """Declines a key of one tenant where a thing is shared by all of them."""
    if not caller.is_everywhere:
        raise Declined(problem("role", f"{thing} shared by all tenants, so this needs a key for all tenants"))


def tenant_name(text: str, at: str) -> str:
    """The name of a tenant, checked; `at` is where it was given."""
    if _TENANT.fullmatch(text) is None:
        raise invalid(at, "expected 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit")
    return text


def _chosen(asked: str | None) -> str | None:
    if asked is None:
        return DEFAULT_TENANT
    return None if asked == ALL_TENANTS else tenant_name(asked, _TENANT_HEADER)


_UNAUTHENTICATED: Final[Problem] = problem(
    "unauthenticated", "expected the header `Authorization: Bearer <key>` with a key that exists and was not revoked"
)
