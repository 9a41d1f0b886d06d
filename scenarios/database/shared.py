"""The database that several daemons of a world share, as one of their world's: who acts in it, and what it holds.

Daemons are production's own, and so are their statements. They run on virtual time beside a server that is asked one
thing at a time and whose clock shows that time, so that silences, leases and takeovers are judged by it alone.

The log is another than memory's, under the same laws: a daemon on a network looks at the others about once a second and
at the inbox four times a second, where one in memory is told at once; so messages are taken in, and dead daemons
replaced, at other instants.

This file answers for the world knowing what is durable before any daemon is told. It must never let the server, or the
real loop, decide when anything happens.
"""

import asyncio
from functools import partial
from itertools import count
from typing import Any, Final

from core.policies import SECOND_US
from eventstore.cluster import NOBODY
from eventstore.durable import Durable
from eventstore.postgres.connection import STATEMENT_S
from eventstore.postgres.node import Node
from eventstore.postgres.opening import open_node
from eventstore.waking import Waking
from scenarios.database.server import OF_THE_WORLD, Asked, Server, Settled, Work
from scenarios.database.session import Session, SessionPool, cross
from scenarios.database.tables import show
from scenarios.loop.beside import Driver, NodesBeside
from scenarios.loop.nodes import NODE, outside
from scenarios.run.own_database import OwnDatabase
from scenarios.world.link import Link

# What the database's clock shows when a world begins. No wall clock of a daemon is held against it.
_BEGIN_US: Final = 1_767_225_600_000_000


class OnServer:
    """See Shared. Made within its own loop; what the run before left in the database is gone then."""

    def __init__(self, database: OwnDatabase, durable: Durable) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NodesBeside), "daemons on a database live on a loop of their kind"
        self.owner = NOBODY
        self.committed = Waking()
        self._url = database.url
        self._real = database.real
        self._durable = durable
        self._loop = loop
        self._links: dict[int, Link] = {}
        self._sessions: dict[int, dict[int, Session]] = {}
        self._numbers = count(1)
        self._waiting: dict[int, tuple[asyncio.Future[Any], Link | None]] = {}
        # When the server undoes what waits for a lock.
        self._patience: dict[int, asyncio.TimerHandle] = {}
        self._server = Server(database.url)
        self._real.at_once(partial(database.used_by, self._server))
        loop.driver = Driver(self._dial, self._pool)

    async def arrive(self, identity: int, link: Link) -> Node:
        """See Shared."""
        self.know(identity, link)
        return await open_node(self._url, identity=identity)

    def know(self, identity: int, link: Link) -> None:
        """From here on a process may dial, by this way and until it is gone."""
        self._links[identity] = link
        self._sessions[identity] = {}
        outside(lambda: self._loop.gone(identity).add_done_callback(lambda _: self._gone(identity)))

    # -- for sessions

    def ask(
        self, work: Work, *, process: int, link: Link | None, changes: bool = False, looks: bool = False
    ) -> "asyncio.Future[Any]":
        """What `work` comes to at the server, in its turn, and once the world knows what it has changed."""
        number = next(self._numbers)
        told: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[number] = told, link
        asked = Asked(number=number, process=process, changes=changes, looks=looks, work=work)
        outside(lambda: self._hand_over(asked))
        return told

    def end(self, process: int) -> None:
        """A session is over as soon as the server gets to it."""
        for sessions in self._sessions.values():
            sessions.pop(process, None)
        self._tell(partial(self._server.end, process))

    def say(self, words: list[str]) -> None:
        """Words for whoever listens."""
        for word in words:
            for sessions in self._sessions.values():
                for session in sessions.values():
                    session.hear(word)

    # -- the server's answers

    def _hand_over(self, asked: Asked) -> None:
        now_us = _BEGIN_US + round(self._loop.time() * SECOND_US)
        answer = self._real.ask(partial(self._server.settle, asked, now_us), "alone")
        answer.add_done_callback(self._settled)

    def _tell(self, work: Work) -> None:
        """Something is done at the server that nobody waits for. What others waited for because of it goes on."""
        outside(lambda: self.ask(work, process=0, link=None).add_done_callback(_carried_out))

    def _settled(self, answer: "asyncio.Future[Settled]") -> None:
        settled = answer.result()
        if settled.seen is not None:
            self.owner = settled.seen.owner
            show(self._durable, settled.seen)
        for number, outcome in settled.outcomes:
            told, link = self._waiting.pop(number)
            if (timer := self._patience.pop(number, None)) is not None:
                timer.cancel()
            if settled.seen is not None and settled.seen.events and link is not None:
                link.wrote()
            if told.done():
                # Whoever asked may not wait any more.
                continue
            if isinstance(outcome, BaseException):
                told.set_exception(outcome)
                # A daemon that is gone meanwhile will never ask for it.
                told.exception()
            else:
                told.set_result(outcome)
        for number in settled.waiting:
            if number not in self._patience:
                cancel = partial(self._server.cancel, number)
                self._patience[number] = self._loop.call_later(STATEMENT_S, self._tell, cancel)
        if settled.seen is not None and settled.seen.beside is not None:
            self.committed.wake()

    # -- connections

    async def _dial(self, dsn: str, **options: Any) -> Session:  # noqa: ANN401  # The driver's own.
        node = NODE.get()
        return await self._dialled(node, dsn, options)

    async def _pool(self, dsn: str, **options: Any) -> SessionPool:  # noqa: ANN401  # The driver's own.
        most = options.pop("max_size")
        for name in ("min_size", "reset"):
            del options[name]
        return SessionPool(partial(self._dialled, NODE.get(), dsn, options), most)

    async def _dialled(self, node: int, dsn: str, options: dict[str, Any]) -> Session:
        link = self._links[node]
        await cross(link, "before_read")
        options = {**options, "command_timeout": None, "server_settings": options["server_settings"] | OF_THE_WORLD}
        work = partial(self._server.connected, {"dsn": dsn, **options})
        process, real = await self.ask(work, process=0, link=link)
        session = Session(self, link, process, real)
        if node in self._sessions:
            self._sessions[node][process] = session
        return session

    def _gone(self, identity: int) -> None:
        """A process is no more: the server hears of it where its way is not cut."""
        for session in list(self._sessions.pop(identity, {}).values()):
            session.terminate()


def _carried_out(told: "asyncio.Future[Any]") -> None:
    told.result()
