"""How a daemon on a database begins where the server has too much to do: again for a while, and told at last.

Virtual time, and a driver that says what no server says on demand.
"""

import asyncio

import asyncpg  # type: ignore[import-untyped]  # It brings no types.
import pytest

from eventstore.postgres.opening import AGAIN_FOR_S, insisted
from scenarios.loop.run import run_virtual


@pytest.mark.parametrize("error", [asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError])
def test_a_busy_database_is_asked_again(error: type[Exception]) -> None:
    """A start that the server has cut short, since somebody held what it needed, is tried again, for a while."""
    tries: list[float] = []

    async def begin() -> str:
        tries.append(asyncio.get_running_loop().time())
        # As long as the server gives a statement.
        await asyncio.sleep(10)
        if len(tries) < 2:
            raise error("canceling statement")
        return "there"

    async def main() -> None:
        assert await insisted(begin) == "there"

    run_virtual(main)
    assert len(tries) == 2


def test_a_database_that_stays_busy_refuses_at_last() -> None:
    """The start ends with what the server said, and the supervisor goes on from there."""
    tries: list[float] = []

    async def begin() -> None:
        tries.append(asyncio.get_running_loop().time())
        raise asyncpg.QueryCanceledError("canceling statement due to statement timeout")

    async def main() -> None:
        with pytest.raises(asyncpg.QueryCanceledError):
            await insisted(begin)

    run_virtual(main)
    assert tries[-1] <= AGAIN_FOR_S


def test_what_will_not_change_is_not_tried_again() -> None:
    """A wrong password, or a server that is not there, is told at once."""
    tries: list[float] = []

    async def begin() -> None:
        tries.append(0.0)
        raise asyncpg.InvalidPasswordError("password authentication failed")

    async def main() -> None:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await insisted(begin)

    run_virtual(main)
    assert len(tries) == 1
