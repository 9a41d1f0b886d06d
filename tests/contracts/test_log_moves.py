"""What every log promises where a message moves: to another lane, to another end, and to what it caused and owes."""

from itertools import product

import pytest
from msgspec.structs import replace

from core.ports import Log
from core.records import FIFO_LINE, Head, ListedKind, MessageFilter
from tests.contracts.scribe import Scribe, digest

pytestmark = pytest.mark.anyio


async def accepted(log: Log, scribe: Scribe, peer: str = "ann", *, cause: int = 0) -> int:
    """A message, and its id."""
    acceptance = scribe.acceptance(peer, cause=cause, reference="event42" if cause else None)
    await log.accept(acceptance)
    return acceptance.sealed.stream


async def head_of(log: Log, stream: int) -> Head:
    """A head that is there."""
    head = await log.head_of(stream)
    assert head is not None
    return head


async def counts(log: Log) -> list[tuple[str, str, int, int]]:
    """(lane, status, messages, attempts) of all that is counted."""
    return [(tally.lane, tally.status, tally.count, tally.attempts) for tally in await log.tallies(None)]


async def streams(log: Log, wanted: MessageFilter, *, oldest_first: bool = False) -> list[int]:
    """The ids of what a filter finds, and what it counts is the same."""
    heads = await log.heads(wanted, limit=50, oldest_first=oldest_first)
    assert await log.count(wanted, at_most=50) == len(heads)
    return [head.stream for head in heads]


async def agenda(log: Log, lane: str) -> list[int]:
    """What waits for a lane."""
    return [row.stream for row in await log.agenda_page(lane, "org1", 5, after=None, limit=9)]


async def test_a_message_that_changes_its_lane_waits_there(log: Log, scribe: Scribe) -> None:
    """It leaves the agenda of the lane that it was on for that of the other, and keeps its place among its own."""
    first, second = await accepted(log, scribe), await accepted(log, scribe)
    place = (await head_of(log, first)).place
    await log.append(scribe.become(await head_of(log, first), lane="spare"))
    assert (await agenda(log, "mail"), await agenda(log, "spare")) == ([second], [first])
    assert [(group.lane, group.tenant) for group in await log.agenda_groups()] == [("mail", "org1"), ("spare", "org1")]
    conversation = scribe.conversation("ann")
    line = await log.line_of(conversation, FIFO_LINE, after=None, limit=9)
    assert [(head.stream, head.lane) for head in line] == [(first, "spare"), (second, "mail")]
    assert line[0].place == place
    assert await streams(log, MessageFilter(lane="spare")) == [first]
    await log.append(scribe.become(await head_of(log, second), lane="spare", due_us=line[0].due_us))
    assert await agenda(log, "mail") == []
    assert await agenda(log, "spare") == [first, second]


async def test_counts_follow_a_message_to_another_lane(log: Log, scribe: Scribe) -> None:
    """A message and its attempts are counted in the lane that it is on, whatever it does as it moves."""
    first, second = await accepted(log, scribe), await accepted(log, scribe)
    await log.append(scribe.start(first))
    await log.append(scribe.failed(first))
    assert await counts(log) == [("mail", "queued", 1, 0), ("mail", "retrying", 1, 1)]
    # It waits, and waits elsewhere.
    await log.append(scribe.become(await head_of(log, second), lane="spare"))
    assert await counts(log) == [("mail", "retrying", 1, 1), ("spare", "queued", 1, 0)]
    # An attempt begins elsewhere.
    await log.append(scribe.start(first, lane="spare"))
    assert await counts(log) == [("spare", "queued", 1, 0), ("spare", "sending", 1, 2)]
    await log.append(scribe.failed(first))
    await log.append(scribe.start(first, lane="mail"))
    await log.append(scribe.taken(first))
    assert await counts(log) == [("mail", "sent", 1, 3), ("spare", "queued", 1, 0)]
    # It changes its lane and its status at once.
    await log.append(scribe.become(await head_of(log, second), lane="mail", status="held", due_us=None, place=None))
    assert await counts(log) == [("mail", "held", 1, 0), ("mail", "sent", 1, 3)]


