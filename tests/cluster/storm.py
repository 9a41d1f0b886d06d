"""The storm itself: several daemons on one database, clients that insist, sinks that misbehave.

Answers for the books being true: what clients were told, what sinks received, what struck, and the whole log. It must
never decide what is right; judging.py does.
"""

import asyncio
from pathlib import Path
from typing import Final

import anyio
import msgspec
from anyio import to_thread

from eventstore.copying.copying import extract
from tests.cluster.clients import Clients, Load
from tests.cluster.daemons import Fleet, fleet_of, starts_of
from tests.cluster.lightning import Ground, Lightning, Storm
from tests.cluster.takeovers import Moment
from tests.edges.cli.processes import PROGRAM
from tests.postgres_pair import running_pair
from tests.postgres_server import Server
from tests.storm.judging import Story, read_story
from tests.storm.sinks import Books, http_sink, smtp_sink
from tests.storm.storm import CONFIG, Peer

DAEMONS: Final = 3
_SETTLED_WITHIN_S: Final = 600.0
_STOPPED_WITHIN_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.5
_STORE: Final = """
[store]
url = "{url}"
installation_key = "{key}"
"""
# Nobody knows what became of the attempts of a daemon that died before their time is over.
_BRIEF: Final = 'extends = "webhook"\n', 'extends = "webhook"\ntimeout = "5s"\n'
_OPEN: Final = """
SELECT (SELECT count(*) FROM tidings.inbox WHERE kind = 'message')
  + (SELECT count(*) FROM tidings.head WHERE kind = 'msg' AND due_us IS NOT NULL OR status = 'sending')"""
_FIRST_ATTEMPTS: Final = """
SELECT epoch, min(at_us) FROM tidings.event WHERE type = 'AttemptStarted' GROUP BY epoch ORDER BY epoch"""
# Events whose owner came before the owner of the event before them.
_FALLING: Final = """
SELECT count(*) FROM (
  SELECT epoch < lag(epoch) OVER (PARTITION BY shard ORDER BY seq) AS falls FROM tidings.event
) AS each WHERE falls"""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where the log is, and the URLs by which the daemons know it."""

    server: Server
    url: str
    seen_as: tuple[str, ...]

    async def asked(self, statement: str) -> str:
        """What a statement answers, a line a row."""
        return await to_thread.run_sync(lambda: self.server.run(statement, url=self.url))


class Aftermath(msgspec.Struct, frozen=True, kw_only=True):
    """What is known after a storm. `moments` has what struck, each daemon's starts, and their first attempts.

    `ends` says of each daemon how its processes ended, the stop at last; `crashes` are log lines that tell of bugs.
    """

    accepted: dict[tuple[str, int], str]
    books: Books
    story: Story
    moments: list[Moment]
    falling: int
    ends: list[list[int]]
    crashes: list[str]


async def storm(folder: Path, load: Load, lightning: Lightning) -> Aftermath:
    """Lets it blow over three daemons on a primary and its standby, and reads what came of it."""
    with running_pair() as pair, pair.fresh() as url:
        return await storm_over(folder, load, lightning, Site(server=pair, url=url, seen_as=(url,) * DAEMONS))


async def storm_over(folder: Path, load: Load, lightning: Lightning, site: Site) -> Aftermath:
    """Lets it blow, waits until everything has arrived, and reads the log."""
    books = Books(load.seed)
    async with http_sink(books) as http_port, smtp_sink(books) as smtp_port:
        policies = CONFIG.format(smtp=smtp_port, per_s=load.per_lane_s).replace(*_BRIEF)
        configs = [_STORE.format(url=url, key="5a" * 32) + policies for url in site.seen_as]
        async with fleet_of(folder, configs) as fleet:
            peers = [Peer(nth, http_port) for nth in range(load.conversations)]
            clients = Clients(load, peers, [daemon.url for daemon in fleet.daemons], fleet.key())
            struck = await _blow(Ground(fleet=fleet, server=site.server, books=books), clients, lightning)
            await _settled(fleet, site)
            await _stopped(fleet)
    await _verified(site.url)
    file = folder / "tidings.db"
    await extract(site.url, file)
    return Aftermath(
        accepted=clients.accepted,
        books=books,
        story=await read_story(file),
        moments=[*struck, *starts_of(fleet.daemons), *await _first_attempts(site)],
        falling=int(await site.asked(_FALLING)),
        ends=[daemon.ends for daemon in fleet.daemons],
        crashes=[line for daemon in fleet.daemons for line in daemon.crashes()],
    )


async def _first_attempts(site: Site) -> list[Moment]:
    rows = [line.split("|") for line in (await site.asked(_FIRST_ATTEMPTS)).splitlines()]
    return [Moment(what="sends", at_us=int(at_us), epoch=int(epoch)) for epoch, at_us in rows]


async def _blow(ground: Ground, clients: Clients, lightning: Lightning) -> list[Moment]:
    async with anyio.create_task_group() as going:
        blowing = Storm(ground, clients, going)
        going.start_soon(clients.run)
        await lightning(blowing)
    return blowing.moments


async def _settled(fleet: Fleet, site: Site) -> None:
    """Returns once nothing waits or is open any more."""
    with anyio.fail_after(_SETTLED_WITHIN_S):
        await fleet.all_there()
        while await site.asked(_OPEN) != "0":  # noqa: ASYNC110  # What is waited for lives in other processes.
            await anyio.sleep(_LOOK_EVERY_S)


async def _stopped(fleet: Fleet) -> None:
    """Asks all of them to end, and returns once they have."""
    for daemon in fleet.daemons:
        daemon.stop()
    with anyio.fail_after(_STOPPED_WITHIN_S):
        for daemon in fleet.daemons:
            await daemon.ended.wait()


async def _verified(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(PROGRAM, "verify", "--store", url), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
