"""Answers for forgetting somebody over HTTP: what is said of it, to whom, and what is left of their messages."""

from typing import Final, cast

import anyio
import pytest

from core.outcomes import Permanent, Recipient, Transient
from core.records import Append
from eventstore.memory import MemoryLog
from tests.edges.web.house import EMAIL, Given, House, Json, later, running
from tests.edges.web.test_devices import registered
from tests.edges.web.test_forwarding import beside, same
from tests.edges.web.test_plans import messages, plan

pytestmark = pytest.mark.anyio

ANN: Final[Json] = {"channel": "email", "address": "ann@example.com"}
FORGET: Final = "POST /v1/subjects/forget"


class Closing(MemoryLog):
    """A log that answers late where an address is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = anyio.Event()
        self.goes_on = anyio.Event()

    async def append(self, append: Append) -> None:
        """As every log does; what closes an address is answered once a test lets it go on."""
        await super().append(append)
        if any(change.becomes == "closed" for change in append.addresses):
            self.is_closed.set()
            await self.goes_on.wait()


async def forgotten(house: House, who: Json = ANN, *, tenant: str | None = None) -> Json:
    """What is said of somebody who is forgotten by now."""
    given = await house.ask(FORGET, who, role="operate", tenant=tenant)
    assert given.status == 200, given.body
    return given.json


async def over(house: House, erasure: Json) -> Json:
    """The same once it is over."""
    with anyio.fail_after(10):
        while True:
            change = house.log.changed()
            state = (await house.ask(f"GET /v1/subjects/forget/{erasure['id']}", role="read")).json
            if state["status"] == "erased":
                return state
            await change


async def test_somebody_is_forgotten(house: House) -> None:
    """The answer counts what went, can be had again, and like every event of it says nothing of the address."""
    asked = EMAIL | {"reference": "event42", "metadata": {"a": 1}}
    sent = (await house.ask("POST /v1/messages", asked, headers={"X-Correlation-Id": "trip7"})).json
    assert (await house.until(sent, "sent"))["correlation"] == "trip7"
    planned = await house.accepted(send_at=later(days=1), reference="event42")
    other = await house.accepted(to="bob@example.com", send_at=later(days=1), reference="event42")
    given = await house.ask(FORGET, ANN, role="operate")
    assert given.status == 200
    told = given.json
    assert told | {"id": None, "started_at": None, "ended_at": None} == {
        "id": None, "tenant": "default", "status": "erased", "channel": "email", "conversation": sent["conversation"],
        "messages": 2, "cancelled": 1, "devices": 0, "plans": 0, "started_at": None, "ended_at": None,
    }  # fmt: skip
    assert str(told["id"]).startswith("erasure_")
    assert str(told["started_at"]) <= str(told["ended_at"])
    again = await house.ask(f"GET /v1/subjects/forget/{told['id']}", role="read")
    assert (again.status, again.json) == (200, told)
    states = [await house.state(message) for message in (sent, planned, other)]
    assert [(state["status"], state["reason"], state["reference"]) for state in states] == [
        ("sent", None, None), ("cancelled", "erased", None), ("scheduled", None, "event42"),
    ]  # fmt: skip
    assert (states[0]["metadata"], states[0]["correlation"]) == (None, None)
    found = (await house.ask("GET /v1/messages?reference=event42")).json
    assert [message["id"] for message in cast("list[Json]", found["messages"])] == [other["id"]]
    page = await house.ask("GET /v1/events?limit=1000")
    assert b"SubjectErased" in page.body
    for body in (given.body, again.body, page.body):
        assert b"ann@" not in body


async def test_whoever_is_unknown_is_forgotten_too(house: House) -> None:
    """Nothing was there, so nothing went; and asking again when all is over is another erasure, which finds nothing."""
    for _ in range(2):
        told = await forgotten(house)
        assert (told["status"], told["conversation"], told["messages"], told["cancelled"]) == ("erased", None, 0, 0)
    sent = await house.accepted()
    first, second = await forgotten(house), await forgotten(house)
    assert (first["conversation"], second["conversation"]) == (sent["conversation"], None)
    assert first["id"] != second["id"]


async def test_an_address_is_read_as_a_message_reads_it(house: House) -> None:
    """Any spelling of the address finds who has it."""
    sent = await house.accepted(to="ann@EXAMPLE.com", send_at=later(days=1))
    told = await forgotten(house, ANN | {"address": "ann@Example.COM"})
    assert (told["conversation"], told["cancelled"]) == (sent["conversation"], 1)


@pytest.mark.parametrize(
    ("who", "at"),
    [
        (ANN | {"addresses": 1}, "/addresses"),
        (ANN | {"channel": "pigeon"}, "/channel"),
        (ANN | {"channel": "hook"}, "/channel"),
        (ANN | {"address": "ann"}, "/address"),
        (ANN | {"address": 7}, "/address"),
        ({"channel": "whatsapp", "address": "ann@example.com"}, "/address"),
        ({"channel": "webhook", "address": "https://ann:secret@example.com/"}, "/address"),
        ({"channel": "push", "address": " ann"}, "/address"),
        ({"channel": "email"}, "/address"),
    ],
)
async def test_what_is_nobody_is_a_mistake_of_its_place(house: House, who: Json, at: str) -> None:
    """422 that names the field, and nothing is recorded."""
    given = await house.ask(FORGET, who)
    assert (given.status, given.mistake[0]) == (422, at)
    assert b"ErasureStarted" not in (await house.ask("GET /v1/events?limit=1000")).body


async def test_an_address_is_refused_in_the_words_of_a_message(house: House) -> None:
    """Whoever may not be written to cannot be forgotten, for the same reason."""
    refused = await house.ask("POST /v1/messages", EMAIL | {"to": "ann@"})
    given = await house.ask(FORGET, ANN | {"address": "ann@"})
    assert (refused.mistake[0], given.mistake[0]) == ("/to", "/address")
    assert given.mistake[1] == refused.mistake[1]


async def test_each_tenant_forgets_its_own(house: House) -> None:
    """Another tenant's messages stay, its erasures are not there, and whoever acts for all has to name one."""
    body = EMAIL | {"send_at": later(days=1)}
    theirs = (await house.ask("POST /v1/messages", body, tenant="acme")).json
    mine = (await house.ask("POST /v1/messages", body, tenant="bell")).json
    told = await forgotten(house, tenant="bell")
    assert (told["tenant"], told["cancelled"]) == ("bell", 1)
    for tenant, message, status in (("acme", theirs, "scheduled"), ("bell", mine, "cancelled")):
        assert (await house.ask(f"GET /v1/messages/{message['id']}", tenant=tenant)).json["status"] == status
    path = f"GET /v1/subjects/forget/{told['id']}"
    hidden = await house.ask(path, tenant="acme")
    assert (hidden.status, hidden.kind) == (404, "not-found")
    assert (await house.ask(path, headers={"Tidings-Tenant": "*"})).json == told
    everybody = await house.ask(FORGET, ANN, headers={"Tidings-Tenant": "*"})
    assert (everybody.status, everybody.mistake[0]) == (422, "Tidings-Tenant")
    named = await house.ask(FORGET, ANN, headers={"Tidings-Tenant": "acme"})
    assert (named.json["tenant"], named.json["cancelled"]) == ("acme", 1)


