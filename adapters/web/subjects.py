"""Forgetting somebody over HTTP: nothing private is kept of an address any more.

This file answers for shapes and calls. No answer repeats the address: it is what must not be kept.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec
from aiohttp import web

from adapters.moments import moment
from adapters.web.answers import Answer, answer, moment_or_none
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.reading import body_of, id_in_path
from core import ids
from core.content_rules import address_of
from core.content_shapes import ChannelName
from core.pointers import decoded
from core.policies import SECOND_US
from core.views import ErasureState

# How long a call waits for the end: what takes longer has an attempt in flight, or very many messages.
WITHIN_US: Final = 2 * SECOND_US


class ForgetRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to be forgotten: an address of a channel, as messages to it name it."""

    channel: ChannelName
    address: str


class ErasureAnswer(Answer, frozen=True, kw_only=True):
    """One erasure now. `messages` lost what was private of them, `cancelled` of those were open.

    `conversation` is null where nobody ever wrote to the address; `devices` and `plans` count what went beside them.
    """

    id: str
    tenant: str
    status: Literal["erasing", "erased"]
    channel: str
    conversation: str | None
    messages: int
    cancelled: int
    devices: int
    plans: int
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, state: ErasureState) -> "ErasureAnswer":
        """The outside form of an erasure's state."""
        return cls(
            id=ids.encode("erasure", state.id),
            tenant=state.tenant,
            status=state.status,
            channel=state.channel,
            conversation=None if state.conversation is None else ids.encode("conv", state.conversation),
            messages=state.messages,
            cancelled=state.cancelled,
            devices=state.devices,
            plans=state.plans,
            started_at=moment(state.started_us),
            ended_at=moment_or_none(state.ended_us),
        )


_REQUESTS: Final = msgspec.json.Decoder(ForgetRequest)


async def forget(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """Forgets whoever has an address: 200 where that is over, 202 where it is durable and under way."""
    asked = decoded(_REQUESTS, await body_of(front, request))
    address, _ = address_of(asked.channel, asked.address, "/address")
    erasures = front.system.erasures
    erasure = await erasures.begin(caller.one_tenant, asked.channel, address)
    return _answered(await erasures.done(caller.one_tenant, erasure, within_us=WITHIN_US))


async def show(front: Front, request: web.Request, caller: Caller) -> web.Response:
    """One erasure now."""
    return answer(ErasureAnswer.of(await front.system.erasures.state(caller.tenant, id_in_path(request, "erasure"))))


def _answered(state: ErasureState) -> web.Response:
    return answer(ErasureAnswer.of(state), 200 if state.status == "erased" else 202)
