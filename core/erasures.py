"""An erasure: one address that nothing private is to be kept of any more. Its state, and what the vault keeps of it.

This file answers for the fold over its events and for its head row. It records nothing and waits for nothing; what goes
when is in actors/erasing.py.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from core import events as e
from core.errors import CorruptLog, Impossible
from core.records import Head, Recorded, Sealed
from core.sealing import commitment_of
from core.views import ErasureState

ERASED: Final = "erased"
"""What a message is cancelled for where its peer is to be forgotten."""

STATUSES: Final = frozenset({"erasing", "erased"})
"""What the heads of erasures show, and no others of the installation's streams."""


class Forgotten(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """Who is to be forgotten, which only the vault may hold, and no longer than it takes."""

    channel: str
    address: str


class Erasure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An erasure as its stream has it: what people see of it, where it stands, and what its vault row must be."""

    state: ErasureState
    version: int
    commitment: bytes
    changed_us: int


def fold(recorded: Sequence[Recorded]) -> Erasure:
    """The erasure that its events come to, in order from the first. Raises Impossible for another kind of stream."""
    first = recorded[0]
    erasure = begun(first.stream, first.tenant, first.event, first.at_us)
    for entry in recorded[1:]:
        erasure = evolve(erasure, entry.event, entry.at_us)
    return erasure


def begun(stream: int, tenant: str, event: e.Event, at_us: int) -> Erasure:
    """The erasure right after its first event. Raises Impossible where no erasure begins with it."""
    if not isinstance(event, e.ErasureStarted):
        raise Impossible(f"stream {stream} begins with {type(event).__name__}, expected ErasureStarted")
    state = ErasureState(
        id=stream,
        tenant=tenant,
        status="erasing",
        channel=event.channel,
        conversation=event.conversation or None,
        messages=0,
        cancelled=0,
        devices=0,
        plans=0,
        started_us=at_us,
        ended_us=None,
    )
    return Erasure(state=state, version=1, commitment=event.commitment, changed_us=at_us)


def evolve(erasure: Erasure, event: e.Event, at_us: int) -> Erasure:
    """The erasure after one more event. Raises Impossible where it cannot follow."""
    state = erasure.state
    if state.status == "erased":
        raise Impossible(f"{type(event).__name__} cannot follow in stream {state.id}: it is erased")
    match event:
        case e.ErasureAdvanced():
            state = replace(state, messages=event.messages, cancelled=event.cancelled, plans=event.plans)
        case e.SubjectErased():
            state = replace(
                state,
                status="erased",
                messages=event.messages,
                cancelled=event.cancelled,
                devices=event.devices,
                plans=event.plans,
                ended_us=at_us,
            )
        case _:
            raise Impossible(f"{type(event).__name__} is no event of an erasure")
    return replace(erasure, state=state, version=erasure.version + 1, changed_us=at_us)


def head_of(erasure: Erasure, shard: int) -> Head:
    """The head row that mirrors an erasure's stream."""
    return Head(
        stream=erasure.state.id,
        kind="sys",
        shard=shard,
        tenant=erasure.state.tenant,
        version=erasure.version,
        status=erasure.state.status,
        changed_us=erasure.changed_us,
    )


def seal_forgotten(forgotten: Forgotten, salt: bytes) -> tuple[bytes, bytes]:
    """The bytes for the vault and the commitment for the log."""
    body = _ENCODER.encode(forgotten)
    return body, commitment_of(body, salt)


def unseal_forgotten(sealed: Sealed, commitment: bytes) -> Forgotten:
    """Who it is again; raises CorruptLog where it is not what the log committed to."""
    if commitment_of(sealed.private, sealed.salt) != commitment:
        raise CorruptLog(f"the vault row of stream {sealed.stream} is not what its erasure committed to")
    return _DECODER.decode(sealed.private)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Forgotten)
