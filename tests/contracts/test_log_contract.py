"""What every log promises about writing: one text, every store."""

import asyncio

import pytest
from msgspec.structs import replace

from core import events as e
from core.errors import StoreUnavailable, StreamConflict, StreamParked
from core.ports import Log
from core.records import Append, Draft, Recorded, Repeated, Snapshot, Stored
from eventstore.batches import BATCH_ROWS_MAX
from eventstore.chain import FIRST_LINK, link_of
from eventstore.codec import UnknownEvent, encode
from tests.contracts.scribe import DEDUP_FOR_US, Scribe
from tests.contracts.stores import Store

pytestmark = pytest.mark.anyio


async def everything(log: Log) -> list[Recorded]:
    """The whole log, page by page."""
    found: list[Recorded] = []
    reached: dict[int, int] = {}
    while True:
        page, after = await log.log_page(reached, tenant=None, limit=7)
        if after == reached:
            return found
        found += page
        reached = after


async def test_an_append_is_read_back_as_it_was_written(log: Log, scribe: Scribe) -> None:
    """A stream gives its events in order, with their envelope, and its head is the one that came with them."""
    acceptance = scribe.acceptance()
    stream = acceptance.sealed.stream
    started = scribe.start(stream)
    assert await log.accept(acceptance) == Stored()
    await log.append(started)

    first, second = await log.events_of(stream)
    assert first.event == acceptance.append.drafts[0].event
    assert (second.event, second.version, second.at_us) == (started.drafts[0].event, 2, started.at_us)
    assert (first.stream, first.version, first.tenant, first.cause) == (stream, 1, "org1", 0)
    assert await log.events_of(stream, after_version=1) == [second]
    assert await log.head_of(stream) == started.heads[0].head
    assert await log.sealed_of(stream) == acceptance.sealed


async def test_what_is_unknown_is_absent(log: Log) -> None:
    """Questions about things that were never written have empty answers, not errors."""
    assert await log.events_of(5) == []
    assert await log.events_of_many([5, 6]) == {}
    assert await log.head_of(5) is None
    assert await log.sealed_of(5) is None
    assert await log.snapshot_of(5) is None
    assert await log.conversation_at("org1", "email", b"nobody") is None
    assert await log.peer_of(5) is None
    assert await log.repeated("org1", b"key") is None
    assert await log.log_page({3: 9}, tenant=None, limit=10) == ([], {3: 9})
    assert await log.tallies(None) == []
    assert log.newest() == (0, 0)
    assert log.health() == ("ok", "")


async def test_numbers_are_dense_and_links_follow_in_each_shard(log: Log, scribe: Scribe) -> None:
    """Every event's number is the one after the last of its shard, and its link is made over the one before it."""
    await asyncio.gather(*(log.accept(scribe.acceptance(f"peer{n}")) for n in range(40)))
    seqs: dict[int, int] = {}
    links: dict[int, bytes] = {}
    for entry in await everything(log):
        name, schema_version, body = encode(entry.event)
        shard, tenant, seq = entry.shard, entry.tenant, seqs.get(entry.shard, 0) + 1
        assert entry.seq == seq
        content = (shard, seq, entry.stream, entry.version, name, schema_version, entry.at_us, tenant, 0, body)
        assert entry.link == link_of(links.get(shard, FIRST_LINK), content)
        seqs[shard], links[shard] = seq, entry.link
    assert sum(seqs.values()) == 40


async def test_calls_keep_their_order_without_waiting_for_each_other(log: Log, scribe: Scribe) -> None:
    """Appends that follow on each other may be made back to back: each sees the one before it."""
    acceptance = scribe.acceptance()
    stream = acceptance.sealed.stream
    calls = [
        log.accept(acceptance),
        log.append(scribe.start(stream)),
        log.append(scribe.failed(stream)),
        log.append(scribe.start(stream)),
        log.append(scribe.taken(stream)),
    ]
    await asyncio.gather(*calls)
    assert [entry.version for entry in await log.events_of(stream)] == [1, 2, 3, 4, 5]
    head = await log.head_of(stream)
    assert head is not None
    assert (head.status, head.attempts) == ("sent", 2)


async def test_more_than_one_commit_takes_is_all_written(log: Log, scribe: Scribe) -> None:
    """A burst that is larger than a batch arrives whole and in order."""
    calls = [log.accept(scribe.acceptance(f"peer{n % 9}")) for n in range(BATCH_ROWS_MAX + 200)]
    assert await asyncio.gather(*calls) == [Stored()] * len(calls)
    assert len(await everything(log)) == len(calls)


