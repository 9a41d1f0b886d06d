"""One random sequence of calls through every store: each answer, every page and every link must be the same."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
from anyio import to_thread
from msgspec.structs import replace

from core import events as e
from core.message import WAITING, head_of
from core.ports import Log
from core.records import Acceptance, Alias, Append, Head, HeadChange, ListedKind, MessageFilter, Snapshot, Stored
from eventstore.audit.findings import Report
from eventstore.integrity import check
from eventstore.memory_book import MemoryBook
from eventstore.postgres.checking import verify as verify_server
from eventstore.sqlite.checking import verify
from tests.contracts.scribe import DEDUP_FOR_US, Scribe, alias, digest, vault_row
from tests.contracts.stores import MemoryStore, PostgresStore, SqliteStore, Store
from tests.seeds import seeds

pytestmark = pytest.mark.anyio

CALLS = 400
PEERS = 6
KEYS = 25
NAMES = 6
KINDS: tuple[ListedKind, ...] = ("lane", "sys", "device", "plan", "stray")
Call = Append | Acceptance | Snapshot


class Author:
    """Draws the next calls: mostly what actors do, now and then what nobody should."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)  # noqa: S311  # A seed that can be repeated is the point.
        self.scribes = [Scribe("org1", slot=0), Scribe("org2", slot=1)]
        self.accepted: list[Acceptance] = []
        # Streams that are no messages, and heads of messages that an event of a newer release has changed.
        self.others: list[int] = []
        self.changed: dict[int, Head] = {}

    def group(self) -> list[Call]:
        """One to eight calls to be made at once; each works on streams of its own."""
        if self.draw.random() < 0.02:
            self.scribes[0].tick(DEDUP_FOR_US)
        busy: set[int] = set()
        return [self._call(busy) for _ in range(self.draw.choice((1, 1, 1, 2, 4, 8)))]

    def learn(self, calls: list[Call], answers: list[object]) -> None:
        """Keeps what was really accepted."""
        for call, answer in zip(calls, answers, strict=True):
            if not isinstance(call, Acceptance):
                continue
            if answer == Stored():
                self.accepted.append(call)
            elif call not in self.accepted:
                for scribe in self.scribes:
                    scribe.messages.pop(call.sealed.stream, None)

    def _call(self, busy: set[int]) -> Call:
        kinds: list[Callable[[set[int]], Call | None]] = [
            *[self._accept] * 6,
            *[self._go_on] * 10,
            self._accept_again,
            self._conflict,
            self._steal_peer,
            self._backdate,
            self._snapshot,
            *[self._open] * 3,
            *[self._change] * 3,
            self._move_two,
        ]
        while True:
            # One daemon has one clock, whoever's messages it writes.
            now_us = max(scribe.now_us for scribe in self.scribes)
            for scribe in self.scribes:
                scribe.now_us = now_us
            call = self.draw.choice(kinds)(busy)
            if call is not None:
                return call

    def _accept(self, busy: set[int]) -> Acceptance:
        draw = self.draw
        acceptance = draw.choice(self.scribes).acceptance(
            f"peer{draw.randrange(PEERS)}",
            key=f"key{draw.randrange(KEYS)}" if draw.random() < 0.5 else None,
            request=draw.choice(("a", "a", "b")),
            reference=f"event{draw.randrange(3)}" if draw.random() < 0.3 else None,
            due_in_us=draw.choice((0, 0, 3_600_000_000)),
            expires_in_us=draw.choice((None, None, 60_000_000, 7_200_000_000)),
            lane=draw.choice(("mail", "calls")),
            priority=draw.choice((5, 5, 9)),
            order=draw.choice(("fifo", "fifo", "any")),
            cause=draw.choice(self.accepted).sealed.stream if self.accepted and draw.random() < 0.2 else 0,
        )
        busy.add(acceptance.sealed.stream)
        return replace(acceptance, append=self._beside(acceptance.append, acceptance.sealed.stream))

    def _beside(self, append: Append, *streams: int) -> Append:
        # What an append brings along leads to streams that are there, or come with it.
        draw = self.draw
        known = [*streams, *self.others, *(acceptance.sealed.stream for acceptance in self.accepted)]
        if not known or draw.random() < 0.5:
            return append
        rows = [vault_row(stream, f"{draw.random()}") for stream in self.others[-3:] if draw.random() < 0.3]
        return replace(append, aliases=self._names(known), dropped=self._names(known), sealed=tuple(rows))

    def _names(self, known: list[int]) -> tuple[Alias, ...]:
        draw = self.draw
        return tuple(
            alias(
                # Among a few streams, so that names meet.
                draw.choice(known[-4:]),
                f"name{draw.randrange(NAMES)}",
                space=draw.choice(("provider_id", "device")),
                tenant=draw.choice(("org1", "org2")),
            )
            for _ in range(draw.randrange(4))
        )

    def _accept_again(self, busy: set[int]) -> Acceptance | None:
        return self.draw.choice(self.accepted) if self.accepted else None

    def _pick(self, busy: set[int]) -> tuple[Scribe, int] | None:
        scribe = self.draw.choice(self.scribes)
        known = {acceptance.sealed.stream for acceptance in self.accepted}
        free = sorted(stream for stream in scribe.messages if stream in known - busy)
        if not free:
            return None
        stream = self.draw.choice(free)
        busy.add(stream)
        return scribe, stream

    def _go_on(self, busy: set[int]) -> Append | None:
        picked = self._pick(busy)
        if picked is None:
            return None
        scribe, stream = picked
        match scribe.messages[stream].status:
            case status if status in WAITING:
                if self.draw.random() < 0.8:
                    return scribe.start(stream, lane=self.draw.choice((None, None, "mail", "calls")))
                return scribe.move(stream, self.draw.choice((e.MessageExpired(), e.MessageHeld(by="unknown"))))
            case "sending":
                return self._beside(self.draw.choice((scribe.taken, scribe.failed, self._bury(scribe)))(stream))
            case "held":
                return scribe.move(stream, e.MessageReleased(due_us=scribe.now_us))
            case "dead":
                return scribe.move(stream, e.MessageRedriven(due_us=scribe.now_us))
            case _:
                return None

    @staticmethod
    def _bury(scribe: Scribe) -> Callable[[int], Append]:
        return lambda stream: scribe.failed(stream, dead=True)

    def _change(self, busy: set[int]) -> Append | None:
        # Whatever a newer release may do to a message: after it nobody here reads the stream, but its head counts.
        scribe = self.scribes[0]
        if self.changed and self.draw.random() < 0.5:
            head = self.draw.choice([*self.changed.values()])
            if head.stream in busy:
                return None
            busy.add(head.stream)
        else:
            picked = self._pick(busy)
            if picked is None:
                return None
            scribe, stream = picked
            message = scribe.messages.pop(stream)
            self.accepted = [acceptance for acceptance in self.accepted if acceptance.sealed.stream != stream]
            head = head_of(message, scribe.shard(message.conversation))
        change: dict[str, object] = {"lane": self.draw.choice(("mail", "calls", "spare"))}
        if head.status not in WAITING:
            change |= {"owes": self.draw.random() < 0.6, "due_us": None, "place": None}
            change |= {"status": self.draw.choice(("sent", "delivered", "read", "failed", "dead"))}
        append = self._beside(scribe.become(head, **change))
        self.changed[head.stream] = append.heads[0].head
        return append

    def _conflict(self, busy: set[int]) -> Append | None:
        picked = self._pick(busy)
        if picked is None:
            return None
        scribe, stream = picked
        message = scribe.messages[stream]
        if message.status not in WAITING:
            return None
        right = scribe.start(stream)
        scribe.messages[stream] = message
        version = right.drafts[0].version + self.draw.choice((-1, 1, 5))
        head = replace(right.heads[0].head, version=version)
        return replace(
            self._beside(right),
            drafts=(replace(right.drafts[0], version=version),),
            heads=(HeadChange(head=head, was=message.status),),
        )

    def _steal_peer(self, busy: set[int]) -> Acceptance | None:
        if not self.accepted:
            return None
        known = self.draw.choice(self.accepted)
        scribe = next(scribe for scribe in self.scribes if scribe.tenant == known.append.tenant)
        peer = next(peer for peer, number in scribe.conversations.items() if number == known.conversation)
        scribe.conversations[peer] = scribe.mint.next(scribe.now_us)
        stolen = scribe.acceptance(peer)
        scribe.conversations[peer] = known.conversation
        return stolen

    def _backdate(self, busy: set[int]) -> Append:
        # No message, since a message's head tells of its instants.
        append = self._open(busy)
        return replace(append, at_us=append.at_us - 10_000_000)

    def _snapshot(self, busy: set[int]) -> Snapshot:
        stream, version = self.draw.randrange(3), self.draw.randrange(9)
        return Snapshot(stream=stream, version=version, body=digest(stream, version, self.draw.random()))

    def _open(self, busy: set[int]) -> Append:
        append = self.scribes[0].opened(self.draw.choice(KINDS), f"name{self.draw.randrange(99)}")
        self.others.append(append.heads[0].head.stream)
        head = replace(append.heads[0].head, status=self.draw.choice(("active", "active", "stale")))
        return self._beside(replace(append, heads=(HeadChange(head=head, was=None),)))

    def _move_two(self, busy: set[int]) -> Append | None:
        first = self._accept(busy).append
        for scribe in self.scribes:
            # What is written together happened at one instant.
            scribe.now_us = first.at_us - 1_000
        second = self._accept(busy).append
        if first.shard != second.shard or first.tenant != second.tenant:
            return None
        return replace(second, drafts=first.drafts + second.drafts, heads=first.heads + second.heads)


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


def judge(memory: MemoryStore, kinds: set[object], report: Report) -> None:
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


@pytest.mark.parametrize("seed", seeds(4))
async def test_every_store_gives_the_same_answers_to_the_same_calls(tmp_path: Path, seed: int) -> None:
    """Hundreds of random calls, alone and at once, with restarts between: answers, pages and links are equal."""
    memory, sqlite = MemoryStore(tmp_path), SqliteStore(tmp_path)
    kinds = await outlived([memory, sqlite], Author(seed))
    report = verify(sqlite.path)
    judge(memory, kinds, report)
    assert report.messages > 50


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(3))
async def test_a_server_gives_the_same_answers_as_a_file(tmp_path: Path, postgres_url: str, seed: int) -> None:
    """The same calls through PostgreSQL give what every store gives, and its tables verify like any other."""
    memory = MemoryStore(tmp_path)
    kinds = await outlived([memory, PostgresStore(postgres_url)], Author(seed))
    report = await to_thread.run_sync(verify_server, postgres_url)
    judge(memory, kinds, report)
    assert report.messages > 50
