"""An explanation in plain words: a sentence for what binds a message, and one for each thing that would release it.

This file answers for words alone, the same for the HTTP API and the command line. It must never decide anything: what
is true stands in core/explain.py.
"""

from collections.abc import Callable, Mapping
from typing import Final

from adapters.cli.printing import instant, span
from adapters.moments import moment
from core import events as e
from core.explain import Constraint, Explanation, Kind, Release, Standing
from core.policies import SECOND_US

_PAUSED_BY: Final = {
    "operator": "a person paused it",
    "config": "its provider refuses our set-up",
    "provider": "its provider says that the account does not work",
}
_DIED: Final = {
    "suppressed": "it ends as a dead letter: its address is dead, or its owner wants no such messages",
    "gave_up": "it ends as a dead letter: it has been tried for too long",
    "exhausted": "it ends as a dead letter: its schedule is used up",
    "ambiguous": "it ends as a dead letter: it may have been sent, and must not go out twice",
}


def words_of(constraint: Constraint, lane: str, message: str) -> str:
    """What is in the way, in one sentence; `message` is the outside id of the message in the way, if it is one."""
    return _CONSTRAINTS[constraint.kind](constraint, lane, message)


def _until(constraint: Constraint) -> str:
    return _at(constraint.until_us)


def _at(instant_us: int | None) -> str:
    return "an instant that nobody can name" if instant_us is None else f"{instant(_outside(instant_us))} UTC"


def _outside(instant_us: int) -> str:
    return moment(instant_us).isoformat().replace("+00:00", "Z")


def _full(whose: str) -> Callable[[Constraint, str, str], str]:
    def words(constraint: Constraint, lane: str, _message: str) -> str:
        each = span((constraint.window_us or 0) / SECOND_US)
        when = "until one that is out has left" if constraint.until_us is None else f"until {_until(constraint)}"
        return f"{whose.format(lane=lane)} lets {constraint.count} out in {each}, and has no room {when}."

    return words


def _probing(what: str) -> Callable[[Constraint, str, str], str]:
    def words(constraint: Constraint, lane: str, _message: str) -> str:
        if constraint.until_us is None:
            return f"{what.format(lane=lane)} has let out what it may, and waits for what that comes to."
        return f"{what.format(lane=lane)} is open until {_until(constraint)}; then one attempt goes as its probe."

    return words


def _paused(constraint: Constraint, lane: str, _message: str) -> str:
    code = f" ({constraint.code})" if constraint.code else ""
    return f"Lane {lane} is paused: {_PAUSED_BY[constraint.by]}{code}."


_CONSTRAINTS: Final[Mapping[Kind, Callable[[Constraint, str, str], str]]] = {
    "due": lambda one, _lane, _message: f"It is not due before {_until(one)}.",
    "retry": lambda one, _lane, _message: f"Its last attempt failed, and the next is due at {_until(one)}.",
    "quiet_hours": lambda one, _lane, _message: f"Its recipient has quiet hours until {_until(one)}.",
    "doubt": lambda one, _lane, _message: (
        f"Nobody knows what became of its last attempt: evidence is awaited until {_until(one)}, then policy decides."
    ),
    "asked": lambda _one, _lane, _message: "Its provider is being asked what became of its last attempt.",
    "unknown": lambda _one, _lane, _message: "It is held: nobody knows whether it was sent, so a person decides.",
    "parked": lambda _one, _lane, _message: "It is held: it failed too often to let others wait behind it.",
    "in_flight": lambda one, _lane, _message: f"Its attempt is out, until {_until(one)} at the latest.",
    "cut_off": lambda _one, _lane, _message: (
        "Its daemon ended while its attempt was out: nobody knows what became of that."
    ),
    "order": lambda _one, _lane, message: f"It stands behind {message} in its conversation, which goes in order.",
    "beside": lambda one, _lane, _message: f"Its conversation has all {one.count} attempts out that it may.",
    "circuit": _probing("The circuit of its conversation"),
    "pair": lambda one, _lane, _message: f"Its provider asked for a slower pace to this peer until {_until(one)}.",
    "lane_gone": lambda _one, lane, _message: f"Lane {lane} is not configured.",
    "lane_paused": _paused,
    "lane_throttled": lambda one, lane, _message: f"The provider of lane {lane} asked for a pause until {_until(one)}.",
    "breaker": _probing("The breaker of lane {lane}"),
    "ramp": lambda one, lane, _message: (
        f"Lane {lane} comes back slowly after its breaker closed, with room at {_until(one)}."
    ),
    "host_throttled": lambda one, _lane, _message: f"Its host asked for a pause until {_until(one)}.",
    "host_breaker": _probing("The breaker of its host"),
    "host_ramp": lambda one, _lane, _message: (
        f"Its host comes back slowly after its breaker closed, with room at {_until(one)}."
    ),
    "lane_limit": _full("Lane {lane}"),
    "gap": _full("The gap of lane {lane}"),
    "tenant_limit": _full("Its tenant's part of lane {lane}"),
    "recipient_limit": _full("Its recipient's part of lane {lane}"),
    "concurrency": lambda one, lane, _message: f"All {one.count} attempts that lane {lane} may have out are out.",
    "host_concurrency": lambda one, _lane, _message: f"All {one.count} attempts that may be out to its host are out.",
    "store": lambda one, _lane, _message: f"Our own store is failing: {one.code}.",
    "turn": lambda _one, _lane, _message: "Nothing is in its way: it is about to have its turn.",
}

