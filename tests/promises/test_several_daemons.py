"""Several daemons in one simulated world: who acts, who takes over, and what a file may say of them."""

from pathlib import Path

import pytest

from adapters.config.loading import Mistaken
from core import events as e
from core.ownership import BEAT_S, SILENCE_S
from core.policies import SECOND_US
from scenarios.file.loading import read
from scenarios.laws.evidence import Evidence
from scenarios.laws.registry import breaches
from scenarios.marks_of_several import MARKS_OF_SEVERAL
from scenarios.run.on_sqlite import unfit
from scenarios.run.running import run_once
from tests.promises.simulated import HEAD, run, scenario, statuses

_LETTERS = """\
daemons = 3
[policies.email]
limits = { recipient = "none" }
[[arrive]]
name = "letters"
at = "1s"
over = "2m"
count = 12
channel = "email"
to = "reader{n}@example.com"
idempotency_key = "letter/{n}"
"""
_CALLS = """\
daemons = 2
[policies.webhook]
retry = { after = ["5s", "10s"] }
timeout = "25s"
[[arrive]]
name = "calls"
at = "38s"
over = "2s"
count = 4
channel = "webhook"
to = "https://shop{n}.example/orders"
idempotency_key = "call/{n}"
[[provider]]
latency = { median = "12s" }
"""


def _run(text: str, *, seed: int = 1) -> Evidence:
    return run(text, seed=seed, runs_for="4m")


def _acted(evidence: Evidence) -> list[tuple[float, float, str]]:
    """Since when and until when who acted, in seconds since the start, and how that ended."""
    start_us = evidence.scenario.start_us
    return [
        ((life.began_us - start_us) / SECOND_US, (life.ended_us - start_us) / SECOND_US, life.ended_by)
        for life in evidence.lives
    ]


def test_one_acts_and_the_others_take_in() -> None:
    """All is delivered although clients call whichever listens, and nobody ever took over."""
    evidence = _run(_LETTERS)
    assert set(statuses(evidence).values()) == {"sent"}
    assert _acted(evidence) == [(0.0, 240.0, "end")]
    assert MARKS_OF_SEVERAL["left for the one that acts"](evidence)
    assert {told.what for told in evidence.books.told} == {"accepted"}


def test_the_same_seed_gives_the_same_log_and_another_one_does_not() -> None:
    """Who answers a call, who acts first and who takes over follow from the seed."""
    crash = f'schedule = "walk"\n{_LETTERS}[[fault]]\nat = "1m"\ndaemon = "crash"\n'
    logs = [run_once(scenario(crash, runs_for="4m"), seed).digest for seed in (7, 7, 8)]
    assert logs[0] == logs[1] != logs[2]


def test_whoever_is_killed_is_replaced_after_silence() -> None:
    """Another acts once it has seen twelve seconds of silence; the dead one comes back and stands by."""
    evidence = _run(f'{_LETTERS}[[fault]]\nat = "1m"\ndaemon = "crash"\ndown = "1s"\n')
    (first, second) = _acted(evidence)
    assert (first[1], first[2]) == (60.0, "crash")
    assert SILENCE_S - BEAT_S <= second[0] - first[1] <= SILENCE_S + 1
    assert len(evidence.books.gone_us) == 1


def test_whoever_stops_hands_over_at_once() -> None:
    """No time passes between one daemon's orderly end and another's beginning."""
    evidence = _run(f'{_LETTERS}[[fault]]\nat = "1m"\ndaemon = "stop"\n')
    (first, second) = _acted(evidence)
    assert first[2] == "stop"
    assert second[0] - first[1] < 1


@pytest.mark.parametrize(("for_s", "takes_over"), [(9, False), (25, True)])
def test_only_a_long_pause_costs_a_daemon_its_place(for_s: int, takes_over: bool) -> None:  # noqa: FBT001 - a case
    """Held for nine seconds it still acts; held beyond its lease it is replaced, and ends when it goes on."""
    evidence = _run(f'{_LETTERS}[[fault]]\nat = "1m"\nfor = "{for_s}s"\ndaemon = "freeze"\n')
    assert [by for *_, by in _acted(evidence)] == (["replaced", "end"] if takes_over else ["end"])
    assert len(evidence.books.gone_us) == takes_over
    starts_s = [(one.started_us - evidence.scenario.start_us) / SECOND_US for one in evidence.chronicle.attempts]
    assert not [at_s for at_s in starts_s if 60 < at_s < 60 + min(for_s, SILENCE_S - BEAT_S)]


def test_what_was_on_its_way_out_of_a_held_daemon_is_in_doubt() -> None:
    """What it sends late arrives a second time, and the log has a doubt about the first."""
    evidence = _run(f'{_CALLS}[[fault]]\nat = "40s"\nfor = "20s"\ndaemon = "freeze"\n', seed=3)
    late = [handed for handed in evidence.books.handed if handed.was_held and not handed.acts]
    assert late
    given_up = [one for one in evidence.chronicle.attempts if one.is_cut_off]
    assert {(handed.stream, handed.attempt) for handed in late} <= {(one.stream, one.number) for one in given_up}


