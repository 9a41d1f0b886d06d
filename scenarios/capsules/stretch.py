"""A stretch of a log, sorted by what a scenario wants to know of it.

This file answers for what belongs to a stretch: messages that came in it, and those that were open when it began. It
must never read the vault: what is not in an event is not in a capsule.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from core import events as e
from core.ids import slot_of
from core.policies import Policy
from core.records import Recorded
from eventstore.codec import UnknownEvent
from eventstore.sqlite.reading import ReadOnlyLog

_PAGE: Final = 10_000
# No scenario is shorter.
_LEAST_US: Final = 1_000
_IN_FORCE: Final = e.PolicyAdopted | e.PolicyPromoted
_POLICY: Final = msgspec.json.Decoder(Policy)
# After these a message is out of a capsule's sight, unless a person takes it up again.
_OVER: Final = (e.AttemptTaken, e.AttemptProved, e.MessageCancelled, e.MessageExpired)
_DIARY: Final = (e.DaemonStarted, e.DaemonStopped)


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: its intent, and what it came to, None where the stretch does not tell."""

    started: Recorded
    ended: Recorded | None

    @property
    def number(self) -> int:
        """Its number in the log."""
        assert isinstance(self.started.event, e.AttemptStarted), "an attempt begins with its intent"
        return self.started.event.attempt

    @property
    def lane(self) -> str:
        """The lane that it went through."""
        assert isinstance(self.started.event, e.AttemptStarted), "an attempt begins with its intent"
        return self.started.event.lane


