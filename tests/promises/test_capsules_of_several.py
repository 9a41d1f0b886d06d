"""Answers for capsules of logs that several daemons wrote: worlds of several, in which others act when they did."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from core import events as e
from scenarios.capsules.several import several_in
from scenarios.capsules.takeovers import NEAR_US
from scenarios.file.loading import load
from scenarios.file.scenario import Scenario
from scenarios.file.sides import Fault
from scenarios.laws.evidence import Evidence
from scenarios.laws.registry import breaches
from scenarios.run.running import run_once
from tests.promises.capsules import cut, read_capsule, retold, stretch_of
from tests.promises.simulated import run, scenario

SECOND_US: Final = 1_000_000
FILES: Final = Path(__file__).parents[2] / "scenarios"
ACTING: Final = 0
# Two daemons, with one request under way at 40 s; `{faults}` is what happens to them.
WORLD: Final = """\
daemons = 2
[policies.webhook]
retry = {{ after = ["5s", "20s"], jitter = 0 }}
timeout = "30s"
[[arrive]]
name = "calls"
at = "1s"
over = "2m"
count = 12
channel = "webhook"
to = "https://shop{{n%4}}.example/orders"
idempotency_key = "call/{{n}}"
[[arrive]]
name = "slow"
at = "39s"
channel = "webhook"
to = "https://slow.example/orders"
[[provider]]
arrivals = "slow"
latency = {{ median = "9s" }}
[[provider]]
latency = {{ median = "2s", p99 = "9s" }}
{faults}
"""


def world(*faults: str) -> Scenario:
    """Two daemons to which this happens."""
    return scenario(WORLD.format(faults="\n".join(f"[[fault]]\n{fault}" for fault in faults)), runs_for="3m")


def of_file(name: str) -> Evidence:
    """The run of a scenario of the collection."""
    found = load(FILES / f"{name}.toml")
    return run_once(found, found.seed)


def acted_us(evidence: Evidence) -> list[int]:
    """When a daemon began to act, since the start."""
    return [
        entry.at_us - evidence.scenario.start_us
        for entry in evidence.events
        if isinstance(entry.event, e.DaemonStarted)
    ]


def deaths(capsule: Scenario) -> list[Fault]:
    """What ends daemons in a capsule."""
    return [fault for fault in capsule.faults if fault.daemon in {"crash", "stop"}]


def assert_told_alike(log: Evidence, *, share: float = 1.0) -> Evidence:
    """Runs the capsule of a log: it keeps every law, and changes hands when the log did."""
    again, fidelity = retold(log)
    assert breaches(again) == []
    assert fidelity.share >= share, fidelity.first
    assert fidelity.several is not None
    assert fidelity.several.recorded == fidelity.several.retold > 0
    assert fidelity.several.apart_us is not None
    assert fidelity.several.apart_us <= NEAR_US
    return again


def test_another_takes_the_place_of_a_killed_one_when_it_did_in_the_log() -> None:
    """Each crash of the acting daemon is one of its capsule, as long before the takeover as the rule has it."""
    log = of_file("acting_daemon_killed")
    again = assert_told_alike(log)
    assert again.scenario.daemons == 3
    assert [(fault.daemon, fault.of) for fault in deaths(again.scenario)] == [("crash", ACTING)] * 2
    for fault, at_us in zip(deaths(again.scenario), acted_us(log)[1:], strict=True):
        assert 9 * SECOND_US < at_us - fault.at_us <= 14 * SECOND_US


@pytest.mark.parametrize("second", [44.9, 45.7, 46.3, 47.1])
def test_whenever_signs_of_life_were_a_takeover_comes_near_the_log_s(second: float) -> None:
    """One that was started anew is heard of at other instants than in the capsule, and no log tells which was last."""
    anew = 'at = "{}s"\ndaemon = "stop"\nof = {}\ndown = "{}s"'
    log = run_once(world(anew.format(5, 2, 1.3), anew.format(12, 1, 0.6), f'at = "{second}s"\ndaemon = "crash"'), 1)
    again = assert_told_alike(log)
    assert [fault.daemon for fault in deaths(again.scenario)] == ["stop", "crash"]


def test_what_was_taken_in_while_nobody_acted_comes_while_nobody_acts() -> None:
    """Such messages and hooks arrive between the death of one daemon and the begin of the next, each at its instant."""
    log = of_file("taken_in_while_nobody_acts")
    again = assert_told_alike(log)
    (death,), (_, began_us) = deaths(again.scenario), acted_us(log)
    asked = [told.at_us for told in log.books.told if told.what == "accepted" and death.at_us < told.at_us < began_us]
    arrived = [one.at_us for one in again.scenario.arrivals if death.at_us < one.at_us < began_us]
    assert len(asked) == len(arrived) >= 2
    offset_us = stretch_of(log).since_us - log.scenario.start_us
    assert all(abs(one + offset_us - other) < SECOND_US // 100 for one, other in zip(arrived, asked, strict=True))


def test_what_a_dead_daemon_left_out_is_given_up_at_its_deadline() -> None:
    """Such an attempt is a request without an answer, and ends in the re-run when it did in the log."""
    log = of_file("acting_daemon_held_beyond_its_lease")
    again = assert_told_alike(log, share=0.9)

    def given_up(evidence: Evidence) -> list[int]:
        events = (entry for entry in evidence.events if isinstance(entry.event, e.AttemptFailed))
        return [one.at_us - evidence.scenario.start_us for one in events if "interrupted" in str(one.event)]

    assert len(given_up(log)) == len(given_up(again)) >= 5
    assert all(abs(one - other) <= NEAR_US for one, other in zip(given_up(log), given_up(again), strict=True))


def test_one_that_stops_hands_over_at_once_in_the_capsule_too() -> None:
    """Stops of the acting daemon are told as stops; who stood by and was restarted is not told of."""
    again = assert_told_alike(of_file("rolling_restart"))
    assert {(fault.daemon, fault.of) for fault in deaths(again.scenario)} == {("stop", ACTING)}


@pytest.mark.parametrize("how", ["crash", "stop"])
def test_where_nobody_was_there_everybody_is_gone(how: str) -> None:
    """What was due and what nobody did for a minute shows that none of them was there; nor is any in the capsule."""
    log = run_once(world(*(f'at = "40s"\ndaemon = "{how}"\nof = {number}\ndown = "1m"' for number in (1, 2))), 1)
    again = assert_told_alike(log)
    assert {(fault.daemon, fault.of) for fault in deaths(again.scenario)} == {(how, 1), (how, 2)}


def test_one_after_the_other_stops_and_all_come_back_together() -> None:
    """Where the second stops before the first would be back, nobody is back before the log has somebody act."""
    faults = ('at = "40s"\ndaemon = "stop"\ndown = "1m"', 'at = "49s"\ndaemon = "stop"\ndown = "51s"')
    again = assert_told_alike(run_once(world(*faults), 1))
    assert min(fault.at_us + fault.down_us for fault in deaths(again.scenario)) > 90 * SECOND_US


def test_a_daemon_that_was_idle_is_not_said_to_have_been_gone() -> None:
    """With nothing to do between its last event and its end, it dies as long before the takeover as the rule has it."""
    text = 'daemons = 2\n[[arrive]]\nat = "{at}"\nname = "{name}"\nchannel = "email"\nto = "{name}@example.com"\n'
    later = text.format(at="10m", name="late").removeprefix("daemons = 2\n")
    log = run_once(scenario(text.format(at="1s", name="early") + later + '[[fault]]\nat = "5m"\ndaemon = "crash"\n'), 1)
    again = assert_told_alike(log)
    (death,) = deaths(again.scenario)
    assert death.at_us == pytest.approx(5 * 60 * SECOND_US, abs=3 * SECOND_US)


def test_a_daemon_that_stood_still_and_doubted_stands_still_again() -> None:
    """What it gave up since it could not know whether it still acts is given up in the re-run."""
    again = assert_told_alike(of_file("two_that_believe_they_act"), share=0.9)
    aborted = [entry.event.reason for entry in again.events if isinstance(entry.event, e.AttemptAborted)]
    assert set(aborted) == {"lease"}
    assert [fault.daemon for fault in again.scenario.faults if fault.daemon == "freeze"] == ["freeze"]


def test_what_cannot_be_told_of_several_daemons_is_named() -> None:
    """Clocks that were apart and changes that no scenario can lead to stand in the file and in the report on it."""
    log = of_file("daemons_with_clocks_apart")
    capsule, (_, fidelity) = cut(log), retold(log)
    assert fidelity.several is not None
    assert fidelity.several.recorded > fidelity.several.retold
    assert fidelity.several.apart_us is None
    for words in ("which came sooner", "clocks of machines", "counts as killed", "did not act"):
        assert any(words in sentence for sentence in fidelity.several.untold), words
        assert words in capsule.text
    assert set(fidelity.several.untold) <= set(capsule.left_out)


def test_everything_due_in_a_capsule_comes_after_its_daemons() -> None:
    """What comes at the very begin, or was open before, finds somebody who listens: in its order, and not refused."""
    log = run_once(world('at = "40s"\ndaemon = "crash"'), 1)
    capsule = read_capsule(cut(log, since_us=45 * SECOND_US))
    assert capsule.daemons == 2
    again = run_once(capsule, 1)
    assert not [told for told in again.books.told if told.what == "refused"]
    first = [story.accepted.trace for story in again.chronicle.stories.values()]
    assert first == sorted(first)


def test_the_log_of_one_daemon_is_told_by_one() -> None:
    """Whatever happens to a daemon that is alone: nothing in its log speaks of others, and nothing in its capsule."""
    ends = '[[fault]]\nat = "40s"\ndaemon = "{}"\ndown = "{}"\n'
    log = run(
        WORLD.format(faults=ends.format("crash", "20s") + ends.format("stop", "3s")).removeprefix("daemons = 2\n")
    )
    assert several_in(stretch_of(log)) is None
    capsule = read_capsule(cut(log))
    assert capsule.daemons == 1
    assert [fault.of for fault in capsule.faults] == [None] * len(capsule.faults)


def test_daemons_are_back_before_the_next_is_gone() -> None:
    """However soon one restart follows the other: at each there is somebody to hand over to."""
    faults = [f'at = "{second}s"\ndaemon = "stop"\ndown = "500ms"' for second in range(30, 50, 2)]
    again = assert_told_alike(run_once(world(*faults), 1))
    assert _none_overlap(deaths(again.scenario))


def _none_overlap(faults: Iterable[Fault]) -> bool:
    return all(one.at_us + one.down_us <= other.at_us for one, other in pairwise(faults))
