"""What the vault keeps of a plan: what was asked for, since it names people, and which messages it has.

This file answers for the bytes of that row. Fields are only ever added at the end with defaults.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from core.errors import CorruptLog
from core.plan_marks import Mark
from core.plan_requests import PlanRequest
from core.plans import Key
from core.records import Sealed
from core.sealing import commitment_of


class Kept(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A plan as it was last set, at `set_us`. `request` is its JSON; `marks` are by participant and kind.

    `trace` and `correlation` came with the request, and go with every message made for it. `forgotten` are the ids of
    people of whom nothing is kept once what was decided has happened.
    """

    reference: str
    request: bytes
    set_us: int
    is_cancelled: bool
    marks: dict[str, dict[str, Mark]]
    trace: str = ""
    correlation: str | None = None
    forgotten: tuple[str, ...] = ()


def encoded_request(request: PlanRequest) -> bytes:
    """A request as it is kept: two that ask for the same in the same order have the same bytes."""
    return msgspec.json.encode(request)


def decoded_request(kept: Kept) -> PlanRequest:
    """The request again."""
    return _REQUESTS.decode(kept.request)


def grouped(marks: Mapping[Key, Mark]) -> dict[str, dict[str, Mark]]:
    """Marks as they are kept, which says each participant's name once."""
    found: dict[str, dict[str, Mark]] = {}
    for (participant, kind), mark in marks.items():
        found.setdefault(participant, {})[kind] = mark
    return found


def marks_of(kept: Kept) -> dict[Key, Mark]:
    """The marks of a plan, by participant and kind."""
    return {(participant, kind): mark for participant, marks in kept.marks.items() for kind, mark in marks.items()}


def seal_plan(kept: Kept, salt: bytes) -> tuple[bytes, bytes]:
    """The bytes for the vault and the commitment for the log."""
    body = _ENCODER.encode(kept)
    return body, commitment_of(body, salt)


def unseal_plan(sealed: Sealed, commitment: bytes) -> Kept:
    """A plan again; raises CorruptLog where it is not what the log committed to."""
    if commitment_of(sealed.private, sealed.salt) != commitment:
        raise CorruptLog(f"the vault row of stream {sealed.stream} is not what its plan committed to")
    return _KEPT.decode(sealed.private)


_ENCODER: Final = msgspec.msgpack.Encoder()
_KEPT: Final = msgspec.msgpack.Decoder(Kept)
_REQUESTS: Final = msgspec.json.Decoder(PlanRequest)
