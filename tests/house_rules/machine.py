"""Answers for who asks the machine for time or chance: two files, so that a simulation can stand in for both.

It must never widen by habit: whoever else asks stands in exceptions.toml with a reason.
"""

import ast
from collections.abc import Iterator
from typing import Final

from tests.house_rules.naming import Finding, finding, full_name, imports, meanings
from tests.house_rules.sources import Source

DOORS: Final = {"adapters/clock.py", "adapters/chance.py"}

# Tests and benchmarks measure real time and draw real loads; the laws of a replay do not bind them.
FREE_ROOMS: Final = {"tests", "benchmarks"}

BANNED_MODULES: Final = {"random", "secrets", "time", "uuid"}
BANNED_NAMES: Final = {
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
    *("os.urandom", "os.getrandom", "os.times"),
}


def only_two_files_ask_the_machine(source: Source) -> Iterator[Finding]:
    """Time, randomness and random ids come from the clock adapter and the chance adapter, under whatever alias."""
    if source.path in DOORS or source.room in FREE_ROOMS:
        return
    for statement, name in imports(source):
        if (module := name.partition(".")[0]) in BANNED_MODULES:
            yield finding(source, statement, f"{module} is asked through adapters/clock.py or adapters/chance.py only")
    meaning = meanings(source)
    for node in source.nodes:
        if isinstance(node, ast.Name | ast.Attribute) and full_name(node, meaning) in BANNED_NAMES:
            words = f"{full_name(node, meaning)} is asked through adapters/clock.py or adapters/chance.py only"
            yield finding(source, node, words)
