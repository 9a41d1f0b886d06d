"""A missed expectation is shrunk to what it takes to miss it, and never to a world that has nothing to miss it with."""

import tomllib
from pathlib import Path
from typing import Final, cast

import pytest

from adapters.config.units import span
from scenarios.explore.materialising import materialised
from scenarios.explore.shrinking import Failing, Shrinker
from scenarios.explore.stock import Tree
from scenarios.explore.worlds import tables
from scenarios.file.loading import read_tree
from scenarios.laws.evidence import Evidence
from scenarios.run.expecting import unmet
from scenarios.run.running import run_once
from tests.promises.simulated import HEAD, scenario

pytestmark = pytest.mark.slow

MAILS: Final = """\
[[arrive]]
name = "mails"
over = "1m"
count = 8
channel = "email"
to = "reader{n}@example.com"
[[arrive]]
name = "calls"
over = "1m"
count = 8
channel = "webhook"
to = "https://shop{n}.example/orders"
idempotency_key = "call/{n}"
[[fault]]
arrivals = "calls"
answer = { transient = true }
share = 0.5
[[fault]]
at = "20s"
for = "10s"
answer = { status = 503 }
"""


def shrunk(expect: str, world: str = MAILS) -> Tree:
    """What a world that misses this is shrunk to, which expects the very same."""
    text = f"{world}[[expect]]\n{expect}\n"
    whole = scenario(text)
    evidence = run_once(whole, whole.seed)
    assert unmet(evidence)
    tree = materialised(tomllib.loads(f'{HEAD}runs_for = "2h"\n{text}'), evidence)
    small = Shrinker(Failing(expect=tables(tree, "expect")[0])).shrunk(tree)
    assert small is not None
    assert tables(small, "expect") == tables(tree, "expect")
    return small


def count_of(small: Tree, name: str) -> int:
    """How many messages of a name are left."""
    return sum(arrive["name"] == name for arrive in tables(small, "arrive"))


def test_too_few_are_missed_among_as_many_as_it_takes() -> None:
    """Three that have to be delivered are three that are asked for; messages of which nothing is said are gone."""
    refused = MAILS + '[[fault]]\narrivals = "calls"\nanswer = "permanent"\n'
    small = shrunk('that = "delivered"\narrivals = "calls"\nat_least = 3', refused)
    assert (count_of(small, "calls"), count_of(small, "mails")) == (3, 0)
    assert len(tables(small, "fault")) <= 1


def test_what_there_could_never_be_is_missed_among_all_there_are() -> None:
    """Ten of eight are missed by all eight, not by fewer: fewer would be another world's miss."""
    assert count_of(shrunk('that = "accepted"\narrivals = "mails"\ncount = 10'), "mails") == 8


def test_too_many_are_never_shrunk_to_too_few() -> None:
    """Where more is tried than should be, it is in the smallest world too: not a message, and so not an attempt."""
    small = shrunk('that = "attempts"\narrivals = "calls"\ncount = 8')
    (words,) = unmet(run_of(small))
    assert int(words.removeprefix("expect[0]: attempts, arrivals calls: ").partition(",")[0]) > 8


def test_a_share_is_one_of_somebody() -> None:
    """Of no messages each share is whole: one that is too high is so of one message at least."""
    small = shrunk('that = "delivered"\narrivals = "mails"\nat_most_share = 0.9')
    assert count_of(small, "mails") == 1


def test_who_is_asked_for_too_late_is_nobody() -> None:
    """A message that comes after the time by which it should be there is none of those that are missed."""
    small = shrunk('that = "delivered"\narrivals = "mails"\nat_least = 8\nby = "30s"')
    assert sum(seconds(arrive) <= 30 for arrive in tables(small, "arrive")) == 5


def test_what_befalls_daemons_takes_a_fault() -> None:
    """Crashes that there should be more of are missed beside a crash, and pauses beside an order to pause."""
    crash = '[[fault]]\nat = "30s"\ndaemon = "crash"\n'
    order = '[[operator]]\nat = "{}s"\ndo = "{}"\nlane = "email"\n'
    pause = order.format(30, "pause") + order.format(40, "resume")
    few = shrunk('that = "crashes"\nat_least = 2', MAILS + crash)
    assert len([fault for fault in tables(few, "fault") if "daemon" in fault]) == 1
    none = shrunk('that = "lanes_paused"\nat_least = 1', MAILS + pause)
    assert [order["do"] for order in tables(none, "operator")].count("pause") == 1


def run_of(small: Tree) -> Evidence:
    """The run of a shrunk world."""
    found = read_tree(small, Path("small.toml"), lines={})
    return run_once(found, found.seed)


def seconds(arrive: Tree) -> float:
    """When a message is asked for."""
    return cast("int", span()(arrive.get("at", "0s"))) / 1_000_000
