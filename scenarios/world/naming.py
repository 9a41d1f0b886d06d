"""What messages are called in a world: `name/number` for what was asked for, and names made of that for what follows.

This file answers for one name a message, whoever asks: the selectors of a file, the world's books, laws and stories.
"""

from typing import Final
from urllib.parse import quote, unquote

import msgspec

from core import events as e
from core.device_names import named_in
from core.records import Private
from scenarios.world.remembering import RememberedDurable

# What the messages of a plan say instead of a name: whose they are.
PLAN = "plan:"
# How a name travels where only a trace context can (W3C Trace Context: a later version may go on after its flags).
_TRACED: Final = f"01-{'1' * 32}-{'1' * 16}-00-"
_PRIVATE = msgspec.msgpack.Decoder(Private)


def key_of(durable: RememberedDurable, stream: int) -> str:
    """The name of a message. Its client, or the sender of a hook, sends it along as the trace.

    One that takes the place of another is called after it, one to a device after the push to its user, and one of a
    plan by its participant and kind.
    """
    first = durable.streams[stream][0]
    accepted = first.event
    assert isinstance(accepted, e.MessageAccepted), f"stream {stream} does not begin with its acceptance"
    if accepted.trace.startswith(PLAN):
        return _planned(accepted.trace.removeprefix(PLAN), private_of(durable, stream).idempotency_key or "")
    if accepted.trace or not first.cause:
        return untraced(accepted.trace)
    cause = key_of(durable, first.cause)
    device = named_in(private_of(durable, stream).to) if accepted.channel == "push" else None
    return after(cause) if device is None else f"{cause}@{device.device}"


def _planned(reference: str, idempotency_key: str) -> str:
    """`reference/participant.kind`, with `#2` behind it where the first of that name had been withdrawn."""
    participant, kind, *generation = idempotency_key.removeprefix(reference + "/").split("/")
    return f"{reference}/{participant}.{kind}" + "".join(f"#{number}" for number in generation)


def traced(key: str) -> str:
    """A name as the trace context of a call over HTTP."""
    return _TRACED + quote(key, safe="/")


def untraced(trace: str) -> str:
    """The name that a trace is, or brings."""
    return unquote(trace.removeprefix(_TRACED)) if trace.startswith(_TRACED) else trace


def named(key: str) -> str:
    """The name under which it was asked for: of a message to one device that of the push to its user."""
    return key.partition("@")[0].partition("#")[0]


def after(key: str) -> str:
    """What the message is called that takes the place of another."""
    name, _, place = key.partition("+")
    return f"{name}+{int(place or 0) + 1}"


def private_of(durable: RememberedDurable, stream: int) -> Private:
    """What the vault held of a message at first."""
    return _PRIVATE.decode(durable.said[stream].private)
