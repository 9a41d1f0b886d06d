"""What the tests of channels hand over, and how they count it."""

import ssl

import msgspec

from core.policies import SECOND_US
from core.ports import Clock, Parcel

ACCEPTED_US = 1_769_760_000_123_456  # 2026-01-30T08:00:00.123456Z
MESSAGE = "msg_0123456789abc"

EVENT = {"type": "order.changed", "data": {"order": 42}}
MAIL = {"subject": "Tomorrow", "text": "See you at nine.\n"}


class Certificates(msgspec.Struct, frozen=True, kw_only=True):
    """The file that makes a client trust, the server's side, and that of a server of another name."""

    ca_file: str
    server: ssl.SSLContext
    other: ssl.SSLContext


class HandOver:
    """How often a channel said that the first byte left."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def parcel_of(
    clock: Clock, to: str, content: object = EVENT, *, attempt: int = 1, within_us: int = 10 * SECOND_US
) -> Parcel:
    """One attempt that ends `within_us` from now; a content in bytes is taken as it is."""
    return Parcel(
        message=MESSAGE,
        stream=1,
        attempt=attempt,
        tenant="default",
        to=to,
        content=content if isinstance(content, bytes) else msgspec.json.encode(content),
        accepted_us=ACCEPTED_US,
        deadline_us=clock.now_us() + within_us,
    )