async def test_a_move_that_says_nothing_of_a_lane_stays_in_it(log: Log, scribe: Scribe) -> None:
    """A head change without the former lane is counted in the lane of the new head, as one that names that lane is."""
    stream = await accepted(log, scribe)
    named = scribe.start(stream)
    (change,) = named.heads
    assert change.was_lane == "mail"
    await log.append(replace(named, heads=(replace(change, was_lane=None),)))
    assert await counts(log) == [("mail", "sending", 1, 1)]


async def test_several_changes_of_lane_in_one_commit_are_counted_right(log: Log, scribe: Scribe) -> None:
    """Calls made back to back, each on what the one before it left: there and back again is where it was."""
    stream = await accepted(log, scribe)
    head = await head_of(log, stream)
    there = scribe.become(head, lane="spare")
    back = scribe.become(there.heads[0].head, lane="mail")
    calls = [log.append(there), log.append(back), log.append(scribe.become(back.heads[0].head, lane="third"))]
    for call in calls:
        await call
    assert await counts(log) == [("third", "queued", 1, 0)]
    assert (await agenda(log, "mail"), await agenda(log, "third")) == ([], [stream])


@pytest.mark.parametrize("ends", [("sent", "delivered", "read"), ("sent", "failed"), ("sent", "delivered", "failed")])
async def test_a_message_that_was_sent_moves_on_among_its_ends(log: Log, scribe: Scribe, ends: tuple[str, ...]) -> None:
    """What receipts say of a sent message is counted and listed as its present status, and it waits for nothing."""
    stream, other = await accepted(log, scribe), await accepted(log, scribe)
    for taken in (stream, other):
        await log.append(scribe.start(taken))
        await log.append(scribe.taken(taken))
    for n, status in enumerate(ends[1:], 1):
        await log.append(scribe.become(await head_of(log, stream), status=status))
        assert sorted(await counts(log)) == sorted([("mail", "sent", 1, 1), ("mail", status, 1, 1)])
        for past in ends[:n]:
            assert stream not in await streams(log, MessageFilter(status=(past,)))
        assert await streams(log, MessageFilter(status=(status,))) == [stream]
        assert await streams(log, MessageFilter(tenant="org1", status=("sent", status))) == [other, stream]
        assert await streams(log, MessageFilter(status=("sent", status, "queued"), lane="mail")) == [other, stream]
    assert await log.agenda_groups() == []
    assert (await head_of(log, stream)).status == ends[-1]


async def test_what_a_stream_caused_is_found(log: Log, scribe: Scribe) -> None:
    """Messages are listed by the stream that caused them, and each one's first event tells it."""
    first = await accepted(log, scribe)
    caused = [await accepted(log, scribe, cause=first) for _ in range(3)]
    other = await accepted(log, scribe, cause=caused[0])
    await log.append(scribe.start(caused[1]))
    assert await streams(log, MessageFilter(cause=first)) == caused[::-1]
    assert await streams(log, MessageFilter(cause=first), oldest_first=True) == caused
    assert await streams(log, MessageFilter(cause=first, status=("sending",))) == [caused[1]]
    assert await streams(log, MessageFilter(cause=caused[0])) == [other]
    assert await streams(log, MessageFilter(cause=other)) == []
    assert await streams(log, MessageFilter(cause=0)) == [first]
    assert (await head_of(log, caused[1])).cause == first
    assert (await log.events_of(caused[1]))[0].cause == first


async def test_what_owes_something_is_found_until_it_paid(log: Log, scribe: Scribe) -> None:
    """A concluded message that owes something is listed until its head says that it does not."""
    messages = [await accepted(log, scribe, peer) for peer in ("ann", "ben", "carl")]
    for stream in messages:
        await log.append(scribe.start(stream))
        await log.append(scribe.failed(stream, dead=True))
    assert await streams(log, MessageFilter(owes=True)) == []
    for stream in (messages[2], messages[0]):
        await log.append(scribe.become(await head_of(log, stream), owes=True))
    owing = MessageFilter(owes=True)
    assert await streams(log, owing, oldest_first=True) == [messages[0], messages[2]]
    assert await streams(log, MessageFilter(owes=False)) == [messages[1]]
    assert await streams(log, MessageFilter(owes=True, status=("dead",), after=messages[0])) == [messages[2]]
    # Owing still, it changes in another way; then it has paid.
    await log.append(scribe.become(await head_of(log, messages[0]), code="550"))
    assert await streams(log, owing) == [messages[2], messages[0]]
    await log.append(scribe.become(await head_of(log, messages[0]), owes=False))
    assert await streams(log, owing) == [messages[2]]
    assert [head.owes for head in await log.heads(MessageFilter(), limit=9)] == [True, False, False]


