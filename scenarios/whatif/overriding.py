"""A scenario under other policies: its file with the tables of another file laid over it.

This file answers for a policy's keys being changed one by one, as in a configuration that extends another, and for
every mistake in the other file being told at its line. It must never change anything but policies and lanes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from adapters.config.loading import Mistaken, parsed, text_of
from adapters.config.positions import KeyPath, lines_of
from adapters.config.providers import CHANNELS
from adapters.config.reading import Mistake, one_of
from scenarios.file.loading import read_tree
from scenarios.file.scenario import Scenario

Tree = Mapping[str, object]

_ROOMS: Final = ("policies", "lanes")
# These are changed key by key, all other values of a policy are replaced whole: as in a configuration.
_PARTS: Final = frozenset({"limits", "circuit", "breaker"})
_FORMS: Final = (frozenset({"after"}), frozenset({"first", "factor", "times", "ceiling"}))


def under(file: Path, policies: Path) -> Scenario:
    """The scenario in `file` under the policies of the other file; raises Mistaken."""
    tree, text = parsed(text_of(file), file), text_of(policies)
    changes, lines = parsed(text, policies), lines_of(text)
    lanes = _tables(tree, "lanes") or {channel: {"channel": channel} for channel in CHANNELS}
    _check(changes, lines, policies, [*lanes, *_tables(tree, "hooks")])
    own = {name: dict(cast("Tree", table)) for name, table in _tables(tree, "policies").items()}
    for name, table in _tables(changes, "policies").items():
        own[name] = _changed(own.get(name, {}), cast("Tree", table))
    merged = {**tree, "policies": own, "lanes": _lanes(lanes, changes)}
    return read_tree(merged, policies, lines=lines)


def _check(changes: Tree, lines: Mapping[KeyPath, int], file: Path, lanes: list[str]) -> None:
    """Whatever would not change a policy, and so would be compared in vain, is a mistake."""
    mistakes = [
        Mistake(where=str(file), line=lines.get((key,)), at=key, seen="no policy", expected="policies and lanes alone")
        for key in changes
        if key not in _ROOMS
    ]
    mistakes += [
        Mistake(
            where=str(file),
            line=lines.get(("lanes", name)),
            at=f"lanes.{name}",
            seen="a lane that the scenario has not",
            expected=one_of(name, lanes),
        )
        for name in _tables(changes, "lanes")
        if name not in lanes
    ]
    if not any(_tables(changes, room) for room in _ROOMS):
        expected = "[policies.X] or [lanes.X.policy]"
        mistakes.append(Mistake(where=str(file), line=None, at="the whole", seen="no policy", expected=expected))
    if mistakes:
        raise Mistaken(mistakes)


def _lanes(lanes: Tree, changes: Tree) -> dict[str, object]:
    found = dict(lanes)
    for name, given in _tables(changes, "lanes").items():
        table, change = cast("Tree", found[name]), cast("Tree", given)
        policy = _changed(_tables(table, "policy"), _tables(change, "policy"))
        found[name] = {**table, **change, "policy": policy}
    return found


def _changed(base: Tree, change: Tree) -> dict[str, object]:
    changed = dict(base)
    for key, value in change.items():
        known = base.get(key)
        if isinstance(value, Mapping) and isinstance(known, Mapping) and key in _PARTS:
            changed[key] = {**known, **value}
        elif isinstance(value, Mapping) and isinstance(known, Mapping) and key == "retry":
            changed[key] = _retry(known, value)
        else:
            changed[key] = value
    return changed


def _retry(base: Tree, change: Tree) -> dict[str, object]:
    """A schedule has one of two forms: keys of the other one go."""
    form = next((form for form in _FORMS if form & change.keys()), frozenset[str]())
    other = frozenset[str]().union(*(one for one in _FORMS if one != form)) if form else frozenset[str]()
    return {**{key: value for key, value in base.items() if key not in other}, **change}


def _tables(tree: Tree, key: str) -> dict[str, object]:
    found = tree.get(key, {})
    return dict(found) if isinstance(found, Mapping) else {}
