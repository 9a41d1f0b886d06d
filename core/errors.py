"""What can go wrong in our own surroundings, as exceptions that name the remedy.

What a provider may do to us is an Outcome (see outcomes.py), never one of these.
"""


class TidingsError(Exception):
    """The root of every exception that Tidings raises on purpose."""


class Refused(TidingsError):
    """New work cannot be taken now; nothing was written. The caller may repeat after `retry_after_s` seconds."""

    def __init__(self, reason: str, *, retry_after_s: int = 1) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class StoreUnavailable(Refused):
    """The store cannot be written or read now (disk full, read-only, I/O error); nothing of this call was written."""


class Overloaded(Refused):
    """A bound of ours is reached (queued bytes, waiting mail); nothing was written."""


class BeingForgotten(Overloaded):
    """Whoever has this address is just being forgotten: nothing is taken for it until that is over."""


class AppendUnknown(TidingsError):
    """The store failed while it was committing: the batch may or may not be durable. Only a replay can tell."""


class StreamConflict(TidingsError):
    """Somebody else wrote the version that this writer meant to write: a second writer, which must not exist."""


class StoreRefused(TidingsError):
    """The store cannot be opened at all: newer schema, locked by another daemon, corrupt. The text says what to do."""


class CorruptLog(StoreRefused):
    """What was read contradicts itself: a broken link, an impossible transition, an undecodable body."""


class StreamParked(TidingsError):
    """A stream holds an event that this release cannot read: it waits for a newer one, everything else goes on."""

    def __init__(self, stream: int, version: int, kind: str) -> None:
        super().__init__(
            f"stream {stream} is parked: its event {version} is {kind}, which this release does not know; run the newer"
            " release that wrote it"
        )
        self.stream = stream


class Impossible(TidingsError):
    """An event does not fit the state that it is folded into: a bug or a damaged log, never a provider's doing."""


class Forbidden(TidingsError):
    """What was asked for is not allowed in the thing's present state (an HTTP 409); nothing changed."""


class NotFound(TidingsError):
    """There is no such thing for this tenant."""


class Invalid(TidingsError):
    """What was asked for is not well-formed (an HTTP 422): `at` is a JSON pointer, the text what was expected."""

    def __init__(self, at: str, detail: str) -> None:
        super().__init__(f"{at}: {detail}" if at else detail)
        self.at = at
        self.detail = detail


class Malformed(Invalid):
    """What was sent cannot be read at all: it is not JSON (an HTTP 400)."""


class KeyReused(TidingsError):
    """An idempotency key came again with another request (an HTTP 409); `stream` is the message it belongs to."""

    def __init__(self, stream: int) -> None:
        super().__init__("this idempotency key was used before for another request")
        self.stream = stream
