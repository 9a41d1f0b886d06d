"""Answers for what a replay says of messages that are over, but for what their providers still tell of them."""

from pathlib import Path

import pytest

from adapters.hindsight import seen_at
from core import events as e
from eventstore.sqlite import SqliteLog
from tests.contracts.scribe import Scribe

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
    of_one = seen_at(path, None, scribe.messages[streams[3]].conversation, lambda _events: None)
    assert of_one.counts()["mail"] == {"sent": 1, "delivered": 1, "read": 1, "failed": 1}
