"""What users rely on in the worst of times: a real daemon, killed at random, between real sinks that misbehave."""

from pathlib import Path

import pytest

from core.ids import decode
from tests.storm.judging import fullest_window, out_of_order, times_received
from tests.storm.storm import Aftermath, Weather, storm

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WEATHER = Weather(messages=480, conversations=48, kills=4, per_s=60, seed=7)


def judge(after: Aftermath, weather: Weather) -> dict[str, int]:
    """Everything that must hold; answers with what was counted."""
    received = times_received(after.books)
    assert len(after.accepted) == weather.messages
    missing = [key for key in after.accepted if not received[key]]
    assert not missing, f"accepted but never arrived: {missing[:5]}"
    twice = {}
    for key, outside in after.accepted.items():
        stream = decode("msg", outside)
        assert stream is not None
        assert after.story.state(stream).status in {"sent", "delivered"}, key
        extra = received[key] - 1
        assert extra <= after.story.ambiguous(stream), f"{key} came {received[key]} times, and the log does not say why"
        if extra:
            twice[key] = extra
    assert not out_of_order(after.books)
    peaks = {lane: fullest_window(after.story.hand_overs(lane), 1_000_000) for lane in ("mail", "calls")}
    assert all(peak <= weather.per_s for peak in peaks.values()), peaks
    assert after.exit_status == 0
    ambiguous = sum(after.story.ambiguous(stream) for stream in after.story.messages)
    return {"received": sum(received.values()), "twice": len(twice), "ambiguous": ambiguous, **peaks}


async def test_nothing_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    """Each accepted message arrives, in order, within limits, and twice only where the log says ambiguous."""
    after = await storm(tmp_path, WEATHER)
    counted = judge(after, WEATHER)
    assert after.starts == WEATHER.kills + 1
    assert {"ok", "503", "429", "reset", "451", "452", "lost_reply"} == set(after.books.answered)
    assert counted["received"] >= WEATHER.messages