RELEASES: Final[Mapping[Release, tuple[str, str | None]]] = {
    "time": ("time: nobody has to do anything", None),
    "outcome": ("the outcome of an attempt that is out", None),
    "receipt": ("a receipt of its provider", None),
    "conclusion": ("the end of the message before it", None),
    "answer": ("its provider's answer", None),
    "release": ("a person lets it go on", "POST /v1/conversations/{conversation}/release"),
    "reset": ("a person closes the circuit, or ends the pause", "POST /v1/conversations/{conversation}/circuit/reset"),
    "resume": ("a person resumes the lane", "POST /v1/lanes/{lane}/resume"),
    "provider": ("its provider's word that the account works again", None),
    "probe": ("a probe that succeeds", None),
    "room": ("an attempt that comes back", None),
    "reload": ("another configuration", None),
    "reschedule": ("a person moves what bears its reference", "POST /v1/reschedule"),
    "cancel": ("a person cancels {message}", "POST /v1/messages/{message}/cancel"),
    "store": ("a store that works again", None),
    "start": ("a daemon that starts on this log: it takes the attempt for one of unknown fate", None),
    "redrive": ("a person has it tried again", "POST /v1/messages/{message}/redrive"),
    "fallback": ("its fallback on another channel, which is about to be accepted", None),
    "failover": ("another of its lanes, once this one has let nothing out for too long", None),
}
"""Each release in words, and the call that brings it about, None where nobody can call for it."""


def summary(explanation: Explanation, binding: str) -> str:
    """How a message stands, in a sentence or two; `binding` is the sentence of what binds it."""
    standing = explanation.standing
    if standing is not None:
        return f"{binding} {_outlook(standing)}".strip()
    message = explanation.message
    tries = {0: "no attempt", 1: "1 attempt"}.get(message.attempt, f"{message.attempt} attempts")
    return f"It is {message.status} after {tries}."


def _outlook(standing: Standing) -> str:
    ends_us, then = standing.ends_us, standing.then
    if ends_us is not None and (standing.earliest_us is None or ends_us <= standing.earliest_us):
        return f"Its time ends at {_at(ends_us)}, whatever is in its way."
    if standing.earliest_us is not None and standing.binding.kind != "turn":
        by_template = ", by its template" if standing.by_template else ""
        return f"The earliest next attempt is at {_at(standing.earliest_us)}{by_template}."
    if isinstance(then, e.MessageDead):
        return f"Then {_DIED.get(then.reason, 'it ends as a dead letter')}."
    return "Then it is held for a person." if isinstance(then, e.MessageHeld) else ""
