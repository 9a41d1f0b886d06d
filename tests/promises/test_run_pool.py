"""Answers for work that several processes share: whatever becomes of one of them, the caller hears of it in words."""

import os
import signal
import subprocess
import sys
from multiprocessing.connection import wait

import pytest

from scenarios.run.pool import A_PROCESS_DOES, spread

# Far more than a process takes to end; one that is left behind would wait for ever.
_PATIENCE_S = 20
_SPREADING = """
from scenarios.run.pool import spread
from tests.promises.test_run_pool import begin
list(spread(begin, ["is idle", "is busy"], processes=2))
"""


def begin(what: str) -> None:
    """A piece of work that says that it has begun, and is at its end or has none."""
    os.write(1, f"{os.getpid()} {what}\n".encode())
    if what == "is busy":
        signal.pause()


def done_by(piece: int) -> tuple[int, int]:
    """A piece of work that tells which process did it."""
    return piece, os.getpid()


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run_in_words() -> None:
    """Where the system kills a process for its memory, the run ends, and says so without a word of any library."""
    with pytest.raises(ChildProcessError, match="was killed"):
        list(spread(os._exit, [9, 9], processes=1))


@pytest.mark.slow
def test_processes_end_with_the_one_that_began_them() -> None:
    """Where the process that spreads work is killed, no other is left: neither one that waits, nor one at work."""
    spreading = subprocess.Popen([sys.executable, "-c", _SPREADING], stdout=subprocess.PIPE, bufsize=0)
    assert spreading.stdout is not None
    with spreading, spreading.stdout as told:
        # One process may begin both; the other waits then without having done anything.
        begun = [told.readline().split(maxsplit=1) for _ in range(2)]
        spreading.kill()
        assert {what for _, what in begun} == {b"is idle\n", b"is busy\n"}
        # All of them hold the other end of the pipe, so it ends when the last of them has.
        have_ended = bool(wait([told.fileno()], _PATIENCE_S))
        if not have_ended:
            for process in {process for process, _ in begun}:
                os.kill(int(process), signal.SIGKILL)
        assert have_ended
        assert told.read() == b""


@pytest.mark.slow
def test_a_process_does_so_much_and_no_more() -> None:
    """Each piece is done once, and others take over from processes that have done much, with all their memory."""
    found = sorted(spread(done_by, range(2 * A_PROCESS_DOES + 1), processes=1))
    assert [piece for piece, _ in found] == list(range(2 * A_PROCESS_DOES + 1))
    processes = [process for _, process in found]
    assert [processes.count(process) for process in dict.fromkeys(processes)] == [A_PROCESS_DOES, A_PROCESS_DOES, 1]
