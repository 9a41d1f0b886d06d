"""What every log promises about finding and counting: one text, every store."""

from itertools import product

import pytest

from core import events as e
from core.ports import Log
from core.records import FIFO_LINE, LOOSE_LINE, AgendaGroup, AgendaRow, Head, MessageFilter, Snapshot, Tally
from eventstore.chain import FIRST_LINK
from eventstore.codec import EventRow, encode
from eventstore.paging import LOOKED_AT_MAX, page_of
from tests.contracts.scribe import START_US, Scribe, digest

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def accepted(log: Log, scribe: Scribe, count: int, **wishes: object) -> list[int]:
    """So many messages, and their ids."""
    streams = []
    for _ in range(count):
        acceptance = scribe.acceptance(**wishes)  # type: ignore[arg-type]  # Passed on as they are.
        await log.accept(acceptance)
        streams.append(acceptance.sealed.stream)
    return streams


def ids(heads: list[Head]) -> list[int]:
    """The streams of heads."""
    return [head.stream for head in heads]


async def test_the_agenda_shows_what_waits_in_order(log: Log, scribe: Scribe) -> None:
    """Groups give their earliest due instant; a page is ordered by due instant and id and goes on where it stopped."""
    late = await accepted(log, scribe, 1, due_in_us=9_000_000)
    soon = await accepted(log, scribe, 3)
    await accepted(log, scribe, 1, lane="calls", channel="webhook", peer="http://a")
    await accepted(log, scribe, 1, priority=9)
    groups = await log.agenda_groups()
    assert [(group.lane, group.priority) for group in groups] == [("calls", 5), ("mail", 5), ("mail", 9)]
    first_due_us = scribe.messages[soon[0]].first_due_us
    assert groups[1] == AgendaGroup(lane="mail", tenant="org1", priority=5, due_us=first_due_us)

    page = await log.agenda_page("mail", "org1", 5, after=None, limit=2)
    assert page[0] == AgendaRow(
        due_us=first_due_us, stream=soon[0], conversation=scribe.conversation("ann@example.com"), host=None
    )
    rest = await log.agenda_page("mail", "org1", 5, after=(page[-1].due_us, page[-1].stream), limit=10)
    assert [row.stream for row in page + rest] == [*soon, *late]
    assert await log.agenda_page("mail", "org2", 5, after=None, limit=10) == []


async def test_what_no_longer_waits_leaves_the_agenda(log: Log, scribe: Scribe) -> None:
    """A message in flight, concluded or held is on no page; a retry is back at its new instant."""
    taken, failing, held = await accepted(log, scribe, 3)
    for stream in (taken, failing):
        await log.append(scribe.start(stream))
    await log.append(scribe.move(held, e.MessageHeld(by="parked")))
    assert await log.agenda_groups() == []
    await log.append(scribe.taken(taken))
    await log.append(scribe.failed(failing))
    (row,) = await log.agenda_page("mail", "org1", 5, after=None, limit=10)
    assert (row.stream, row.due_us) == (failing, scribe.messages[failing].due_us)


async def test_lines_of_a_conversation_are_ordered_by_place(log: Log, scribe: Scribe) -> None:
    """Each line gives its open messages by place and id, and messages of neither line are left out."""
    late = await accepted(log, scribe, 1, due_in_us=5_000_000)
    fifo = await accepted(log, scribe, 3)
    loose = await accepted(log, scribe, 2, order="any")
    await accepted(log, scribe, 1, peer="ben")
    await log.append(scribe.move(fifo[1], e.MessageCancelled(reason="asked")))
    await log.append(scribe.start(fifo[0]))
    conversation = scribe.conversation("ann@example.com")

    first = await log.line_of(conversation, FIFO_LINE, after=None, limit=1)
    assert ids(first) == [fifo[0]]
    assert first[0].place is not None
    rest = await log.line_of(conversation, FIFO_LINE, after=(first[0].place, first[0].stream), limit=9)
    assert ids(rest) == [fifo[2], *late]
    assert ids(await log.line_of(conversation, LOOSE_LINE, after=None, limit=9)) == loose