@pytest.mark.parametrize("version", [1, 2, 4, 7])
async def test_a_version_that_is_not_the_next_one_is_a_conflict(log: Log, scribe: Scribe, version: int) -> None:
    """A version that is taken, or that leaves a gap, is refused, and nothing of it is kept."""
    acceptance = scribe.acceptance()
    stream = acceptance.sealed.stream
    await log.accept(acceptance)
    await log.append(scribe.start(stream))
    right = scribe.taken(stream)
    draft, change = right.drafts[0], right.heads[0]
    wrong = replace(
        right,
        drafts=(replace(draft, version=version),),
        heads=(replace(change, head=replace(change.head, version=version)),),
    )
    with pytest.raises(StreamConflict, match=str(stream)):
        await log.append(wrong)
    await log.append(right)
    assert len(await log.events_of(stream)) == 3


async def test_a_conflict_fails_alone(log: Log, scribe: Scribe) -> None:
    """Of calls that share a commit only the offender fails, and a call that follows on it."""
    first, second = scribe.acceptance("ann"), scribe.acceptance("ben")
    await log.accept(first)
    again = replace(
        scribe.start(first.sealed.stream),
        drafts=(Draft(stream=first.sealed.stream, version=1, event=e.MessageExpired()),),
    )
    again = replace(again, heads=(replace(again.heads[0], head=replace(again.heads[0].head, version=1)),))
    calls = [log.append(again), log.accept(second), log.append(scribe.taken(first.sealed.stream))]
    conflict, stored, follower = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(conflict, StreamConflict)
    assert stored == Stored()
    assert isinstance(follower, StreamConflict)
    assert len(await log.events_of(first.sealed.stream)) == 1
    assert len(await everything(log)) == 2


async def test_an_append_is_all_or_nothing(log: Log, scribe: Scribe) -> None:
    """Where one of two streams of an append conflicts, the other is not written either."""
    known, fresh = scribe.acceptance("ann"), scribe.acceptance("ann")
    await log.accept(known)
    both = replace(
        known.append,
        drafts=(*fresh.append.drafts, *known.append.drafts),
        heads=(*fresh.append.heads, *known.append.heads),
    )
    with pytest.raises(StreamConflict):
        await log.append(both)
    assert await log.events_of(fresh.sealed.stream) == []
    assert await log.head_of(fresh.sealed.stream) is None


async def test_heads_that_do_not_fit_their_events_are_a_bug(log: Log, scribe: Scribe) -> None:
    """An append without the head of a stream that moves, or of another version or shard, never reaches the store."""
    append = scribe.acceptance().append
    change = append.heads[0]
    other_version = replace(change, head=replace(change.head, version=2))
    other_shard = replace(change, head=replace(change.head, shard=append.shard ^ 1))
    for heads in ((), (other_version,), (other_shard,)):
        with pytest.raises(AssertionError):
            await log.append(replace(append, heads=heads))
    assert await everything(log) == []


async def test_the_same_key_is_the_same_message(log: Log, scribe: Scribe) -> None:
    """A key that came before is answered with its message, says whether the request is the same, and writes nothing."""
    first = scribe.acceptance(key="k", request="a")
    assert await log.accept(first) == Stored()
    assert await log.accept(scribe.acceptance(key="k", request="a")) == Repeated(stream=first.sealed.stream, same=True)
    assert await log.accept(scribe.acceptance(key="k", request="b")) == Repeated(stream=first.sealed.stream, same=False)
    assert await log.accept(first) == Repeated(stream=first.sealed.stream, same=True)
    assert first.dedup is not None
    assert await log.repeated("org1", first.dedup.key_hash) == (first.sealed.stream, first.dedup.request_hash)
    assert len(await everything(log)) == 1


async def test_a_request_is_known_by_the_hash_of_an_earlier_release(log: Log, scribe: Scribe) -> None:
    """A key whose row holds what was once kept for the same bytes is the same request's; any other hash is not."""
    first = scribe.acceptance(key="k", request="before")
    await log.accept(first)
    assert first.dedup is not None
    for request_hash, same in ((first.dedup.request_hash, True), (b"other", False)):
        again = scribe.acceptance(key="k", request="now")
        assert again.dedup is not None
        dedup = replace(again.dedup, request_hash_before=request_hash)
        assert await log.accept(replace(again, dedup=dedup)) == Repeated(stream=first.sealed.stream, same=same)


