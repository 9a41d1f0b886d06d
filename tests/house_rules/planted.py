"""Answers for samples in which each house rule must find exactly the lines that end in `# guilty`, and no other.

It must never be imported but by the tests of the rules; the samples are text and are never run.
"""

from collections.abc import Callable, Iterator
from typing import Final

from tests.house_rules.arrows import (
    core_knows_values_only,
    core_never_speaks,
    core_never_waits,
    knowledge_runs_one_way,
)
from tests.house_rules.catching import everything_is_caught_in_few_places
from tests.house_rules.machine import only_two_files_ask_the_machine
from tests.house_rules.names import (
    every_name_says_something,
    no_name_hides_a_standard_module,
    tests_of_core_lie_in_rules,
)
from tests.house_rules.naming import Finding
from tests.house_rules.proofs import every_test_can_fail, every_test_makes_a_promise, tests_use_real_parts
from tests.house_rules.sources import Source

Rule = Callable[[Source], Iterator[Finding]]

ARROWS: Final = """
import core.events
from core import ids
from actors import sender  # guilty
import adapters.channels.smtp as smtp  # guilty
if False:
    from eventstore.codec import decode  # guilty
def late() -> None:
    import scenarios.world  # guilty
import tests.rules, core.agenda  # guilty
"""

ARROWS_FROM_ACTORS: Final = """
from core.ports import Log
from actors.roster import Roster
from eventstore.memory import MemoryLog  # guilty
import benchmarks  # guilty
"""

ARROWS_FROM_ADAPTERS: Final = """
import actors.system, eventstore.sqlite, core.ids
from scenarios import cli  # guilty
"""

CORE_IMPORTS: Final = """
import hashlib
import msgspec
from datetime import datetime, time
from urllib.parse import urlsplit
from core.ids import MessageId
import asyncio  # guilty
import os.path  # guilty
from os import urandom  # guilty
import anyio  # guilty
from urllib.request import urlopen  # guilty
import logging as log  # guilty
from time import monotonic  # guilty
import random, hmac  # guilty
"""

CORE_WAITS: Final = """
from collections.abc import Awaitable
def append(self) -> Awaitable[int]: ...
async def wait():  # guilty
    async with lock:  # guilty
        async for row in rows:  # guilty
            await row  # guilty
    return [row async for row in rows]  # guilty
"""

CORE_SPEAKS: Final = """
import zoneinfo
from zoneinfo import ZoneInfo as Zone
def name(zone: Zone) -> str:
    return zone.key
print("sent")  # guilty
open("/dev/null")  # guilty
Zone("UTC")  # guilty
zoneinfo.ZoneInfo("UTC")  # guilty
log.print("sent")
"""

ASKS: Final = """
import datetime
import os
from datetime import datetime as dt, time
import time as clock  # guilty
from uuid import uuid4  # guilty
import secrets, hashlib  # guilty
from random import random  # guilty
dt.fromtimestamp(0, tz)
self.clock.now()
started = dt.now(tz)  # guilty
factory = datetime.datetime.utcnow  # guilty
datetime.date.today()  # guilty
salt = os.urandom(16)  # guilty
"""

CATCHES: Final = """
import contextlib
from contextlib import suppress
class Loop:
    async def run(self):
        try:
            work()
        except OSError:
            pass
        except Exception:  # guilty
            raise
        try:
            work()
        except (ValueError, BaseException):  # guilty
            pass
try:
    work()
except:  # guilty
    pass
with suppress(KeyError), contextlib.suppress(Exception):  # guilty
    work()
"""

SAYS_NOTHING: Final = """
class LaneManager:  # guilty
    pass
class SMTPHelper:  # guilty
    pass
class Commons:
    pass
"""

PROMISES: Final = '''
def test_silent():  # guilty
    assert sent
def test_empty():  # guilty
    """"""
    assert sent
class TestLane:
    async def test_silent(self):  # guilty
        assert sent
def test_pausing_keeps_what_waits():
    """A paused lane keeps its messages."""
    assert sent
def sample():
    assert sent
'''

