"""Answers for how many seeds a promise is tried with: few in `make check`, as many as it asks for in `make test`.

It must never draw: a seed is a number, so that a test's name is enough to repeat it.
"""

import pytest


def seeds(count: int, *, first: int = 0, fast: int = 1) -> list[object]:
    """So many numbers from `first` on, to be a test's parameters; all but the first `fast` ones make it a slow test."""
    every = range(first, first + count)
    return [*every[:fast], *(pytest.param(seed, marks=pytest.mark.slow) for seed in every[fast:])]
