"""Answers for work that several processes share: whatever becomes of one of them, the caller hears of it in words."""

import os

import pytest

from scenarios.run.pool import spread


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run_in_words() -> None:
    """Where the system kills a process for its memory, the run ends, and says so without a word of any library."""
    with pytest.raises(ChildProcessError, match="was killed"):
        list(spread(os._exit, [9, 9], processes=1))
