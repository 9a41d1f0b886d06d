"""What applications are going to ask for, and when: each registration of a device, each plan, one call a wish.

This file answers for each call being drawn by its own key. What is made of it in one life of the daemon is
applications.py's business.
"""

from collections.abc import Iterator

import msgspec

from core.contents import read
from core.policies import SECOND_US
from scenarios.draws import Draws
from scenarios.file.scenario import Scenario
from scenarios.file.wishes import Device, Plan, messages_of
from scenarios.world.choosing import Subject

_REPEATED_WITHIN_US = 5 * SECOND_US


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """One call, at `at_us` of true time; `nth` counts how often it is made. `number` is the device's, 1 for a plan."""

    key: str
    nth: int
    at_us: int
    number: int
    asked: Device | Plan


def wishes_of(scenario: Scenario, draws: Draws) -> Iterator[Wish]:
    """Every call of every application."""
    for index, device in enumerate(scenario.devices):
        for number in range(1, device.count + 1):
            at_us = device.at_us + device.over_us * (number - 1) // device.count
            wish = Wish(key=f"device {index}/{number}", nth=1, at_us=at_us, number=number, asked=device)
            yield from _repeated(wish, device.repeat, draws)
    for index, plan in enumerate(scenario.plans):
        wish = Wish(key=f"plan {index}/{plan.reference}", nth=1, at_us=plan.at_us, number=1, asked=plan)
        yield from _repeated(wish, plan.repeat, draws)


def _repeated(wish: Wish, share: float, draws: Draws) -> Iterator[Wish]:
    yield wish
    if draws.draw("asks twice", wish.key) < share:
        again_us = draws.integer("asks twice after", wish.key, below=_REPEATED_WITHIN_US)
        yield msgspec.structs.replace(wish, nth=2, at_us=wish.at_us + again_us)


def planned(scenario: Scenario) -> Iterator[tuple[Subject, bytes]]:
    """Every message that the plans of a file may come to, with what a client would post for it."""
    for plan in scenario.plans:
        for key, body in messages_of(plan):
            asked = read(body)
            lanes = scenario.settings.lanes
            lane = asked.lane or next(lane.name for lane in lanes if lane.channel == asked.channel)
            subject = Subject(
                key=key,
                lane=lane,
                channel=asked.channel,
                tenant=plan.tenant,
                to=asked.subject,
                host=asked.host,
                content=asked.content,
            )
            yield subject, body
