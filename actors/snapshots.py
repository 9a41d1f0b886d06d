"""Snapshots of conversations: what a long stream comes to, kept so that waking need not read all of it.

This file answers for a snapshot being a replay and nothing else. Nothing must ever rest on one being there.
"""

from contextlib import suppress
from typing import Final

import msgspec

from core.conversation import Conversation, evolve
from core.errors import AppendUnknown, Refused
from core.ports import Log
from core.records import Snapshot, Woken

# Events of its own stream after which a conversation keeps a snapshot. Most have a handful in all.
SNAPSHOT_EVERY: Final = 256


def wants_snapshot(state: Conversation, more: int) -> bool:
    """Whether one is to be kept of a conversation of which so many more events have just been recorded."""
    return state.version // SNAPSHOT_EVERY != (state.version - more) // SNAPSHOT_EVERY


async def keep_snapshot(log: Log, state: Conversation) -> None:
    """Saves a replay of what a conversation has become; trouble is left to the next one."""
    snapshot = Snapshot(stream=state.id, version=state.version, body=msgspec.msgpack.encode(state))
    with suppress(Refused, AppendUnknown):
        await log.save_snapshot(snapshot)


def replayed(woken: Woken, known: Conversation) -> Conversation:
    """What the log says of a conversation of which `known` has no more than the name."""
    if woken.snapshot is None:
        state = Conversation(id=known.id, tenant=known.tenant)
    else:
        state = msgspec.msgpack.decode(woken.snapshot.body, type=Conversation)
    for entry in woken.events:
        state = evolve(state, entry.event, entry.at_us)
    return state