@pytest.mark.slow
async def test_every_combination_with_cause_and_debt_is_answered(log: Log, scribe: Scribe) -> None:
    """However cause and debt are combined with other fields, the answer is the plain selection from all messages."""
    first = await accepted(log, scribe)
    for n, peer in enumerate(("ann", "ben", "ann", "ben", "carl", "ann")):
        stream = await accepted(log, scribe, peer, cause=first if n % 2 else 0)
        if n > 1:
            await log.append(scribe.start(stream))
            await log.append(scribe.failed(stream, dead=True))
            await log.append(scribe.become(await head_of(log, stream), owes=n in (2, 3)))
    everything = await log.heads(MessageFilter(), limit=99)
    assert {(bool(head.cause), head.owes) for head in everything} == set(product((False, True), repeat=2))
    referenced = {head.stream for head in everything if head.cause}
    for cause, owes, status, tenant, conversation, reference, before in product(
        (None, 0, first, first + 1),
        (None, False, True),
        (None, (), ("queued",), ("dead", "queued"), ("sent", "dead")),
        (None, "org1", "org2"),
        (None, scribe.conversation("ann")),
        (None, digest("reference", "event42")),
        (None, everything[2].stream),
    ):
        wanted = MessageFilter(
            cause=cause, owes=owes, status=status, tenant=tenant,
            conversation=conversation, reference=reference, before=before,
        )  # fmt: skip  # One line of fields is enough.
        expected = [
            head.stream
            for head in everything
            if cause in (None, head.cause)
            and owes in (None, head.owes)
            and (status is None or head.status in status)
            and tenant in (None, head.tenant)
            and conversation in (None, head.conversation)
            and (reference is None or head.stream in referenced)
            and (before is None or head.stream < before)
        ]
        assert await streams(log, wanted) == expected, wanted


@pytest.mark.parametrize("kind", ["lane", "sys", "device", "plan", "stray"])
async def test_streams_of_each_kind_are_listed_by_it(log: Log, scribe: Scribe, kind: ListedKind) -> None:
    """Each kind is listed whole, in the order of ids and as its heads are now, and none of it among messages."""
    message = await accepted(log, scribe)
    others: tuple[ListedKind, ...] = ("lane", "sys", "device", "plan", "stray")
    for other in others:
        await log.append(scribe.opened(other, "one"))
    (first,) = await log.heads_of_kind(kind)
    later = scribe.opened(kind, "two")
    await log.append(later)
    assert await log.heads_of_kind(kind) == [first, later.heads[0].head]
    changed = scribe.become(first, status="closed", cause=message, owes=True)
    await log.append(changed)
    assert await log.heads_of_kind(kind) == [changed.heads[0].head, later.heads[0].head]
    for wanted in (MessageFilter(cause=message), MessageFilter(owes=True), MessageFilter(status=("closed",))):
        assert await streams(log, wanted) == []
    assert await counts(log) == [("mail", "queued", 1, 0)]


async def test_a_whole_life_in_one_commit_leaves_what_its_end_says(log: Log, scribe: Scribe) -> None:
    """A message whose whole life falls into one commit is found as its last head says, and by nothing before it."""
    acceptance = scribe.acceptance("ann", cause=77)
    stream = acceptance.sealed.stream
    begun = scribe.start(stream, lane="spare")
    ended = scribe.failed(stream, dead=True)
    owed = scribe.become(ended.heads[0].head, owes=True)
    calls = [log.accept(acceptance), log.append(begun), log.append(ended), log.append(owed)]
    for call in calls:
        await call
    assert await streams(log, MessageFilter(cause=77, owes=True, status=("dead",))) == [stream]
    assert await counts(log) == [("spare", "dead", 1, 1)]
    assert await log.agenda_groups() == []
