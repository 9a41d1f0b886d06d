"""Answers for an explanation naming the one thing in a message's way, and what follows if nothing else happens."""

from datetime import UTC
from typing import Final

import pytest
from msgspec.structs import replace

from core import events as e
from core.circuit import Circuit
from core.conversation import Conversation
from core.explain import Constraint, Kind, Standing, View, releases_of
from core.explain_open import standing_of
from core.failover import every_lane
from core.message import Message
from core.outcomes import Ambiguous, Transient
from core.policies import HOUR_US, SECOND_US, Policy, QuietHours
from core.starts import Terms
from tests.rules.samples import CALM, NOW_US, PLAIN, then, waiting

_LATER_US: Final = NOW_US + 60 * SECOND_US
_STARTED: Final = e.AttemptStarted(attempt=1, lane="calls", policy_version=1, deadline_us=_LATER_US)


def _standing(
    message: Message,
    *beside: Message,
    ways: tuple[Constraint, ...] = (),
    conversation: Conversation = CALM,
    policy: Policy = PLAIN,
    is_deferred: bool = False,
) -> Standing:
    return standing_of(
        View(
            now_us=NOW_US,
            message=message,
            conversation=conversation,
            terms=Terms(policy=policy, version=1, zone=UTC),
            policy_of=lambda _: policy,
            is_up=every_lane,
            beside=beside,
            ways=ways,
            is_deferred=is_deferred,
        )
    )


def _failed(message: Message, *, due_us: int | None = _LATER_US, at_us: int = NOW_US) -> Message:
    outcome = Transient(code="503")
    failed = e.AttemptFailed(attempt=1, outcome=outcome, used=True, due_us=due_us, sent_at_us=at_us, took_us=0)
    return then(message, _STARTED, failed, at_us=at_us)


def test_a_message_with_nothing_in_its_way_is_about_to_start() -> None:
    """It has its turn now, and an attempt is what follows."""
    standing = _standing(waiting())
    assert (standing.binding.kind, standing.earliest_us, standing.next_us) == ("turn", NOW_US, NOW_US)
    assert isinstance(standing.then, e.AttemptStarted)
    assert standing.also == ()


@pytest.mark.parametrize(
    ("message", "kind"),
    [(waiting(due_us=_LATER_US), "due"), (_failed(waiting()), "retry")],
)
def test_its_own_due_instant_binds(message: Message, kind: Kind) -> None:
    """One that was sent for later, or failed, starts at its instant and no earlier."""
    standing = _standing(message)
    assert (standing.binding.kind, standing.binding.until_us, standing.earliest_us) == (kind, _LATER_US, _LATER_US)


def test_the_message_before_it_binds() -> None:
    """In a fifo line the first stands before all others, and no instant can be named for these."""
    first, second = _failed(waiting(1)), waiting(2)
    standing = _standing(second, first)
    assert (standing.binding.kind, standing.binding.message, standing.earliest_us) == ("order", 1, None)
    assert releases_of(standing.binding, second) == ("conclusion", "cancel")
    assert _standing(first, second).binding.kind == "retry"


def test_the_end_of_one_behind_it_is_no_instant_of_its_own() -> None:
    """Where the second of a line ends before the first is tried again, that says nothing of the first's start."""
    first, second = _failed(waiting(1)), waiting(2, expires_us=NOW_US + SECOND_US)
    standing = _standing(first, second)
    assert (standing.binding.kind, standing.binding.until_us) == ("retry", _LATER_US)


def test_attempts_beside_it_bind_where_order_is_free() -> None:
    """With as many attempts out as its conversation may have, the next one waits for one of them."""
    flying = then(waiting(1, order="any"), _STARTED)
    policy = replace(PLAIN, in_flight_max=1)
    standing = _standing(waiting(2, order="any"), flying, policy=policy)
    assert (standing.binding.kind, standing.binding.count) == ("beside", 1)
    assert _standing(waiting(2, order="any"), flying).binding.kind == "turn"


def test_an_open_circuit_binds_until_its_probe_and_while_that_is_out() -> None:
    """Until its instant nothing goes; then the probe's outcome is awaited."""
    open_ = replace(CALM, circuit=Circuit(open_until_us=_LATER_US, streak=3, openings=1))
    standing = _standing(waiting(), conversation=open_)
    assert (standing.binding.kind, standing.earliest_us) == ("circuit", _LATER_US)
    assert releases_of(standing.binding, waiting()) == ("time", "reset")
    half = replace(CALM, circuit=Circuit(open_until_us=NOW_US, streak=3, openings=1))
    probing = _standing(waiting(2, order="any"), then(waiting(1, order="any"), _STARTED), conversation=half)
    assert (probing.binding.kind, probing.binding.message, probing.earliest_us) == ("circuit", 1, None)
    assert releases_of(probing.binding, waiting(2)) == ("outcome", "probe", "reset")


