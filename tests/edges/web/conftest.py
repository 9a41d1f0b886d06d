"""Answers for the house that most tests of this room knock at."""

from collections.abc import AsyncIterator

import pytest

from tests.edges.web.house import House, running


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A house that nobody has used yet."""
    async with running() as opened:
        yield opened
