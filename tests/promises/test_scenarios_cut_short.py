"""Answers for many runs that somebody cuts short: what came so far is told, and no process is left behind."""

import subprocess
import sys
from collections.abc import Generator, Iterator
from multiprocessing import active_children
from pathlib import Path

import pytest

from scenarios.explore.telling import gathered
from scenarios.file.loading import load
from scenarios.run.judging import judged
from scenarios.run.outcome import Outcome
from scenarios.run.running import run_once
from scenarios.run.swarming import swarm

_FILE = str(Path(__file__).parents[2] / "scenarios" / "dead_tokens.toml")
# The same signal as of Ctrl-C, at some instant while the command runs.
# Python loses an interrupt that falls into a finalizer, so whoever waits half a minute presses again; and it keeps
# ignoring one where its parent does, as a shell has it for what runs in the background.
_INTERRUPTED = """
import signal, sys
from scenarios.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
signal.setitimer(signal.ITIMER_REAL, 3, 30)
sys.argv = ["tidings", "simulate", "--runs", "1000000", sys.argv[1]]
main()
"""


def test_what_came_before_is_kept() -> None:
    """Whoever has seen enough gets the outcomes that were there, and is told how many of how many they are."""
    outcome = judged(run_once(load(Path(_FILE)), 1))

    def chunks() -> Iterator[list[Outcome]]:
        yield [outcome]
        raise KeyboardInterrupt

    found = gathered(chunks(), "seeds", 4_000)
    assert (found.outcomes, found.cut) == ([outcome], "cut short after 1 of 4,000 seeds.")
    assert gathered(iter([[outcome]]), "seeds", 1).cut == ""


@pytest.mark.slow
def test_no_process_is_left_behind() -> None:
    """Others end what they are at and begin nothing more, and nobody waits for what was ahead."""
    chunks = swarm([(_FILE, 1)], 1_000_000, processes=1)
    assert len(next(chunks)) == 10
    assert len(active_children()) == 1
    assert isinstance(chunks, Generator)
    with pytest.raises(KeyboardInterrupt):
        chunks.throw(KeyboardInterrupt)
    assert active_children() == []


@pytest.mark.slow
def test_a_command_that_is_cut_short_ends_in_words() -> None:
    """It ends with the status of a program that Ctrl-C ended, and none of its processes tells of errors."""
    ended = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, _FILE], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
