"""What a file may expect: shares, times of a run, tries, and how things stand at an instant."""

import pytest

from scenarios.run.expecting import unmet
from tests.promises.simulated import run

pytestmark = pytest.mark.slow

_WORLD = """\
[policies.email]
limits = { recipient = "none" }
retry = { after = ["1m", "10m", "1h"], jitter = 0 }
breaker = { share = 1.0, of = 90, cooldown = "1s" }
[[arrive]]
name = "letters"
over = "10m"
count = 20
channel = "email"
to = "reader{n}@example.com"
[[arrive]]
name = "dated"
count = 2
channel = "email"
to = "planner{n}@example.com"
send_at = "1h"
[[arrive]]
name = "past"
at = "30m"
channel = "email"
to = "late@example.com"
send_at = "0s"
[[provider]]
latency = { median = "1s" }
[[fault]]
at = "5m"
for = "5m"
arrivals = "letters"
answer = { status = 503 }
[[operator]]
at = "20m"
do = "reschedule"
message = "dated/1"
send_at = "90m"
[[operator]]
at = "25m"
do = "pause"
lane = "email"
[[operator]]
at = "40m"
do = "resume"
lane = "email"
"""


@pytest.mark.parametrize(
    "expect",
    [
        'that = "delivered"\narrivals = "letters"\nby = "5m"\nat_least_share = 0.45\nat_most_share = 0.55',
        'that = "delivered"\narrivals = "letters"\nsince = "5m"\ncount = 10',
        'that = "delivered"\nmessage = "dated/1"\nnot_before = "90m"\ncount = 1',
        'that = "waiting"\narrivals = "dated"\nby = "70m"\ncount = 1',
        'that = "waiting"\nby = "110m"\ncount = 0',
        'that = "sending"\nby = "500ms"\ncount = 1',
        'that = "lanes_paused"\nby = "30m"\ncount = 1',
        'that = "lanes_paused"\nby = "50m"\ncount = 0',
        'that = "rescheduled"\ncount = 1',
        'that = "rejected"\narrivals = "past"\ncount = 1',
        'that = "tries"\npercentile = 40\nat_most = 1',
        'that = "tries"\nat_least = 3',
        'that = "peak"\nsince = "1h"\nwithin = "1m"\nat_most = 1',
        'that = "circuits_open"\nby = "1h"\ncount = 0',
    ],
)
def test_what_comes_out_is_what_was_expected(expect: str) -> None:
    """Each word counts what it says, no more and no less, in a world in which that is known."""
    assert unmet(run(f"{_WORLD}[[expect]]\n{expect}\n")) == []


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        (
            'that = "delivered"\narrivals = "letters"\nby = "5m"\nat_least_share = 0.9',
            "0.5 of them, expected at least 0.9",
        ),
        ('that = "delivered"\nat_most_share = 0.5', "1 of them, expected at most 0.5"),
        ('that = "waiting"\nby = "70m"\ncount = 3', "waiting, by 70m: 1, expected exactly 3"),
        ('that = "held"\nheld_by = "parked"\nat_least = 1', "held, by parked: 0, expected at least 1"),
    ],
)
def test_what_does_not_is_said_in_a_sentence(expect: str, words: str) -> None:
    """The sentence names what was counted, what it came to, and what was expected."""
    (found,) = unmet(run(f"{_WORLD}[[expect]]\n{expect}\n"))
    assert words in found