async def test_of_the_same_key_in_one_commit_the_first_wins(log: Log, scribe: Scribe) -> None:
    """Requests that race with one key come to one message, and all are told which."""
    calls = [scribe.acceptance(key="k") for _ in range(20)]
    answers = await asyncio.gather(*(log.accept(call) for call in calls))
    winner = calls[0].sealed.stream
    assert answers == [Stored(), *[Repeated(stream=winner, same=True)] * 19]
    for call in calls[1:]:
        assert await log.sealed_of(call.sealed.stream) is None
        assert await log.head_of(call.sealed.stream) is None
    assert [(tally.status, tally.count) for tally in await log.tallies(None)] == [("queued", 1)]


async def test_a_key_that_came_before_costs_others_of_its_commit_nothing(log: Log, scribe: Scribe) -> None:
    """Of calls that share a commit each is answered as it would be alone, wherever among them a known key stands."""
    known = scribe.acceptance(key="known")
    await log.accept(known)
    calls = [scribe.acceptance(key=key) for key in ("a", "b", "known", "a", "c", "known")]
    answers = await asyncio.gather(*(log.accept(call) for call in calls))
    before, again = (Repeated(stream=call.sealed.stream, same=True) for call in (known, calls[0]))
    assert answers == [Stored(), Stored(), before, again, Stored(), before]
    for call in (calls[0], calls[1], calls[4]):
        assert call.dedup is not None
        assert await log.repeated("org1", call.dedup.key_hash) == (call.sealed.stream, call.dedup.request_hash)
    assert len(await everything(log)) == 4


async def test_keys_of_tenants_are_their_own(log: Log, scribe: Scribe) -> None:
    """Two tenants may use the same key for two messages."""
    other = Scribe("org2", slot=1)
    assert await log.accept(scribe.acceptance(key="k")) == Stored()
    assert await log.accept(other.acceptance(key="k")) == Stored()


async def test_a_key_is_forgotten_when_it_expires(log: Log, scribe: Scribe) -> None:
    """After its time a key is new again, from the very instant on, whether its row was dropped yet or not."""
    first = scribe.acceptance(key="k")
    await log.accept(first)
    assert first.dedup is not None
    scribe.now_us = first.dedup.expires_us - 2_000
    assert isinstance(await log.accept(scribe.acceptance(key="k")), Repeated)
    # A tick is 1,000 microseconds: this one is accepted at exactly the instant of expiry.
    later = scribe.acceptance(key="k")
    assert later.append.at_us == first.dedup.expires_us
    assert await log.accept(later) == Stored()
    assert await log.repeated("org1", first.dedup.key_hash) == (later.sealed.stream, first.dedup.request_hash)
    scribe.tick(2 * DEDUP_FOR_US)
    await log.accept(scribe.acceptance("ben"))
    assert await log.repeated("org1", first.dedup.key_hash) is None


async def test_a_peer_has_one_conversation(log: Log, scribe: Scribe) -> None:
    """A peer's conversation is found by its address, its owner by its id; another one for the same peer is refused."""
    await log.accept(scribe.acceptance("ann"))
    known = scribe.acceptance("ann")
    conversation = known.conversation
    await log.accept(known)
    assert await log.conversation_at("org1", "email", known.sealed.subject) == conversation
    assert await log.conversation_at("org2", "email", known.sealed.subject) is None
    assert await log.peer_of(conversation) == ("org1", "email")

    scribe.conversations["ann"] = scribe.mint.next(scribe.now_us)
    stranger = scribe.acceptance("ann")
    with pytest.raises(StreamConflict):
        await log.accept(stranger)
    assert await log.events_of(stranger.sealed.stream) == []
    assert await log.conversation_at("org1", "email", known.sealed.subject) == conversation


async def test_instants_never_decrease_along_the_log(log: Log, scribe: Scribe) -> None:
    """An event that was dated before the last one is recorded at the last one's instant."""
    late, early = scribe.acceptance("ann"), scribe.acceptance("ben")
    await log.accept(early)
    await log.accept(late)
    recorded = await everything(log)
    assert [entry.at_us for entry in recorded] == [early.append.at_us, early.append.at_us]
    assert log.newest()[1] == early.append.at_us


async def test_a_caller_that_gives_up_does_not_undo_its_call(log: Log, scribe: Scribe) -> None:
    """Cancelling one who waits for a commit tears nothing: its call and those beside it are written."""
    first, second = scribe.acceptance("ann"), scribe.acceptance("ben")

    async def accept_first() -> None:
        await log.accept(first)

    impatient = asyncio.create_task(accept_first())
    await asyncio.sleep(0)
    beside = log.accept(second)
    impatient.cancel()
    await beside
    assert len(await log.events_of(first.sealed.stream)) == 1
    assert len(await log.events_of(second.sealed.stream)) == 1


