"""What a plan wants: one message for each participant and kind of reminder, with its moment and its content.

This file answers for who is reminded of what and when, and for the submission that is made of it. What there is already
and what therefore has to change stands in plan_marks.py. It must never ask for the time: the instant at which a plan
was set is passed in, so that a plan comes to the same however often it is looked at.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from hashlib import blake2b
from typing import Final

import msgspec

from core.alternatives import FallbackRequest
from core.content_shapes import ChannelName
from core.contents import MessageRequest, Submission, read
from core.errors import Invalid
from core.plan_requests import Participant, PlanRequest, Reminder, texts_of
from core.plan_times import Timing, instant_of, moment_of, shifted, span_of

Key = tuple[str, str]
"""A participant and a kind: what a plan has one message for."""

_DIGEST_BYTES: Final = 8
_NO_ZONES: Final[Mapping[str, str]] = {}
_ENCODER: Final = msgspec.json.Encoder()


class Wanted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message that a plan wants. `participant` and `reminder` are their places in the plan.

    `at_us` None: at once. `digest` is that of everything but its moment: another one is another message. Where all that
    differs is the time zone that its participant had before, the message had `digest_before`, and moves.
    """

    key: Key
    participant: int
    reminder: int
    at_us: int | None
    expires_us: int | None
    digest: bytes
    digest_before: bytes | None = None


