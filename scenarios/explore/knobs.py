"""Our own knobs, shrunk: memory for one, patience of a moment, one at a time.

This file answers for which bounds and policies a world may have instead of its file's. Each value is one that a
configuration could hold.
"""

from collections.abc import Mapping
from typing import Final

from adapters.config.providers import CHANNELS
from scenarios.draws import Draws

Tree = dict[str, object]

_BOUNDS: Final[Mapping[str, tuple[object, ...]]] = {
    "awake_max": (1, 2),
    "idle": ("50ms", "1s"),
    "window_max": (1, 2),
    "agenda_window_max": (1, 2),
    "deferred_max": (1, 2),
    "mail_max": (1, 3),
    "parcels_max": ("1B",),
    "peers_max": (1, 2),
    "accepting_max": (1, 2, 10),
    "stop_within": ("10ms", "1s"),
}
_POLICY: Final[Mapping[str, tuple[object, ...]]] = {
    "timeout": ("100ms", "1s"),
    "in_flight_max": (1, 3),
    "order": ("fifo", "any"),
    "on_ambiguous": ("resend", "hold", "fail"),
    "poison": ("block", "park", {"skip_after": "20s"}),
    "retry_after_ceiling": ("5s",),
    "rate_pause": ("100ms", "10s"),
    "give_up_after": ("1m", "1h"),
    "reconcile": ("0s", "5s"),
}
_PARTS: Final[Mapping[str, Mapping[str, tuple[object, ...]]]] = {
    "limits": {"concurrency": (1, 2), "host_concurrency": (1,), "gap": ("0s", "3s")},
    "circuit": {"failures": (1, 2), "cooldown": ("500ms", "10s")},
    "breaker": {"of": (1, 2), "cooldown": ("500ms", "10s")},
}


def turn_knobs(tree: Tree, draws: Draws) -> None:
    """Turns some knobs of a world, if a coin says so: bounds by themselves, and each channel's policy."""
    if draws.draw("swarm bounds") < 0.4:
        _turn(_table(tree, "bounds"), _BOUNDS, draws, "bound")
    for channel in CHANNELS:
        if draws.draw("swarm policy", channel) < 0.3:
            _turn_policy(_table(_table(tree, "policies"), channel), draws, channel)


def _turn_policy(policy: Tree, draws: Draws, channel: str) -> None:
    _turn(policy, _POLICY, draws, f"policy {channel}")
    for part, keys in _PARTS.items():
        if draws.draw("swarm part", channel, part) < 0.3:
            _turn(_table(policy, part), keys, draws, f"{part} {channel}")


def _turn(table: Tree, knobs: Mapping[str, tuple[object, ...]], draws: Draws, of: str) -> None:
    for name, values in knobs.items():
        if draws.draw(f"swarm {of}", name) < 0.4:
            table[name] = draws.choice(f"swarm {of} value", name, among=values)


def _table(tree: Tree, name: str) -> Tree:
    found = tree.setdefault(name, {})
    assert isinstance(found, dict), f"{name} of a file that was read is a table"
    return found
