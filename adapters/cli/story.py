"""What became of a message, in plain sentences: one an event, and one for how things stand.

This file answers for words only. It reads the outside form of events and never decides what they mean for the message.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from adapters.cli.printing import instant, span

Event = Mapping[str, object]

_HELD_BY: Final = {
    "lane": "its lane is paused",
    "unknown": "it is not known whether it was sent, and a person has to decide",
    "parked": "it failed too often to let others wait behind it",
}
_DEAD: Final = {
    "exhausted": "every attempt of its schedule is used up",
    "gave_up": "it was tried for too long",
    "refused": "the provider will never take it",
    "ambiguous": "it may have been sent, and it must not go out twice",
    "suppressed": "its address is dead, or its owner wants no such messages",
}
_WHY_CANCELLED: Final = {
    "fallback": "the time of its fallback has come",
    "erased": "whoever it was for is forgotten",
}


def told(state: Mapping[str, object], events: Sequence[Event]) -> Iterator[str]:
    """The lines of a message's story; times are UTC."""
    way = "from" if state["channel"] == "hook" else "through lane"
    yield f"{state['id']}: {state['channel']} {way} {state['lane']}"
    reference = f", reference {state['reference']}" if state.get("reference") else ""
    yield f"tenant {state['tenant']}, {state['conversation']}{reference}; times are UTC"
    yield ""
    for event in events:
        yield f"{instant(event['at'])}  {sentence(event)}"
    yield ""
    yield _standing(state)


def sentence(event: Event) -> str:
    """What one event says, in its outside form."""
    data = event["data"]
    assert isinstance(data, Mapping), f"the data of an event is an object, not {data!r}"
    teller = _TELLERS.get(str(event["type"]))
    return f"{event['type']}." if teller is None else teller(event, data)


def _accepted(event: Event, data: Event) -> str:
    due = "due at once" if _seconds(event["at"], data["due"]) <= 0 else f"due {instant(data['due'])}"
    expires = f", expires {instant(data['expires'])}" if data.get("expires") else ""
    cause = f", caused by {event['cause']}" if event.get("cause") else ""
    return f"Accepted, {due}{expires}{cause}."


def _started(_event: Event, data: Event) -> str:
    probe = ", as the probe of an open circuit" if data["probe"] else ""
    template = ", by template, since free text is not taken now" if data.get("by_template") else ""
    return f"Attempt {data['attempt']} began on lane {data['lane']}{probe}{template}."


def _taken(_event: Event, data: Event) -> str:
    code = f" ({data['code']})" if data["code"] else ""
    provider = f" It calls the message {data['provider_id']}." if data["provider_id"] else ""
    return f"Attempt {data['attempt']} was taken after {_took(data)}{code}: {data['status']}.{provider}"


def _failed(event: Event, data: Event) -> str:
    outcome = data["outcome"]
    assert isinstance(outcome, Mapping), f"an outcome is an object, not {outcome!r}"
    said = " ".join(str(part) for part in (outcome["code"], outcome["detail"]) if part)
    name = "came to an unknown end" if outcome["is"] == "ambiguous" else f"failed: {outcome['is']}"
    counted = "" if data["used"] else " It does not count."
    again = f" Next try {_next(event, data)}." if data["due"] else ""
    return f"Attempt {data['attempt']} {name} after {_took(data)}{f' ({said})' if said else ''}.{counted}{again}"


def _aborted(event: Event, data: Event) -> str:
    reason = {
        "stopping": "the daemon stopped",
        "lease": "the daemon was not sure any more that it is the one that acts",
        "lane_gone": "its lane is gone",
        "content_gone": "its content is gone",
    }
    why = reason.get(str(data["reason"]), str(data["reason"]))
    return f"Attempt {data['attempt']} was given up before anything was sent: {why}. Next try {_next(event, data)}."


def _reconciling(_event: Event, data: Event) -> str:
    return f"Nobody knows what became of attempt {data['attempt']}: evidence is awaited until {instant(data['until'])}."


def _proved(_event: Event, data: Event) -> str:
    evidence = {"receipt": "a receipt shows it", "look_up": "its provider was asked"}
    provider = f" It calls the message {data['provider_id']}." if data["provider_id"] else ""
    return f"Attempt {data['attempt']} was taken after all: {evidence[str(data['evidence'])]}.{provider}"