async def test_an_actor_wakes_with_what_its_single_reads_would_give(log: Log, scribe: Scribe) -> None:
    """One read gives the newest snapshot, the events beyond it, and the beginning of both lines with their events."""
    fifo = await accepted(log, scribe, 3)
    loose = await accepted(log, scribe, 2, order="any")
    await log.append(scribe.start(fifo[0]))
    await log.append(scribe.failed(fifo[0]))
    conversation = scribe.conversation("ann@example.com")
    await log.save_snapshot(Snapshot(stream=conversation, version=1, body=b"one"))

    woken = await log.woken(conversation, limit=2)
    assert woken.snapshot == await log.snapshot_of(conversation)
    assert woken.events == await log.events_of(conversation, after_version=1)
    for line, expected in ((FIFO_LINE, fifo[:2]), (LOOSE_LINE, loose)):
        assert woken.lines[line].heads == await log.line_of(conversation, line, after=None, limit=2)
        assert woken.lines[line].events == await log.events_of_many(expected)
    stranger = await log.woken(1, limit=2)
    assert (stranger.snapshot, stranger.events) == (None, [])
    assert all(page.heads == [] for page in stranger.lines.values())


async def test_messages_are_listed_newest_first_by_every_filter(log: Log, scribe: Scribe) -> None:
    """Each field of a filter narrows, alone and together; `before` and `after` are exclusive; the limit holds."""
    other = Scribe("org2", slot=1)
    ann = await accepted(log, scribe, 4, reference="event42")
    ben = await accepted(log, scribe, 2, peer="ben", lane="calls", channel="webhook")
    foreign = await accepted(log, other, 1, reference="event42")
    await log.append(scribe.start(ann[0]))
    await log.append(scribe.start(ann[1]))
    await log.append(scribe.taken(ann[1]))
    await log.append(scribe.start(ann[2]))
    await log.append(scribe.failed(ann[2], dead=True))
    mine = [*ann, *ben]
    reference = digest("reference", "event42")
    conversation = scribe.conversation("ann@example.com")
    cases: list[tuple[MessageFilter, list[int]]] = [
        (MessageFilter(), [*mine, *foreign]),
        (MessageFilter(tenant="org1"), mine),
        (MessageFilter(tenant="org1", status=("queued",)), [ann[3], *ben]),
        (MessageFilter(status=("queued",)), [ann[3], *ben, *foreign]),
        (MessageFilter(status=("sending", "dead")), [ann[0], ann[2]]),
        (MessageFilter(status=("sending", "dead", "queued")), [ann[0], ann[2], ann[3], *ben, *foreign]),
        (MessageFilter(status=("sent",)), [ann[1]]),
        (MessageFilter(tenant="org1", status=("sent", "dead")), [ann[1], ann[2]]),
        (MessageFilter(tenant="org2", status=("sent", "dead")), []),
        (MessageFilter(status=()), []),
        (MessageFilter(channel="webhook"), ben),
        (MessageFilter(lane="mail", tenant="org1"), ann),
        (MessageFilter(conversation=conversation), ann),
        (MessageFilter(conversation=conversation, status=("dead",)), [ann[2]]),
        (MessageFilter(conversation=conversation, tenant="org2"), []),
        (MessageFilter(reference=reference), [*ann, *foreign]),
        (MessageFilter(reference=reference, tenant="org1", status=("queued", "sent")), [ann[1], ann[3]]),
        (MessageFilter(reference=reference, conversation=conversation), ann),
        (MessageFilter(tenant="org1", before=ann[2]), ann[:2]),
        (MessageFilter(tenant="org1", after=ann[2]), [ann[3], *ben]),
        (MessageFilter(status=("dead",), after=ann[2]), []),
        (MessageFilter(tenant="org1", after=ann[0], before=ann[3]), ann[1:3]),
    ]
    for wanted, expected in cases:
        oldest_first = sorted(expected)
        assert ids(await log.heads(wanted, limit=50)) == oldest_first[::-1], wanted
        assert ids(await log.heads(wanted, limit=50, oldest_first=True)) == oldest_first, wanted
        assert ids(await log.heads(wanted, limit=2)) == oldest_first[::-1][:2], wanted
        assert ids(await log.heads(wanted, limit=2, oldest_first=True)) == oldest_first[:2], wanted
        assert await log.count(wanted, at_most=50) == len(expected), wanted
        assert await log.count(wanted, at_most=2) == min(2, len(expected)), wanted


