"""Answers for who may do what: keys, roles and tenants."""

import re
from typing import cast

import pytest

from adapters.web.routes import ROUTES
from core.views import ROLES, Role
from tests.edges.web.house import EMAIL, House, Json, later

pytestmark = pytest.mark.anyio

# Any id will do: the door comes before the thing.
SOME_ID = "msg_0000000000001"
IN_PATHS = {"id": SOME_ID, "name": "mail"}
GUARDED = [
    (re.sub(r"\{(\w+)\}", lambda found: IN_PATHS.get(found[1], "some"), route.call), route.role)
    for route in ROUTES
    if route.role is not None
]


@pytest.mark.parametrize("call", [call for call, _ in GUARDED])
async def test_every_call_needs_a_key(house: House, call: str) -> None:
    """Without a key, with a wrong one or with another scheme: 401 with WWW-Authenticate."""
    secret = await house.secret()
    for header in (None, "Bearer wrong", f"Basic {secret}", "Bearer", f"Bearer {secret}x", f"Bearer {'x' * 5000}"):
        given = await house.ask(call, role=None, headers={} if header is None else {"Authorization": header})
        assert (given.status, given.kind) == (401, "unauthenticated")
        assert given.headers["WWW-Authenticate"].startswith("Bearer")
        assert secret.encode() not in given.body


@pytest.mark.parametrize(("call", "needed"), GUARDED)
async def test_a_role_includes_those_before_it(house: House, call: str, needed: Role) -> None:
    """A role below the one a call takes gets 403 that names both; the role itself passes the door."""
    for role in ROLES[: ROLES.index(needed)]:
        given = await house.ask(call, role=role)
        assert (given.status, given.kind) == (403, "role")
        assert needed in str(given.json["detail"])
        assert role in str(given.json["detail"])
    if not call.endswith("/stream"):
        assert (await house.ask(call, role=needed)).status not in {401, 403}


async def test_a_secret_is_shown_once(house: House) -> None:
    """A new key is answered with its secret, which works and is in no later answer and in no event."""
    given = await house.ask("POST /v1/keys", {"role": "read", "tenant": "acme", "label": "dashboard"})
    assert given.status == 201
    secret = str(given.json["secret"])
    assert (given.json["role"], given.json["tenant"], given.json["label"]) == ("read", "acme", "dashboard")
    assert (await house.ask("GET /v1/messages", role=None, headers={"Authorization": f"bearer {secret}"})).status == 200
    for call in ("GET /v1/keys", "GET /v1/events"):
        again = await house.ask(call, headers={"Tidings-Tenant": "*"})
        assert secret.encode() not in again.body
        assert b"digest" not in again.body


async def test_a_revoked_key_opens_nothing_at_once(house: House) -> None:
    """From the answer to its revocation on, a key gets 401; revoking it again changes nothing."""
    given = (await house.ask("POST /v1/keys", {"role": "read"})).json
    headers = {"Authorization": f"Bearer {given['secret']}"}
    assert (await house.ask("GET /v1/lanes", role=None, headers=headers)).status == 200
    for _ in range(2):
        revoked = await house.ask(f"DELETE /v1/keys/{given['id']}")
        assert (revoked.status, revoked.body) == (204, b"")
    assert (await house.ask("GET /v1/lanes", role=None, headers=headers)).status == 401
    keys = cast("list[Json]", (await house.ask("GET /v1/keys")).json["keys"])
    assert [key["revoked"] for key in keys if key["id"] == given["id"]] == [True]
    unknown = await house.ask("DELETE /v1/keys/key_0000000000001")
    assert (unknown.status, unknown.kind) == (404, "not-found")


async def test_another_tenants_things_do_not_exist(house: House) -> None:
    """A key of one tenant gets 404 for another's messages, conversations and redrives, and lists none of them."""
    message = (await house.ask("POST /v1/messages", EMAIL | {"send_at": later(days=1)}, tenant="acme")).json
    job = (await house.ask("POST /v1/redrives", {"filter": {}}, tenant="acme")).json
    for call in (
        f"GET /v1/messages/{message['id']}",
        f"GET /v1/messages/{message['id']}/events",
        f"POST /v1/messages/{message['id']}/cancel",
        f"POST /v1/messages/{message['id']}/redrive",
        f"GET /v1/conversations/{message['conversation']}",
        f"POST /v1/conversations/{message['conversation']}/circuit/reset",
        f"POST /v1/conversations/{message['conversation']}/release",
        f"GET /v1/redrives/{job['id']}",
        f"POST /v1/redrives/{job['id']}/cancel",
    ):
        given = await house.ask(call, tenant="rival")
        assert (given.status, given.kind) == (404, "not-found"), call
    assert (await house.ask("GET /v1/messages", tenant="rival")).json["messages"] == []
    assert (await house.ask("GET /v1/events", tenant="rival")).json["events"] == []
    assert (await house.ask("GET /v1/stats", tenant="rival")).json["messages"] == 0
    assert (await house.ask(f"GET /v1/messages/{message['id']}", tenant="acme")).json["status"] == "scheduled"


