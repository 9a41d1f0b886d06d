"""What users rely on when Stripe insists, the handler is down and the daemon is killed: each event is handled once."""

from collections import Counter
from pathlib import Path

import pytest

from core.ids import decode
from tests.storm.hooks import Aftermath, Weather, storm

pytestmark = pytest.mark.anyio


def judge(after: Aftermath, weather: Weather) -> dict[str, int]:
    """Everything that must hold; answers with what was counted."""
    told = {status for answers in after.answers.values() for status, _ in answers}
    assert told == {200}, told
    names = {event: {name for _, name in answers} for event, answers in after.answers.items()}
    assert all(len(found) == 1 for found in names.values()), "an event that came again was given another hook"
    assert len(after.story.messages) == len(names) == weather.events
    times = Counter(handled.event for handled in after.handled)
    twice = 0
    for event, (name,) in names.items():
        stream = decode("hook", name)
        assert stream is not None
        assert after.story.state(stream).status == "delivered", event
        assert times[event] >= 1, f"{event} was taken and never handled"
        extra = times[event] - 1
        assert extra <= after.story.ambiguous(stream), f"{event} was handled {times[event]} times, and nothing was lost"
        twice += extra
    assert first_handled(after) == after.sent
    assert after.refused == 0
    assert after.exit_status == 0
    assert after.starts == len(weather.kills) + 1
    return {"handled": len(after.handled), "twice": twice, **after.moods}


def first_handled(after: Aftermath) -> dict[str, list[str]]:
    """Each customer's events in the order in which they were first handled."""
    order: dict[str, dict[str, None]] = {customer: {} for customer in after.sent}
    for handled in after.handled:
        order[handled.customer].setdefault(handled.event)
    return {customer: list(events) for customer, events in order.items()}


@pytest.mark.slow
async def test_hooks_survive_a_dead_handler_and_a_killed_daemon(tmp_path: Path) -> None:
    """Each event is handled, in its customer's order, and twice only where an answer was lost; Stripe hears 200."""
    weather = Weather(events=240, customers=24, seed=11, verify=False)
    counted = judge(await storm(tmp_path, weather), weather)
    assert {"ok", "503", "reset", "lost_reply"} <= counted.keys()


@pytest.mark.slow
async def test_two_thousand_events_thrice(tmp_path: Path) -> None:
    """The same for 2,000 events, each sent three times and shuffled."""
    weather = Weather(events=2_000, customers=50, seed=5)
    counted = judge(await storm(tmp_path, weather), weather)
    assert counted["handled"] >= weather.events
