"""Worlds that swarm around a file: its people and lanes, under faults, paces and knobs that a seed chooses.

This file answers for a world being a function of file and seed, and a file in its turn: it is checked as every file is.
Features suppress one another, so each is in or out by a coin of its own, and what is in is rarely moderate.
"""

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

import msgspec

from adapters.config.units import shown_span, span
from core.policies import MINUTE_US
from scenarios.draws import Draws
from scenarios.explore.knobs import turn_knobs
from scenarios.explore.stock import SHARES, Pick, Tree, Where, drawn_from_stock
from scenarios.file.loading import read_tree
from scenarios.file.scenario import Scenario

_SPAN: Final = span()
_NUMBER: Final = re.compile(r"\{n((?::0\d{1,2})?)\}", re.ASCII)
_SCHEDULES: Final = ("fifo", "walk", "pct")
_GAPS_US: Final = (10_000, 500_000, 5_000_000, 60_000_000)
_COUNTS: Final = (1, 3, 12, 40)
_PEERS: Final = (1, 3, 20)
_SLOW: Final = ({"median": "800ms", "p99": "10s"}, {"median": "20s", "p99": "40s"})
_LATENCIES: Final = (None, {"median": "1ms"}, {"median": "20ms", "p99": "300ms"}, *_SLOW)
_COMMITS: Final = (None, None, {"median": "1ms", "p99": "5ms"}, {"median": "20ms", "p99": "200ms"})
# In how many worlds people ask to be forgotten.
_FORGETTING: Final = 0.25
# A world that nobody thought of may take a while; what must hold is that it comes to rest at all.
_RESTS_WITHIN: Final = "30d"


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One world as a file would say it, and what that comes to."""

    tree: Tree
    scenario: Scenario


def world_of(tree: Mapping[str, object], base: Scenario, seed: int) -> World:
    """The world that a seed makes of a file. What the file expects is said of another world, so it is left out."""
    draws = Draws(seed)
    changed = copy.deepcopy(dict(tree))
    for key in ("expect", "crash"):
        changed.pop(key, None)
    changed["schedule"] = _SCHEDULES[seed % len(_SCHEDULES)]
    changed["seed"] = seed
    changed["rests_within"] = _RESTS_WITHIN
    _fewer(changed, draws)
    _paced(changed, base, draws)
    _peopled(changed, base, draws)
    _weathered(changed, base, draws)
    lanes = tuple(lane.name for lane in base.settings.lanes)
    where = Where(
        busy_us=_busy_us(changed, base),
        runs_for_us=base.runs_for_us,
        lanes=lanes,
        wired=frozenset(base.wired),
        signs=bool(base.hooks),
        daemons=base.daemons,
    )
    changed["fault"] = [*_kept(changed, draws), *drawn_from_stock(draws, where)]
    _forgetting(changed, draws, where)
    turn_knobs(changed, draws)
    return World(tree=changed, scenario=read_tree(changed, Path(base.file), lines={}))


def _forgetting(tree: Tree, draws: Draws, where: Where) -> None:
    """Some of those that messages are for ask to be forgotten, in the midst of it all."""
    if draws.draw("swarm forgetting") >= _FORGETTING:
        return
    picks = [Pick(draws, "forget", number, where) for number in range(1 + draws.integer("swarm forgets", below=3))]
    orders = [{"at": pick.at(), "do": "forget", "share": pick.among("share", SHARES)} for pick in picks]
    tree["operator"] = [*tables(tree, "operator"), *orders]


def tables(tree: Mapping[str, object], name: str) -> list[Tree]:
    """The array of tables of a name; those of a file that was read are what they should be."""
    return cast("list[Tree]", tree.get(name, []))


def _fewer(tree: Tree, draws: Draws) -> None:
    most = draws.choice("swarm most", among=_COUNTS)
    for arrive in tables(tree, "arrive"):
        count = arrive.get("count", 1)
        assert isinstance(count, int), "a count that was read is a number"
        arrive["count"] = min(count, most)


def _paced(tree: Tree, base: Scenario, draws: Draws) -> None:
    """Everything at once, or one a minute: who waits for whom depends on it."""
    gap_us = draws.choice("swarm gap", among=_GAPS_US)
    for index, arrive in enumerate(tables(tree, "arrive")):
        if draws.draw("swarm paced", index) < 0.5:
            begins_us, count = base.arrivals[index].at_us, arrive["count"]
            assert isinstance(count, int), "a count that was read is a number"
            arrive["over"] = shown_span(min(gap_us * count, base.runs_for_us - begins_us))


def _peopled(tree: Tree, base: Scenario, draws: Draws) -> None:
    """Few people get many messages each. A user's devices are registered by name, so users stay as they are."""
    if draws.draw("swarm peopled") >= 0.5:
        return
    people = draws.choice("swarm people", among=_PEERS)
    for arrive in tables(tree, "arrive"):
        to = arrive.get("to")
        if isinstance(to, str) and not (base.devices and arrive.get("channel") == "push"):
            arrive["to"] = _NUMBER.sub(lambda found: f"{{n%{people}{found[1]}}}", to)


def _weathered(tree: Tree, base: Scenario, draws: Draws) -> None:
    """How long answers and commits take."""
    until = shown_span(base.runs_for_us)
    providers = []
    for index, provider in enumerate(tables(tree, "provider")):
        providers += _timed(provider, draws.choice("swarm latency", index, among=_LATENCIES), until)
    tree["provider"] = [*providers, *_timed({}, draws.choice("swarm latency", "others", among=_LATENCIES), until)]
    commit = draws.choice("swarm commit", among=_COMMITS)
    tree["disk"] = {} if commit is None else {"latency": commit}


def _timed(provider: Tree, latency: Mapping[str, str] | None, until: str) -> list[Tree]:
    """A provider as fast as this, if it is said; one that is slow is so while the run lasts.

    Where answers stayed slower than our deadlines nothing would ever be delivered, and a long line never come to rest.
    """
    usual = [provider] if provider else []
    if latency is None:
        return usual
    changed = {**provider, "latency": latency}
    return [{**changed, "for": until}, *usual] if latency in _SLOW and "for" not in provider else [changed]


def _kept(tree: Tree, draws: Draws) -> list[Tree]:
    """The file's own faults, but for the kinds whose coin says no; with other shares."""
    kept = []
    for index, fault in enumerate(tables(tree, "fault")):
        if draws.draw("swarm keeps", _kind(fault)) < 0.5:
            continue
        for table in (fault, fault.get("answer")):
            if isinstance(table, dict) and "share" in table and draws.draw("swarm shares", index) < 0.5:
                table["share"] = draws.choice("swarm share of its own", index, among=SHARES)
        kept.append(fault)
    return kept


def _kind(fault: Tree) -> str:
    kind = next(
        key for key in ("answer", "account", "daemon", "clock", "disk", "store", "database", "cut") if key in fault
    )
    answer = fault[kind]
    return f"{kind} {sorted(answer)}" if isinstance(answer, dict) else f"{kind} {answer}"


def _busy_us(tree: Tree, base: Scenario) -> int:
    """Until when something arrives, and a while longer."""
    last_us = 0
    for table in (*tables(tree, "arrive"), *tables(tree, "plan"), *tables(tree, "device")):
        last_us = max(last_us, sum(cast("int", _SPAN(table.get(key, "0s"))) for key in ("at", "over")))
    return min(base.runs_for_us, last_us + last_us // 2 + MINUTE_US)
