"""Simpler forms of a world: nothing said of what is gone, defaults for what need not be said, round times.

This file answers for which forms are simpler; whether one of them still fails is asked of whoever knows.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Final, cast

from adapters.config.units import Unfit, shown_span, span
from core.policies import HOUR_US, MINUTE_US, SECOND_US
from scenarios.explore.stock import Tree
from scenarios.explore.worlds import tables

Still = Callable[[Tree], bool]
Path = tuple[str | int, ...]

_SPAN: Final = span()
_SELECTING: Final = ("provider", "fault", "peer", "operator")
# Without these a file is none, or its messages are others.
_STAY: Final = frozenset({"name", "why", "start", "seed", "number", "message", "attempt"})
# Of what is expected nothing may be otherwise: that would be another failure.
_EXPECTED: Final = "expect"
_ROUND_US: Final = (HOUR_US, MINUTE_US, SECOND_US, 100_000, 1_000)


def pruned(tree: Tree) -> Tree:
    """Without what speaks of messages, tables and tenants that are gone: it would be a mistake, or say nothing."""
    arrivals = tables(tree, "arrive")
    names = {arrive.get("name") for arrive in arrivals} | {plan.get("reference") for plan in tables(tree, "plan")}
    hooks = tree.get("hooks", {})
    names |= set(hooks) if isinstance(hooks, dict) else set()
    messages = {f"{one.get('name')}/{n}" for one in arrivals for n in _numbers(one)}
    tenants = {one.get("tenant", "org") for name in ("arrive", "device", "plan") for one in tables(tree, name)}
    tenants |= {one.get("tenant", "default") for one in (hooks.values() if isinstance(hooks, dict) else ())}
    found = dict(tree)
    found["answered"] = [one for one in tables(tree, "answered") if _is_there(str(one["message"]), names, messages)]
    for name in _SELECTING:
        found[name] = [
            one
            for one in tables(tree, name)
            if one.get("arrivals") in {None, *names}
            and ("message" not in one or _is_there(str(one["message"]), names, messages))
            and one.get("tenant") in {None, *tenants}
        ]
    return found


def _numbers(arrive: Tree) -> range:
    number, count = arrive.get("number", 1), arrive.get("count", 1)
    assert isinstance(number, int), "a number that was read is one"
    assert isinstance(count, int), "a count that was read is a number"
    return range(number, number + count)


def _is_there(message: str, names: set[object], messages: set[str]) -> bool:
    """Whether a message may be there: what plans and providers come to is known by the first part of its name."""
    name, _, rest = message.partition("/")
    number = rest.partition("@")[0].partition("+")[0]
    return f"{name}/{number}" in messages or (name in names and not number.isdigit())


def without_each_key(tree: Tree, still: Still) -> Tree:
    """Without whatever keys it does without; whole tables are tried before what is in them."""
    for path in sorted(_paths(tree), key=lambda path: (len(path), _order(path))):
        if path[-1] in _STAY or path[0] == _EXPECTED or not _has(tree, path):
            continue
        without = copy.deepcopy(tree)
        inner = _at(without, path[:-1])
        assert isinstance(inner, dict), "a key stands in a table"
        del inner[path[-1]]
        if still(without):
            tree = without
    return tree


def simpler_spans(tree: Tree, still: Still) -> Tree:
    """With times as round as they may be: of hours, minutes, seconds and so on."""
    for path in sorted(_paths(tree), key=_order):
        if path[0] == _EXPECTED:
            continue
        value = _at(tree, path)
        for unit_us in _ROUND_US:
            rounder = _rounder(value, unit_us)
            if rounder is None:
                continue
            changed = copy.deepcopy(tree)
            inner = _at(changed, path[:-1])
            assert isinstance(inner, dict), "a key stands in a table"
            inner[path[-1]] = rounder
            if still(changed):
                tree = changed
                break
    return tree


def _rounder(value: object, unit_us: int) -> str | None:
    """The nearest span of whole units; None for what is no span, or is as round already."""
    try:
        span_us = cast("int", _SPAN(value))
    except Unfit:
        return None
    found_us = (span_us + unit_us // 2) // unit_us * unit_us
    return shown_span(found_us) if found_us != span_us else None


def _paths(value: object, path: Path = ()) -> Iterator[Path]:
    """Every key of every table, wherever it stands."""
    match value:
        case dict():
            for key, inner in value.items():
                yield (*path, key)
                yield from _paths(inner, (*path, key))
        case list():
            for place, inner in enumerate(value):
                yield from _paths(inner, (*path, place))
        case _:
            pass


def _order(path: Path) -> tuple[str, ...]:
    return tuple(f"{part:06}" if isinstance(part, int) else part for part in path)


def _at(tree: object, path: Path) -> object:
    for part in path:
        match tree:
            case dict() | list():
                tree = tree[part]  # type: ignore[index]  # a key of a table, or a place in a list
            case _:
                raise KeyError(part)
    return tree


def _has(tree: Tree, path: Path) -> bool:
    try:
        _at(tree, path)
    except (KeyError, IndexError):
        return False
    return True
