"""A conversation: the unit of order and of the circuit. Its state, and what of it goes out next.

This file answers for the fold over a conversation's own events, and for when it next wants each lane. What happens to a
message when its turn comes is decided in starts.py, what an attempt leads to in conclusions.py, what the other side
tells afterwards in receipts.py and peers.py.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec
from msgspec.structs import replace

from core import events as e
from core.circuit import Circuit
from core.errors import Impossible
from core.message import WAITING, Message
from core.policies import Policy
from core.records import FIFO_LINE, Head


class Conversation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the events of a `conv` stream come to. `version` 0: nothing was ever recorded of it.

    `refusals` are those of its peer's own limiter in a row. `window_until_us` is when the peer's reply window closes:
    None where nothing is known of it, 0 where the provider said that it is closed. `unwanted` is what its owner does
    not want to get, `is_unreachable` says that its address is dead, `strikes` how many messages in a row could not
    reach it.
    """

    id: int
    tenant: str
    version: int = 0
    circuit: Circuit = Circuit()
    paused_until_us: int = 0
    changed_us: int = 0
    refusals: int = 0
    window_until_us: int | None = None
    unwanted: Literal["all", "marketing"] | None = None
    is_unreachable: bool = False
    strikes: int = 0

    @property
    def blocked_until_us(self) -> int:
        """Nothing of it goes out before this instant: its circuit is open, or the provider asked for a pause."""
        open_until_us = self.circuit.open_until_us
        return self.paused_until_us if open_until_us is None else max(open_until_us, self.paused_until_us)

    @property
    def suppressed(self) -> Literal["all", "marketing"] | None:
        """What is no longer sent there. A dead address does not undo what its owner said, nor the other way round."""
        return "all" if self.is_unreachable else self.unwanted

    @property
    def suppressed_by(self) -> Literal["recipient", "optout"] | None:
        """Why that is: the address is dead, or its owner said so."""
        if self.is_unreachable:
            return "recipient"
        return None if self.unwanted is None else "optout"

    def refuses(self, message: Message) -> bool:
        """Whether this message is not sent there any more: the address is dead, or its owner wants none like it."""
        return self.suppressed == "all" or (self.suppressed == "marketing" and message.marketing)


