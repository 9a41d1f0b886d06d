"""Answers for waiting until a daemon has come to rest, so that what is asked next has one answer.

At rest, whatever was due went out and came back, and no bulk redrive runs. It learns that from the log alone, and waits
on the stream of events.
"""

import threading
from datetime import datetime
from typing import Final, cast

from adapters.cli.remote import Answer
from tests.edges.cli.processes import PATIENCE_S, Served

# A next try that is due so soon is still on its way; nobody who reads on is faster.
_SOON_S: Final = 1.0
_ENDS: Final = {"MessageDead", "MessageExpired"}
_ON_THE_WAY: Final = {"AttemptStarted", "MessageReleased", "MessageRedriven", "RedriveStarted", "RedriveAdvanced"}


class Rest:
    """What of a daemon's log was seen so far, and what of it is still on its way."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._after: str | None = None
        self._moving: set[str] = set()
        # Messages that a lane holds move once it is resumed.
        self._lane_of: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._paused: set[str] = set()
        # Messages that something else takes the place of, should they end undelivered.
        self._owing: set[str] = set()

    def wait(self) -> None:
        """Returns once nothing moves any more."""
        self._read()
        end = threading.Timer(PATIENCE_S, self._served.process.kill)
        end.start()
        while self._moves():
            next(self._served.daemon.follow("v1", "events", "stream", after=self._after))
            self._read()
        end.cancel()

    def _moves(self) -> bool:
        return any(self._lane_of.get(stream) not in self._paused for stream in self._moving)

    def _read(self) -> None:
        more: object = True
        while more:
            page = self._served.daemon.get("v1", "events", after=self._after, limit=1_000)
            for event in cast("list[Answer]", page["events"]):
                self._see(event)
            self._after, more = cast("str", page["next"]), page["more"]

    def _see(self, event: Answer) -> None:
        kind, stream, data = str(event["type"]), str(event["stream"]), cast("Answer", event["data"])
        self._moving.discard(stream)
        if kind == "MessageAccepted":
            self._lane_of[stream] = str(data["lane"])
            self._owing |= {stream} if data["fallbacks"] else set()
        is_due = kind == "MessageAccepted" and str(data["due"]) <= str(event["at"])
        if is_due or _follows_soon(event, data) or kind in _ON_THE_WAY or (kind in _ENDS and stream in self._owing):
            self._moving.add(stream)
        if kind == "LaneOpened":
            self._names[stream] = str(data["name"])
        elif kind == "LanePaused":
            self._paused.add(self._names[stream])
        elif kind == "LaneResumed":
            self._paused.discard(self._names[stream])


def _follows_soon(event: Answer, data: Answer) -> bool:
    """Whether an attempt failed and the next one comes at once."""
    if event["type"] != "AttemptFailed" or data["due"] is None:
        return False
    failed_at, due = (datetime.fromisoformat(str(instant)) for instant in (event["at"], data["due"]))
    return (due - failed_at).total_seconds() <= _SOON_S
