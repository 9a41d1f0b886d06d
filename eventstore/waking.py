"""Whoever waits for the next commit, woken in the order of asking.

This file answers for a follower never missing a commit that comes after it asked. It must never tell what was
committed: followers read.
"""

import asyncio


class Waking:
    """The waiting followers of one log."""

    def __init__(self) -> None:
        # A dict for its order: a set would wake them in another order in every run.
        self._waiting: dict[asyncio.Future[None], None] = {}

    def ask(self) -> asyncio.Future[None]:
        """Done at the next commit after this call, whether it is waited for before or after that."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = None
        # Followers come and go while nothing happens: one that gave up must not stay here until the next commit.
        future.add_done_callback(self._forget)
        return future

    def wake(self) -> None:
        """There was a commit."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting:
            _done(future)

    def _forget(self, future: asyncio.Future[None]) -> None:
        self._waiting.pop(future, None)


async def woken_within(asked: asyncio.Future[None], rest_s: float) -> None:
    """Returns once what was asked for has come, or so much later: without an error that nobody wants to see."""
    alarm = asyncio.get_running_loop().call_later(rest_s, _done, asked)
    try:
        await asked
    finally:
        alarm.cancel()


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
