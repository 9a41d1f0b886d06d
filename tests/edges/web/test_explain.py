"""Answers for explanations over HTTP: what led to a message, what was decided, what binds it, what may still happen."""

from datetime import datetime
from typing import cast

import pytest

from core.outcomes import Permanent, Transient
from tests.edges.web.house import House, Json, later
from tests.edges.web.test_hook_ids import taken
from tests.edges.web.test_plans import plan

pytestmark = pytest.mark.anyio


async def _explained(house: House, message: Json) -> Json:
    given = await house.ask(f"GET /v1/messages/{message['id']}/explain", role="read")
    assert given.status == 200, given.body
    return given.json


def _rows(value: object) -> list[Json]:
    return cast("list[Json]", value)


async def test_a_paused_lane_is_named_with_the_call_that_resumes_it(house: House) -> None:
    """Whoever asks why a message stays is told who stopped its lane, and what to call; no instant is made up."""
    await house.paused()
    told = await _explained(house, await house.accepted())
    binding = cast("Json", told["binding"])
    assert (binding["kind"], binding["by"], told["earliest"], told["conclusion"]) == (
        "lane_paused",
        "operator",
        None,
        None,
    )
    assert told["says"] == "Lane mail is paused: a person paused it."
    assert [one["call"] for one in _rows(told["releases"])] == ["POST /v1/lanes/mail/resume"]
    assert (await house.ask(f"{_rows(told['releases'])[0]['call']}")).status == 200


async def test_a_message_for_later_has_its_earliest_instant(house: House) -> None:
    """What was asked for is what is named, to the microsecond."""
    moment = later(days=1)
    told = await _explained(house, await house.accepted(send_at=moment))
    assert cast("Json", told["binding"])["kind"] == "due"
    assert datetime.fromisoformat(str(told["earliest"])) == datetime.fromisoformat(moment)
    assert told["then"] == "AttemptStarted"


async def test_a_message_behind_another_names_it(house: House) -> None:
    """In a conversation that goes in order the one before is named, and that one's own explanation says the rest."""
    house.provider.answers = [Transient(code="451", after_us=3_600_000_000)]
    first = await house.accepted()
    await house.until(first, "retrying")
    second = await house.accepted()
    told = await _explained(house, second)
    binding = cast("Json", told["binding"])
    assert (binding["kind"], binding["message"]) == ("order", first["id"])
    assert f"POST /v1/messages/{first['id']}/cancel" in [one["call"] for one in _rows(told["releases"])]
    before = await _explained(house, first)
    assert cast("Json", before["binding"])["kind"] == "retry"
    versions = [(one["type"], one["policy_version"]) for one in _rows(before["decisions"])]
    assert versions == [("MessageAccepted", None), ("AttemptStarted", 1), ("AttemptFailed", 1)]
    assert "451" in str(_rows(before["decisions"])[2]["says"])


async def test_an_end_is_told_with_what_may_still_happen(house: House) -> None:
    """A dead letter says what it died of and how it is tried again; nothing binds it any more."""
    house.provider.answers = [Permanent(code="550")]
    message = await house.accepted()
    await house.until(message, "dead")
    told = await _explained(house, message)
    ended = cast("Json", told["conclusion"])
    assert (told["binding"], told["releases"], ended["type"]) == (None, [], "MessageDead")
    redrive = {"by": "redrive", "call": f"POST /v1/messages/{message['id']}/redrive"}
    assert redrive.items() <= _rows(ended["may_still"])[0].items()


async def test_the_chain_goes_from_the_cause_to_what_followed(house: House) -> None:
    """What named a message as its cause stands behind it, and a fallback is told as one."""
    house.provider.answers = [Permanent(code="550")]
    fallback = {"channel": "webhook", "to": "https://example.com/hook", "content": {"type": "a.b", "data": 1}}
    first = await house.accepted(fallback=[fallback])
    state = await house.until_it(first, lambda state: state["fallback"])
    last = await house.accepted(to="bob@example.com", cause=str(first["id"]))
    expected = [
        (first["id"], "request", None),
        (state["fallback"], "fallback", first["id"]),
        (last["id"], "caused", first["id"]),
    ]
    told = await _explained(house, first)
    assert [(link["id"], link["how"], link["cause"]) for link in _rows(told["chain"])] == expected
    seen = await _explained(house, last)
    assert [link["id"] for link in _rows(seen["chain"])] == [first["id"], last["id"]]
    assert not seen["chain_goes_on"]


async def test_the_chain_begins_with_the_hook_that_caused_it(house: House) -> None:
    """A message that a handler sent because of a hook is told with that hook, by its own kind of id."""
    await house.paused("shop")
    hook = await taken(house)
    message = await house.accepted(cause=hook["id"])
    chain = _rows((await _explained(house, message))["chain"])
    assert [(link["id"], link["channel"], link["how"]) for link in chain] == [
        (hook["id"], "hook", "request"),
        (message["id"], "email", "caused"),
    ]
    assert [link["id"] for link in _rows((await _explained(house, hook))["chain"])] == [hook["id"], message["id"]]


async def test_the_chain_begins_with_the_plan_that_wants_it(house: House) -> None:
    """A reminder is told with its plan, which has neither channel nor status."""
    given = await house.ask("PUT /v1/plans/event42", plan("day_before", people=1))
    (created,) = cast("list[str]", given.json["created"])
    above, own = _rows((await _explained(house, {"id": created}))["chain"])
    assert (above["channel"], above["status"], str(above["id"])[:5]) == (None, None, "plan_")
    assert (own["id"], own["how"], own["cause"]) == (created, "plan", above["id"])
    other = await house.accepted(reference="event42", send_at=later(days=1))
    assert [link["how"] for link in _rows((await _explained(house, other))["chain"])] == ["request"]


async def test_only_its_own_tenant_hears_of_a_message(house: House) -> None:
    """To anybody else it is not there."""
    message = await house.accepted()
    assert (await house.ask(f"GET /v1/messages/{message['id']}/explain", tenant="acme")).status == 404
    assert (await house.ask("GET /v1/messages/nonsense/explain")).status == 404