async def test_every_combination_of_filters_is_answered(log: Log, scribe: Scribe) -> None:
    """Whatever fields a filter has, its answer is the plain selection from all messages, in order."""
    for peer, event in (("ann", "event42"), ("ben", None), ("ann", None)):
        waiting, flying, sent, dead = await accepted(log, scribe, 4, peer=peer, reference=event)
        assert waiting < dead
        for stream in (flying, sent, dead):
            await log.append(scribe.start(stream))
        await log.append(scribe.taken(sent))
        await log.append(scribe.failed(dead, dead=True))
    everything = await log.heads(MessageFilter(), limit=99)
    referenced = {
        head.stream for head in await log.heads(MessageFilter(reference=digest("reference", "event42")), limit=99)
    }
    assert (len(everything), len(referenced)) == (12, 4)
    statuses = (None, (), ("queued",), ("dead",), ("sent",), ("queued", "retrying", "dead"), ("sent", "sending"))
    middle = everything[5].stream
    for status, tenant, lane, conversation, reference, before, after in product(
        statuses,
        (None, "org1", "org2"),
        (None, "mail"),
        (None, scribe.conversation("ann")),
        (None, digest("reference", "event42")),
        (None, middle + 1),
        (None, middle - 1),
    ):
        wanted = MessageFilter(
            status=status, tenant=tenant, lane=lane, conversation=conversation,
            reference=reference, before=before, after=after,
        )  # fmt: skip  # One line of fields is enough.
        expected = [
            head
            for head in everything
            if (status is None or head.status in status)
            and tenant in (None, head.tenant)
            and conversation in (None, head.conversation)
            and (reference is None or head.stream in referenced)
            and (before is None or head.stream < before)
            and (after is None or head.stream > after)
        ]
        assert await log.heads(wanted, limit=99) == expected, wanted
        assert await log.count(wanted, at_most=99) == len(expected), wanted


async def test_a_listing_shows_the_heads_themselves(log: Log, scribe: Scribe) -> None:
    """What is listed is each message's present head, whole."""
    (stream,) = await accepted(log, scribe, 1)
    last = scribe.start(stream)
    await log.append(last)
    assert await log.heads(MessageFilter(), limit=5) == [last.heads[0].head]


async def test_several_heads_come_in_one_answer(log: Log, scribe: Scribe) -> None:
    """Heads asked by their ids are those that are there; unknown ids are missing."""
    first, second = await accepted(log, scribe, 2)
    found = await log.heads_by([first, second, first, 5])
    assert found == {first: await log.head_of(first), second: await log.head_of(second)}
    assert await log.heads_by([]) == {}


async def test_events_of_several_streams_come_in_one_answer(log: Log, scribe: Scribe) -> None:
    """Streams asked together give what each gives alone; unknown ones are missing."""
    first, second = await accepted(log, scribe, 2)
    await log.append(scribe.start(first))
    found = await log.events_of_many([second, first, 5, first])
    assert found == {first: await log.events_of(first), second: await log.events_of(second)}
    assert await log.events_of_many([]) == {}


async def test_lanes_are_listed_apart_from_messages(log: Log, scribe: Scribe) -> None:
    """Streams of another kind are found by their kind and never among messages."""
    await accepted(log, scribe, 1)
    lanes = [scribe.opened("lane", "mail"), scribe.opened("lane", "calls")]
    for lane in lanes:
        await log.append(lane)
    assert await log.heads_of_kind("lane") == [lane.heads[0].head for lane in lanes]
    assert await log.heads_of_kind("sys") == []
    first, second = (lane.heads[0].head for lane in lanes)
    assert await log.heads_of_kind("lane", limit=1) == [first]
    assert await log.heads_of_kind("lane", after=first.stream, limit=1) == [second]
    assert await log.heads_of_kind("lane", after=second.stream) == []
    assert await log.heads_of_kind("lane", status=first.status) == [first, second]
    assert await log.heads_of_kind("lane", status="waiting") == []
    assert len(await log.heads(MessageFilter(), limit=9)) == 1
    assert [tally.count for tally in await log.tallies(None)] == [1]


