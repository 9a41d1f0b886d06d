"""Answers for what every test shares: the loop that waiting tests run on, and how properties are searched.

It must never hold fixtures of a single room; those live in the room's own conftest.
"""

import hypothesis
import pytest

# No deadline: a test never judges by the time it took, since the machine is shared and the figures have `make bench`.
# The blob in a failure's report replays it, which random search needs to be worth anything.
hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests that wait run on plain asyncio; what runs on uvloop is the daemon that edge tests start as a process."""
    return "asyncio"
