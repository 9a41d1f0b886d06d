"""Applications that tell us about their users: devices and plans, each call again until it is answered.

This file answers for clients that behave as documented: both calls may be repeated without harm, so whatever was not
answered is. Every answer ends in the books.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, Literal
from zoneinfo import ZoneInfo

from anyio.abc import TaskGroup

from actors.system import System
from core.device_names import Registration, Token, device_name
from core.errors import AppendUnknown, Forbidden, Invalid, NotFound, Refused, StreamConflict
from core.plan_requests import read_plan
from core.policies import SECOND_US
from scenarios.file.readings import filled
from scenarios.file.wishes import Device, Plan, plan_body
from scenarios.loop.virtual import running_loop
from scenarios.world.books import Told
from scenarios.world.entrance import Reach
from scenarios.world.ground import Ground
from scenarios.world.naming import PLAN
from scenarios.world.wishing import Wish

_AGAIN_WITHIN_US: Final = 5 * SECOND_US


class Applications:
    """All of them, in one life of the daemon. Their tasks live in `group`."""

    def __init__(
        self,
        ground: Ground,
        reach: Reach,
        zones: dict[str, ZoneInfo],
        *,
        group: TaskGroup,
        answered: Callable[[], None],
    ) -> None:
        """`answered` hears of everybody who has an answer."""
        self._ground = ground
        self._reach = reach
        self._zones = zones
        self._group = group
        self._answered = answered
        self._loop = running_loop()

    def start(self) -> None:
        """Takes up what was not answered yet."""
        began_us = self._now_us()
        for wish in list(self._ground.wishes.values()):
            wait_us = wish.at_us - began_us if wish.at_us >= began_us else self._patience_us(wish)
            self._group.start_soon(self._call, wish, wait_us)

    async def _call(self, wish: Wish, wait_us: int) -> None:
        while True:
            await asyncio.sleep(wait_us / SECOND_US)
            try:
                await self._reach(partial(self._make, wish))
            except (Refused, AppendUnknown, StreamConflict) as error:
                self._tell(wish, "refused", str(error))
                wait_us = self._patience_us(wish)
            except (Invalid, Forbidden, NotFound) as error:
                return self._ends(wish, "rejected", str(error))
            else:
                return self._ends(wish, "accepted")

    async def _make(self, wish: Wish, system: System) -> None:
        asked = wish.asked
        match asked:
            case Device(do="remove"):
                name = device_name(filled(asked.user, wish.number), filled(asked.device, wish.number))
                await system.devices.remove(asked.tenant, name)
            case Device():
                await system.devices.register(asked.tenant, registration_of(asked, wish.number))
            case Plan(do="cancel"):
                await system.plans.cancel(asked.tenant, asked.reference)
            case Plan():
                request = read_plan(plan_body(asked, self._ground.scenario.start_us), is_zone=self._zones.__contains__)
                await system.plans.put(asked.tenant, asked.reference, request, trace=PLAN + asked.reference)

    def _ends(self, wish: Wish, what: Literal["accepted", "rejected"], words: str = "") -> None:
        self._tell(wish, what, words)
        del self._ground.wishes[wish.key, wish.nth]
        self._answered()

    def _tell(self, wish: Wish, what: Literal["accepted", "rejected", "refused"], words: str) -> None:
        told = Told(key=wish.key, nth=wish.nth, at_us=self._now_us(), what=what, words=words)
        self._ground.books.told.append(told)

    def _patience_us(self, wish: Wish) -> int:
        key = wish.key, wish.nth, self._now_us()
        return 1 + self._ground.draws.integer("asks again", *key, below=_AGAIN_WITHIN_US)

    def _now_us(self) -> int:
        return self._loop.now_us


def registration_of(asked: Device, number: int) -> Registration:
    """What an application says of one device."""
    name = device_name(filled(asked.user, number), filled(asked.device, number))
    return Registration(name=name, token=Token(kind="token", value=filled(asked.token, number)), platform="android")
