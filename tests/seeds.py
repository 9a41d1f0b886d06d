"""Answers for how many seeds a promise is tried with: one in `make check`, as many as it asks for in `make test`.

It must never draw: a seed is a number, so that a test's name is enough to repeat it.
"""

import pytest


def seeds(count: int, *, first: int = 0) -> list[object]:
    """So many numbers from `first` on, to be a test's parameters; all but the first belong to slow tests."""
    return [first, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(first + 1, first + count))]
