"""What a message came from and what it led to: its causal chain, from the beginning to the last consequence.

This file answers for following `cause` up and down within one tenant. It reads, and decides nothing.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

from core.events import MessageAccepted
from core.explain import Link
from core.message import Message, fold
from core.ports import Log
from core.records import Head, MessageFilter

# How far up a chain is followed, and how many consequences are told, the nearest first.
_UP_MAX: Final = 32
_DOWN_MAX: Final = 200

FindPlan = Callable[[Message], Awaitable[Link | None]]
"""The plan that wanted a message, None where none did."""


async def no_plan(_message: Message) -> Link | None:
    """Where plans cannot be looked into."""
    return None


class Chains:
    """Follows causes."""

    def __init__(self, log: Log, plan_of: FindPlan = no_plan) -> None:
        self._log = log
        self._plan_of = plan_of

    async def of(self, message: Message, tenant: str) -> tuple[tuple[Link, ...], bool]:
        """A message's chain, and whether it goes on beyond what is told."""
        head = await self._log.head_of(message.id)
        assert head is not None, f"message {message.id} has events and no head"
        above, is_cut = await self._above(head, tenant)
        plan = await self._plan_of(message) if not head.cause else None
        own = await self._link(head, plan=0 if plan is None else plan.id)
        below, more = await self._below(head, tenant)
        return ((plan,) if plan is not None else ()) + (*above, own, *below), is_cut or more

    async def _above(self, head: Head, tenant: str) -> tuple[list[Link], bool]:
        found: list[Link] = []
        known = {head.stream}
        while head.cause and len(found) < _UP_MAX:
            cause = await self._log.head_of(head.cause)
            # Nothing of another tenant is told, nor of what was erased; and two may name one another.
            if cause is None or cause.tenant != tenant or cause.stream in known:
                return found, False
            found.insert(0, await self._link(cause))
            known.add(cause.stream)
            head = cause
        return found, bool(head.cause)

    async def _below(self, head: Head, tenant: str) -> tuple[list[Link], bool]:
        found: list[Link] = []
        beyond, known = [head], {head.stream}
        while beyond:
            wanted = MessageFilter(tenant=tenant, cause=beyond.pop(0).stream)
            room = _DOWN_MAX - len(found)
            heads = await self._log.heads(wanted, limit=room + 1, oldest_first=True)
            for one in heads[:room]:
                # Callers name causes, so two may name one another.
                if one.stream not in known:
                    known.add(one.stream)
                    found.append(await self._link(one))
                    beyond.append(one)
            if len(heads) > room:
                return found, True
        return found, False

    async def _link(self, head: Head, *, plan: int = 0) -> Link:
        how: Literal["request", "caused", "fallback", "device", "plan"] = "plan" if plan else "request"
        if head.cause:
            how = await self._how(head)
        return Link(
            id=head.stream,
            channel=head.channel,  # type: ignore[arg-type]  # A head's channel is one that a message has.
            status=head.status,  # type: ignore[arg-type]  # Likewise its status.
            at_us=head.accepted_us,
            how=how,
            cause=head.cause or plan,
        )

    async def _how(self, head: Head) -> Literal["caused", "fallback", "device"]:
        recorded = await self._log.events_of(head.cause)
        if not recorded or recorded[0].tenant != head.tenant or not isinstance(recorded[0].event, MessageAccepted):
            return "caused"  # Callers may name what was never here, or is another tenant's.
        if fold(recorded).fallback == head.stream:
            return "fallback"
        # A push to a user is followed by one to each of their devices.
        return "device" if recorded[0].event.channel == head.channel == "push" else "caused"