def test_answers_that_do_not_come_back_stop_the_sending_and_nothing_else() -> None:
    """A daemon that hears nothing keeps its place as long as it is heard, and lets nothing out meanwhile."""
    evidence = _run(f'{_LETTERS}[[fault]]\nat = "20s"\nfor = "40s"\ncut = "acting"\nway = "from"\n')
    assert [by for *_, by in _acted(evidence)] == ["end"]
    left_s = [handed.at_us / SECOND_US for handed in evidence.books.handed]
    assert not [at_s for at_s in left_s if 35 < at_s < 60]
    assert len(left_s) == 12


@pytest.mark.parametrize("way", ["to", "both"])
def test_whoever_is_not_heard_is_replaced(way: str) -> None:
    """One whose words do not arrive is silent to the others, who act in its place; it ends once it hears of it."""
    evidence = _run(f'{_LETTERS}[[fault]]\nat = "20s"\nfor = "1m"\ncut = "acting"\nway = "{way}"\n')
    assert [by for *_, by in _acted(evidence)] == ["replaced", "end"]
    assert evidence.books.gone_us


def test_a_database_that_is_away_costs_nobody_their_place() -> None:
    """Where nobody is heard, nobody is taken for dead; what was asked for meanwhile is taken in after it."""
    evidence = _run(f'{_LETTERS}[[fault]]\nat = "20s"\nfor = "40s"\ndatabase = "away"\n')
    assert [by for *_, by in _acted(evidence)] == ["end"]
    assert not evidence.books.gone_us
    accepted_s = [(story.entries[0].at_us - evidence.scenario.start_us) / SECOND_US
                  for story in evidence.chronicle.stories.values()]  # fmt: skip
    assert not [at_s for at_s in accepted_s if 20 < at_s < 60]


def test_each_machine_has_a_clock_of_its_own() -> None:
    """Log time goes on from where it was when a daemon takes over whose clock is behind; no event is set back."""
    clocks = "".join(f'[[fault]]\nclock = "-{30 * number}s"\nof = {number}\n' for number in (1, 2, 3))
    evidence = _run(f'{_LETTERS}{clocks}[[fault]]\nat = "1m"\ndaemon = "crash"\n')
    assert evidence.scenario.clocks_differ
    assert [evidence.scenario.clock_steps(number) for number in (1, 3)] == [((0, -30_000_000),), ((0, -90_000_000),)]
    instants_us = [entry.at_us for entry in evidence.events]
    assert instants_us == sorted(instants_us)
    assert instants_us[0] < evidence.scenario.start_us


def test_a_crash_at_a_boundary_takes_the_daemon_that_crosses_it() -> None:
    """The power of one machine goes out, and the others go on with what it had begun."""
    evidence = run_once(scenario(_LETTERS, runs_for="4m"), 1, crash_at=(40,))
    assert breaches(evidence) == []
    assert len(evidence.books.gone_us) == 1
    assert set(statuses(evidence).values()) == {"sent"}


def test_orders_get_through_whoever_is_asked() -> None:
    """A person pauses and resumes a lane by way of any daemon; the one that acts carries each order out once."""
    order = '[[operator]]\nat = "{}"\ndo = "{}"\nlane = "email"\n'
    orders = order.format("30s", "pause") + order.format("50s", "resume")
    evidence = _run(_LETTERS + orders)
    (entries,) = [entries for lane, entries in evidence.chronicle.lanes.items() if lane == "email"]
    assert [type(entry.event) for entry in entries[-2:]] == [e.LanePaused, e.LaneResumed]
    assert evidence.books.carried_out <= 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[fault]]\ndaemon = "crash"\nof = 2\n', "daemons = 2 or more"),
        ('[[fault]]\ndatabase = "away"\n', "unless there are several daemons"),
        ('daemons = 2\n[[fault]]\ndaemon = "crash"\nof = 3\n', 'a daemon from 1 to 2, or "acting"'),
        ('daemons = 2\n[[fault]]\nclock = "+1s"\nof = "acting"\n', "clocks belong to machines"),
        ('daemons = 2\n[[fault]]\ndisk = "full"\nof = 1\n', "none but with a daemon or a clock"),
        ('daemons = 2\n[[fault]]\ndisk = "full"\nway = "to"\n', "none but with a cut"),
        ('daemons = 2\n[[fault]]\ndaemon = "crash"\nboundary = 1\nof = 1\n', "falls to whoever crosses it"),
        ("daemons = 9\n", "a whole number from 1 to 5"),
        ('daemons = 2\n[[fault]]\ncut = "everybody"\n', 'the number of a daemon from 1 to 5, or "acting"'),
        ("daemons = 2\napi = { wire = true }\n", "only one daemon speaks over a wire"),
    ],
)
def test_what_cannot_be_said_of_daemons_is_refused(text: str, words: str) -> None:
    """A fault of a daemon that is not there, or of something that daemons do not have, is a mistake of the file."""
    with pytest.raises(Mistaken) as mistaken:
        read(f'{HEAD}runs_for = "1h"\n{text}', Path("wrong.toml"))
    assert words in str(mistaken.value)


def test_several_daemons_share_no_file() -> None:
    """A scenario of several daemons is not run on a SQLite file, and says why."""
    assert unfit(scenario(_LETTERS)) == "several daemons share no file"