async def test_active_devices_are_found_by_their_silence(log: Log, scribe: Scribe) -> None:
    """Those whose head is active come in the order of their last change, a page at a time; no other stream does."""
    await accepted(log, scribe, 1)
    heads = []
    for n in range(4):
        opened = scribe.opened("device", f"phone{n}")
        await log.append(opened)
        await log.append(scribe.become(opened.heads[0].head, status="active"))
        heads += [head for head in [await log.head_of(opened.heads[0].head.stream)] if head is not None]
    await log.append(scribe.opened("device", "of no status that counts"))
    lane = scribe.opened("lane", "mail")
    await log.append(lane)
    await log.append(scribe.become(lane.heads[0].head, status="active"))
    assert await log.silent_devices(after=None, limit=9) == heads
    first = await log.silent_devices(after=None, limit=2)
    last = first[-1].changed_us, first[-1].stream
    assert [*first, *await log.silent_devices(after=last, limit=9)] == heads

    await log.append(scribe.become(heads[0], status="active"))
    await log.append(scribe.become(heads[2], status="stale"))
    renewed = await log.head_of(heads[0].stream)
    assert await log.silent_devices(after=None, limit=9) == [heads[1], heads[3], renewed]


async def test_what_waits_is_found_by_its_end(log: Log, scribe: Scribe) -> None:
    """Messages that wait and have an end come in the order of their ends, a page at a time; no other message does."""
    ends_in_us = (50_000, None, 20_000, 90_000, 20_000)
    acceptances = [scribe.acceptance(f"peer{n}", expires_in_us=ends) for n, ends in enumerate(ends_in_us)]
    for acceptance in acceptances:
        await log.accept(acceptance)
    first, _, second, third, fourth = (acceptance.append.heads[0].head for acceptance in acceptances)
    ending = [second, fourth, first, third]
    assert [head.ends_us for head in ending] == sorted(head.ends_us or 0 for head in ending)
    assert await log.ending_messages(after=None, limit=9) == ending
    page = await log.ending_messages(after=None, limit=3)
    last = page[-1].ends_us or 0, page[-1].stream
    assert [*page, *await log.ending_messages(after=last, limit=9)] == ending

    await log.append(scribe.start(first.stream))
    await log.append(scribe.move(second.stream, e.MessageExpired()))
    assert await log.ending_messages(after=None, limit=9) == [fourth, third]
    await log.append(scribe.failed(first.stream))
    again = await log.head_of(first.stream)
    assert await log.ending_messages(after=None, limit=9) == [fourth, again, third]


async def test_counts_follow_every_commit(log: Log, scribe: Scribe) -> None:
    """Counts by status and the attempts behind them are right after each step of a message's life."""

    async def seen() -> list[tuple[str, int, int]]:
        return [(tally.status, tally.count, tally.attempts) for tally in await log.tallies("org1")]

    first, second = await accepted(log, scribe, 2)
    assert await seen() == [("queued", 2, 0)]
    await log.append(scribe.start(first))
    assert await seen() == [("queued", 1, 0), ("sending", 1, 1)]
    await log.append(scribe.failed(first))
    await log.append(scribe.start(first))
    await log.append(scribe.taken(first))
    assert await seen() == [("queued", 1, 0), ("sent", 1, 2)]
    await log.append(scribe.move(second, e.MessageCancelled(reason="asked")))
    assert await seen() == [("cancelled", 1, 0), ("sent", 1, 2)]
    tally = Tally(tenant="org1", channel="email", lane="mail", status="sent", count=1, attempts=2)
    assert (await log.tallies(None))[1] == tally
    assert await log.tallies("org2") == []