class Due(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """When a conversation next wants a lane. `stored_us` is the due instant that the log's heads show for it."""

    lane: str
    due_us: int
    stored_us: int
    priority: int
    host: int | None
    message: int


def evolve(conversation: Conversation, event: e.Event, at_us: int) -> Conversation:
    """The conversation after one more event of its stream."""
    return replace(conversation, version=conversation.version + 1, changed_us=at_us, **_changes(conversation, event))


def _changes(conversation: Conversation, event: e.Event) -> dict[str, object]:
    circuit = conversation.circuit
    match event:
        case e.FailureCounted():
            return {"circuit": replace(circuit, streak=event.streak)}
        case e.CircuitClosed(by="operator"):
            # A person's word ends a pause that the provider asked for as well.
            return {"circuit": Circuit(), "paused_until_us": 0}
        case e.FailuresCleared() | e.CircuitClosed():
            return {"circuit": Circuit()}
        case e.CircuitOpened():
            opened = Circuit(open_until_us=event.until_us, streak=event.streak, openings=event.openings)
            return {"circuit": opened}
        case e.ConversationPaused():
            # Of several answers on their way the shortest wish may come last, and each of them was meant.
            until_us = max(event.until_us, conversation.paused_until_us)
            return {"paused_until_us": until_us, "refusals": event.refusals}
        case e.PaceRestored():
            return {"refusals": 0}
        case e.WindowOpened():
            return {"window_until_us": max(event.until_us, conversation.window_until_us or 0)}
        case e.WindowClosed():
            return {"window_until_us": 0}
        case e.PeerStruck():
            return {"strikes": event.strikes}
        case e.PeerSuppressed(reason="optout"):
            return {"unwanted": event.scope}
        case e.PeerSuppressed():
            return {"is_unreachable": True}
        case e.PeerRestored(by="peer"):
            return {"unwanted": None}
        case e.PeerRestored(by="reached"):
            # That an address works does not say that its owner wants to hear from us.
            return {"is_unreachable": False, "strikes": 0}
        case e.PeerRestored():
            return {"unwanted": None, "is_unreachable": False, "strikes": 0}
        case _:
            raise Impossible(f"{type(event).__name__} is no event of a conversation")


def status_of(conversation: Conversation) -> str | None:
    """The status that the head row of a conversation shows; None while it has none."""
    if not conversation.version:
        return None
    return "closed" if conversation.circuit.is_closed else "open"


def head_of(conversation: Conversation, shard: int) -> Head:
    """The head row that mirrors a conversation's stream."""
    return Head(
        stream=conversation.id,
        kind="conv",
        shard=shard,
        tenant=conversation.tenant,
        version=conversation.version,
        status=status_of(conversation) or "closed",
        conversation=conversation.id,
        changed_us=conversation.changed_us,
    )


# -- what goes out next ------------------------------------------------------------------------------------------


def dues(conversation: Conversation, messages: Iterable[Message], policy_of: Callable[[Message], Policy]) -> list[Due]:
    """When the conversation next wants each lane, from its open messages. Nothing while all it may do is in flight.

    In fifo the line's first message speaks for all behind it: their first due instants are no earlier than its own. Of
    those behind only the end of their time counts. Where two are as early and as urgent, the older one speaks.
    """
    first: Message | None = None
    flying = flying_fifo = 0
    others: list[Message] = []
    for message in messages:
        is_fifo = message.line == FIFO_LINE
        if message.in_flight:
            flying += 1
            flying_fifo += is_fifo
        if is_fifo:
            if first is None or (message.first_due_us, message.id) < (first.first_due_us, first.id):
                first = message
            if message.ends_us is None and message.failing_us is None:
                continue  # Nothing but its turn can make it due.
        others.append(message)
    is_full = flying > 0 and not conversation.circuit.is_closed
    wanted: dict[str, Due] = {}
    if first is not None and first.status in WAITING:
        # The attempt in flight need not be the first's: a released message takes its old place before it.
        may_start = not is_full and not flying_fifo
        _keep_earliest(wanted, _due(conversation, first, policy_of(first), may_start=may_start))
    for message in others:
        if message is first or message.status not in WAITING:
            continue
        policy = policy_of(message)
        may_start = message.line != FIFO_LINE and not is_full and flying < policy.in_flight_max
        _keep_earliest(wanted, _due(conversation, message, policy, may_start=may_start))
    return list(wanted.values())


def is_spoken_for(message: Message, messages: Iterable[Message]) -> bool:
    """Whether `dues` of these says the same without this one: one before it in its line speaks for it."""
    if message.line != FIFO_LINE or message.in_flight:
        return False
    if message.ends_us is not None or message.failing_us is not None:
        return False
    place = message.first_due_us, message.id
    return any(other.line == FIFO_LINE and (other.first_due_us, other.id) < place for other in messages)


def _keep_earliest(wanted: dict[str, Due], due: Due | None) -> None:
    if due is None:
        return
    known = wanted.get(due.lane)
    if known is None or _rank(due) < _rank(known):
        wanted[due.lane] = due


def _rank(due: Due) -> tuple[int, int, int]:
    return due.due_us, -due.priority, due.message


def _due(conversation: Conversation, message: Message, policy: Policy, *, may_start: bool) -> Due | None:
    stored_us = message.agenda_us
    assert message.due_us is not None, f"message {message.id} waits without a due instant"
    assert stored_us is not None, f"message {message.id} waits without a place on the agenda"
    start_us = max(message.due_us, conversation.blocked_until_us) if may_start else None
    due_us, ends_us, skip_us = start_us, message.ends_us, skips_at(message, policy)
    if ends_us is not None or skip_us is not None:
        # Few have an end or a patience, and each attempt asks three times.
        due_us = min(instant for instant in (start_us, ends_us, skip_us) if instant is not None)
    if due_us is None:
        return None
    return Due(
        lane=message.lane,
        due_us=due_us,
        stored_us=stored_us,
        priority=message.priority,
        host=message.host,
        message=message.id,
    )


def skips_at(message: Message, policy: Policy) -> int | None:
    """When a failing message at the head of its line steps aside, None where it never does."""
    if policy.poison.kind != "skip" or message.line != FIFO_LINE or message.status != "retrying":
        return None
    if message.failing_us is None or message.excused:
        return None  # It was released, or waits for our own set-up, and has not failed since.
    return message.failing_us + policy.poison.skip_after_us


def parks_after(faults: int, policy: Policy) -> bool:
    """Whether a message with so many faults in a row is held for a person: as many as open its circuit."""
    return policy.poison.kind == "park" and faults >= policy.circuit.failures
