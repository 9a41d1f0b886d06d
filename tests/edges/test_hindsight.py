"""Answers for what a replay says of messages that are over, but for what their providers still tell of them."""

import multiprocessing
import os
from pathlib import Path

import pytest

from adapters.hindsight import Extent, seen_at
from adapters.overviews import Overview, overview_at
from core import events as e
from core.errors import CorruptLog
from core.records import Append, Draft, Head, HeadChange
from eventstore.codec import UnknownEvent, encode
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.past import Share
from tests.contracts.scribe import Scribe
from tests.contracts.test_log_integrity import damaged, lived

pytestmark = pytest.mark.anyio


async def test_what_a_provider_tells_later_is_replayed(tmp_path: Path) -> None:
    """At each instant a taken message is counted once, where its receipts so far have raised it."""
    path, scribe = tmp_path / "tidings.db", Scribe()
    log = await SqliteLog.open(path)
    accepted = [scribe.acceptance(f"peer{n}", order="any") for n in range(4)]
    streams = [acceptance.sealed.stream for acceptance in accepted]
    for acceptance, stream in zip(accepted, streams, strict=True):
        await log.accept(acceptance)
        await log.append(scribe.start(stream))
        await log.append(scribe.taken(stream))
    instants = [scribe.now_us]
    receipts: tuple[tuple[int, e.ReceiptStatus], ...]
    receipts = (0, "delivered"), (1, "failed"), (0, "read"), (1, "sent"), (2, "delivered")
    for number, status in receipts:
        await log.append(scribe.move(streams[number], e.ReceiptSeen(status=status, attempt=1)))
        instants.append(scribe.now_us)
    await log.close()
    told = [dict(seen_at(path, at_us, None, lambda _events: None).counts()["mail"]) for at_us in (*instants, None)]
    assert told[0] == {"sent": 4}
    assert told[1] == {"sent": 3, "delivered": 1}
    assert told[2] == {"sent": 2, "delivered": 1, "failed": 1}
    assert told[3] == {"sent": 2, "read": 1, "failed": 1}
    assert told[5] == told[6] == {"sent": 1, "delivered": 1, "read": 1, "failed": 1}
    overview = overview_at(path, None, lambda _events: None)
    assert overview.counts["mail"] == told[6]
    assert overview.events == 17
    of_one = seen_at(path, None, scribe.messages[streams[3]].conversation, lambda _events: None)
    assert of_one.counts()["mail"] == {"sent": 1, "delivered": 1, "read": 1, "failed": 1}


@pytest.mark.slow
async def test_shares_come_to_the_figures_of_the_whole(tmp_path: Path) -> None:
    """Whatever two processes fold, they tell what one tells: messages, paused lanes, circuits and parked streams."""
    path, scribe = tmp_path / "tidings.db", Scribe()
    log = await SqliteLog.open(path)
    await lived(log, scribe, messages=40)
    unknown = UnknownEvent(type="LaneBlessed", schema_version=1, body=b"\x90")
    for shard, events in (
        (4, (e.LaneOpened(name="mail", channel="email"), e.LanePaused(by="operator"))),
        (5, (e.LaneOpened(name="calls", channel="webhook"), unknown, e.LanePaused(by="operator"))),
        (6, (e.CircuitOpened(until_us=scribe.now_us + 5, streak=3, openings=1),)),
        (7, (e.CircuitOpened(until_us=scribe.now_us + 6, streak=3, openings=1),)),
    ):
        stream = scribe.mint.next(scribe.now_us)
        drafts = tuple(Draft(stream=stream, version=n, event=event) for n, event in enumerate(events, 1))
        head = Head(stream=stream, kind="sys", shard=shard, tenant="org1", version=len(events), status="open")
        heads = (HeadChange(head=head, was=None),)
        await log.append(Append(shard=shard, tenant="org1", at_us=scribe.tick(), drafts=drafts, heads=heads))
    await log.close()
    for at_us in (None, scribe.now_us - 3, 0):
        alone, shared = (overview_at(path, at_us, lambda _events: None, processes=n) for n in (1, 2))
        assert alone == shared
        if at_us is None:
            assert (alone.paused, len(alone.open_until_us), len(alone.parked)) == ({"mail": "operator"}, 2, 2)


@pytest.mark.slow
async def test_shares_name_what_one_process_names(tmp_path: Path) -> None:
    """Where the events of a message cannot follow each other, the answer says at which event, however it was asked."""
    path, scribe = tmp_path / "tidings.db", Scribe()
    log = await SqliteLog.open(path)
    await lived(log, scribe, messages=10)
    await log.close()
    name, schema_version, body = encode(e.AttemptTaken(attempt=1, status="sent", sent_at_us=1, took_us=1))
    started = "(SELECT min(pos) FROM event WHERE type = 'AttemptStarted')"
    change = f"UPDATE event SET type = ?, schema_version = ?, body = ? WHERE pos = {started}"  # noqa: S608  # Of ours.
    damaged(path, change, name, schema_version, body)
    words = []
    for processes in (1, 2):
        with pytest.raises(CorruptLog) as refused:
            overview_at(path, None, lambda _events: None, processes=processes)
        words.append(str(refused.value))
    assert words[0] == words[1]
    assert words[0].startswith("event ")


@pytest.mark.slow
async def test_a_share_whose_process_dies_is_folded_by_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system kills a process for its memory, the overview is what one process folds alone."""
    path = tmp_path / "tidings.db"
    log = await SqliteLog.open(path)
    await lived(log, Scribe(), messages=5)
    await log.close()
    alone = overview_at(path, None, lambda _events: None, processes=1)
    monkeypatch.setattr("adapters.overviews._share", share_or_die)
    assert overview_at(path, None, lambda _events: None, processes=2) == alone


def share_or_die(file: Path, _extent: Extent, _share: Share) -> Overview:
    """Folds where it was asked for, and ends any other process over it."""
    if multiprocessing.parent_process() is not None:
        os._exit(9)
    return overview_at(file, None, lambda _events: None, processes=1)