def _resolved(event: Event, data: Event) -> str:
    resolution = {"resend": "it is sent again", "hold": "it is held", "fail": "it counts as failed"}
    by = "a person" if data["evidence"] == "operator" else "policy"
    again = f" Next try {_next(event, data)}." if data.get("due") else ""
    decided = resolution[str(data["resolution"])]
    return f"The unknown end of attempt {data['attempt']} was decided by {by}: {decided}.{again}"


def _held(_event: Event, data: Event) -> str:
    return f"Held: {_HELD_BY.get(str(data['by']), data['by'])}."


def _dead(_event: Event, data: Event) -> str:
    return f"A dead letter: {_DEAD.get(str(data['reason']), data['reason'])}."


def _redriven(event: Event, data: Event) -> str:
    by = f" by {data['job']}" if data.get("job") else ""
    return f"Redriven{by}: its schedule begins anew, next try {_next(event, data)}."


def _changed_lane(event: Event, data: Event) -> str:
    why = {"failed": "its attempt came to nothing", "down": "its lane lets nothing out"}[str(data["reason"])]
    return f"Goes on in lane {data['lane']}, since {why}: next try {_next(event, data)}."


def _receipt(_event: Event, data: Event) -> str:
    code = f" ({data['code']})" if data["code"] else ""
    at = f", as of {instant(data['told'])}" if data.get("told") else ""
    return f"Its provider tells of it: {data['status']}{code}{at}."


def _cancelled(_event: Event, data: Event) -> str:
    return f"Cancelled ({_why_cancelled(data)})."


def _why_cancelled(data: Event) -> str:
    reason = str(data["reason"])
    return _WHY_CANCELLED.get(reason, reason)


_TELLERS: Final[Mapping[str, Callable[[Event, Event], str]]] = {
    "MessageAccepted": _accepted,
    "AttemptStarted": _started,
    "AttemptTaken": _taken,
    "AttemptFailed": _failed,
    "AttemptAborted": _aborted,
    "ReconcileStarted": _reconciling,
    "AttemptProved": _proved,
    "AmbiguityResolved": _resolved,
    "MessageDeferred": lambda _, data: f"Deferred by quiet hours until {instant(data['due'])}.",
    "MessageHeld": _held,
    "MessageReleased": lambda event, data: f"Released by a person, next try {_next(event, data)}.",
    "MessageSetAside": lambda _event, _data: "Set aside: it goes on, and others no longer wait behind it.",
    "MessageRescheduled": lambda _, data: f"Moved to {instant(data['due'])}.",
    "MessageRedriven": _redriven,
    "CancelRequested": lambda _, data: f"A cancel came while an attempt was out ({_why_cancelled(data)}).",
    "MessageCancelled": _cancelled,
    "MessageExpired": lambda _event, _data: "Expired before it could be delivered.",
    "MessageDead": _dead,
    "LaneChanged": _changed_lane,
    "ReceiptSeen": _receipt,
    "FallbackStarted": lambda _, data: f"{data['message']} took its place, through {data['channel']}.",
    "FallbackRefused": lambda _, data: f"What should have taken its place cannot be accepted ({data['code']}).",
    "EndTold": lambda _, data: f"Its push has heard of it: {data['status']}.",
}


def _standing(state: Mapping[str, object]) -> str:
    status, tries = str(state["status"]), _times(state["attempts"])
    match status:
        case "held":
            return f"Now: held after {tries}, since {_HELD_BY.get(str(state['held_by']), state['held_by'])}."
        case "retrying" if state.get("reconciling_until"):
            return f"Now: in doubt after {tries}, and evidence is awaited until {instant(state['reconciling_until'])}."
        case _ if state.get("owes_fallback"):
            return f"Now: {status} after {tries}, and what takes its place is about to be accepted."
        case "queued" | "scheduled" | "retrying":
            return f"Now: {status} after {tries}, due {instant(state['due'])}."
        case "sending":
            return f"Now: its attempt {state['attempts']} is out."
        case _:
            return f"Now: {status} after {tries}."


def _times(count: object) -> str:
    return {0: "no attempt", 1: "1 attempt"}.get(int(str(count)), f"{count} attempts")


def _took(data: Event) -> str:
    return span(int(str(data["took_us"])) / 1_000_000)


def _next(event: Event, data: Event) -> str:
    wait_s = _seconds(event["at"], data["due"])
    return "at once" if wait_s <= 0 else f"{instant(data['due'])}, in {span(wait_s)}"


def _seconds(earlier: object, later: object) -> float:
    return (datetime.fromisoformat(str(later)) - datetime.fromisoformat(str(earlier))).total_seconds()