class Tale(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `asked_us` is when it came into the stretch; `is_carried`: it had been accepted before.

    `entries` are its events in the stretch, from `asked_us` on; `skipped` counts attempts that were over by then.
    """

    stream: int
    tenant: str
    cause: int
    accepted: e.MessageAccepted
    asked_us: int
    is_carried: bool
    skipped: int
    due_us: int
    entries: tuple[Recorded, ...]

    def tries(self) -> Iterator[Try]:
        """Its attempts in the stretch, in order."""
        started: Recorded | None = None
        for entry in self.entries:
            if isinstance(entry.event, e.AttemptStarted):
                started = entry
            elif isinstance(entry.event, e.AttemptTaken | e.AttemptFailed | e.AttemptAborted) and started is not None:
                yield Try(started=started, ended=entry)
                started = None
        if started is not None:
            yield Try(started=started, ended=None)


class LaneTale(msgspec.Struct, frozen=True, kw_only=True):
    """One lane: the policy in force when the stretch began, and how often it was changed meanwhile.

    `paused_by` says who had paused it by then; `entries` are its events in the stretch.
    """

    name: str
    channel: str
    policy: Policy | None
    changes: int
    paused_by: str | None
    entries: tuple[Recorded, ...]


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a life, and the begin of the next one at `began_us`: the last event before that was at `ran_us`.

    `stopped_us` is None where the log tells of no stop.
    """

    ran_us: int
    stopped_us: int | None
    began_us: int


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, from `since_us` to before `until_us`. `seed` is that of every chance in this log.

    `diary` are starts and stops of daemons, `ran_us` the last instants before each start; `others` are the events of
    everything else, by stream. `named` are the policies that messages may name, as they stood at first, and
    `named_changes` says how often each was changed meanwhile. `slots` are those under which messages were taken in,
    from the life on that the stretch begins in.
    """

    since_us: int
    until_us: int
    seed: int
    tales: tuple[Tale, ...]
    lanes: tuple[LaneTale, ...]
    diary: tuple[Recorded, ...]
    ran_us: dict[int, int]
    others: dict[int, list[Recorded]]
    named: dict[str, Policy]
    named_changes: Mapping[str, int]
    slots: frozenset[int]

    def ends(self) -> Iterator[End]:
        """The ends of lives in it, in order; one that began while nobody was there begins without any."""
        stopped: Recorded | None = None
        for entry in self.diary:
            if isinstance(entry.event, e.DaemonStopped):
                stopped = entry
                continue
            ran_us, stopped_us = self.ran_us[entry.at_us], None if stopped is None else stopped.at_us
            stopped = None
            if ran_us >= self.since_us:
                yield End(ran_us=ran_us, stopped_us=stopped_us, began_us=entry.at_us)

    def has_start_within(self, began_us: int, ended_us: int) -> bool:
        """Whether a daemon started between two instants: what was out then was cut off."""
        return any(
            began_us < start.at_us <= ended_us for start in self.diary if isinstance(start.event, e.DaemonStarted)
        )

    def has_stop_at(self, at_us: int) -> bool:
        """Whether a daemon stopped in order at an instant."""
        return any(stop.at_us == at_us for stop in self.diary if isinstance(stop.event, e.DaemonStopped))


class Gathering:
    """Takes the events of a log in their order, and keeps what a stretch needs."""

    def __init__(self, since_us: int, until_us: int) -> None:
        self.events = 0
        self._since_us = since_us
        self._until_us = until_us
        self._seed = 0
        self._last_us = 0
        self._messages: dict[int, list[Recorded]] = {}
        self._lanes: dict[int, list[Recorded]] = {}
        self._diary: list[Recorded] = []
        self._ran_us: dict[int, int] = {}
        self._others: dict[int, list[Recorded]] = {}
        self._named: dict[str, Policy] = {}
        self._named_changes: Counter[str] = Counter()
        self._slots: set[int] = set()

    def take(self, entries: Iterable[Recorded]) -> bool:
        """Takes events further; answers whether more of them can belong to the stretch."""
        for entry in entries:
            if entry.at_us >= self._until_us:
                return False
            if not self.events:
                # Nothing happened before a log began, so no capsule waits for it to begin.
                self._since_us = max(self._since_us, entry.at_us)
            self._take(entry)
            self.events += 1
            self._last_us = entry.at_us
        return True

    def stretch(self) -> Stretch:
        """What was gathered; it ends with its last event where the log does."""
        until_us = max(self._since_us + _LEAST_US, min(self._until_us, self._last_us + 1))
        tales = [tale for entries in self._messages.values() if (tale := self._tale(entries)) is not None]
        tales.sort(key=lambda tale: (tale.asked_us, tale.due_us, tale.stream))
        return Stretch(
            since_us=self._since_us,
            until_us=until_us,
            seed=self._seed,
            tales=tuple(tales),
            lanes=tuple(self._lane(entries) for entries in self._lanes.values()),
            diary=tuple(self._diary),
            ran_us=self._ran_us,
            others=self._others,
            named=self._named,
            named_changes=self._named_changes,
            slots=frozenset(self._slots),
        )

    def _take(self, entry: Recorded) -> None:
        event, stream = entry.event, entry.stream
        if isinstance(event, e.MessageAccepted):
            self._messages[stream] = [entry]
            self._slots.add(slot_of(stream))
        elif stream in self._messages:
            self._messages[stream].append(entry)
            if entry.at_us < self._since_us and isinstance(event, _OVER):
                del self._messages[stream]
        elif isinstance(event, e.LaneOpened) or stream in self._lanes:
            self._lanes.setdefault(stream, []).append(entry)
        elif isinstance(event, e.PolicySet):
            if entry.at_us <= self._since_us or event.name not in self._named:
                self._named[event.name] = _POLICY.decode(event.body)
            else:
                self._named_changes[event.name] += 1
        elif isinstance(event, _DIARY):
            if isinstance(event, e.DaemonStarted):
                self._seed = self._seed or event.seed
                if entry.at_us < self._since_us:
                    self._slots.clear()
            if entry.at_us >= self._since_us and self._last_us:
                self._diary.append(entry)
                self._ran_us[entry.at_us] = self._last_us
        elif entry.at_us >= self._since_us and not isinstance(event, UnknownEvent):
            self._others.setdefault(stream, []).append(entry)

    def _tale(self, entries: list[Recorded]) -> Tale | None:
        first = entries[0]
        assert isinstance(first.event, e.MessageAccepted), "a message begins with its acceptance"
        is_carried = first.at_us < self._since_us
        asked_us = max(first.at_us, self._since_us)
        if is_carried and _was_dead(entries, self._since_us):
            # A dead letter is nothing to a stretch in which nobody takes it up.
            again = [o.at_us for o in entries if o.at_us >= self._since_us and isinstance(o.event, e.MessageRedriven)]
            if not again:
                return None
            asked_us = again[0]
        begin = _begin(entries, asked_us) if is_carried else 0
        past = entries[:begin]
        return Tale(
            stream=first.stream,
            tenant=first.tenant,
            cause=first.cause,
            accepted=first.event,
            asked_us=asked_us,
            is_carried=is_carried,
            skipped=sum(1 for one in past if isinstance(one.event, e.AttemptStarted)),
            due_us=_due_us(first.event, past, entries[begin:]),
            entries=tuple(entries[begin:]),
        )

    def _lane(self, entries: list[Recorded]) -> LaneTale:
        first = entries[0].event
        assert isinstance(first, e.LaneOpened), "a lane begins with its opening"
        policies = [one for one in entries if isinstance(one.event, _IN_FORCE)]
        before = [one for one in policies if one.at_us <= self._since_us] or policies[:1]
        paused_by: str | None = None
        for one in entries:
            if one.at_us < self._since_us and isinstance(one.event, e.LanePaused | e.LaneResumed):
                paused_by = one.event.by if isinstance(one.event, e.LanePaused) else None
        return LaneTale(
            name=first.name,
            channel=first.channel,
            policy=_policy_in(before[-1]) if before else None,
            changes=len([one for one in policies if one.at_us > self._since_us and one not in before]),
            paused_by=paused_by,
            entries=tuple(one for one in entries if one.at_us >= self._since_us),
        )


def _policy_in(entry: Recorded) -> Policy:
    assert isinstance(entry.event, _IN_FORCE), "a policy is adopted or promoted"
    return _POLICY.decode(entry.event.body)


def _was_dead(entries: list[Recorded], at_us: int) -> bool:
    turns = [one for one in entries if one.at_us < at_us and isinstance(one.event, e.MessageDead | e.MessageRedriven)]
    return bool(turns) and isinstance(turns[-1].event, e.MessageDead)


def _begin(entries: list[Recorded], asked_us: int) -> int:
    """Where a carried message's events in the stretch begin: an attempt that was out counts as begun in it."""
    begin = next((place for place, one in enumerate(entries) if one.at_us >= asked_us), len(entries))
    was_out = begin > 0 and isinstance(entries[begin - 1].event, e.AttemptStarted)
    return begin - 1 if was_out else begin


def _due_us(accepted: e.MessageAccepted, past: list[Recorded], present: list[Recorded]) -> int:
    """When a message is due as far as its past says, or where it was moved to; 0 for one that waits for a person."""
    due_us: int = accepted.due_us
    for entry in past:
        # A held one waits for a person, so in its new life it is due at once.
        due_us = 0 if isinstance(entry.event, e.MessageHeld) else getattr(entry.event, "due_us", None) or due_us
    moved = [entry.event.due_us for entry in present if isinstance(entry.event, e.MessageRescheduled)]
    return moved[-1] if moved else due_us


async def read_stretch(log: ReadOnlyLog, since_us: int, until_us: int, heard: Callable[[int], None]) -> Stretch:
    """The stretch of a log. `heard` is told how many events were read so far."""
    gathering, position = Gathering(since_us, until_us), dict[int, int]()
    while True:
        page, position = await log.log_page(position, tenant=None, limit=_PAGE)
        goes_on = gathering.take(page)
        heard(gathering.events)
        if not page or not goes_on:
            return gathering.stretch()
