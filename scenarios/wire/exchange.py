"""What is under way on the wire: whose bytes these are, what meets them, and how far they got.

This file answers for finding that out from within whatever library writes the bytes: it travels in the context of the
task that sends. It must never know a protocol.
"""

from collections.abc import Callable
from contextvars import ContextVar

from core.ports import Parcel
from core.settings import Lane
from scenarios.wire.course import Course
from scenarios.world.meeting import Meeting


class Call:
    """A call of our own door: all that the wire has to know of it is its course."""

    has_arrived = True

    def __init__(self, course: Course) -> None:
        self.course = course
        self.is_over = False


class Exchange(Call):
    """An attempt. `arrived` hears once that the other side has the whole request, and whether it takes it."""

    def __init__(
        self, *, lane: Lane, parcel: Parcel, meeting: Meeting, course: Course, arrived: Callable[[bool], None]
    ) -> None:
        super().__init__(course)
        self.lane = lane
        self.parcel = parcel
        self.meeting = meeting
        self.has_arrived = False
        self._arrived = arrived

    def arrive(self, *, is_taken: bool) -> None:
        """The other side has read all of it and has decided."""
        assert not self.has_arrived, "what leaves once arrives once"
        self.has_arrived = True
        self._arrived(is_taken)


# What a library does later in the same context (closing an idle line) belongs to no call any more: see is_over.
_under_way: ContextVar[Call | None] = ContextVar("call", default=None)


def present() -> Call | None:
    """What the running task sends, None where it sends nothing."""
    call = _under_way.get()
    return None if call is None or call.is_over else call


class UnderWay:
    """While it is entered, what this task writes belongs to the call."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        self._token = _under_way.set(self._call)

    def __exit__(self, *_: object) -> None:
        _under_way.reset(self._token)
        self._call.is_over = True
