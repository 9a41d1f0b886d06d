"""What is in the way of an open message, which of it binds, and what follows if nothing else happens.

This file answers for an explanation that agrees with what will be done: it asks the functions that decide (`dues`,
`tidy`, `begin`) and has no rules of its own about when anything may start. It records nothing and waits for nothing.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

from core import events as e
from core.conversation import dues
from core.explain import Constraint, Kind, Standing, View
from core.message import WAITING, Message, evolve
from core.policies import Poison, Policy
from core.records import FIFO_LINE
from core.starts import begin, tidy

# What nobody but a person, or a configuration, takes out of the way: it binds however long anything else will last.
_WAITS_FOR_PEOPLE: Final = ("store", "lane_gone", "lane_paused")
# Quiet hours, the end of a doubt, a step aside: more of them never follow one another.
_STEPS_MAX: Final = 8


class _Road(msgspec.Struct, frozen=True, kw_only=True):
    """What time alone leads to: the attempt or the end it comes to, when that is, and until when it was deferred."""

    at_us: int
    event: e.Event
    deferred_until_us: int | None


def standing_of(view: View) -> Standing:
    """Where an open message stands."""
    message = view.message
    if view.is_asked:
        return Standing(binding=Constraint(kind="asked"))
    if message.in_flight:
        if view.is_cut_off:
            return Standing(binding=Constraint(kind="cut_off"))
        return Standing(binding=Constraint(kind="in_flight", until_us=message.deadline_us))
    if message.status not in WAITING:
        assert message.held_by is not None, f"message {message.id} is held, and nothing says by what"
        return Standing(binding=Constraint(kind=message.held_by))
    now_us = view.now_us
    ways = [way for way in (*_in_conversation(view), *view.ways) if way.bars(now_us)]
    start_us = max((way.until_us for way in ways if way.until_us is not None), default=now_us)
    road = _foreseen(view, start_us)
    if road.deferred_until_us is not None:
        ways.append(Constraint(kind="quiet_hours", until_us=road.deferred_until_us))
    binding = _binding(ways) or Constraint(kind="turn", until_us=now_us)
    also = tuple(way for way in ways if way is not binding)
    ends_us = message.ends_us
    if binding.until_us is None:
        return Standing(binding=binding, also=also, next_us=ends_us, ends_us=ends_us)
    # What names no instant and does not bind is over soon; until then nobody can say that this will be the one.
    is_certain = all(way.until_us is not None for way in ways)
    starts = isinstance(road.event, e.AttemptStarted | e.LaneChanged)
    instants = (start_us if is_certain else None, ends_us)
    return Standing(
        binding=binding,
        also=also,
        earliest_us=road.at_us if starts else None,
        next_us=min((instant for instant in instants if instant is not None), default=None),
        then=road.event,
        ends_us=ends_us,
        by_template=isinstance(road.event, e.AttemptStarted) and road.event.by_template,
    )


def _binding(ways: list[Constraint]) -> Constraint | None:
    """The one thing to tell of: what waits for a person, else what lasts longest, else what an event will end soon."""
    for kind in _WAITS_FOR_PEOPLE:
        found = next((way for way in ways if way.kind == kind), None)
        if found is not None:
            return found
    timed = [way for way in ways if way.until_us is not None]
    return max(timed, key=lambda way: way.until_us or 0, default=next(iter(ways), None))


def _in_conversation(view: View) -> Iterator[Constraint]:
    """What its own due instant, its circuit, its peer's pause and the messages beside it put in its way."""
    message, conversation = view.message, view.conversation
    assert message.due_us is not None, f"message {message.id} waits without a due instant"
    own: tuple[tuple[Kind, int], ...] = (
        (_due_kind(view), message.due_us),
        ("circuit", conversation.circuit.open_until_us or 0),
        ("pair", conversation.paused_until_us),
    )
    starts_us = _starts_us(view)
    assert starts_us is None or starts_us == max(until_us for _, until_us in own), (
        f"message {message.id} may start at {starts_us}, and nothing known says so"
    )
    if starts_us is None:
        yield _behind(view)
    for kind, until_us in own:
        yield Constraint(kind=kind, until_us=until_us)


def _due_kind(view: View) -> Kind:
    message = view.message
    if message.doubt_us is not None:
        return "doubt"
    if view.is_deferred:
        return "quiet_hours"
    return "due" if message.failing_us is None else "retry"


def _starts_us(view: View) -> int | None:
    """From when on its conversation would have it started; None while others are in its way."""
    # Ends, and stepping aside, are other matters than a start, and of each lane only the first instant is told.
    messages = [replace(message, expires_us=None, fallbacks=0) for message in (view.message, *view.beside)]

    def policy_of(other: Message) -> Policy:
        return replace(view.policy_of(other), poison=Poison())

    wanted = dues(view.conversation, messages, policy_of)
    return next((due.due_us for due in wanted if due.message == view.message.id), None)


def _behind(view: View) -> Constraint:
    """Which of the messages beside it is in its way."""
    message, flying = view.message, [other for other in view.beside if other.in_flight]
    place = message.first_due_us, message.id
    if message.line == FIFO_LINE:
        ahead = [
            other for other in view.beside
            if other.line == FIFO_LINE and (other.in_flight or (other.first_due_us, other.id) < place)
        ]  # fmt: skip  # one condition
        if ahead:
            first = min(ahead, key=lambda other: (other.first_due_us, other.id))
            return Constraint(kind="order", message=first.id)
    assert flying, f"message {message.id} may not start, and nothing of its conversation is in its way"
    if not view.conversation.circuit.is_closed:
        return Constraint(kind="circuit", message=flying[0].id)
    return Constraint(kind="beside", message=flying[0].id, count=view.policy_of(message).in_flight_max)


def _foreseen(view: View, start_us: int) -> _Road:
    """What the message comes to if its turn comes at an instant and nothing else happens."""
    message, at_us = view.message, start_us
    deferred_us: int | None = None
    events: tuple[e.Event, ...] = ()
    for _ in range(_STEPS_MAX):
        policy = view.terms.policy
        events = tidy(message, policy, at_us, chance=view.doubt_chance, is_up=view.is_up)
        events = events or (begin(view.conversation, message, view.terms, at_us),)
        for event in events:
            message = evolve(message, event, at_us)
        if message.status not in WAITING:
            break
        if isinstance(events[-1], e.MessageDeferred):
            deferred_us = message.due_us
        at_us = max(at_us, message.due_us or 0, view.conversation.blocked_until_us)
        if isinstance(events[-1], e.LaneChanged):
            break  # What stands in its way there is for that lane to say.
    return _Road(at_us=at_us, event=events[-1], deferred_until_us=deferred_us)
