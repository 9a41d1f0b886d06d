"""Answers about policies in shadow."""

from typing import cast

import anyio
import pytest

from core.outcomes import Transient
from tests.edges.web.house import House, Json

pytestmark = pytest.mark.anyio


async def _decided(house: House, decisions: int) -> Json:
    """The shadow of the mail lane once it has seen so many decisions."""
    with anyio.fail_after(10):
        while True:
            change = house.log.changed()
            shadow = (await house.ask("GET /v1/lanes/mail/shadow", role="read")).json
            if cast("int", shadow["decisions"]) >= decisions:
                return shadow
            await change


async def test_a_policy_is_asked_in_shadow_then_promoted(house: House) -> None:
    """It counts and shows where it differs, decides nothing, and is the lane's policy after one call."""
    begun = await house.ask("PUT /v1/lanes/mail/shadow", {"policy": "whatsapp"}, role="operate")
    assert (begun.status, begun.json["policy"], begun.json["decisions"]) == (200, "whatsapp", 0)
    house.provider.answers = [Transient(code="451")]
    message = await house.accepted()
    await house.until(message, "retrying")
    shadow = await _decided(house, 2)
    assert (shadow["lane"], shadow["starts"], shadow["alike"]) == ("mail", 1, 1)
    assert shadow["contrasts"] == [{"was": "retried", "would": "retried, later", "count": 1}]
    [sample] = cast("list[Json]", shadow["samples"])
    assert (sample["message"], sample["attempt"]) == (message["id"], 1)
    assert str(sample["would_due"]) > str(sample["was_due"])
    promoted = await house.ask("POST /v1/lanes/mail/shadow/promote", role="operate")
    assert promoted.json == {"lane": "mail", "policy": "whatsapp", "version": 2}
    assert (await house.ask("GET /v1/lanes/mail/shadow")).status == 404


async def test_a_shadow_is_ended(house: House) -> None:
    """It is asked no more; there is none to end twice."""
    await house.ask("PUT /v1/lanes/mail/shadow", {"policy": "whatsapp"})
    assert (await house.ask("DELETE /v1/lanes/mail/shadow", role="operate")).status == 204
    assert (await house.ask("DELETE /v1/lanes/mail/shadow")).status == 404


async def test_a_shadow_that_cannot_be_is_refused(house: House) -> None:
    """An unknown policy, lane or field says what was expected; and lanes are all tenants'."""
    given = await house.ask("PUT /v1/lanes/mail/shadow", {"policy": "nobody"})
    [error] = cast("list[Json]", given.json["errors"])
    assert (given.status, error["at"]) == (422, "/policy")
    assert "expected one of: " in str(error["detail"])
    assert (await house.ask("PUT /v1/lanes/mail/shadow", {"policy": "email", "x": 1})).status == 422
    assert (await house.ask("PUT /v1/lanes/nowhere/shadow", {"policy": "email"})).status == 404
    assert (await house.ask("PUT /v1/lanes/mail/shadow", {"policy": "email"}, role="send")).status == 403
    refused = await house.ask("PUT /v1/lanes/mail/shadow", {"policy": "email"}, role="operate", tenant="acme")
    assert refused.status == 403
    assert (await house.ask("POST /v1/lanes/mail/shadow/promote")).status == 404


async def test_examples_are_for_who_sees_every_tenant(house: House) -> None:
    """Counts are of the lane, which all share; examples name messages, which may be another tenant's."""
    await house.ask("PUT /v1/lanes/mail/shadow", {"policy": "whatsapp"})
    house.provider.answers = [Transient(code="451")]
    await house.until(await house.accepted(), "retrying")
    await _decided(house, 2)
    seen = await house.ask("GET /v1/lanes/mail/shadow", role="read", tenant="acme")
    assert (seen.json["decisions"], seen.json["samples"]) == (2, [])
