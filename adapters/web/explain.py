"""Why a message stands where it stands, over HTTP: where it came from, what was decided, what binds it, what may be.

This file answers for the outside form of an explanation. Whatever it says was found by the explainer; it changes
nothing.
"""

from datetime import datetime
from typing import Literal, cast

import msgspec
from aiohttp import web

from adapters.cli.story import sentence
from adapters.explaining import RELEASES, summary, words_of
from adapters.moments import moment
from adapters.web.answers import Answer, answer, moment_or_none
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.message_ids import message_id, message_in_path
from adapters.web.telling import told
from core import ids
from core.explain import Constraint, Decision, Explanation, Kind, Link, Release, releases_of
from core.message import Message
from core.policies import SECOND_US
from core.views import AnyChannel


class LinkAnswer(Answer, frozen=True, kw_only=True):
    """One message of the causal chain, or the plan at its beginning, which has no channel and no status.

    `how` it came to be: by a client's request, caused by a hook or message, as a fallback, for one device of a user, or
    wanted by a plan. `cause` is the link that it came from.
    """

    id: str
    how: Literal["request", "caused", "fallback", "device", "plan"]
    cause: str | None
    channel: AnyChannel | None
    status: str | None
    at: datetime


class DecisionAnswer(Answer, frozen=True, kw_only=True):
    """One event of the message in plain words. `policy_version` is that of the lane's policy which decided it."""

    at: datetime
    type: str
    says: str
    policy_version: int | None


class ConstraintAnswer(Answer, frozen=True, kw_only=True):
    """One thing in the message's way. `until` is null where an event has to come first.

    `message` is the one in the way; `by` and `code` say who paused a lane, and the other side's code; `count` in
    `window_s` is a limit without room (`window_s` null: so many at once).
    """

    kind: Kind
    says: str
    until: datetime | None
    message: str | None
    by: str | None
    code: str | None
    count: int | None
    window_s: float | None


class ReleaseAnswer(Answer, frozen=True, kw_only=True):
    """One thing that would set the message going, or may still happen; `call` is what to ask for, where one can."""

    by: Release
    says: str
    call: str | None


class ConclusionAnswer(Answer, frozen=True, kw_only=True):
    """What ended the message, and what may still happen to it."""

    at: datetime
    type: str
    says: str
    may_still: list[ReleaseAnswer]


class ExplanationAnswer(Answer, frozen=True, kw_only=True):
    """Why a message stands where it stands, as of `at`.

    `chain` goes from what stands at the beginning through the message itself to what it led to; `chain_goes_on` beyond
    what is told. An open message has a `binding` constraint; `also` is what else is in its way, `earliest` its next
    attempt's earliest instant (null where an event has to come first, or no attempt follows), `then` the event that the
    road ends with if nothing else happens, and `ends` when its time ends. A concluded one has a `conclusion`.
    """

    id: str
    at: datetime
    status: str
    lane: str
    says: str
    chain: list[LinkAnswer]
    chain_goes_on: bool
    decisions: list[DecisionAnswer]
    binding: ConstraintAnswer | None
    also: list[ConstraintAnswer]
    releases: list[ReleaseAnswer]
    earliest: datetime | None
    then: str | None
    ends: datetime | None
    conclusion: ConclusionAnswer | None

    @classmethod
    def of(cls, explanation: Explanation) -> "ExplanationAnswer":
        """The outside form of an explanation."""
        message, standing, ended = explanation.message, explanation.standing, explanation.conclusion
        binding = None if standing is None else _constraint(standing.binding, message)
        conclusion = None
        if ended is not None:
            decided = _decision(Decision(event=ended.event, policy_version=None), message.channel)
            may_still = [_release(one, message) for one in ended.may_still]
            conclusion = ConclusionAnswer(at=decided.at, type=decided.type, says=decided.says, may_still=may_still)
        then = None if standing is None else standing.then
        return cls(
            id=message_id(message.id, message.channel),
            at=moment(explanation.at_us),
            status=message.status,
            lane=message.lane,
            says=summary(explanation, "" if binding is None else binding.says),
            chain=_chain(explanation),
            chain_goes_on=explanation.is_cut,
            decisions=[_decision(one, message.channel) for one in explanation.decisions],
            binding=binding,
            also=[] if standing is None else [_constraint(way, message) for way in standing.also],
            releases=_releases(explanation),
            earliest=None if standing is None else moment_or_none(standing.earliest_us),
            then=None if then is None else type(then).__name__,
            ends=None if standing is None else moment_or_none(standing.ends_us),
            conclusion=conclusion,
        )


async def show(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Why one message stands where it stands."""
    explanation = await front.system.explainer.explain(caller.tenant, message_in_path(request))
    return answer(ExplanationAnswer.of(explanation))


def _chain(explanation: Explanation) -> list[LinkAnswer]:
    names = {link.id: _name(link) for link in explanation.chain}
    return [
        LinkAnswer(
            id=names[link.id],
            how=link.how,
            cause=names.get(link.cause),
            channel=link.channel or None,
            status=link.status or None,
            at=moment(link.at_us),
        )
        for link in explanation.chain
    ]


def _name(link: Link) -> str:
    return message_id(link.id, link.channel) if link.channel else ids.encode("plan", link.id)


def _decision(decision: Decision, channel: str) -> DecisionAnswer:
    event = told(decision.event, channel)
    words = sentence(cast("dict[str, object]", msgspec.to_builtins(event)))
    return DecisionAnswer(at=event.at, type=event.type, says=words, policy_version=decision.policy_version)


def _constraint(constraint: Constraint, message: Message) -> ConstraintAnswer:
    window_us = constraint.window_us
    # What is in its way in its conversation is of the same channel.
    other = message_id(constraint.message, message.channel) if constraint.message else None
    return ConstraintAnswer(
        kind=constraint.kind,
        says=words_of(constraint, message.lane, other or ""),
        until=moment_or_none(constraint.until_us),
        message=other,
        by=constraint.by or None,
        code=constraint.code or None,
        count=constraint.count or None,
        window_s=None if window_us is None else window_us / SECOND_US,
    )


def _releases(explanation: Explanation) -> list[ReleaseAnswer]:
    standing = explanation.standing
    if standing is None:
        return []
    binding, message = standing.binding, explanation.message
    return [_release(one, message, binding.message) for one in releases_of(binding, message)]


def _release(release: Release, message: Message, in_the_way: int = 0) -> ReleaseAnswer:
    words, call = RELEASES[release]
    named = {
        "conversation": ids.encode("conv", message.conversation),
        "lane": message.lane,
        "message": message_id(in_the_way or message.id, message.channel),
    }
    return ReleaseAnswer(by=release, says=words.format(**named), call=None if call is None else call.format(**named))
