"""What a caller asks for with a plan: an event, who takes part, and of what each of them is reminded when.

This file answers for reading such a request strictly: whatever can be said about it without asking anybody is raised
as errors.Invalid with a JSON pointer, before anything is recorded. It must never decide what becomes of a message.
"""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Final, get_args

import msgspec
from msgspec import Meta

from core.addresses import URL_CHARS_MAX
from core.alternatives import FALLBACKS_MAX
from core.content_rules import address_of, read_content
from core.content_shapes import ChannelName, Name
from core.contents import Moment, not_blank
from core.errors import Invalid, Malformed
from core.plan_texts import VALUE_NAME, Text
from core.plan_times import Anchor, Span, Timing, span_of, timing_of
from core.pointers import decoded, pointer

PARTICIPANTS_MAX: Final = 5_000
REMINDERS_MAX: Final = 20
REFERENCE_CHARS_MAX: Final = 128
_VALUES_MAX: Final = 50
_YEARS: Final = range(2000, 2200)


class _Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a request: strict when read, without its defaults when kept."""


class PlanEvent(_Asked, frozen=True, kw_only=True):
    """The event that people are reminded of. `time_zone` is that of everybody who has none of their own."""

    starts_at: Moment
    time_zone: Annotated[str, Meta(max_length=64)]
    ends_at: Moment | None = None


class PlanFallback(_Asked, frozen=True, kw_only=True):
    """Where a reminder goes that ended undelivered. Its content is the reminder's own for that channel."""

    channel: ChannelName
    to: Annotated[str, Meta(min_length=1, max_length=URL_CHARS_MAX)]
    lane: Name | None = None


