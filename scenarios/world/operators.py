"""The people who operate the daemon: each order is given at its instant, and again where it was refused.

This file answers for finding what an order means. An order that a crash interrupts is given again after it.
"""

import asyncio
from collections.abc import Iterator
from functools import partial

from actors.errands import Errands
from actors.system import System
from core.errors import AppendUnknown, Forbidden, NotFound, Refused
from core.policies import SECOND_US
from core.records import MessageFilter
from scenarios.file.tables import Operator
from scenarios.loop.virtual import running_loop
from scenarios.world.choosing import Subject, fits
from scenarios.world.entrance import Reach
from scenarios.world.ground import Ground


class Operators:
    """All orders of one life of the daemon."""

    def __init__(self, ground: Ground, reach: Reach) -> None:
        self._ground = ground
        self._reach = reach
        # Who is being forgotten on the word of the present order: where the next one is refused, they are not asked for
        # again. There may be more of them than erasures under way.
        self._begun: set[tuple[str, str, str]] = set()

    async def run(self) -> None:
        """Gives every order that is still to be given."""
        loop = running_loop()
        while self._ground.orders:
            order = self._ground.orders[0]
            left_us = order.at_us - loop.now_us
            if left_us > 0:
                await asyncio.sleep(left_us / SECOND_US)
            try:
                await self._reach(partial(self._give, order))
            except (Refused, AppendUnknown):
                await asyncio.sleep(1)
            else:
                self._ground.orders.pop(0)
                self._begun.clear()

    async def _give(self, order: Operator, system: System) -> None:
        match order.do:
            case "pause":
                await system.errands.pause(order.lane or "")
            case "resume":
                await system.errands.resume(order.lane or "")
            case "redrive" if _is_bulk(order):
                wanted = MessageFilter(channel=order.channel, lane=order.lane)
                await system.redrives.start(order.tenant, wanted, order.per_s)
            case "cancel" | "redrive" | "reschedule":
                for _, stream in self._meant(order):
                    await self._to_message(order, system.errands, stream)
            case "reset" | "release":
                await self._to_conversations(order, system.errands)
            case "forget":
                for peer in self._peers_of(order):
                    if peer not in self._begun:
                        await system.erasures.begin(*peer)
                        self._begun.add(peer)

    async def _to_message(self, order: Operator, errands: Errands, stream: int) -> None:
        try:
            match order.do:
                case "cancel":
                    await errands.cancel(None, stream)
                case "redrive":
                    await errands.redrive(None, stream)
                case _:
                    await errands.reschedule(None, stream, self._ground.scenario.start_us + (order.send_at_us or 0))
        except (Forbidden, NotFound):
            pass  # It has gone on meanwhile, as messages do.

    async def _to_conversations(self, order: Operator, errands: Errands) -> None:
        heads = self._ground.durable.heads
        # A dict for its order.
        conversations = dict.fromkeys(heads[stream].conversation for _, stream in self._meant(order))
        for conversation in conversations:
            try:
                await (
                    errands.reset(None, conversation) if order.do == "reset" else errands.release(None, conversation)
                )
            except (Forbidden, NotFound):
                pass  # Its circuit has closed by itself meanwhile.

    def _peers_of(self, order: Operator) -> Iterator[tuple[str, str, str]]:
        """Whoever gets the messages that are meant, each once; of a push to a device that is its user."""
        meant = [subject for subject, _ in self._meant(order) if subject.channel != "hook"]
        return iter(dict.fromkeys((one.tenant, one.channel, one.to.partition("\n")[0]) for one in meant))

    def _meant(self, order: Operator) -> Iterator[tuple[Subject, int]]:
        ground = self._ground
        for key, stream in list(ground.streams.items()):
            subject = ground.subjects[key]
            if fits(order, subject) and ground.draws.draw("order", order.do, order.at_us, key) < order.share:
                yield subject, stream


def _is_bulk(order: Operator) -> bool:
    """Whether a bulk redrive can say what is meant; finer choices go message by message."""
    return order.share == 1.0 and (order.to, order.host, order.arrivals, order.message) == (None, None, None, None)
