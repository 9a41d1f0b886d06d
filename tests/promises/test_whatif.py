"""Answers for what-if: a world under two policies, what each comes to, and how much of that was modelled."""

import json
from pathlib import Path
from typing import Final

import pytest

from adapters.config.loading import Mistaken
from core.policies import Exponential, Quota, Schedule
from scenarios.run.running import run_once
from scenarios.whatif.figures import figures_of
from scenarios.whatif.overriding import under
from tests.edges.cli.processes import tidings
from tests.promises.capsules import cut, read_capsule
from tests.promises.simulated import HEAD, run, scenario

SECOND_US: Final = 1_000_000
WORLD: Final = """\
[lanes.mail]
channel = "email"
policy = { retry = { after = ["5s", "20s", "1m"], jitter = 0 }, limits = { lane = "60/min", gap = "1s" } }
[[arrive]]
over = "1m"
count = 20
channel = "email"
to = "reader{n}@example.com"
[[provider]]
latency = { median = "100ms" }
[[fault]]
at = "10s"
for = "30s"
answer = { status = 503 }
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A scenario with half a minute of outage."""
    file = tmp_path / "world.toml"
    file.write_text(f'{HEAD}runs_for = "1h"\n{WORLD}')
    return file


def policies(room: Path, text: str) -> Path:
    """A file with other policies."""
    file = room / "other.toml"
    file.write_text(text)
    return file


def test_a_policy_is_changed_key_by_key(world: Path, tmp_path: Path) -> None:
    """What the other file does not say stays as it is: limits one by one, a schedule with its jitter."""
    other = under(
        world, policies(tmp_path, '[lanes.mail.policy]\nretry = { after = ["90s"] }\nlimits = { lane = "5/s" }\n')
    )
    (lane,) = other.settings.lanes
    assert lane.policy.retry == Schedule(after_us=(90 * SECOND_US,), jitter=0)
    assert lane.policy.limits.lane == Quota(count=5, window_us=SECOND_US)
    assert lane.policy.limits.gap_us == SECOND_US


def test_a_schedule_of_the_other_form_takes_its_place(world: Path, tmp_path: Path) -> None:
    """A list of waits gives way to a growing one, and only its jitter stays."""
    text = '[lanes.mail.policy]\nretry = { first = "1s", factor = 2, times = 4, ceiling = "1m" }\n'
    (lane,) = under(world, policies(tmp_path, text)).settings.lanes
    assert lane.policy.retry == Exponential(first_us=SECOND_US, factor=2, times=4, ceiling_us=60 * SECOND_US, jitter=0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[lanes.post.policy]\n", "other.toml:1: lanes.post: a lane that the scenario has not; expected one of mail"),
        ("[bounds]\nawake_max = 1\n", "other.toml:1: bounds: no policy; expected policies and lanes alone"),
        ("", "other.toml: the whole: no policy; expected [policies.X] or [lanes.X.policy]"),
        (
            '[lanes.mail.policy]\nretry = { after = ["soon"] }\n',
            'other.toml:2: lanes.mail.policy.retry.after[0]: "soon"',
        ),
    ],
)
def test_what_would_be_compared_in_vain_is_a_mistake(world: Path, tmp_path: Path, text: str, words: str) -> None:
    """A lane that is not there, something else than a policy, nothing at all, a bad value: each at its line."""
    with pytest.raises(Mistaken) as mistaken:
        under(world, policies(tmp_path, text))
    assert words in str(mistaken.value)


def test_a_slower_first_retry_saves_attempts_and_costs_time(world: Path, tmp_path: Path) -> None:
    """Attempts fall, lateness rises, nobody is lost, and peaks stay within the limit."""
    own = figures_of(run_once(scenario(WORLD), 0))
    other = figures_of(
        run_once(under(world, policies(tmp_path, '[lanes.mail.policy]\nretry = { after = ["2m"] }\n')), 0)
    )
    assert own.delivered == other.delivered == own.accepted == 20
    assert other.attempts < own.attempts
    assert (own.dead, other.dead) == (0, 0)
    assert other.late > own.late
    assert (other.took_us["p95"] or 0) > (own.took_us["p95"] or 0)
    assert {peak.scope for peak in own.peaks} == {"lane", "tenant", "recipient"}
    assert own.broken == other.broken == ()


def test_recorded_and_modelled_answers_are_told_apart(tmp_path: Path) -> None:
    """A capsule under its own policy meets recorded answers alone; attempts at other times meet the model, counted."""
    capsule = tmp_path / "capsule.toml"
    capsule.write_text(cut(run(WORLD)).text)
    own = figures_of(run_once(read_capsule(cut(run(WORLD))), 0))
    assert (own.modelled, own.recorded, own.modelled_share) == (0, own.attempts, 0.0)
    other = figures_of(
        run_once(under(capsule, policies(tmp_path, '[policies.email]\nretry = { after = ["2m"] }\n')), 0)
    )
    # Each first attempt that failed is followed by one that nobody ever made at that time: the outage was over.
    assert other.modelled == own.attempts - own.recorded + other.attempts - other.recorded > 0
    assert other.attempts == 20 + other.modelled
    assert other.delivered == 20


@pytest.mark.slow
def test_the_command_prints_both_sides_and_what_was_modelled(world: Path, tmp_path: Path) -> None:
    """A table, the modelled share of each run in words, a picture on demand; JSON says the same."""
    other = policies(tmp_path, '[lanes.mail.policy]\nretry = { after = ["2m"] }\n')
    told = tidings("whatif", world, "--policy", other, "--plot", tmp_path / "both.svg")
    assert (told.returncode, told.stderr) == (0, "")
    assert "as it is" in told.stdout
    assert "answers were modelled (100.0%)." in told.stdout
    assert (tmp_path / "both.svg").read_text().count('class="waiting"') == 2
    as_json = tidings("whatif", world, "--policy", other, "--json")
    found = json.loads(as_json.stdout)
    assert found["own"]["attempts"] > found["other"]["attempts"]


@pytest.mark.slow
def test_a_mistake_in_the_other_file_is_told_with_its_line(world: Path, tmp_path: Path) -> None:
    """Exit 2, the mistake with file and line, and no run."""
    other = policies(tmp_path, '[lanes.mail.policy]\nretry = { after = ["soon"] }\n')
    told = tidings("whatif", world, "--policy", other)
    assert (told.returncode, told.stdout) == (2, "")
    assert f"{other}:2: lanes.mail.policy.retry.after[0]" in told.stderr
