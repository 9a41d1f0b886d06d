"""Clients of several daemons: each message goes to any that answers, again and again under its key until one takes it.

Answers for each conversation's messages being sent in their order, the next once the one before was accepted.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import anyio
import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from scenarios.draws import Draws
from tests.storm.storm import Peer

# Whoever asks a frozen daemon goes elsewhere after so long.
_ANSWERED_WITHIN: Final = ClientTimeout(total=3)
_AGAIN_AFTER_S: Final = 0.1


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """So many messages to so many peers, `per_s` of them in each burst. `per_lane_s` is what a lane may send."""

    messages: int
    conversations: int
    per_s: int
    per_lane_s: int
    bursts: int
    seed: int

    def burst_of(self, place: int) -> int:
        """In which burst the message at this place of all is sent."""
        return place * self.bursts // self.messages

    def offset_s(self, place: int) -> float:
        """How long after the beginning of its burst it is sent."""
        first = -(-self.burst_of(place) * self.messages // self.bursts)
        return (place - first) / self.per_s

    @property
    def burst_s(self) -> float:
        """How long a burst lasts."""
        return self.messages / self.bursts / self.per_s


class Clients:
    """Everybody who sends. `accepted` maps (peer, number) to the message's id."""

    def __init__(self, load: Load, peers: Sequence[Peer], urls: Sequence[str], key: str) -> None:
        self.accepted: dict[tuple[str, int], str] = {}
        self.load = load
        self._peers = peers
        self._urls = urls
        self._headers = {"Authorization": f"Bearer {key}", "Tidings-Tenant": "default"}
        self._draws = Draws(load.seed)
        loop = asyncio.get_running_loop()
        self._begun_s: list[asyncio.Future[float]] = [loop.create_future() for _ in range(load.bursts)]
        self._begun = 0

    def begin_burst(self) -> None:
        """Lets the next burst go."""
        self._begun_s[self._begun].set_result(anyio.current_time())
        self._begun += 1

    async def run(self) -> None:
        """Sends everything, burst by burst; returns once all is accepted."""
        connector = TCPConnector(limit=0)
        async with (
            ClientSession(headers=self._headers, timeout=_ANSWERED_WITHIN, connector=connector) as session,
            anyio.create_task_group() as group,
        ):
            for nth, peer in enumerate(self._peers):
                group.start_soon(self._converse, session, nth, peer)

    async def _converse(self, session: ClientSession, nth: int, peer: Peer) -> None:
        for number in range(self.load.messages // self.load.conversations):
            place = number * self.load.conversations + nth
            begun_s = await asyncio.shield(self._begun_s[self.load.burst_of(place)])
            await anyio.sleep_until(begun_s + self.load.offset_s(place))
            self.accepted[peer.books_name, number] = await self._insist(session, place, peer.request(number))

    async def _insist(self, session: ClientSession, place: int, request: bytes) -> str:
        first, tries = self._draws.integer("daemon", place, below=len(self._urls)), 0
        while True:
            url = self._urls[(first + tries) % len(self._urls)]
            # Whatever became of it there, the same key makes it safe to say it again elsewhere.
            with suppress(ClientError, ConnectionError, TimeoutError):
                accepted = await _post(session, url, request)
                if accepted is not None:
                    return accepted
            tries += 1
            await anyio.sleep(_AGAIN_AFTER_S)


async def _post(session: ClientSession, url: str, request: bytes) -> str | None:
    """The message's id, None where this daemon cannot take it now."""
    headers = {"Content-Type": "application/json"}
    async with session.post(f"{url}/v1/messages", data=request, headers=headers) as answer:
        body = await answer.json(content_type=None)
        assert answer.status in {200, 202, 429, 503}, f"{answer.status}: {body}"
        return str(body["id"]) if answer.status in {200, 202} else None