CAN_FAIL: Final = '''
import pytest
from pytest import raises
def test_idle():  # guilty
    """Nothing happens."""
    run()
def test_constant():  # guilty
    """True is true."""
    assert True
class TestLane:
    async def test_idle(self):  # guilty
        """Nothing happens here."""
        await run()
async def test_asserting():
    """An assertion counts wherever it stands."""
    for lane in lanes:
        assert lane.open
def test_refusing():
    """An expected error counts, by either name."""
    with raises(ValueError):
        run()
    with pytest.raises(ValueError):
        run()
def test_delegating():
    """Assertions of one's own count."""
    assert_same(run(), run())
'''

REAL_PARTS: Final = """
import time
from unittest.mock import Mock  # guilty
import unittest.mock  # guilty
from time import sleep  # guilty
time.sleep(1)  # guilty
time.monotonic()
"""

INNOCENT: Final = "VALUE = 1\n"
GUILTY: Final = "VALUE = 1  # guilty\n"

# A rule, the path that the sample pretends to have, and the sample.
PLANTED: Final[tuple[tuple[Rule, str, str], ...]] = (
    (knowledge_runs_one_way, "core/planted.py", ARROWS),
    (knowledge_runs_one_way, "actors/planted.py", ARROWS_FROM_ACTORS),
    (knowledge_runs_one_way, "adapters/web/planted.py", ARROWS_FROM_ADAPTERS),
    (core_knows_values_only, "core/planted.py", CORE_IMPORTS),
    (core_knows_values_only, "actors/planted.py", CORE_IMPORTS.replace("  # guilty", "")),
    (core_never_waits, "core/planted.py", CORE_WAITS),
    (core_never_waits, "actors/planted.py", CORE_WAITS.replace("  # guilty", "")),
    (core_never_speaks, "core/planted.py", CORE_SPEAKS),
    (core_never_speaks, "adapters/planted.py", CORE_SPEAKS.replace("  # guilty", "")),
    (only_two_files_ask_the_machine, "core/planted.py", ASKS),
    (only_two_files_ask_the_machine, "scenarios/planted.py", ASKS),
    (only_two_files_ask_the_machine, "adapters/clock.py", ASKS.replace("  # guilty", "")),
    (only_two_files_ask_the_machine, "benchmarks/planted.py", ASKS.replace("  # guilty", "")),
    (everything_is_caught_in_few_places, "adapters/planted.py", CATCHES),
    (everything_is_caught_in_few_places, "actors/sender.py", CATCHES.replace("  # guilty", "")),
    (no_name_hides_a_standard_module, "adapters/logging.py", GUILTY),
    (no_name_hides_a_standard_module, "adapters/http/lane.py", GUILTY),
    (no_name_hides_a_standard_module, "eventstore/sqlite.py", INNOCENT),
    (every_name_says_something, "core/lane_helpers.py", GUILTY),
    (every_name_says_something, "adapters/common/lane.py", GUILTY),
    (every_name_says_something, "adapters/lanes.py", SAYS_NOTHING),
    (tests_of_core_lie_in_rules, "tests/core/test_ids.py", GUILTY),
    (tests_of_core_lie_in_rules, "tests/rules/test_ids.py", INNOCENT),
    (every_test_makes_a_promise, "tests/rules/test_planted.py", PROMISES),
    (every_test_makes_a_promise, "tests/rules/samples.py", PROMISES.replace("  # guilty", "")),
    (every_test_can_fail, "tests/rules/test_planted.py", CAN_FAIL),
    (tests_use_real_parts, "tests/rules/test_planted.py", REAL_PARTS),
    (tests_use_real_parts, "benchmarks/planted.py", REAL_PARTS.replace("  # guilty", "")),
)
