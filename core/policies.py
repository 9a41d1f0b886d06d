"""How a lane behaves, as versioned values: schedule, limits, circuit, quiet hours, what to do when in doubt.

This file answers for the compiled form of a policy and the presets. Parsing of "30/min" and of files is the
configuration's business; here everything is a number with a unit.
"""

from typing import Final, Literal

import msgspec

from core.events import OnAmbiguous, Order

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen part of a policy."""


class Schedule(_Value, frozen=True, kw_only=True, tag="list", tag_field="kind"):
    """Retries after fixed waits: `after_us[n]` follows the (n+1)th used attempt; beyond the list it is dead."""

    after_us: tuple[int, ...]
    jitter: float = 0.1


class Exponential(_Value, frozen=True, kw_only=True, tag="exponential", tag_field="kind"):
    """Retries after first, first*factor, ... `times` of them, none longer than `ceiling_us`."""

    first_us: int
    factor: float
    times: int
    ceiling_us: int
    jitter: float = 0.1


Retry = Schedule | Exponential


class Quota(_Value, frozen=True, kw_only=True):
    """At most `count` hand-overs in any window of `window_us`, wherever it starts."""

    count: int
    window_us: int


class Limits(_Value, frozen=True, kw_only=True):
    """Bounds of a lane's traffic, None where there is none.

    `burst` is how many may go back to back within each quota; `gap_us` the smallest pause between two of the lane;
    `concurrency` attempts in flight in the lane, `host_concurrency` towards one webhook host.
    """

    lane: Quota | None = None
    tenant: Quota | None = None
    recipient: Quota | None = None
    burst: int | None = None
    gap_us: int = 0
    concurrency: int = 256
    host_concurrency: int = 10


class CircuitRule(_Value, frozen=True, kw_only=True):
    """A conversation's circuit: opens after `failures` in a row for `cooldown_us`, doubling up to `ceiling_us`."""

    failures: int = 5
    cooldown_us: int = 60 * SECOND_US
    ceiling_us: int = HOUR_US


class BreakerRule(_Value, frozen=True, kw_only=True):
    """A lane's breaker: opens when at least `share` of the last `of` outcomes within `within_us` were faults.

    Fewer than `of` outcomes count as if the rest had been good, so that a quiet lane needs share * of faults.
    """

    share: float = 0.5
    of: int = 100
    within_us: int = 60 * SECOND_US
    cooldown_us: int = 30 * SECOND_US
    ceiling_us: int = 5 * MINUTE_US


class QuietHours(_Value, frozen=True, kw_only=True):
    """No sends from `from_minute` to `to_minute` of the local day (it may wrap midnight) in `zone`, an IANA name."""

    from_minute: int
    to_minute: int
    zone: str


class Poison(_Value, frozen=True, kw_only=True):
    """What a failing message does to those behind it in a fifo conversation.

    `block`: they wait for its end. `park`: after as many failures in a row as open the circuit it is held for a person.
    `skip`: once it has blocked for `skip_after_us` it goes on by itself, out of the line.
    """

    kind: Literal["block", "park", "skip"] = "block"
    skip_after_us: int = 0


class Policy(_Value, frozen=True, kw_only=True):
    """Everything that decides about a lane's messages. `name` is for people.

    `reconcile_us` is how long evidence is awaited for an attempt of unknown fate before `on_ambiguous` decides (0: not
    at all). `failover` names the lanes that a message may go through, in order; it leaves one that lets nothing out
    after `failover_after_us`. `stale_after_us`: a device not heard of for so long gets no routine pushes.
    """

    name: str
    retry: Retry
    limits: Limits = Limits()
    circuit: CircuitRule = CircuitRule()
    breaker: BreakerRule = BreakerRule()
    quiet_hours: QuietHours | None = None
    on_ambiguous: OnAmbiguous = "resend"
    poison: Poison = Poison()
    order: Order = "fifo"
    in_flight_max: int = 10
    retry_after_ceiling_us: int = DAY_US
    rate_pause_us: int = 30 * SECOND_US
    give_up_after_us: int = 7 * DAY_US
    timeout_us: int = 30 * SECOND_US
    reconcile_us: int = 0
    failover: tuple[str, ...] = ()
    failover_after_us: int = MINUTE_US
    stale_after_us: int = 30 * DAY_US

    def lanes_from(self, lane: str) -> tuple[str, ...]:
        """The lanes that a message of this lane may go through, in order; none without a failover that names it."""
        return self.failover if lane in self.failover else ()