async def test_events_since_an_instant_come_oldest_first(log: Log, scribe: Scribe) -> None:
    """Events of the asked types from the very instant on, and no others."""
    streams = await accepted(log, scribe, 3)
    for stream in streams:
        await log.append(scribe.start(stream))
        await log.append(scribe.taken(stream))
    starts = [(await log.events_of(stream))[1] for stream in streams]
    types = ("AttemptStarted", "AttemptFailed")
    assert await log.recorded_since(0, types) == starts
    assert await log.recorded_since(starts[1].at_us, types) == starts[1:]
    assert await log.recorded_since(starts[1].at_us + 1, types) == starts[2:]
    assert await log.recorded_since(starts[2].at_us + 1, types) == []
    both = await log.recorded_since(starts[2].at_us, ("AttemptStarted", "AttemptTaken"))
    assert [type(entry.event) for entry in both] == [e.AttemptStarted, e.AttemptTaken]


async def test_pages_leave_nothing_out_and_repeat_nothing(log: Log, scribe: Scribe) -> None:
    """Walking the log by pages gives each event once, in the order of each shard, and then stands still."""
    for n in range(30):
        await accepted(log, scribe, 1, peer=f"peer{n}")
    reached: dict[int, int] = {}
    seen: list[tuple[int, int]] = []
    while True:
        page, after = await log.log_page(reached, tenant=None, limit=4)
        assert len(page) <= 4
        seen += [(entry.shard, entry.seq) for entry in page]
        if after == reached:
            break
        reached = after
    assert len(seen) == len(set(seen)) == 30
    assert sum(reached.values()) == 30
    await accepted(log, scribe, 1, peer="peer3")
    page, _ = await log.log_page(reached, tenant=None, limit=4)
    assert len(page) == 1


async def test_a_position_may_lag_in_any_shard(log: Log, scribe: Scribe) -> None:
    """Whatever was seen of each shard, a page holds all that was not, even where no page ever gave that position."""
    for n in range(24):
        await accepted(log, scribe, 1, peer=f"peer{n % 6}")
    everything, end = await log.log_page({}, tenant=None, limit=100)
    for shard, seq in end.items():
        for after in ({shard: seq}, {shard: seq - 1}, {**end, shard: 0}, {**end, shard: seq - 1}):
            page, reached = await log.log_page(after, tenant=None, limit=100)
            assert page == [entry for entry in everything if entry.seq > after.get(entry.shard, 0)]
            assert reached == end


async def test_pages_of_a_tenant_move_past_the_others(log: Log, scribe: Scribe) -> None:
    """A tenant's pages hold its events alone, and their position has passed everybody's."""
    other = Scribe("org2", slot=1)
    await accepted(log, scribe, 5)
    (mine,) = await accepted(log, other, 1)
    await accepted(log, scribe, 5)
    page, reached = await log.log_page({}, tenant="org2", limit=3)
    assert [entry.stream for entry in page] == [mine]
    assert sum(reached.values()) == 11
    first, at_first = await log.log_page({}, tenant="org2", limit=1)
    assert first == page
    assert await log.log_page(at_first, tenant="org2", limit=1) == ([], reached)


async def test_a_page_looks_at_so_many_events_and_no_more() -> None:
    """A tenant's page among many events of others is cut short, and its position says how far it looked."""
    body = encode(e.MessageExpired())[2]
    rows: list[EventRow] = [
        (n, 5, n, n, 1, "MessageExpired", 1, START_US, "org1", 0, body, FIRST_LINK) for n in range(1, LOOKED_AT_MAX + 2)
    ]
    assert page_of(rows, {}, tenant="org2", limit=10) == ([], {5: LOOKED_AT_MAX})
    page, reached = page_of(rows[LOOKED_AT_MAX:], {5: LOOKED_AT_MAX}, tenant="org1", limit=10)
    assert [entry.seq for entry in page] == [LOOKED_AT_MAX + 1]
    assert reached == {5: LOOKED_AT_MAX + 1}
