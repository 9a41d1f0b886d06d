"""The first words of a conversation: whoever hears of their commit first, they leave in the order of the log."""

from collections.abc import Awaitable
from functools import partial

import anyio

from core.records import Acceptance, Repeated, Stored
from eventstore.durable import Durable
from eventstore.memory import MemoryLog
from scenarios.loop.run import run_virtual
from tests.promises.house import address, living
from tests.promises.other_side import ObedientDisk, Provider

TO = address(0)


class LateAnswer(MemoryLog):
    """A log whose first acceptance is durable at once, and heard of five seconds later."""

    def __init__(self, durable: Durable) -> None:
        super().__init__(durable, ObedientDisk())
        self._accepted = 0

    def accept(self, acceptance: Acceptance) -> Awaitable[Stored | Repeated]:
        """See the port."""
        self._accepted += 1
        answer = super().accept(acceptance)
        return answer if self._accepted > 1 else self._late(answer)

    async def _late(self, answer: Awaitable[Stored | Repeated]) -> Stored | Repeated:
        stored = await answer
        await anyio.sleep(5)
        return stored


def test_the_second_word_does_not_overtake_a_first_that_is_heard_of_later() -> None:
    """The first message is in the log before the second, so it is sent before it, though its client is told later."""

    async def main() -> tuple[list[int], dict[str, int]]:
        durable, provider = Durable(), Provider()
        async with living(durable=durable, provider=provider, log=LateAnswer(durable)) as house:
            await house.all_at_once([partial(house.post, TO, number) for number in range(3)])
            await house.pass_time(60)
            return provider.numbers(TO), house.statuses()

    numbers, statuses = run_virtual(main)
    assert numbers == [0, 1, 2]
    assert statuses == {"delivered": 3}
