"""What was decided about a message so far, by which version of its policy, and what ended it.

This file answers for the past of an explanation. It decides nothing anew: what is recorded is the truth here.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from core import events as e
from core.explain import Conclusion, Decision, Release
from core.message import CONCLUDED, Message, accepted, evolve
from core.records import Recorded

# What a policy has a part in; everything else is told by people, providers or other messages.
_BY_POLICY: Final = (
    e.AttemptStarted, e.AttemptFailed, e.ReconcileStarted, e.MessageDeferred, e.MessageHeld, e.MessageSetAside,
    e.MessageDead, e.LaneChanged,
)  # fmt: skip  # One row: the decisions that ask a policy.


def decisions_of(entries: Sequence[Recorded], lanes: Mapping[str, Sequence[Recorded]]) -> tuple[Decision, ...]:
    """A message's events in order, each with the version of the policy that decided it.

    `lanes` are the events of the lanes it went through, by name: which version was in force when. Of a policy that the
    message names, its attempts say so.
    """
    found: list[Decision] = []
    lane = ""
    names_policy, named = False, None
    for entry in entries:
        event = entry.event
        match event:
            case e.MessageAccepted():
                lane, names_policy = event.lane, event.policy is not None
            case e.AttemptStarted():
                named = event.policy_version
            case _:
                pass
        version = named if names_policy else _in_force(entry, lanes.get(lane, ()))
        found.append(Decision(event=entry, policy_version=version if _is_by_policy(event) else None))
        if isinstance(event, e.LaneChanged):
            lane = event.lane
    return tuple(found)


def _is_by_policy(event: e.Event) -> bool:
    if isinstance(event, e.AmbiguityResolved):
        return event.evidence == "policy"
    return isinstance(event, _BY_POLICY)


def _in_force(entry: Recorded, lane: Sequence[Recorded]) -> int | None:
    if isinstance(entry.event, e.AttemptStarted):
        return entry.event.policy_version  # It says so itself.
    in_force: int | None = None
    for one in lane:
        if isinstance(one.event, e.PolicyAdopted | e.PolicyPromoted) and one.at_us <= entry.at_us:
            in_force = one.event.version
    return in_force


def conclusion_of(entries: Sequence[Recorded], *, has_receipts: bool, may_redrive: bool) -> Conclusion | None:
    """What concluded a message for the last time, and what may still happen; None while it is open.

    `has_receipts`: its lane's provider tells what became of what it took; `may_redrive`: a person may have it tried
    again.
    """
    first = entries[0]
    message = accepted(first.stream, first.at_us, first.tenant, first.event, cause=first.cause)
    ended: Recorded | None = None
    for entry in entries[1:]:
        was_open = message.is_open
        message = evolve(message, entry.event, entry.at_us)
        if message.is_open:
            ended = None
        elif was_open:
            ended = entry
    if ended is None:
        return None
    assert message.status in CONCLUDED, f"message {message.id} is {message.status} and has ended"
    return Conclusion(
        event=ended, may_still=tuple(_may_still(message, has_receipts=has_receipts, may_redrive=may_redrive))
    )


def _may_still(message: Message, *, has_receipts: bool, may_redrive: bool) -> list[Release]:
    found: list[Release] = []
    if message.owes:
        found.append("fallback")
    if may_redrive:
        found.append("redrive")
    # Of one that was never tried its provider has nothing to tell, and nothing comes after its reader.
    if has_receipts and message.attempt and message.status != "read":
        found.append("receipt")
    return found
