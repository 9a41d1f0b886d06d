"""Places that a run should get to now and then: a swarm that never got to one of them has proved less than it seems.

This file answers for reading each mark off a finished run: its log and the world's books. Production code knows nothing
of marks, so they cost it nothing, and none is reached by a line that merely ran. It must never judge: a mark that was
not reached is no failure of its run.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from core import events as e
from core.outcomes import Ambiguous, Outcome, Rate, Taken
from core.policies import Retry, Schedule
from core.records import Recorded
from scenarios.laws.chronicle import Attempt, Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.scopes import scopes_of
from scenarios.marks_of_several import MARKS_OF_SEVERAL

Reached = Callable[[Evidence], bool]


def marks_of(evidence: Evidence) -> frozenset[str]:
    """The labels of all marks that a run got to."""
    return frozenset(label for label, reached in MARKS.items() if reached(evidence))


def _recorded(*kinds: type[e.Event]) -> Reached:
    """Somebody recorded an event of this kind."""
    return lambda evidence: any(isinstance(entry.event, kinds) for entry in evidence.events)


def _said(kind: type[e.Event], **values: object) -> Reached:
    """Somebody recorded an event of this kind that says this."""

    def reached(evidence: Evidence) -> bool:
        found = (entry.event for entry in evidence.events if isinstance(entry.event, kind))
        return any(all(getattr(event, name) == value for name, value in values.items()) for event in found)

    return reached


def _followed(first: type[e.Event], *then: type[e.Event], **values: object) -> Reached:
    """In some message an event that says this was followed by another one, with whatever in between."""

    def reached(evidence: Evidence) -> bool:
        return any(_follows(story.entries) for story in evidence.chronicle.stories.values())

    def _follows(entries: list[Recorded]) -> bool:
        begun = False
        for entry in entries:
            if begun and isinstance(entry.event, then):
                return True
            says = all(getattr(entry.event, name, None) == value for name, value in values.items())
            begun = begun or (isinstance(entry.event, first) and says)
        return False

    return reached


def _stories(is_meant: Callable[[Story], bool]) -> Reached:
    return lambda evidence: any(is_meant(story) for story in evidence.chronicle.stories.values())


def _attempts(is_meant: Callable[[Attempt], bool]) -> Reached:
    return lambda evidence: any(is_meant(attempt) for attempt in evidence.chronicle.attempts)


def _outcomes(is_meant: Callable[[Outcome], bool]) -> Reached:
    return _attempts(lambda attempt: attempt.outcome is not None and is_meant(attempt.outcome))


# -- recovery


def _later_lives(evidence: Evidence) -> Iterator[int]:
    """When each life but the first was ready."""
    return (life.ready_us for life in evidence.lives[1:] if life.ready_us is not None)


def _window_full_at_restart(evidence: Evidence) -> bool:
    ready_us = list(_later_lives(evidence))
    windows = ((scope, quota, at_us) for scope in scopes_of(evidence) for quota in scope.quotas for at_us in ready_us)
    return any(
        sum(at_us - quota.window_us < (one.sent_us or 0) <= at_us for one in scope.attempts) >= quota.count
        for scope, quota, at_us in windows
    )


def _crash_while_recovering(evidence: Evidence) -> bool:
    return any(life.ended_by == "crash" and life.ready_us is None for life in evidence.lives)


def _retries_over_a_restart(evidence: Evidence) -> bool:
    """A retry whose failure an earlier life recorded."""
    for at_us in _later_lives(evidence):
        for story in evidence.chronicle.stories.values():
            failed = [one for one in story.attempts if one.ended_us is not None and one.ended_us < at_us]
            if failed and any(one.number == failed[-1].number + 1 for one in story.attempts if one.started_us > at_us):
                return True
    return False


def _disk_full_recovery(evidence: Evidence) -> bool:
    """The door refused while the disk was full, and takes messages again after it."""
    full = [fault for fault in evidence.scenario.faults if fault.disk == "full"]
    for fault in full:
        until_us = fault.until_us(evidence.scenario.runs_for_us)
        told = [(one.what, one.at_us) for one in evidence.books.told]
        is_refused = any(what == "refused" and fault.at_us <= at_us < until_us for what, at_us in told)
        if is_refused and any(what == "accepted" and at_us >= until_us for what, at_us in told):
            return True
    return False


def _trouble(*, disk: str = "", store: str = "") -> Reached:
    def reached(evidence: Evidence) -> bool:
        faults = [one for one in evidence.scenario.faults if (one.disk or "", one.store or "") == (disk, store)]
        troubles = evidence.books.troubles
        runs_for_us = evidence.scenario.runs_for_us
        return any(fault.is_on(trouble.at_us, runs_for_us) for fault in faults for trouble in troubles)

    return reached


def _frozen_in_flight(evidence: Evidence) -> bool:
    """The process stood still while a request was out."""
    freezes = [
        (trouble.log_us, trouble.log_us + trouble.until_us - trouble.at_us)
        for trouble in evidence.books.troubles
        if any(fault.daemon == "freeze" and fault.at_us == trouble.at_us for fault in evidence.scenario.faults)
    ]
    return any(
        one.started_us <= since_us and one.ended_us is not None and until_us <= one.ended_us
        for since_us, until_us in freezes
        for one in evidence.chronicle.attempts
    )


def _clock_set_back(evidence: Evidence) -> bool:
    """The wall clock went back while somebody was waiting for an instant."""
    start_us = evidence.scenario.start_us
    backward = [start_us + at_us for at_us, by_us in evidence.scenario.clock_steps() if by_us < 0]
    last_us = evidence.events[-1].at_us if evidence.events else 0
    return any(at_us < last_us for at_us in backward)


# -- providers


def _retry_after_beyond_schedule(evidence: Evidence) -> bool:
    """A provider asked for a longer wait than the longest of the schedule."""
    for story in evidence.chronicle.stories.values():
        for attempt in story.attempts:
            after_us = getattr(attempt.outcome, "after_us", None)
            if after_us is not None and after_us > _longest_us(evidence.policy_of(story, attempt.lane).retry):
                return True
    return False


def _longest_us(retry: Retry) -> int:
    return max(retry.after_us, default=0) if isinstance(retry, Schedule) else retry.ceiling_us


def _receipt_before_outcome(story: Story) -> bool:
    """A receipt of an attempt was recorded before its answer was."""
    seen = set[int]()
    for entry in story.entries:
        if isinstance(entry.event, e.ReceiptSeen):
            seen.add(entry.event.attempt)
        elif isinstance(entry.event, e.AttemptTaken | e.AttemptFailed) and entry.event.attempt in seen:
            return True
    return False


def _receipts_out_of_order(evidence: Evidence) -> bool:
    """Something was told of a message after what comes later in its life."""
    rank = {"sent": 1, "failed": 2, "delivered": 3, "read": 4}
    furthest: dict[tuple[int, int] | None, int] = {}
    for posted in evidence.books.posted:
        for news in posted.news:
            told = rank.get(getattr(news, "status", ""), 0)
            if posted.handed is not None and told < furthest.get(posted.handed, 0):
                return True
            furthest[posted.handed] = max(told, furthest.get(posted.handed, 0))
    return False


def _key_forgotten(evidence: Evidence) -> bool:
    """A provider that knows messages again for a while had forgotten one, and took it twice."""
    known = set[tuple[str, str]]()
    for handed in evidence.deliveries:
        if handed.is_idempotent and not handed.is_copy and (handed.lane, handed.message) in known:
            return True
        known.add((handed.lane, handed.message))
    return False


def _key_known(evidence: Evidence) -> bool:
    """A provider knew a message again, so that it arrived once."""
    taken = sum(not handed.is_copy for handed in evidence.deliveries)
    arrived = sum(handed.arrives_us is not None and handed.is_taken for handed in evidence.books.handed)
    return arrived > taken


def _forgotten_and_suppressed(evidence: Evidence) -> bool:
    """A message died as suppressed after its peer had been forgotten: the wish outlived the person."""
    erased_us = {
        entries[0].event.conversation: entries[-1].at_us
        for entries in evidence.chronicle.others.values()
        if isinstance(entries[0].event, e.ErasureStarted) and isinstance(entries[-1].event, e.SubjectErased)
    }
    return any(
        story.entries[0].at_us > erased_us[story.accepted.conversation]
        for story in evidence.chronicle.stories.values()
        if story.accepted.conversation in erased_us
        and any(isinstance(one.event, e.MessageDead) and one.event.reason == "suppressed" for one in story.entries)
    )


def _told(what: str) -> Reached:
    return lambda evidence: any(told.what == what for told in evidence.books.told)


MARKS: Final[Mapping[str, Reached]] = {
    # Circuits and breakers.
    "circuit opened": _recorded(e.CircuitOpened),
    "circuit probe failed": _attempts(lambda one: one.is_probe and not isinstance(one.outcome, Taken | None)),
    "half-open success": _said(e.CircuitClosed, by="probe"),
    "circuit reset by a person": _said(e.CircuitClosed, by="operator"),
    "breaker opened": _recorded(e.BreakerOpened),
    "breaker half-open success": _recorded(e.BreakerClosed),
    "poison parked": _said(e.MessageHeld, by="parked"),
    "set aside": _recorded(e.MessageSetAside),
    # Doubt.
    "ambiguous outcome": _outcomes(lambda outcome: isinstance(outcome, Ambiguous)),
    "ambiguous resend": _followed(e.AmbiguityResolved, e.AttemptStarted, resolution="resend"),
    "held in doubt": _said(e.MessageHeld, by="unknown"),
    "released": _recorded(e.MessageReleased),
    "doubt proved by a receipt": _said(e.AttemptProved, evidence="receipt"),
    "doubt proved by asking": _said(e.AttemptProved, evidence="look_up"),
    "key known again": _key_known,
    "key forgotten": _key_forgotten,
    "copied by the provider": lambda evidence: any(handed.is_copy for handed in evidence.deliveries),
    "unreadable answer": _outcomes(lambda outcome: outcome.code == "bad_answer"),
    # Recovery.
    "cut off by a crash": _outcomes(lambda outcome: outcome.code == "interrupted"),
    "crash while recovering": _crash_while_recovering,
    "retry over a restart": _retries_over_a_restart,
    "window full at restart": _window_full_at_restart,
    "died of its log": lambda evidence: any(life.ended_by == "trouble" for life in evidence.lives),
    "stopped and started": lambda evidence: any(life.ended_by == "stop" for life in evidence.lives),
    "disk-full recovery": _disk_full_recovery,
    "commit in doubt": _trouble(disk="unknown"),
    "commit durable and unanswered": _trouble(store="lost_reply"),
    "commit lost": _trouble(store="error"),
    "slow commit": _trouble(disk="slow"),
    "frozen with a request out": _frozen_in_flight,
    "clock set back": _clock_set_back,
    # Paces.
    "Retry-After beyond the schedule": _retry_after_beyond_schedule,
    "lane throttled": _recorded(e.LaneThrottled),
    "conversation slowed down": _recorded(e.ConversationPaused),
    "refusals forgotten": _recorded(e.PaceRestored),
    "pair limit": _outcomes(lambda outcome: isinstance(outcome, Rate) and outcome.scope == "pair"),
    "quiet hours": _recorded(e.MessageDeferred),
    # Ends.
    "expired": _recorded(e.MessageExpired),
    "exhausted": _said(e.MessageDead, reason="exhausted"),
    "redriven and taken": _followed(e.MessageRedriven, e.AttemptTaken),
    "redriven in bulk": _recorded(e.RedriveEnded),
    "cancelled": _recorded(e.MessageCancelled),
    "cancel lost the race": _followed(e.CancelRequested, e.AttemptTaken, e.AttemptProved),
    "cancel won the race": _followed(e.CancelRequested, e.MessageCancelled),
    "forgotten": _recorded(e.SubjectErased),
    "forgotten while it waited": _said(e.MessageCancelled, reason="erased"),
    "forgotten while it left": _said(e.CancelRequested, reason="erased"),
    "forgotten and suppressed": _forgotten_and_suppressed,
    "rescheduled": _recorded(e.MessageRescheduled),
    # Lanes, channels, peers.
    "account down": _said(e.LanePaused, by="provider"),
    "failover from a lane that is down": _said(e.LaneChanged, reason="down"),
    "failover after a failure": _said(e.LaneChanged, reason="failed"),
    "fallback started": _recorded(e.FallbackStarted),
    "suppressed": _said(e.MessageDead, reason="suppressed"),
    "reply window closed": _recorded(e.WindowClosed),
    "sent as a template": _said(e.AttemptStarted, by_template=True),
    "peer struck": _recorded(e.PeerStruck),
    "peer restored": _recorded(e.PeerRestored),
    # Receipts, hooks, devices, plans.
    "receipt before outcome": _stories(_receipt_before_outcome),
    "receipts out of order": _receipts_out_of_order,
    "stray kept": _recorded(e.StrayKept),
    "stray claimed": _recorded(e.StrayClaimed),
    "failed after it was sent": _said(e.ReceiptSeen, status="failed"),
    "repeated by its client": _told("repeated"),
    "forged": _told("forged"),
    "device invalidated": _recorded(e.DeviceInvalidated),
    "plan changed": lambda evidence: any(
        sum(isinstance(entry.event, e.PlanSet) for entry in entries) > 1
        for entries in evidence.chronicle.others.values()
    ),
    **MARKS_OF_SEVERAL,
}  # fmt: skip  # A mark a line.
