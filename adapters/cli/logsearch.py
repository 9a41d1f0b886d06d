"""What `log` reads from the file itself: events that answer to a question, or all of them as CloudEvents.

This file answers for the questions. It never writes, and may run beside a daemon.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from adapters.cli.ending import misused
from adapters.cli.logfile import refusals_told
from adapters.cli.printing import line
from adapters.cli.remote import Answer

if TYPE_CHECKING:
    from eventstore.sqlite.searching import Found, Wanted


# A dataclass, since nothing that a command's help imports may be as heavy as msgspec.
@dataclass(frozen=True, kw_only=True)
class Question:
    """The filters as they were given; None where one was not."""

    types: list[str] | None = None
    stream: str | None = None
    conversation: str | None = None
    tenant: str | None = None
    lane: str | None = None
    channel: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def narrows(self) -> bool:
        """Whether any filter was given that a daemon's pages of the log do not know."""
        given = self.types, self.stream, self.conversation, self.lane, self.channel, self.since, self.until
        return any(one is not None for one in given)


def search_log(file: Path, question: Question, limit: int | None, show: Callable[[Answer], None]) -> None:
    """Shows the events of a file that answer to a question, oldest first, as a daemon would tell them."""
    import msgspec

    from adapters.cloudevents import shown
    from adapters.web.answers import encoded

    for found in _found(file, question, limit):
        show(msgspec.json.decode(encoded(shown(found))))


def export_log(file: Path, question: Question, limit: int | None, source: str) -> None:
    """Prints them as CloudEvents, one a line (NDJSON)."""
    import msgspec

    from adapters.cloudevents import cloud_event

    for found in _found(file, question, limit):
        line(msgspec.json.encode(cloud_event(found, source)).decode())


def _found(file: Path, question: Question, limit: int | None) -> "Iterator[Found]":
    from eventstore.sqlite.searching import search

    wanted = _wanted(question)
    with refusals_told():
        yield from islice(search(file, wanted), limit)


def _wanted(question: Question) -> "Wanted":
    from core.events import EVENT_TYPES
    from core.views import AnyChannel
    from eventstore.sqlite.searching import Wanted

    for name in question.types or ():
        if name not in EVENT_TYPES:
            raise misused(f"--type {name} is no kind of event: expected one such as AttemptStarted.")
    if question.channel is not None and question.channel not in get_args(AnyChannel):
        raise misused(f"--channel {question.channel} is none of {', '.join(get_args(AnyChannel))}.")
    return Wanted(
        types=None if question.types is None else tuple(question.types),
        stream=_id("--stream", question.stream),
        conversation=_id("--conversation", question.conversation),
        tenant=None if question.tenant == "*" else question.tenant,
        lane=question.lane,
        channel=question.channel,
        since_us=_instant("--since", question.since),
        until_us=_instant("--until", question.until),
    )


def _id(option: str, text: str | None) -> int | None:
    from core.ids import Prefix, decode

    if text is None:
        return None
    prefixes = ("conv",) if option == "--conversation" else get_args(Prefix)
    for prefix in prefixes:
        number = decode(prefix, text)
        if number is not None:
            return number
    raise misused(f"{option} {text} is no id of that kind.")


def _instant(option: str, text: str | None) -> int | None:
    from adapters.moments import instant_us

    found = None if text is None else instant_us(text)
    if text is not None and found is None:
        raise misused(f"{option} {text} is no instant such as 2026-01-30T08:00:00Z.")
    return found