@pytest.mark.parametrize("thing", ["erasure_0000000000001", "msg_0000000000001", "erasure_1"])
async def test_what_is_no_erasure_is_not_there(house: House, thing: str) -> None:
    """An id of nothing, of another kind or of no form is answered 404."""
    assert (await house.ask(f"GET /v1/subjects/forget/{thing}")).status == 404


async def test_a_dead_letter_that_was_erased_stays_dead(house: House) -> None:
    """There is nothing left to send: 409 that says so."""
    house.provider.answers = [Permanent(code="550")]
    message = await house.accepted()
    await house.until(message, "dead")
    assert (await forgotten(house))["messages"] == 1
    given = await house.ask(f"POST /v1/messages/{message['id']}/redrive")
    assert (given.status, given.kind) == (409, "state")
    assert "was erased" in str(given.json["detail"])
    assert (await house.state(message))["status"] == "dead"


async def test_a_repeat_is_a_repeat_afterwards_too(house: House) -> None:
    """The key of an erased message still answers with it; a message under another key begins a conversation anew."""
    message = await house.accepted(idempotency_key="one")
    await house.until(message, "sent")
    await forgotten(house)
    again = await house.ask("POST /v1/messages", EMAIL | {"idempotency_key": "one"})
    assert (again.status, again.json["id"], again.json["duplicate"]) == (200, message["id"], True)
    new = await house.accepted(idempotency_key="two")
    assert new["conversation"] != message["conversation"]
    await house.until(new, "sent")
    assert len(house.provider.seen) == 2


