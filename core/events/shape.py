"""What every event is: a frozen row of fields, and the words that several events share."""

from typing import Literal

import msgspec

Order = Literal["fifo", "any"]
OnAmbiguous = Literal["resend", "hold", "fail"]
CausedBy = Literal["", "msg", "hook"]
ReceiptStatus = Literal["sent", "delivered", "read", "failed"]


class Event(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """The root of all events. A body is the msgpack array of the fields; the type stands beside it, in the envelope."""
