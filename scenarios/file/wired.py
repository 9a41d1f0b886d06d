"""What a scenario may say of lanes and doors on the wire, and of answers that only a wire can give.

This file answers for such mistakes being seen when a file is read: a wire speaks in bytes, so an outcome in our own
words cannot travel on it, and a line without bytes cannot break in the middle of one.
"""

from collections.abc import Mapping
from typing import Final

from adapters.config.positions import KeyPath
from adapters.config.reading import Reader, one_of, shown
from core.policies import DAY_US
from scenarios.file.answers import BYTES
from scenarios.file.scenario import Scenario
from scenarios.file.selecting import Chosen
from scenarios.file.sides import Fault

CHANNEL_OF: Final[Mapping[str, str]] = {
    "smtp": "email",
    "resend": "email",
    "sendgrid": "email",
    "whatsapp_cloud": "whatsapp",
    "green_api": "whatsapp",
    "fcm": "push",
    "webhook": "webhook",
}
"""The providers that the wire has a stand-in for, and what each carries."""

KNOWS_AGAIN_US: Final[Mapping[str, int]] = {"resend": DAY_US}
"""Those that take a request of the same key only once, and for how long (Resend's Idempotency-Key: 24 hours)."""

SPOKEN: Final = frozenset({"timeout", "reset", "lost_reply", "refused", "status", "slow", *BYTES})
"""The kinds of answers that can be told in bytes."""


def check_wire(reader: Reader, scenario: Scenario) -> None:
    """Notes every mistake about the wire."""
    for lane in scenario.settings.lanes:
        if lane.name in scenario.wired and CHANNEL_OF.get(lane.provider) != lane.channel:
            fitting = [name for name, channel in CHANNEL_OF.items() if channel == lane.channel]
            reader.mistake(("lanes", lane.name, "provider"), shown(lane.provider), one_of(lane.provider, fitting))
        if lane.name in scenario.wired and lane.provider == "fcm" and not scenario.devices:
            reader.mistake(("lanes", lane.name), "no device", "a [[device]], since the wire reaches nobody else")
    for index, fault in enumerate(scenario.faults):
        if reader.sound(("fault", index)):
            _check_answer(reader, scenario, fault, ("fault", index, "answer"))
    for index, provider in enumerate(scenario.providers):
        if provider.looks_up is not None and set(_lanes_of(scenario, provider)) & set(scenario.wired):
            reader.mistake(("provider", index, "looks_up"), "a look-up on the wire", "a lane that is not on the wire")
    if scenario.api.cut and not scenario.api.wire:
        reader.mistake(("api", "cut"), shown(scenario.api.cut), "wire = true beside it")
    for index, arrive in enumerate(scenario.arrivals):
        if scenario.api.wire and arrive.batch > 1:
            reader.mistake(("arrive", index, "batch"), shown(arrive.batch), "1, since an answer over HTTP names one")


def _check_answer(reader: Reader, scenario: Scenario, fault: Fault, path: KeyPath) -> None:
    answer, lanes = fault.answer, _lanes_of(scenario, fault)
    if answer is None:
        return
    wired = [lane for lane in lanes if lane in scenario.wired]
    if answer.kind in BYTES and wired != lanes:
        reader.mistake(path, f'"{answer.kind}"', "an answer that is told without a wire, or wire = true in every lane")
    if answer.kind not in SPOKEN and wired:
        reader.mistake(path, answer.kind, f"an answer that {wired[0]} can hear in bytes, such as {{ status = 503 }}")


def _lanes_of(scenario: Scenario, chosen: Chosen) -> list[str]:
    """The lanes whose other side may be meant."""
    return [
        lane.name
        for lane in scenario.settings.lanes
        if chosen.lane in (None, lane.name) and chosen.channel in (None, lane.channel)
    ]