async def test_whoever_wanted_no_more_gets_none_afterwards(house: House) -> None:
    """A message dies in the old conversation, whose release ends that; another conversation is not there any more."""
    house.provider.answers = [Recipient(code="550 5.1.1")]
    dead = await house.accepted()
    await house.until(dead, "dead")
    other = await house.accepted(to="bob@example.com")
    await house.until(other, "sent")
    await forgotten(house, ANN | {"address": "bob@example.com"})
    await forgotten(house)
    assert (await house.ask(f"GET /v1/conversations/{other['conversation']}")).status == 404
    path = f"/v1/conversations/{dead['conversation']}"
    assert (await house.ask(f"GET {path}")).json["suppressed"] == {"scope": "all", "reason": "recipient"}
    after = await house.accepted()
    assert after["conversation"] == dead["conversation"]
    assert (await house.until(after, "dead"))["reason"] == "suppressed"
    assert (await house.ask(f"POST {path}/release", role="operate")).json == {"released": 0}
    await house.until(await house.accepted(), "sent")
    await forgotten(house)
    assert (await house.accepted())["conversation"] != dead["conversation"]


async def test_a_user_goes_with_their_devices(house: House) -> None:
    """The devices are counted, and there are none of them any more."""
    await registered(house, "ann/phone")
    await registered(house, "ann/tablet", token="another")
    await registered(house, "bob/phone", token="a-third")
    told = await forgotten(house, {"channel": "push", "address": "ann"})
    assert (told["devices"], told["conversation"]) == (2, None)
    assert (await house.ask("GET /v1/devices/ann")).json == {"devices": []}
    assert (await house.ask("GET /v1/devices/ann/phone")).status == 404
    assert (await house.ask("GET /v1/devices/bob/phone")).status == 200


async def test_a_participant_leaves_every_plan(house: House) -> None:
    """The plan is counted, calls off their reminders by itself, and goes on with the others."""
    assert (await house.ask("PUT /v1/plans/event42", plan("day_before"))).status == 200
    reminder = (await messages(house))["p0", "day_before"]
    told = await forgotten(house, {"channel": "email", "address": "p0@example.com"})
    assert (told["plans"], told["messages"], told["cancelled"]) == (1, 1, 0)
    state = await house.state(reminder)
    assert (state["status"], state["reason"]) == ("cancelled", "plan")
    assert set(await messages(house)) == {("p1", "day_before")}
    assert b"p0" not in (await house.ask("GET /v1/plans/event42")).body


@pytest.mark.slow
async def test_what_is_in_flight_is_waited_for(house: House) -> None:
    """202 while an attempt is out, and the same erasure for whoever asks again; what came meanwhile goes with it."""
    house.provider.waits_for = anyio.Event()
    out = await house.accepted()
    await house.until(out, "sending")
    given = await house.ask(FORGET, ANN)
    assert (given.status, given.json["status"], given.json["ended_at"]) == (202, "erasing", None)
    await house.paused()
    behind = await house.accepted()
    again = await house.ask(FORGET, ANN)
    assert (again.status, again.json["id"]) == (202, given.json["id"])
    house.provider.answers = [Transient(code="451")]
    house.provider.waits_for.set()
    told = await over(house, given.json)
    assert (told["messages"], told["cancelled"]) == (2, 2)
    states = [await house.state(message) for message in (out, behind)]
    assert [(state["status"], state["reason"]) for state in states] == [("cancelled", "erased")] * 2
    assert len(house.provider.seen) == 1


@pytest.mark.slow
async def test_nobody_writes_to_a_closed_address() -> None:
    """For the moment until nothing leads there any more, a message is answered 429 with Retry-After."""
    log = Closing()
    async with running(log) as house:
        before = await house.accepted(send_at=later(days=1))
        told: list[Given] = []

        async def forget() -> None:
            told.append(await house.ask(FORGET, ANN))

        async with anyio.create_task_group() as group:
            group.start_soon(forget)
            with anyio.fail_after(10):
                await log.is_closed.wait()
            refused = await house.ask("POST /v1/messages", EMAIL)
            log.goes_on.set()
        assert (refused.status, refused.kind) == (429, "busy")
        assert int(refused.headers["Retry-After"]) >= 1
        assert told[0].status == 200
        assert (await house.accepted())["conversation"] != before["conversation"]


async def test_a_daemon_that_stands_by_hands_it_on() -> None:
    """Whoever asks it is answered by the acting one, and the address cannot be read on its way."""
    async with running() as house, beside(house) as (annex, between):
        sent = await house.accepted(send_at=later(days=1))
        given = await annex.ask(FORGET, ANN)
        assert (given.status, given.json["conversation"], given.json["cancelled"]) == (200, sent["conversation"], 1)
        path = f"GET /v1/subjects/forget/{given.json['id']}"
        assert same(await annex.ask(path), await house.ask(path))
        assert len(between.asked) == 2
        assert b"ann@example.com" not in b"".join(between.asked + between.answered)