async def test_whoever_gave_up_can_wait_until_its_call_is_through(log: Log, scribe: Scribe) -> None:
    """What is read once writes have settled has in it what was asked for before, though nobody waits for that."""
    await log.settled()
    first = scribe.acceptance("ann")
    impatient = asyncio.ensure_future(log.accept(first))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(log.settled(), log.settled())
    assert len(await log.events_of(first.sealed.stream)) == 1
    await log.settled()


async def test_a_number_that_no_store_can_hold_fails_alone(log: Log, scribe: Scribe) -> None:
    """A cause beyond 63 bits is an OverflowError for its caller, and nothing to the others of its commit."""
    bad, good = scribe.acceptance("ann").append, scribe.acceptance("ben")
    bad = replace(bad, drafts=(replace(bad.drafts[0], cause=1 << 63),))
    outcomes = await asyncio.gather(log.append(bad), log.accept(good), return_exceptions=True)
    assert isinstance(outcomes[0], OverflowError)
    assert outcomes[1] == Stored()


async def test_only_the_newest_snapshot_is_kept(log: Log) -> None:
    """A snapshot replaces an older one of its stream, and never a newer one."""
    for version, body in ((3, b"three"), (9, b"nine"), (5, b"five"), (9, b"nine again")):
        await log.save_snapshot(Snapshot(stream=77, version=version, body=body))
    await log.save_snapshot(Snapshot(stream=78, version=1, body=b"other"))
    assert await log.snapshot_of(77) == Snapshot(stream=77, version=9, body=b"nine again")


async def test_a_follower_misses_no_commit(log: Log, scribe: Scribe) -> None:
    """Who asks, then reads, then waits, is woken by a commit that came in between."""
    waiting = log.changed()
    assert await log.log_page({}, tenant=None, limit=1) == ([], {})
    await log.accept(scribe.acceptance())
    await waiting
    idle = asyncio.ensure_future(log.changed())
    assert not idle.done()
    await log.save_snapshot(Snapshot(stream=1, version=1, body=b""))
    await idle


async def test_an_unknown_event_parks_its_stream_alone(log: Log, scribe: Scribe) -> None:
    """An event of a newer release makes its stream unreadable by name; pages show it, and others go on."""
    acceptance, other = scribe.acceptance("ann"), scribe.acceptance("ben")
    stream = acceptance.sealed.stream
    await log.accept(acceptance)
    await log.accept(other)
    unknown = UnknownEvent(type="MessageBlessed", schema_version=3, body=b"\x91\x01")
    head = replace(acceptance.append.heads[0].head, version=2)
    await log.append(
        Append(
            shard=head.shard,
            tenant="org1",
            at_us=scribe.tick(),
            drafts=(Draft(stream=stream, version=2, event=unknown),),
            heads=(replace(acceptance.append.heads[0], head=head, was="queued"),),
        )
    )
    for asking in (log.events_of(stream), log.events_of_many([stream, other.sealed.stream])):
        with pytest.raises(StreamParked, match=rf"{stream} .* event 2 is MessageBlessed/3"):
            await asking
    assert len(await log.events_of(other.sealed.stream)) == 1
    assert [entry.event for entry in await everything(log)][-1] == unknown


async def test_a_log_goes_on_where_it_was_closed(store: Store, scribe: Scribe) -> None:
    """After closing and opening again everything is there, and numbers, links and instants go on."""
    log = await store.open()
    calls = [scribe.acceptance(f"peer{n % 5}", key=f"{n}") for n in range(30)]
    # Nobody waits for these before the log is closed.
    answers = [log.accept(call) for call in calls]
    await log.close()
    assert await asyncio.gather(*answers) == [Stored()] * 30

    again = await store.open()
    try:
        assert again.newest() == (calls[-1].sealed.stream, calls[-1].append.at_us)
        assert await again.accept(calls[7]) == Repeated(stream=calls[7].sealed.stream, same=True)
        await again.append(scribe.start(calls[0].sealed.stream))
        recorded = await everything(again)
        assert len(recorded) == 31
        seqs = [entry.seq for entry in recorded if entry.shard == recorded[-1].shard]
        assert seqs == list(range(1, len(seqs) + 1))
    finally:
        await again.close()


async def test_a_closed_log_answers_nothing(store: Store, scribe: Scribe) -> None:
    """After closing, calls and questions are refused by name, and closing again is harmless."""
    log = await store.open()
    await log.close()
    await log.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await log.accept(scribe.acceptance())
    with pytest.raises(StoreUnavailable, match="closed"):
        await log.head_of(5)
    again = await store.open()
    assert await again.accept(scribe.acceptance()) == Stored()
    await again.close()