class Plan:
    """A sound request, ready to be looked at from one instant and to have messages made of it."""

    def __init__(self, reference: str, request: PlanRequest, *, zone_of: Callable[[str], tzinfo]) -> None:
        self.reference = reference
        self.request = request
        self._zone_of = zone_of
        self._texts = texts_of(request)
        self._timings = [reminder.timing() for reminder in request.reminders]
        self._words: dict[tuple[int, tuple[ChannelName, ...]], _Words] = {}

    def wanted(self, now_us: int, zones_before: Mapping[str, str] = _NO_ZONES) -> Iterator[Wanted]:
        """Every message of a plan that was set at `now_us`, those whose moment has passed included.

        `zones_before` are the time zones that participants had when it was set before, by their ids.
        """
        moments: dict[str, list[tuple[int | None, int | None]]] = {}
        kinds = [reminder.kind for reminder in self.request.reminders]
        for number, who in enumerate(self.request.participants):
            zone = self._zone_name(who)
            if zone not in moments:
                moments[zone] = list(self._moments(self._zone_of(zone), now_us))
            person, before = _as_bytes(who, zone), None
            if zones_before.get(who.id, zone) != zone:
                before = _as_bytes(who, zones_before[who.id])
            for reminder, (at_us, expires_us) in enumerate(moments[zone]):
                yield Wanted(
                    key=(who.id, kinds[reminder]),
                    participant=number,
                    reminder=reminder,
                    at_us=at_us,
                    expires_us=expires_us,
                    digest=self._digest(who, reminder, person),
                    digest_before=None if before is None else self._digest(who, reminder, before),
                )

    def zones(self) -> dict[str, str]:
        """The time zone of each participant, by their ids."""
        return {who.id: self._zone_name(who) for who in self.request.participants}

    def zone_for(self, wanted: Wanted) -> str:
        """The time zone of whoever one message is for."""
        return self._zone_name(self.request.participants[wanted.participant])

    def submission_of(
        self, wanted: Wanted, generation: int, *, trace: str = "", correlation: str | None = None
    ) -> Submission:
        """The submission of one message, whose instants are not held against a clock; raises Invalid (see `placed`).

        A later `generation` is another message for the same participant and kind.
        """
        who, texts = self.request.participants[wanted.participant], self._texts[wanted.reminder]
        asked = MessageRequest(
            channel=who.channel,
            to=who.to,
            content=msgspec.Raw(texts[who.channel].filled(who.values)),
            idempotency_key=self._idempotency_key(wanted.key, generation),
            reference=self.reference,
            send_at=None if wanted.at_us is None else moment_of(wanted.at_us),
            expires_at=None if wanted.expires_us is None else moment_of(wanted.expires_us),
            lane=who.lane,
            time_zone=self._zone_name(who),
            fallback=tuple(
                FallbackRequest(
                    channel=other.channel,
                    to=other.to,
                    content=msgspec.Raw(texts[other.channel].filled(who.values)),
                    lane=other.lane,
                )
                for other in who.fallback
            ),
        )
        return read(_ENCODER.encode(asked), trace=trace, correlation=correlation)

    def placed(self, invalid: Invalid, wanted: Wanted) -> Invalid:
        """What is wrong with one message, told of the place in the plan that it comes from."""
        who = self.request.participants[wanted.participant]
        place, reminder = f"/participants/{wanted.participant}", f"/reminders/{wanted.reminder}"
        _, first, *rest = [*invalid.at.split("/"), ""]
        words = f"{invalid.detail} (for participant {who.id!r})"
        if first in {"send_at", "expires_at"}:
            return Invalid(reminder, words)
        channel, inside = who.channel, rest[:-1]
        if first == "fallback" and inside[1:2] == ["content"]:
            channel, first, inside = who.fallback[int(inside[0])].channel, "content", inside[2:]
        if first == "content":
            return Invalid("/".join((reminder, first, channel, *inside)), words)
        return Invalid(f"{place}{invalid.at}", words)

    def _moments(self, zone: tzinfo, now_us: int) -> Iterator[tuple[int | None, int | None]]:
        """When each reminder is due and expires for somebody in a zone."""
        for reminder, timing in zip(self.request.reminders, self._timings, strict=True):
            at_us = self._moment(timing, zone)
            yield at_us, _expiry(reminder, zone, now_us if at_us is None else at_us)

    def _moment(self, timing: Timing, zone: tzinfo) -> int | None:
        if timing.span is None:
            return None
        event = self.request.event
        anchor = event.ends_at if timing.anchor == "end" else event.starts_at
        assert anchor is not None, "a plan with a reminder relative to the end has an end"
        return shifted(instant_of(anchor), timing.span, zone, timing.at_minute)

    def _zone_name(self, who: Participant) -> str:
        return who.time_zone or self.request.event.time_zone

    def _idempotency_key(self, key: Key, generation: int) -> str:
        name = "/".join((self.reference, *key))
        return name if generation == 1 else f"{name}/{generation}"

    def _digest(self, who: Participant, reminder: int, person: bytes) -> bytes:
        """What of a message its receiver would notice, as a few bytes."""
        channels = who.channels
        words = self._words.get((reminder, channels))
        if words is None:
            words = self._words[reminder, channels] = self._words_of(reminder, channels)
        filled = _ENCODER.encode([who.values[name] for name in words.names])
        return blake2b(words.digest + filled + person, digest_size=_DIGEST_BYTES).digest()

    def _words_of(self, reminder: int, channels: tuple[ChannelName, ...]) -> "_Words":
        texts = [self._texts[reminder][channel] for channel in channels]
        parts = [text.canonical for text in texts], self.request.reminders[reminder].expires_after
        return _Words(
            names=tuple(sorted(frozenset().union(*(text.names for text in texts)))),
            digest=blake2b(_ENCODER.encode(parts)).digest(),
        )


class _Words(msgspec.Struct, frozen=True, kw_only=True):
    """What a reminder says to everybody who is reached by the same channels, and the values that it says it with."""

    names: tuple[str, ...]
    digest: bytes


def _as_bytes(who: Participant, zone: str) -> bytes:
    """How somebody is reached, and in which time zone they are."""
    return _ENCODER.encode((who.channel, who.to, who.lane, zone, who.fallback))


def _expiry(reminder: Reminder, zone: tzinfo, at_us: int) -> int | None:
    if reminder.expires_after is None:
        return None
    span = span_of(reminder.expires_after)
    assert span is not None, "a plan whose request is sound has spans in it"
    return shifted(at_us, span, zone)
