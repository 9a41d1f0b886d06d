"""`python -m benchmarks.seed LOG MESSAGES CONVERSATIONS`: fills a log with messages that have ended, years in seconds.

Answers for: a log as the daemon would have written it, through the store's own port and the core's own folds, so that
`tidings verify` passes on it. Needed where a case starts on a long history.
Must never: run beside a daemon; the store's lock sees to that.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from core import events as e
from core.ids import Mint, shard_of
from core.message import accepted, evolve, head_of
from core.records import Acceptance, Append, Draft, HeadChange, Private, Sealed
from core.sealing import seal
from eventstore.sqlite.log import SqliteLog

EVENTS_A_MESSAGE = 3
_TENANT = "default"
_LANE = "calls"
_APART_US = 1_000
_AT_ONCE = 2_000
_CONTENT = b'{"type":"order.changed","data":{"note":"' + b"x" * 120 + b'"}}'


async def fill(file: Path, messages: int, conversations: int) -> None:
    """Append the whole life of `messages` delivered messages, spread over `conversations`."""
    log = await SqliteLog.open(file)
    try:
        largest, latest_us = log.newest()
        mint = Mint(floor=largest)
        first_us = max(latest_us, time.time_ns() // 1_000 - messages * _APART_US)
        peers = [mint.next(first_us) for _ in range(conversations)]
        lives = (_life(mint, peers, number, first_us + number * _APART_US) for number in range(messages))
        while batch := list(_some(lives)):
            await asyncio.gather(*(log.accept(life) for life in batch))
    finally:
        await log.close()


def _some(lives: Iterator[Acceptance]) -> Iterator[Acceptance]:
    for _, life in zip(range(_AT_ONCE), lives, strict=False):
        yield life


def _life(mint: Mint, peers: list[int], number: int, at_us: int) -> Acceptance:
    """One message from its acceptance to its delivery, in one commit."""
    stream, place = mint.next(at_us), number % len(peers)
    conversation, salt = peers[place], stream.to_bytes(16)
    subject = place.to_bytes(16)
    private, commitment = seal(Private(to=f"http://127.0.0.1:9/c/{place}", content=_CONTENT), salt)
    first = e.MessageAccepted(
        channel="webhook",
        lane=_LANE,
        conversation=conversation,
        due_us=at_us,
        commitment=commitment,
        size_bytes=len(_CONTENT),
    )
    started = e.AttemptStarted(attempt=1, lane=_LANE, policy_version=1, deadline_us=at_us + 15_000_000)
    taken = e.AttemptTaken(attempt=1, status="delivered", sent_at_us=at_us, took_us=1_000, code="200")
    message = accepted(stream, at_us, _TENANT, first)
    for event in (started, taken):
        message = evolve(message, event, at_us)
    shard = shard_of(_TENANT, conversation)
    drafts = tuple(
        Draft(stream=stream, version=version, event=event) for version, event in enumerate((first, started, taken), 1)
    )
    heads = (HeadChange(head=head_of(message, shard), was=None),)
    append = Append(shard=shard, tenant=_TENANT, at_us=at_us, drafts=drafts, heads=heads)
    sealed = Sealed(stream=stream, tenant=_TENANT, subject=subject, salt=salt, private=private)
    return Acceptance(append=append, sealed=sealed, conversation=conversation, channel="webhook")


if __name__ == "__main__":
    uvloop.run(fill(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