def test_of_several_instants_the_last_binds() -> None:
    """What ends sooner is told of as well; the earliest attempt is when all have ended."""
    throttled = Constraint(kind="lane_throttled", until_us=_LATER_US + SECOND_US)
    standing = _standing(waiting(due_us=_LATER_US), ways=(throttled,))
    assert standing.binding == throttled
    assert [way.kind for way in standing.also] == ["due"]
    assert standing.earliest_us == standing.next_us == _LATER_US + SECOND_US
    assert releases_of(throttled, waiting()) == ("time", "resume")
    assert releases_of(replace(throttled, kind="host_throttled"), waiting()) == ("time",)


def test_what_waits_for_a_person_binds_before_any_instant() -> None:
    """A paused lane is what to tell of, however long the message itself has to wait."""
    paused = Constraint(kind="lane_paused", by="operator")
    message = waiting(due_us=_LATER_US)
    standing = _standing(message, ways=(paused,))
    assert (standing.binding, standing.earliest_us, standing.next_us) == (paused, None, None)
    assert releases_of(paused, message) == ("resume",)
    assert releases_of(replace(paused, by="config"), replace(message, lanes=("calls", "more"))) == (
        "resume",
        "provider",
        "failover",
    )


def test_what_is_over_soon_leaves_the_instant_but_not_the_certainty() -> None:
    """With all permits out just now, a message for later still has its earliest instant; nobody foretells more."""
    full = Constraint(kind="concurrency", count=4)
    standing = _standing(waiting(due_us=_LATER_US), ways=(full,))
    assert (standing.binding.kind, standing.earliest_us, standing.next_us) == ("due", _LATER_US, None)
    assert _standing(waiting(), ways=(full,)).binding == full


def test_quiet_hours_bind_once_a_start_would_fall_into_them() -> None:
    """The night is foreseen, before and after the deferral is recorded."""
    policy = replace(PLAIN, quiet_hours=QuietHours(from_minute=7 * 60, to_minute=10 * 60, zone="UTC"))
    standing = _standing(waiting(), policy=policy)
    assert (standing.binding.kind, standing.earliest_us) == ("quiet_hours", NOW_US + 2 * HOUR_US)
    assert standing.next_us == NOW_US
    deferred = then(waiting(), e.MessageDeferred(due_us=NOW_US + 2 * HOUR_US, reason="quiet_hours"))
    after = _standing(deferred, policy=policy, is_deferred=True)
    assert (after.binding.kind, after.earliest_us) == ("quiet_hours", NOW_US + 2 * HOUR_US)


def test_a_doubt_binds_until_its_policy_decides() -> None:
    """Evidence is awaited; what the policy will then do is foreseen."""
    outcome = Ambiguous(code="timeout")
    failed = e.AttemptFailed(attempt=1, outcome=outcome, used=True, due_us=_LATER_US, sent_at_us=NOW_US, took_us=0)
    message = then(waiting(), _STARTED, failed, e.ReconcileStarted(attempt=1, until_us=_LATER_US))
    resend = _standing(message)
    assert (resend.binding.kind, resend.earliest_us, resend.next_us) == ("doubt", _LATER_US, _LATER_US)
    held = _standing(message, policy=replace(PLAIN, on_ambiguous="hold"))
    assert (held.earliest_us, held.then) == (None, e.MessageHeld(by="unknown"))


def test_one_that_is_held_or_out_waits_for_no_instant() -> None:
    """A held message waits for a person, one whose attempt is out for its outcome."""
    failed = e.AttemptFailed(
        attempt=1, outcome=Transient(code="503"), used=True, due_us=None, sent_at_us=NOW_US, took_us=0
    )
    held = then(waiting(), _STARTED, failed, e.MessageHeld(by="parked"))
    assert _standing(held) == Standing(binding=Constraint(kind="parked"))
    flying = _standing(then(waiting(), _STARTED))
    assert (flying.binding.kind, flying.binding.until_us, flying.earliest_us) == ("in_flight", _LATER_US, None)


def test_ends_are_foreseen() -> None:
    """One that expires before its turn, is given up, or is wanted by nobody, is never tried again."""
    expiring = _standing(waiting(due_us=_LATER_US, expires_us=_LATER_US - 1))
    assert (expiring.earliest_us, expiring.next_us, expiring.then) == (None, _LATER_US - 1, e.MessageExpired())
    unwanted = _standing(waiting(), conversation=replace(CALM, unwanted="all"))
    assert unwanted.then == e.MessageDead(reason="suppressed")
    given_up = _standing(_failed(waiting(), due_us=NOW_US), policy=replace(PLAIN, give_up_after_us=0))
    assert given_up.then == e.MessageDead(reason="gave_up")