async def test_a_key_for_all_tenants_says_for_whom(house: House) -> None:
    """Without Tidings-Tenant it acts for `default`, with it for that tenant, and with * it sees all of them."""
    for tenant in (None, "acme"):
        headers = {} if tenant is None else {"Tidings-Tenant": tenant}
        assert (await house.ask("POST /v1/messages", EMAIL, headers=headers)).status == 202

    async def tenants(**headers: str) -> set[object]:
        given = await house.ask("GET /v1/messages", headers={name.replace("_", "-"): v for name, v in headers.items()})
        return {message["tenant"] for message in cast("list[Json]", given.json["messages"])}

    assert await tenants() == {"default"}
    assert await tenants(Tidings_Tenant="acme") == {"acme"}
    assert await tenants(Tidings_Tenant="*") == {"default", "acme"}


@pytest.mark.parametrize("name", ["", "a b", "-a", "x" * 65, "caf\u00e9", "a/b"])
async def test_a_tenants_name_is_a_plain_word(house: House, name: str) -> None:
    """A tenant's name that could be mistaken for something else gets 422."""
    given = await house.ask("POST /v1/messages", EMAIL, headers={"Tidings-Tenant": name})
    assert (given.status, given.mistake[0]) == (422, "Tidings-Tenant")


async def test_a_message_belongs_to_one_tenant(house: House) -> None:
    """Nothing can be accepted, cancelled or moved for all tenants at once."""
    headers = {"Tidings-Tenant": "*"}
    for call, body in (
        ("POST /v1/messages", EMAIL),
        ("POST /v1/messages/batch", EMAIL),
        ("POST /v1/cancel", {"reference": "a"}),
        ("POST /v1/reschedule", {"reference": "a", "send_at": later(days=1)}),
    ):
        given = await house.ask(call, body, headers=headers)
        assert (given.status, given.mistake[0]) == (422, "Tidings-Tenant"), call
    assert await house.count() == 0


async def test_a_key_of_one_tenant_stays_with_it(house: House) -> None:
    """It may name its own tenant and no other, and touches nothing that all tenants share."""
    own = await house.ask("GET /v1/messages", tenant="acme", headers={"Tidings-Tenant": "acme"})
    assert own.status == 200
    for call, headers in (
        ("GET /v1/messages", {"Tidings-Tenant": "rival"}),
        ("GET /v1/messages", {"Tidings-Tenant": "*"}),
        ("POST /v1/lanes/mail/pause", {}),
        ("POST /v1/lanes/mail/resume", {}),
        ("GET /metrics", {}),
    ):
        given = await house.ask(call, tenant="acme", headers=headers)
        assert (given.status, given.kind) == (403, "role"), call
    assert (await house.ask("GET /v1/lanes", tenant="acme")).status == 200


@pytest.mark.parametrize("role", ["read", "admin"])
async def test_an_administrator_of_one_tenant_makes_keys_for_it(house: House, role: Role) -> None:
    """Its new keys are for its tenant; it neither makes, sees nor revokes keys of others."""
    made = (await house.ask("POST /v1/keys", {"role": role}, tenant="acme")).json
    assert (made["tenant"], made["role"]) == ("acme", role)
    beyond = await house.ask("POST /v1/keys", {"role": role, "tenant": "rival"}, tenant="acme")
    assert (beyond.status, beyond.kind) == (403, "role")
    other = (await house.ask("POST /v1/keys", {"role": role, "tenant": "rival"})).json
    seen = cast("list[Json]", (await house.ask("GET /v1/keys", tenant="acme")).json["keys"])
    assert {key["tenant"] for key in seen} == {"acme"}
    assert (await house.ask(f"DELETE /v1/keys/{other['id']}", tenant="acme")).status == 404