class Participant(_Asked, frozen=True, kw_only=True):
    """Somebody who is reminded. `values` fill the places in contents; `id` is the caller's own name for them."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    channel: ChannelName
    to: Annotated[str, Meta(min_length=1, max_length=URL_CHARS_MAX)]
    time_zone: Annotated[str, Meta(max_length=64)] | None = None
    lane: Name | None = None
    values: Annotated[dict[str, Annotated[str, Meta(max_length=4_096)]], Meta(max_length=_VALUES_MAX)] = {}
    fallback: Annotated[tuple[PlanFallback, ...], Meta(max_length=FALLBACKS_MAX)] = ()

    @property
    def channels(self) -> tuple[ChannelName, ...]:
        """Every channel that a reminder may reach them on, the first one first."""
        return (self.channel, *(other.channel for other in self.fallback))


class Reminder(_Asked, frozen=True, kw_only=True):
    """One kind of reminder, for everybody. `content` has one for each channel that participants use.

    `offset` and `expires_after` are ISO 8601 durations; `at` is a local time such as 09:00.
    """

    kind: Annotated[str, Meta(min_length=1, max_length=40)]
    content: dict[ChannelName, msgspec.Raw]
    at: Annotated[str, Meta(max_length=5)] | None = None
    offset: Annotated[str, Meta(max_length=64)] | None = None
    relative_to: Anchor | None = None
    expires_after: Annotated[str, Meta(max_length=64)] | None = None

    def timing(self, place: str = "") -> Timing:
        """When it is due."""
        return timing_of(self.kind, at=self.at, offset=self.offset, relative_to=self.relative_to, place=place)


class PlanRequest(_Asked, frozen=True, kw_only=True):
    """A whole plan: what is wanted from now on, and nothing else."""

    event: PlanEvent
    participants: Annotated[tuple[Participant, ...], Meta(max_length=PARTICIPANTS_MAX)]
    reminders: Annotated[tuple[Reminder, ...], Meta(max_length=REMINDERS_MAX)]


def read_plan(body: bytes, *, is_zone: Callable[[str], bool]) -> PlanRequest:
    """The plan that a JSON body asks for; raises Invalid for the first mistake. `is_zone` knows time zones by name."""
    plan = _request_of(body)
    _check_event(plan.event, is_zone)
    texts = list(_checked_reminders(plan))
    _check_participants(plan, texts, is_zone)
    return plan


def texts_of(plan: PlanRequest) -> list[dict[ChannelName, Text]]:
    """The contents of each reminder, by channel, ready to be filled."""
    return [
        {channel: Text(bytes(raw), pointer("/reminders", number, "content", channel)) for channel, raw in found}
        for number, found in enumerate(reminder.content.items() for reminder in plan.reminders)
    ]


def check_reference(reference: str) -> None:
    """Raises Invalid for a name that no plan can have. `at` is then its place in the path."""
    at = "{reference}"
    if not 1 <= len(reference) <= REFERENCE_CHARS_MAX or not reference.isprintable():
        raise Invalid(at, f"expected 1 to {REFERENCE_CHARS_MAX} printable characters in the path")
    not_blank(reference, at)


_KIND: Final = re.compile(r"[a-z][a-z0-9_]*")
_DECODER: Final = msgspec.json.Decoder(PlanRequest)


def _request_of(body: bytes) -> PlanRequest:
    # The decoder leaves contents unread, and a broken one would come back when a message is made of it.
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Malformed("", "expected JSON in UTF-8") from None
    try:
        return decoded(_DECODER, body)
    except Invalid as invalid:
        if invalid.at.endswith("/channel") and invalid.detail.startswith("invalid enum value"):
            raise Invalid(invalid.at, f"expected one of {', '.join(get_args(ChannelName))}") from None
        raise


def _check_event(event: PlanEvent, is_zone: Callable[[str], bool]) -> None:
    _check_zone(event.time_zone, "/event/time_zone", is_zone)
    for name, moment in (("starts_at", event.starts_at), ("ends_at", event.ends_at)):
        if moment is not None and moment.year not in _YEARS:
            raise Invalid(f"/event/{name}", f"expected a moment from {_YEARS[0]} to {_YEARS[-1]}")
    if event.ends_at is not None and event.ends_at < event.starts_at:
        raise Invalid("/event/ends_at", "expected no moment before starts_at")


def _check_zone(name: str, at: str, is_zone: Callable[[str], bool]) -> None:
    if not is_zone(name):
        raise Invalid(at, f"no time zone is called {name!r}, expected one such as Europe/Berlin")


def _checked_reminders(plan: PlanRequest) -> Iterator[dict[ChannelName, Text]]:
    seen: set[str] = set()
    for number, reminder in enumerate(plan.reminders):
        place = f"/reminders/{number}"
        # No kind begins with a digit, so that none is taken for the number of a later message in a key.
        if not _KIND.fullmatch(reminder.kind):
            raise Invalid(f"{place}/kind", "expected small letters, digits and '_', beginning with a letter")
        if reminder.kind in seen:
            raise Invalid(f"{place}/kind", "expected each kind once")
        seen.add(reminder.kind)
        if reminder.timing(place).anchor == "end" and plan.event.ends_at is None:
            raise Invalid("/event/ends_at", f"is required by the reminder {reminder.kind}")
        _check_expiry(reminder, place)
    yield from texts_of(plan)


def _check_expiry(reminder: Reminder, place: str) -> None:
    if reminder.expires_after is None:
        return
    span = span_of(reminder.expires_after)
    if span is None or min(span.months, span.days, span.elapsed_us) < 0 or span == Span():
        raise Invalid(f"{place}/expires_after", "expected an ISO 8601 duration above zero, such as PT2H or P1D")


def _check_participants(
    plan: PlanRequest, texts: list[dict[ChannelName, Text]], is_zone: Callable[[str], bool]
) -> None:
    seen: set[str] = set()
    # The values that contents ask for, by the channels that somebody is reached by.
    asked_for: dict[tuple[ChannelName, ...], frozenset[str]] = {}
    for number, who in enumerate(plan.participants):
        place = f"/participants/{number}"
        if "/" in who.id or not who.id.isprintable():
            raise Invalid(f"{place}/id", "expected printable characters without '/'")
        if who.id in seen:
            raise Invalid(f"{place}/id", "expected each participant once")
        seen.add(who.id)
        _check_reach(who, place, is_zone)
        known = asked_for.get(who.channels)
        names = _names_for(who, texts) if known is None else known
        if missing := names - who.values.keys():
            reached = " and ".join(who.channels)
            raise Invalid(f"{place}/values", f"expected {min(missing)!r} too: contents for {reached} have it")
        if known is None:
            # One is read to its end for everybody: a value seldom spoils what the words around it do not.
            _check_filled(who, texts)
            asked_for[who.channels] = names


def _check_reach(who: Participant, place: str, is_zone: Callable[[str], bool]) -> None:
    address_of(who.channel, who.to, f"{place}/to")
    for number, other in enumerate(who.fallback):
        address_of(other.channel, other.to, f"{place}/fallback/{number}/to")
    if who.time_zone is not None:
        _check_zone(who.time_zone, f"{place}/time_zone", is_zone)
    for name in who.values:
        if not VALUE_NAME.fullmatch(name):
            raise Invalid(pointer(place, "values", name[:64]), "expected a name of letters, digits and '_'")


def _names_for(who: Participant, texts: list[dict[ChannelName, Text]]) -> frozenset[str]:
    """The values that contents for somebody ask for; raises Invalid for a content that is missing."""
    names: frozenset[str] = frozenset()
    for number, text in enumerate(texts):
        for channel in who.channels:
            if channel not in text:
                words = f"expected one for {channel} too: {who.id!r} is reached by it"
                raise Invalid(f"/reminders/{number}/content", words)
            names |= text[channel].names
    return names


def _check_filled(who: Participant, texts: list[dict[ChannelName, Text]]) -> None:
    for number, text in enumerate(texts):
        for channel in who.channels:
            at = f"/reminders/{number}/content/{channel}"
            read_content(channel, text[channel].filled(who.values), at)
