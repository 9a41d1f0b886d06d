"""A message's turn has come: what time alone decides about it, and the intent to send it.

This file answers for every decision before an attempt. It records nothing and waits for nothing.
"""

from datetime import tzinfo

import msgspec

from core import events as e
from core.conversation import Conversation, parks_after, skips_at
from core.failover import IsUp, every_lane, is_further, next_lane
from core.message import FALLBACK_DUE, WAITING, Message
from core.policies import Policy, delay_us
from core.quiet import allowed_at


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The policy an attempt is decided under, its version among those of its name or lane, the recipient's time zone.

    `has_receipts`: the lane's provider still tells what becomes of a message that it took. `is_repeatable`: an attempt
    that was cut off is made again and comes to the same, so that nobody is in doubt about it. `shadow` is asked as
    well, without effect; None where there is none, or where the message names a policy of its own.
    """

    policy: Policy
    version: int
    zone: tzinfo
    has_receipts: bool = False
    is_repeatable: bool = False
    shadow: Policy | None = None


def tidy(
    message: Message, policy: Policy, now_us: int, *, chance: float = 0.5, is_up: IsUp = every_lane
) -> tuple[e.Event, ...]:
    """What time alone has decided about a waiting message: its end, its step aside, the end of a doubt. Mostly nothing.

    `chance` spreads the wait that follows a vain doubt; `is_up` says which lanes let anything out.
    """
    if message.status not in WAITING:
        return ()
    if message.expires_us is not None and message.expires_us <= now_us:
        return (*_doubt_ends(message, "fail"), e.MessageExpired())
    if message.doubt_us is not None and message.doubt_us <= now_us:
        return _in_vain(message, policy, now_us=now_us, chance=chance, is_up=is_up)
    if message.ends_us is not None and message.ends_us <= now_us:
        return (e.MessageCancelled(reason=FALLBACK_DUE),)
    # Only what has failed can be given up: a message that waited long for its first try, or for us, still gets it.
    if (
        message.failing_us is not None
        and not message.excused
        and now_us - message.failing_us >= policy.give_up_after_us
    ):
        return (*_doubt_ends(message, "fail"), e.MessageDead(reason="gave_up"))
    skip_us = skips_at(message, policy)
    if skip_us is not None and skip_us <= now_us:
        return (e.MessageSetAside(),)
    return ()


def _doubt_ends(message: Message, resolution: e.OnAmbiguous) -> tuple[e.Event, ...]:
    if message.doubt_us is None:
        return ()
    return (e.AmbiguityResolved(attempt=message.attempt, resolution=resolution, evidence="policy"),)


def _in_vain(message: Message, policy: Policy, *, now_us: int, chance: float, is_up: IsUp) -> tuple[e.Event, ...]:
    """No evidence came: the policy decides about an attempt of unknown fate."""
    resolution = message.on_ambiguous or policy.on_ambiguous
    if resolution == "hold":
        return (*_doubt_ends(message, "hold"), e.MessageHeld(by="unknown"))
    if resolution == "fail":
        return (*_doubt_ends(message, "fail"), e.MessageDead(reason="ambiguous"))
    if message.fallbacks and message.fallback_by_us is not None and message.fallback_by_us <= now_us:
        return (*_doubt_ends(message, "fail"), e.MessageCancelled(reason=FALLBACK_DUE))
    return _resent(message, policy, now_us=now_us, chance=chance, is_up=is_up)


def _resent(message: Message, policy: Policy, *, now_us: int, chance: float, is_up: IsUp) -> tuple[e.Event, ...]:
    """When and where it is sent again: at once in a further lane of its failover, else as its schedule says."""
    lane = next_lane(message, is_up)
    due_us: int | None = now_us
    if not is_further(message, lane):
        # The attempt was used up when its answer did not come, and the wait for evidence is part of what follows it.
        wait_us = delay_us(policy.retry, message.used, chance)
        due_us = None if wait_us is None else max(now_us, message.doubted_us + wait_us)
    if due_us is None:
        return (*_doubt_ends(message, "fail"), e.MessageDead(reason="exhausted"))
    if parks_after(message.faults, policy):
        return (*_doubt_ends(message, "resend"), e.MessageHeld(by="parked"))
    again = e.AmbiguityResolved(attempt=message.attempt, resolution="resend", evidence="policy", due_us=due_us)
    return (again,) if lane is None else (again, e.LaneChanged(lane=lane, due_us=due_us, reason="failed"))


def begin(conversation: Conversation, message: Message, terms: Terms, now_us: int) -> e.Event:
    """The intent to send a due message, its deferral to the end of quiet hours, or its end where nobody wants it."""
    assert message.doubt_us is None, f"message {message.id} is in doubt, so it may be out there already"
    policy = terms.policy
    # A person who has a dead letter tried again knows that the address was given up.
    if conversation.refuses(message) and not message.is_redriven:
        return e.MessageDead(reason="suppressed")
    if policy.quiet_hours is not None:
        allowed_us = allowed_at(policy.quiet_hours, terms.zone, now_us)
        if allowed_us > now_us:
            return e.MessageDeferred(due_us=allowed_us, reason="quiet_hours")
    return e.AttemptStarted(
        attempt=message.attempt + 1,
        lane=message.lane,
        policy_version=terms.version,
        deadline_us=now_us + policy.timeout_us,
        probe=not conversation.circuit.is_closed,
        by_template=message.has_template and _is_closed(conversation, now_us),
    )


def _is_closed(conversation: Conversation, now_us: int) -> bool:
    """Whether the peer's reply window is known to be closed."""
    return conversation.window_until_us is not None and conversation.window_until_us <= now_us
