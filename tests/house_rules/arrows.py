"""Answers for which way knowledge runs: scenarios -> adapters -> actors or eventstore -> core, and never back.

It must never know a single file by name; a rule that needs an exception here is a wrong arrow.
"""

import ast
import sys
from collections.abc import Iterator
from typing import Final

from tests.house_rules.naming import Finding, finding, full_name, imports, meanings
from tests.house_rules.sources import PACKAGES, ROOMS, Source

MAY_KNOW: Final = {
    "core": {"core"},
    "actors": {"actors", "core"},
    "eventstore": {"eventstore", "core"},
    "adapters": {"adapters", "actors", "eventstore", "core"},
    "scenarios": set(PACKAGES),
    "tests": set(ROOMS),
    "benchmarks": {*PACKAGES, "benchmarks"},
}

# What waits, asks the machine or speaks to the outside; a name also bans what lies within it.
NOT_IN_CORE: Final = (
    *("asyncio", "concurrent", "multiprocessing", "signal", "subprocess", "threading"),
    *("datetime.datetime.now", "random", "secrets", "time", "uuid"),
    *("http", "logging", "os", "pathlib", "select", "selectors", "shutil", "socket", "sqlite3", "ssl", "tempfile"),
    *("sys.stdin", "sys.stdout", "sys.stderr", "urllib.request"),
)
NOT_CALLED_IN_CORE: Final = {"open", "input", "print", "zoneinfo.ZoneInfo", "zoneinfo.available_timezones"}

Waiting = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith


def knowledge_runs_one_way(source: Source) -> Iterator[Finding]:
    """A room imports only itself and the rooms below it."""
    for node, name in imports(source):
        room = name.partition(".")[0]
        if room in ROOMS and room not in MAY_KNOW[source.room]:
            yield finding(source, node, f"{source.room} must not know {room}")


def core_knows_values_only(source: Source) -> Iterator[Finding]:
    """core imports msgspec and those parts of the standard library that neither wait nor ask nor speak."""
    if source.room != "core":
        return
    for node, name in imports(source):
        root = name.partition(".")[0]
        if any(name == banned or name.startswith(f"{banned}.") for banned in NOT_IN_CORE):
            yield finding(source, node, f"core is pure and must not import {name}")
        elif root not in {"core", "msgspec"} and root not in sys.stdlib_module_names and root not in ROOMS:
            yield finding(source, node, f"core knows msgspec and the standard library only, not {root}")


def core_never_waits(source: Source) -> Iterator[Finding]:
    """core has no async and no await in any form; ports promise an Awaitable instead."""
    if source.room != "core":
        return
    for node in source.nodes:
        if isinstance(node, Waiting):
            yield finding(source, node, "core never waits: no async, no await")
        elif isinstance(node, ast.comprehension) and node.is_async:
            yield finding(source, node.target, "core never waits: no async comprehension")


def core_never_speaks(source: Source) -> Iterator[Finding]:
    """core opens, prints and reads nothing, time zones included: they reach it as loaded values."""
    if source.room != "core":
        return
    meaning = meanings(source)
    for node in source.nodes:
        if isinstance(node, ast.Call) and (name := full_name(node.func, meaning)) in NOT_CALLED_IN_CORE:
            yield finding(source, node, f"core has no input and no output, so it must not call {name}")
