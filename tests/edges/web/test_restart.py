"""Answers for what outlives the process: everything that was answered for, on a log in a file."""

from pathlib import Path
from typing import cast

import pytest

from eventstore.sqlite.log import SqliteLog
from tests.edges.web.house import EMAIL, House, Json, later, running

pytestmark = pytest.mark.anyio


async def test_what_was_answered_is_there_after_a_restart(tmp_path: Path) -> None:
    """Messages, idempotency keys, API keys and cursors mean the same to the next process as to the one before."""
    file = tmp_path / "tidings.db"
    async with running(await SqliteLog.open(file)) as house:
        key = (await house.ask("POST /v1/keys", {"role": "send"})).json
        sent = await house.accepted(idempotency_key="one")
        await house.until(sent, "sent")
        waiting = await house.accepted(to="bob@example.com", reference="event42", send_at=later(days=1))
        states = [await house.state(message) for message in (sent, waiting)]
        cursor = (await house.ask("GET /v1/events?limit=1000")).json["next"]

    async with running(await SqliteLog.open(file)) as house:
        assert [await house.state(message) for message in (sent, waiting)] == states
        again = await _ask_as(house, key, EMAIL | {"idempotency_key": "one"})
        assert (again["id"], again["duplicate"]) == (sent["id"], True)
        found = (await house.ask("GET /v1/messages?reference=event42")).json
        assert [message["id"] for message in cast("list[Json]", found["messages"])] == [waiting["id"]]
        new = await _ask_as(house, key, EMAIL | {"to": "cat@example.com", "send_at": later(days=1)})
        page = (await house.ask(f"GET /v1/events?after={cursor}")).json
        assert [event["stream"] for event in cast("list[Json]", page["events"])] == [new["id"]]
        assert (await house.ask("GET /v1/stats")).json["messages"] == 3


async def _ask_as(house: House, key: Json, body: Json) -> Json:
    headers = {"Authorization": f"Bearer {key['secret']}"}
    return (await house.ask("POST /v1/messages", body, role=None, headers=headers)).json
