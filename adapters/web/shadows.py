"""Policies in shadow over HTTP: beginning one, reading what it came to, ending it, promoting it.

This file answers for shapes and calls. Lanes are shared by all tenants, so only a key for all of them may change
anything; examples name messages, so only such a key sees any.
"""

from datetime import datetime
from typing import Final

import msgspec
from aiohttp import web

from actors.shadows import Watch
from adapters.moments import moment
from adapters.web.answers import Answer, answer, moment_or_none
from adapters.web.auth import Caller, everywhere
from adapters.web.front import Front
from adapters.web.percent_codes import name_in_path
from adapters.web.reading import body_of
from core import events as e
from core import ids
from core.pointers import decoded
from core.policies import SECOND_US
from core.shadow import told


class ShadowRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which policy is to be asked: a built-in one, or one of [policies.X]."""

    policy: str


class ContrastAnswer(Answer, frozen=True, kw_only=True):
    """How often the lane's policy decided one thing where the shadow would have decided another."""

    was: str
    would: str
    count: int


class SampleAnswer(Answer, frozen=True, kw_only=True):
    """One decision on which the two differ. A due time null: nothing is due after it."""

    at: datetime
    message: str
    attempt: int
    was: str
    would: str
    was_due: datetime | None
    would_due: datetime | None

    @classmethod
    def of(cls, sample: e.Sample) -> "SampleAnswer":
        """The outside form of a sample."""
        return cls(
            at=moment(sample.at_us),
            message=ids.encode("msg", sample.message),
            attempt=sample.attempt,
            was=sample.was,
            would=sample.would,
            was_due=moment_or_none(sample.was_due_us),
            would_due=moment_or_none(sample.would_due_us),
        )


class ShadowAnswer(Answer, frozen=True, kw_only=True):
    """What a shadow has come to. Of `starts` attempts its limits would have held back `delayed`."""

    lane: str
    policy: str
    since: datetime
    decisions: int
    alike: int
    contrasts: list[ContrastAnswer]
    samples: list[SampleAnswer]
    starts: int
    delayed: int
    delayed_s: float
    longest_delay_s: float

    @classmethod
    def of(cls, lane: str, watch: Watch, *, with_samples: bool) -> "ShadowAnswer":
        """The outside form of a shadow."""
        sum_ = told(watch.tally)
        return cls(
            lane=lane,
            policy=watch.name,
            since=moment(watch.began_us),
            decisions=sum_.decisions,
            alike=sum_.alike,
            contrasts=[ContrastAnswer(was=one.was, would=one.would, count=one.count) for one in sum_.contrasts],
            samples=[SampleAnswer.of(sample) for sample in reversed(sum_.samples)] if with_samples else [],
            starts=sum_.starts,
            delayed=sum_.delayed,
            delayed_s=sum_.delayed_us / SECOND_US,
            longest_delay_s=sum_.longest_us / SECOND_US,
        )


class Promoted(Answer, frozen=True, kw_only=True):
    """The lane's policy from now on; every attempt names the version that decides it."""

    lane: str
    policy: str
    version: int


_REQUESTS: Final = msgspec.json.Decoder(ShadowRequest)


async def show(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """What the lane's shadow has come to so far."""
    lane = name_in_path(request, "name")
    return answer(ShadowAnswer.of(lane, front.system.shadows.of(lane), with_samples=caller.is_everywhere))


async def begin(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Has a policy asked beside the lane's own; one that was asked so far is through."""
    everywhere(caller, "a lane is")
    lane, asked = name_in_path(request, "name"), decoded(_REQUESTS, await body_of(front, request))
    watch = await front.system.shadows.begin(lane, asked.policy, front.system.policies)
    return answer(ShadowAnswer.of(lane, watch, with_samples=True))


async def end(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Has the shadow asked no more."""
    everywhere(caller, "a lane is")
    await front.system.shadows.end(name_in_path(request, "name"))
    return web.Response(status=204)


async def promote(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Makes the shadow the lane's policy."""
    everywhere(caller, "a lane is")
    lane = name_in_path(request, "name")
    actor = await front.system.promote(lane)
    return answer(Promoted(lane=lane, policy=actor.policy.name, version=actor.policy_version))
