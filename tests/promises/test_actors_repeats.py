"""A client that says something again: it is the same message, whenever it is said."""

from datetime import UTC, datetime

import msgspec
import pytest

from core.contents import Submission, read
from core.errors import Invalid, KeyReused
from core.policies import HOUR_US, SECOND_US
from scenarios.loop.run import run_virtual
from tests.promises.house import living
from tests.promises.other_side import START_US, Provider


def asked(key: str, number: int, *, send_at_us: int) -> Submission:
    """A webhook to be sent later."""
    body = {
        "channel": "webhook",
        "to": "https://one.example/hook",
        "content": {"type": "number", "data": {"n": number}},
        "idempotency_key": key,
        "send_at": datetime.fromtimestamp(send_at_us / SECOND_US, UTC),
    }
    return read(msgspec.json.encode(body))


def test_a_repeat_is_known_after_its_instant_has_passed() -> None:
    """The same request under the same key is the same message, though its `send_at` would be refused by now."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            due_us = START_US + HOUR_US
            first = await house.system.intake.accept("org1", asked("one", 1, send_at_us=due_us))
            await house.pass_time(3 * 3_600)
            again = await house.system.intake.accept("org1", asked("one", 1, send_at_us=due_us))
            assert (again.id, again.duplicate, again.status) == (first.id, True, "delivered")
            with pytest.raises(KeyReused):
                await house.system.intake.accept("org1", asked("one", 2, send_at_us=due_us))
            with pytest.raises(Invalid, match="lies in the past"):
                await house.system.intake.accept("org1", asked("two", 1, send_at_us=due_us))
            assert provider.numbers("https://one.example/hook") == [1]

    run_virtual(main)
