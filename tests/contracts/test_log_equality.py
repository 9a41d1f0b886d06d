"""One random sequence of calls through every store: each answer, every page and every link must be the same."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from random import Random

import pytest
from anyio import to_thread

from core.ports import Log
from core.records import Acceptance, Append, MessageFilter, Snapshot
from eventstore.audit.findings import Report
from eventstore.integrity import check
from eventstore.memory_book import MemoryBook
from eventstore.postgres.checking import verify as verify_server
from eventstore.sqlite.checking import verify
from tests.contracts.author import KINDS, NAMES, Author, Call
from tests.contracts.scribe import digest
from tests.contracts.stores import MemoryStore, PostgresStore, SqliteStore, Store
from tests.seeds import seeds

pytestmark = pytest.mark.anyio

CALLS = 400


async def carried_out(log: Log, calls: list[Call]) -> list[object]:
    """The answers to calls made at once; of an error its kind."""
    asked: list[Awaitable[object]] = []
    for call in calls:
        match call:
            case Append():
                asked.append(log.append(call))
            case Acceptance():
                asked.append(log.accept(call))
            case Snapshot():
                asked.append(log.save_snapshot(call))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    return [type(answer) if isinstance(answer, BaseException) else answer for answer in answers]


async def leading(log: Log, *, space: str, tenant: str) -> list[list[int]]:
    """Where each name leads."""
    return [await log.aliased(space, tenant, digest("name", f"name{n}")) for n in range(NAMES)]


async def seen(log: Log, author: Author) -> list[object]:
    """Answers to a few questions drawn at random."""
    draw = Random(author.draw.random())  # noqa: S311  # Likewise.
    streams = [draw.choice(author.accepted).sealed.stream for _ in range(4)] if author.accepted else []
    call = draw.choice(author.accepted) if author.accepted else author.scribes[0].acceptance(key="x")
    statuses = ("queued", "scheduled", "retrying", "sending", "held", "dead", "sent", "expired", "read", "failed")
    wanted = MessageFilter(
        tenant=draw.choice((None, "org1", "org2")),
        status=draw.choice((None, tuple(draw.sample(statuses, draw.randrange(4))))),
        lane=draw.choice((None, None, "mail")),
        conversation=draw.choice((None, None, call.conversation)),
        reference=draw.choice((None, None, digest("reference", "event1"))),
        before=draw.choice((None, *streams)),
        after=draw.choice((None, *streams)),
        cause=draw.choice((None, None, None, 0, *streams)),
        owes=draw.choice((None, None, False, True)),
    )
    limit, oldest_first = draw.choice((1, 3, 50)), draw.random() < 0.5
    groups = await log.agenda_groups()
    group = draw.choice(groups) if groups else None
    lines = [await log.line_of(call.conversation, line, after=None, limit=limit) for line in (0, 1)]
    return [
        await log.events_of_many(streams),
        await log.events_of(call.sealed.stream, after_version=draw.randrange(3)),
        await log.heads_by(streams),
        await log.sealed_of(call.sealed.stream),
        await log.conversation_at(call.append.tenant, call.channel, call.sealed.subject),
        await log.peer_of(call.conversation),
        await log.repeated(call.append.tenant, call.dedup.key_hash if call.dedup else b""),
        await log.snapshot_of(draw.randrange(3)),
        await log.heads(wanted, limit=limit, oldest_first=oldest_first),
        await log.count(wanted, at_most=limit),
        await log.tallies(wanted.tenant),
        await log.heads_of_kind(draw.choice(KINDS), status=draw.choice((None, "open")), limit=limit),
        await log.silent_devices(after=draw.choice((None, (call.append.at_us, 0))), limit=limit),
        await log.ending_messages(after=draw.choice((None, (call.append.at_us, 0))), limit=limit),
        await log.sealed_of(draw.choice(author.others or [5])),
        await leading(log, space=draw.choice(("provider_id", "device")), tenant=draw.choice(("org1", "org2"))),
        await log.heads(MessageFilter(owes=True), limit=limit),
        await log.heads(MessageFilter(cause=draw.choice(streams or [5])), limit=limit),
        await log.recorded_since(call.append.at_us, ("AttemptStarted", "MessageAccepted")),
        await log.log_page(
            {call.append.shard: draw.randrange(3)}, tenant=wanted.tenant, limit=draw.choice((1, 5, 200))
        ),
        groups,
        group and await log.agenda_page(group.lane, group.tenant, group.priority, after=None, limit=limit),
        *lines,
        log.newest(),
        log.health(),
    ]


async def outlived(stores: list[Store], author: Author) -> set[object]:
    """The kinds of answers that hundreds of random calls got: the same from every store, as all that is seen is."""
    logs = [await store.open() for store in stores]
    made = 0
    kinds: set[object] = set()
    while made < CALLS:
        calls = author.group()
        made += len(calls)
        answers = [await carried_out(log, calls) for log in logs]
        assert answers[0] == answers[1], f"after {made} calls: {calls}"
        author.learn(calls, answers[0])
        kinds.update(answer if isinstance(answer, type) else type(answer) for answer in answers[0])
        if author.draw.random() < 0.3:
            state = author.draw.getstate()
            first = await seen(logs[0], author)
            author.draw.setstate(state)
            assert await seen(logs[1], author) == first, f"after {made} calls"
        if author.draw.random() < 0.02:
            for log in logs:
                await log.close()
            logs = [await store.open() for store in stores]

    pages = [await log.log_page({}, tenant=None, limit=10_000) for log in logs]
    assert pages[0] == pages[1]
    for log in logs:
        await log.close()
    return kinds


def judge(memory: MemoryStore, author: Author, kinds: set[object], report: Report) -> None:
    """The other store is as well as the reference, and the draws left nothing out."""
    assert {kind.__name__ for kind in kinds if isinstance(kind, type)} == {
        "NoneType",
        "Stored",
        "Repeated",
        "StreamConflict",
    }
    assert check(MemoryBook(memory.durable)) == report
    assert report.faults == ()
    assert report.messages > 50
    durable = memory.durable
    drawn = report.parked, durable.aliases, durable.caused, durable.owing, durable.silent
    assert all(drawn), "the draws left something out"
    assert author.became == {"closed", "gone"}
    assert any(acceptance.sealed.stream not in durable.sealed for acceptance in author.accepted)


@pytest.mark.parametrize("seed", seeds(4))
async def test_every_store_gives_the_same_answers_to_the_same_calls(tmp_path: Path, seed: int) -> None:
    """Hundreds of random calls, alone and at once, with restarts between: answers, pages and links are equal."""
    memory, sqlite = MemoryStore(tmp_path), SqliteStore(tmp_path)
    author = Author(seed)
    kinds = await outlived([memory, sqlite], author)
    report = verify(sqlite.path)
    judge(memory, author, kinds, report)
    assert report.messages > 50


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(3))
async def test_a_server_gives_the_same_answers_as_a_file(tmp_path: Path, postgres_url: str, seed: int) -> None:
    """The same calls through PostgreSQL give what every store gives, and its tables verify like any other."""
    memory = MemoryStore(tmp_path)
    author = Author(seed)
    kinds = await outlived([memory, PostgresStore(postgres_url)], author)
    report = await to_thread.run_sync(verify_server, postgres_url)
    judge(memory, author, kinds, report)
    assert report.messages > 50
