"""The lanes of a stretch and the policies in force: what a capsule's configuration says.

This file answers for every value of a policy being written out, so that a capsule means the same under another release
whose presets have changed; and for policies being tables of their own, so that what-if can change them by name.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from adapters.config.units import shown_span
from core import events as e
from core.policies import PRESETS, Exponential, Policy, Quota
from scenarios.capsules.naming import Cast
from scenarios.capsules.stretch import LaneTale, Stretch

_NONE: Final = "none"
_WINDOWS: Final = {1_000_000: "s", 60_000_000: "min", 3_600_000_000: "h", 86_400_000_000: "d"}
ORDER_BY: Final = "/data/object/customer"


class Lanes(msgspec.Struct, frozen=True, kw_only=True):
    """The lanes that matter to a capsule, and its policies by name; `named` says which policy each lane has."""

    lanes: dict[str, LaneTale]
    policies: dict[str, Policy]
    named: dict[str, str]

    def policy_of(self, accepted: e.MessageAccepted) -> Policy:
        """The policy that a message begins under, as far as the log tells."""
        if accepted.policy in self.policies:
            return self.policies[accepted.policy]
        if accepted.policy in PRESETS:
            return PRESETS[accepted.policy]
        named = self.named.get(accepted.lane)
        return self.policies[named] if named is not None else PRESETS[accepted.channel]


def lanes_in(stretch: Stretch, cast: Cast) -> Lanes:
    """The lanes that messages of a capsule went through, or may go through."""
    used: set[str] = set()
    for tale in cast.tales.values():
        used |= {tale.accepted.lane, *tale.accepted.lanes, *(attempt.lane for attempt in tale.tries())}
    known = {lane.name: lane for lane in stretch.lanes}
    for name in list(used):
        lane = known.get(name)
        used |= set(lane.policy.failover) & known.keys() if lane is not None and lane.policy is not None else set()
    lanes = {name: lane for name, lane in known.items() if name in used}
    policies = _named_in(stretch, cast)
    named: dict[str, str] = {}
    for name, lane in lanes.items():
        policy = lane.policy or PRESETS[lane.channel]
        # Lanes that changed a policy of one name in different ways get one of their own each.
        chosen = policy.name if policies.get(policy.name, policy) == policy else name
        while policies.get(chosen, policy) != policy:
            chosen = f"{chosen}-"
        policies[chosen] = policy
        named[name] = chosen
        if lane.changes:
            cast.left_out[f"changes of the policy of lane {name}: its first one stands throughout"] += lane.changes
    return Lanes(lanes=lanes, policies=policies, named=named)


def _named_in(stretch: Stretch, cast: Cast) -> dict[str, Policy]:
    """The policies that messages name: as the log tells them first, else as they are built in."""
    asked = {tale.accepted.policy for tale in cast.tales.values()}
    for name, changes in stretch.named_changes.items():
        if name in asked:
            sentence = f"changes of the policy {name}, which messages name: its first one stands throughout"
            cast.left_out[sentence] += changes
    return {name: policy for name, policy in {**PRESETS, **stretch.named}.items() if name in asked}


def tables_of(lanes: Lanes, tenant_of: Mapping[str, str]) -> dict[str, object]:
    """The tables of policies, lanes and sources of hooks; `tenant_of` says whose the hooks of a source are."""
    policies = {
        name: _policy(policy, [lane for lane in policy.failover if lane in lanes.lanes])
        for name, policy in lanes.policies.items()
    }
    own = {name: {"preset": lanes.named[name]} for name in lanes.lanes}
    hooks = {name for name, lane in lanes.lanes.items() if lane.channel == "hook"}
    return {
        "policies": policies,
        "lanes": {
            name: {"channel": lane.channel, "policy": own[name]}
            for name, lane in lanes.lanes.items()
            if name not in hooks
        },
        "hooks": {
            name: {"scheme": "stripe", "tenant": tenant_of.get(name), "order_by": ORDER_BY, "policy": own[name]}
            for name in sorted(hooks)
        },
    }


def _policy(policy: Policy, failover: list[str]) -> dict[str, object]:
    quiet = policy.quiet_hours
    limits = policy.limits
    return {
        "retry": _retry(policy),
        "limits": {
            "lane": _rate(limits.lane),
            "tenant": _rate(limits.tenant),
            "recipient": _rate(limits.recipient),
            "burst": _or_none(limits.burst),
            "gap": shown_span(limits.gap_us),
            "concurrency": limits.concurrency,
            "host_concurrency": limits.host_concurrency,
        },
        "circuit": _parts(policy.circuit),
        "breaker": _parts(policy.breaker),
        "quiet_hours": _NONE
        if quiet is None
        else {"from": _minute(quiet.from_minute), "to": _minute(quiet.to_minute), "zone": quiet.zone},
        "on_ambiguous": policy.on_ambiguous,
        "poison": {"skip_after": shown_span(policy.poison.skip_after_us)}
        if policy.poison.kind == "skip"
        else policy.poison.kind,
        "order": policy.order,
        "in_flight_max": policy.in_flight_max,
        "retry_after_ceiling": shown_span(policy.retry_after_ceiling_us),
        "rate_pause": shown_span(policy.rate_pause_us),
        "give_up_after": shown_span(policy.give_up_after_us),
        "timeout": shown_span(policy.timeout_us),
        "reconcile": shown_span(policy.reconcile_us),
        "failover": failover,
        "failover_after": shown_span(policy.failover_after_us),
        "stale_after": shown_span(policy.stale_after_us),
    }


def _retry(policy: Policy) -> dict[str, object]:
    retry = policy.retry
    if isinstance(retry, Exponential):
        return _parts(retry)
    return {"after": [shown_span(wait_us) for wait_us in retry.after_us], "jitter": retry.jitter}


def _parts(value: msgspec.Struct) -> dict[str, object]:
    """A part of a policy, key by key, with its units in words."""
    return {
        name.removesuffix("_us"): shown_span(part) if name.endswith("_us") else part
        for name, part in msgspec.structs.asdict(value).items()
    }


def _rate(quota: Quota | None) -> str:
    return _NONE if quota is None else f"{quota.count}/{_WINDOWS[quota.window_us]}"


def _or_none(value: int | None) -> object:
    return _NONE if value is None else value


def _minute(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