def delay_us(retry: Retry, used: int, chance: float) -> int | None:
    """The wait after the `used`th used attempt (from 1), None where the schedule is through.

    Jitter spreads the wait evenly over plus and minus its share; `chance` in [0, 1) picks the place, 0.5 the middle.
    """
    base = _base_us(retry, used)
    if base is None:
        return None
    return round(base * (1 + retry.jitter * (2 * chance - 1)))


def longest_us(retry: Retry) -> int:
    """The longest single wait of a schedule, jitter included: what bounds a law's notion of late."""
    count = len(retry.after_us) if isinstance(retry, Schedule) else retry.times
    waits = (delay_us(retry, used, 1.0) for used in range(1, count + 1))
    return max((wait for wait in waits if wait is not None), default=0)


def _base_us(retry: Retry, used: int) -> int | None:
    assert used >= 1, f"a wait follows a used attempt, so used must be at least 1, not {used}"
    match retry:
        case Schedule(after_us=waits):
            return waits[used - 1] if used <= len(waits) else None
        case Exponential():
            if used > retry.times:
                return None
            try:
                grown_us = retry.first_us * float(retry.factor) ** (used - 1)
            except OverflowError:
                return retry.ceiling_us  # What no float can hold is longer than any wait that a policy can ask for.
            return round(min(float(retry.ceiling_us), grown_us))


def _seconds(*waits_s: int) -> tuple[int, ...]:
    return tuple(wait_s * SECOND_US for wait_s in waits_s)


_M, _H = 60, 3600

# The schedules and limits of the systems that Tidings replaces, as their teams ran them; webhook is the schedule that
# Standard Webhooks 1.0.0 suggests.
PRESETS: Final[dict[str, Policy]] = {
    policy.name: policy
    for policy in (
        Policy(
            name="whatsapp",
            retry=Schedule(after_us=_seconds(_M, 2 * _M, 4 * _M)),
            limits=Limits(tenant=Quota(count=30, window_us=MINUTE_US), gap_us=2 * SECOND_US),
            on_ambiguous="hold",
            reconcile_us=2 * MINUTE_US,
        ),
        Policy(
            name="email",
            retry=Schedule(after_us=_seconds(1, 5, 30, 5 * _M, 30 * _M)),
            limits=Limits(lane=Quota(count=100, window_us=MINUTE_US), recipient=Quota(count=10, window_us=MINUTE_US)),
            timeout_us=10 * MINUTE_US,
        ),
        Policy(
            name="webhook",
            retry=Schedule(after_us=_seconds(5, 5 * _M, 30 * _M, 2 * _H, 5 * _H, 10 * _H, 14 * _H, 20 * _H, 24 * _H)),
            timeout_us=15 * SECOND_US,
        ),
        Policy(
            name="hook",
            retry=Schedule(after_us=_seconds(_M, 5 * _M, 30 * _M, 2 * _H, 24 * _H)),
            limits=Limits(concurrency=10),
            poison=Poison(kind="skip", skip_after_us=HOUR_US),
            timeout_us=30 * SECOND_US,
        ),
        Policy(
            name="hook-slow",
            retry=Schedule(after_us=_seconds(5 * _M, 15 * _M, _H, 4 * _H, 12 * _H)),
            limits=Limits(concurrency=10),
            poison=Poison(kind="skip", skip_after_us=HOUR_US),
            timeout_us=30 * SECOND_US,
        ),
        Policy(name="push", retry=Schedule(after_us=_seconds(1, 5, 30, 5 * _M, 30 * _M)), order="any"),
    )
}
