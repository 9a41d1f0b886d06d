"""Who asked for what, and when: the arrivals of a capsule.

This file answers for everything that decides about a message being there, and nothing that it says: contents are the
neutral ones of scenarios, addresses are pseudonyms.
"""

from collections.abc import Iterator
from typing import Final

from core import events as e
from core.policies import PRESETS, Policy
from scenarios.capsules.naming import Cast
from scenarios.capsules.pseudonyms import Pseudonyms
from scenarios.capsules.settings import Lanes
from scenarios.capsules.several import Several
from scenarios.capsules.spans import span
from scenarios.capsules.stretch import Stretch, Tale
from scenarios.capsules.takeovers import LISTENS_US

TEXT: Final = "See you tomorrow, number {n}"
HOOK_TYPE: Final = "something.happened"
_LEAST_US: Final = 1_000
TEMPLATE: Final = {"name": "reminder", "language": "en"}


def arrivals(
    stretch: Stretch, cast: Cast, pseudonyms: Pseudonyms, lanes: Lanes, *, several: Several | None
) -> Iterator[dict[str, object]]:
    """A table for each message that is asked for."""
    asked_us = {} if several is None else several.asked_us
    # Several daemons first have to find out which of them acts.
    least_us = carried_us = 0 if several is None else LISTENS_US
    for tale in cast.asked:
        at_us = max(least_us, asked_us.get(tale.stream, tale.asked_us) - stretch.since_us)
        if tale.is_carried and at_us == least_us:
            # One after another, so that whoever stood first in a line does so again.
            at_us, carried_us = carried_us, carried_us + 1
        name = cast.arrival(tale)
        if tale.accepted.channel == "hook":
            yield _hook(tale, name, at_us, pseudonyms)
        else:
            yield _message(tale, name, at_us, _Around(stretch, cast, pseudonyms, lanes))


class _Around:
    def __init__(self, stretch: Stretch, cast: Cast, pseudonyms: Pseudonyms, lanes: Lanes) -> None:
        self.stretch = stretch
        self.cast = cast
        self.pseudonyms = pseudonyms
        self.lanes = lanes


def _message(tale: Tale, name: str, at_us: int, around: _Around) -> dict[str, object]:
    accepted, since_us = tale.accepted, around.stretch.since_us
    policy = around.lanes.policy_of(accepted)
    lanes = accepted.lanes
    is_own = lanes == _rotated(policy.failover, accepted.lane if not lanes else lanes[0])
    fallbacks = list(_fallbacks(tale, around))
    if accepted.fallbacks > len(fallbacks):
        around.cast.left_out["fallbacks that were not begun"] += 1
    expires_us = _left(accepted.expires_us, since_us + at_us)
    gives_way_us = _left(accepted.fallback_by_us, since_us + at_us) if fallbacks else None
    due_us = tale.due_us - since_us
    is_dated = due_us > max(at_us, tale.asked_us - since_us)
    ends_us = at_us + min((left_us for left_us in (expires_us, gives_way_us) if left_us is not None), default=1 << 62)
    if is_dated and due_us >= ends_us:
        # A retry or a person may move a message beyond its end; nobody may ask for one there.
        around.cast.left_out["messages whose time was over before they were due: they are due right before"] += 1
        due_us = ends_us - 1
    return {
        "name": name,
        "at": span(at_us),
        "tenant": around.pseudonyms.tenant(tale),
        "channel": accepted.channel,
        "to": around.pseudonyms.address(tale),
        "content": _content(accepted),
        "lane": lanes[0] if lanes else accepted.lane,
        "idempotency_key": name,
        "send_at": span(due_us) if is_dated else None,
        "expires_after": None if expires_us is None else span(expires_us),
        "order": accepted.order if accepted.order != policy.order else None,
        "priority": accepted.priority if accepted.priority != 5 else None,
        "on_ambiguous": accepted.on_ambiguous,
        "policy": accepted.policy if accepted.policy in PRESETS or accepted.policy in around.lanes.policies else None,
        "time_zone": accepted.zone,
        "failover": None if is_own or not lanes else list(lanes),
        "fallback": fallbacks or None,
        "fallback_by": None if gives_way_us is None else span(gives_way_us),
    }


def _hook(tale: Tale, name: str, at_us: int, pseudonyms: Pseudonyms) -> dict[str, object]:
    customer = {"customer": pseudonyms.address(tale)}
    return {
        "name": name,
        "at": span(at_us),
        "hook": tale.accepted.lane,
        "content": {"type": HOOK_TYPE, "data": {"object": customer}},
    }


def _fallbacks(tale: Tale, around: _Around) -> Iterator[dict[str, object]]:
    """What took its place, one after the other."""
    while (other := around.cast.replaced.get(tale.stream)) is not None:
        yield {
            "channel": other.accepted.channel,
            "to": around.pseudonyms.address(other),
            "lane": other.accepted.lane,
        }
        tale = other


def _content(accepted: e.MessageAccepted) -> dict[str, object] | None:
    """What decides about the sending; None where nothing does, and the usual content of a scenario will do."""
    if not (accepted.marketing or accepted.has_template):
        return None
    template = TEMPLATE if accepted.has_template else None
    return {"text": TEXT, "marketing": accepted.marketing or None, "fallback_template": template}


def _left(until_us: int | None, at_us: int) -> int | None:
    """How long it is from an arrival until an instant; what is over by then ends as soon as it can."""
    return None if until_us is None else max(_LEAST_US, until_us - at_us)


def _rotated(lanes: tuple[str, ...], first: str) -> tuple[str, ...]:
    if first not in lanes:
        return ()
    place = lanes.index(first)
    return (*lanes[place:], *lanes[:place])


def policy_unknown(accepted: e.MessageAccepted, known: dict[str, Policy]) -> bool:
    """Whether a message names a policy whose values no event tells."""
    return accepted.policy is not None and accepted.policy not in PRESETS and accepted.policy not in known
