"""Who was forgotten, as a daemon that stands by learns it: it remembers nothing of them any more.

This file answers for what it takes in for them beginning anew once the erasure is over: while the address is closed it
forgets where that led. It must never record anything of an erasure: that is the acting daemon's.
"""

from actors.peers import Peers
from actors.sender import NONSENSE
from core import events as e
from core.ports import Log, Witness


class FollowedErasures:
    """The erasures of a log, as far as they concern whoever remembers peers."""

    def __init__(self, *, log: Log, peers: Peers, witness: Witness) -> None:
        self._log = log
        self._peers = peers
        self._witness = witness
        # What was over before had nothing remembered here.
        self._newest = log.newest()[0]
        # The conversations of those that are under way.
        self._under_way: dict[int, int] = {}

    async def look_again(self) -> None:
        """Whoever is being forgotten is not remembered, nor whose erasure is over by now.

        Raises Refused where the log cannot be read.
        """
        under_way = [head.stream for head in await self._log.heads_of_kind("sys", status="erasing")]
        # Those that began and ended since the last look were never seen under way.
        over = [head.stream for head in await self._log.heads_of_kind("sys", status="erased", after=self._newest)]
        known = self._under_way
        for stream in (*under_way, *over):
            if stream not in known:
                known[stream] = await self._conversation_of(stream)
        if known:
            self._peers.drop_conversations(frozenset(known.values()))
        self._under_way = {stream: known[stream] for stream in under_way}
        self._newest = max([self._newest, *known])

    async def _conversation_of(self, erasure: int) -> int:
        try:
            first = (await self._log.events_of(erasure))[0].event
        except NONSENSE as error:
            self._witness.note("erasure_parked", erasure=erasure, error=str(error))
            return 0
        return first.conversation if isinstance(first, e.ErasureStarted) else 0
