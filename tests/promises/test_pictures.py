"""Answers for pictures of runs: the numbers in them, scales that can be read, and one text for one run."""

from itertools import pairwise
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from scenarios.laws.evidence import Evidence
from scenarios.picture.drawing import drawn
from scenarios.picture.history import histories
from tests.promises.simulated import run

SVG: Final = "{http://www.w3.org/2000/svg}"
SECOND_US: Final = 1_000_000
WORLD: Final = """\
[[arrive]]
over = "1m"
count = 20
channel = "email"
to = "reader{n}@example.com"
[[fault]]
at = "10s"
for = "30s"
lane = "email"
answer = { status = 503 }
[[fault]]
at = "20s"
daemon = "crash"
down = "5s"
"""


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """A run with an outage and a crash."""
    return run(WORLD)


def test_a_history_counts_everything_once(evidence: Evidence) -> None:
    """All arrivals, attempts and deliveries are in some step, and whoever waits is gone at the end."""
    (history,) = histories([("one", evidence)])
    assert sum(history.arrived) == 20
    assert sum(history.tried) == len(evidence.chronicle.attempts)
    assert sum(history.delivered) == 20
    assert max(history.waiting) > 1
    assert history.waiting[-1] == 0
    (outage,), (gone,) = history.shades, history.gone
    assert (outage.since_us, outage.until_us) == (10 * SECOND_US, 40 * SECOND_US)
    assert (gone.since_us // SECOND_US, gone.until_us // SECOND_US, gone.words) == (20, 25, "crash")


def test_several_runs_share_their_steps(evidence: Evidence) -> None:
    """A short run beside a long one has as many steps as that, so that one scale fits both."""
    short = run('[[arrive]]\nchannel = "email"\nto = "a@example.com"\n')
    first, second = histories([("long", evidence), ("short", short)])
    assert (first.step_us, len(first.arrived)) == (second.step_us, len(second.arrived))
    assert sum(second.delivered) == 1


def test_one_run_is_one_text(evidence: Evidence) -> None:
    """The same run is drawn as the same bytes."""
    assert drawn(histories([("one", evidence)])) == drawn(histories([("one", run(WORLD))]))


def test_everything_lies_within_the_picture(evidence: Evidence) -> None:
    """It is XML, no corner of any line lies outside, and time never runs back along one."""
    picture = ET.fromstring(drawn(histories([("one & only", evidence), ("<two>", evidence)])))  # noqa: S314  # Our own.
    width, height = float(picture.get("width", "0")), float(picture.get("height", "0"))
    lines = [*picture.iter(f"{SVG}polyline"), *picture.iter(f"{SVG}polygon")]
    assert len(lines) == 8
    for line in lines:
        corners = [tuple(map(float, corner.split(","))) for corner in line.get("points", "").split()]
        assert all(0 <= x <= width and 0 <= y <= height for x, y in corners)
        assert all(one[0] <= other[0] for one, other in pairwise(corners))
    assert {line.get("class") for line in lines} == {"arrived", "tried", "delivered", "waiting"}


def test_lines_go_up_and_down_in_steps(evidence: Evidence) -> None:
    """From one corner to the next a line goes along or straight up and down: what did not happen is not drawn."""
    picture = ET.fromstring(drawn(histories([("one", evidence)])))  # noqa: S314  # Our own.

    lines = list(picture.iter(f"{SVG}polyline"))
    assert len(lines) == 3
    for line in lines:
        corners = [tuple(map(float, corner.split(","))) for corner in line.get("points", "").split()]
        assert all(one[0] == other[0] or one[1] == other[1] for one, other in pairwise(corners))


def test_axes_and_shades_are_named(evidence: Evidence) -> None:
    """Each run has its title, its legend and its ticks in whole spans; what was wrong says what and when."""
    picture = ET.fromstring(drawn(histories([("one", evidence), ("two", evidence)])))  # noqa: S314  # Our own.
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    for wanted in ("one", "two", "arrivals", "attempts", "deliveries", "waiting", "since the start"):
        assert wanted in texts
    assert {"0s", "30s", "1m"} & set(texts)
    told = [title.text for title in picture.iter(f"{SVG}title")]
    assert told.count("email fails from 10 s to 40 s") == 4
    assert told.count("crash from 20 s to 25 s") == 4
