"""What forgetting somebody comes to, step by step, each of which may be done again.

This file answers for the order of the steps: what is open ends and what is private goes; the address is closed, so that
nobody can write there behind the sweep; what slipped in before goes too; and only then the address leads nowhere. It
must never go on where the log did not take what was done before.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

from msgspec.structs import replace

from actors.devices import Devices
from actors.erasing import Sweeper
from actors.erasure_streams import ErasureStreams, Gone, Subject
from actors.peers import Peers
from actors.plans import Plans
from actors.roster import Roster
from core import events as e
from core.conversation import Conversation
from core.device_names import named_in
from core.erasures import Erasure
from core.policies import SECOND_US
from core.ports import Clock, Log
from core.records import AddressChange, Alias

# So long an address stays closed at least where other daemons take messages in: each of them looks every second who is
# being forgotten, and remembers them no more. One that did would lead there again what comes after the end.
_CLOSED_US: Final = 3 * SECOND_US
# What goes with most steps.
_NOTHING: Final = Gone()

Others = Callable[[set[str]], Awaitable[None]]
"""Has other addresses of the same person erased as well; durable when it returns, and not over by then."""


class Forgetting:
    """Whoever takes the steps. It remembers nothing of any of them."""

    def __init__(
        self,
        *,
        log: Log,
        clock: Clock,
        streams: ErasureStreams,
        sweeper: Sweeper,
        peers: Peers,
        roster: Roster,
        devices: Devices,
        plans: Plans,
        in_step: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """`in_step` ends when what other daemons took in before is in the log; None: there are no others."""
        self._log = log
        self._clock = clock
        self._streams = streams
        self._sweeper = sweeper
        self._peers = peers
        self._roster = roster
        self._devices = devices
        self._plans = plans
        self._in_step = in_step

    async def carry_out(
        self, erasure: Erasure, subject: Subject, *, others: Others, settled: Callable[[], Awaitable[None]]
    ) -> None:
        """Takes all steps. `settled` ends when the others are over. Raises what the log answers where it is in trouble.

        A user of pushes has devices, and a conversation with each of them: those are others.
        """
        account = _Account(self._streams, erasure)
        conversation, has_devices = subject.conversation, _has_devices(subject)
        if has_devices:
            await others(await self._addresses_beside(subject))
            await self._devices.forget(subject.tenant, subject.address)
        await self._leave_plans(account, subject)
        if conversation:
            await self._sweeper.sweep(conversation, account.swept)
        if has_devices:
            # A push that was being shared out when the devices went may have come to one more message.
            await others(await self._addresses_beside(subject))
            await settled()
        if conversation:
            await self._close(account, subject)
            # One that was set meanwhile. No others: while they are looked through nobody can write there.
            await self._leave_plans(account, subject, since_us=erasure.state.started_us)
            await self._sweeper.sweep(conversation, account.swept)
            actor = self._roster.wake(conversation, subject.tenant)
            await actor.hold(lambda state: self._end(account, subject, state))
        else:
            await self._end(account, subject, None)
        self._peers.drop(subject.tenant, subject.channel, subject.address)

    async def _leave_plans(self, account: "_Account", subject: Subject, *, since_us: int = 0) -> None:
        plans = await self._plans.forget(subject.tenant, subject.channel, subject.address, since_us=since_us)
        if plans:
            await account.advance(plans=plans)

    async def _addresses_beside(self, subject: Subject) -> set[str]:
        """Where pushes to a user go: to their devices, and to those that they had."""
        known = await self._devices.of_user(subject.tenant, subject.address) or []
        found = {one.private.name.address for one in known if one.private is not None}
        if subject.conversation:
            parts = await self._sweeper.addresses_of_parts(subject.conversation)
            # A push may have come to somebody else's too: as its fallback. They are not whom this is about.
            found |= {address for address in parts if _user_of(address) == subject.address}
        return found

    async def _close(self, account: "_Account", subject: Subject) -> None:
        """From here on nobody writes there; whoever did before is in the log when this returns."""
        leads_to = await self._log.conversation_at(subject.tenant, subject.channel, subject.name)
        if leads_to != -subject.conversation:
            # Said once: what has to be done again in a time of trouble must not grow the log.
            await account.advance(gone=Gone(addresses=(_change(subject, "closed"),)))
        # Whoever comes later asks the log, also once that knows nobody there any more.
        self._peers.drop(subject.tenant, subject.channel, subject.address)
        if self._in_step is not None:
            await self._clock.sleep_until(self._clock.now_us() + _CLOSED_US)
            await self._in_step()

    async def _end(self, account: "_Account", subject: Subject, state: Conversation | None) -> None:
        """Records that it is over; with that the address leads nowhere, and nothing tells who it was about."""
        gone = await self._last_of(account.erasure.state.id, subject, state)
        if not _has_devices(subject):
            await account.end(0, gone)
            return

        async def with_devices(names: tuple[Alias, ...]) -> None:
            erased = (*gone.erased, *(name.stream for name in names))
            await account.end(len(names), replace(gone, erased=erased, dropped=(*gone.dropped, *names)))

        await self._devices.hold(subject.tenant, subject.address, with_devices)

    async def _last_of(self, erasure: int, subject: Subject, state: Conversation | None) -> Gone:
        """What goes with the end: the way to the conversation, and who it was about."""
        if state is None:
            return Gone(erased=(erasure,))
        tenant, channel = subject.tenant, subject.channel
        name = self._peers.last_name(tenant, channel, subject.name, state.id)
        names = () if name is None else (name,)
        # That they want to hear nothing outlives all the rest.
        is_kept = state.suppressed is not None
        return Gone(
            erased=(erasure,),
            addresses=(_change(subject, "gone"),),
            aliases=names if is_kept else (),
            dropped=(*await self._peers.names_of(channel, subject.address, state.id), *(() if is_kept else names)),
        )


class _Account:
    """An erasure as it goes on: what it came to so far, and where that is recorded."""

    def __init__(self, streams: ErasureStreams, erasure: Erasure) -> None:
        self._streams = streams
        self.erasure = erasure

    async def swept(self, streams: Sequence[int], cancelled: int) -> None:
        """The private rows of these go now, so many of which were open."""
        await self.advance(messages=len(streams), cancelled=cancelled, gone=Gone(erased=tuple(streams)))

    async def advance(self, *, messages: int = 0, cancelled: int = 0, plans: int = 0, gone: Gone = _NOTHING) -> None:
        """So many more went, and this with them."""
        state = self.erasure.state
        event = e.ErasureAdvanced(
            messages=state.messages + messages, cancelled=state.cancelled + cancelled, plans=state.plans + plans
        )
        self.erasure = await self._streams.record(self.erasure, event, gone)

    async def end(self, devices: int, gone: Gone) -> None:
        """All is gone."""
        state = self.erasure.state
        event = e.SubjectErased(messages=state.messages, cancelled=state.cancelled, devices=devices, plans=state.plans)
        self.erasure = await self._streams.record(self.erasure, event, gone)


def _has_devices(subject: Subject) -> bool:
    return subject.channel == "push" and named_in(subject.address) is None


def _user_of(address: str) -> str | None:
    name = named_in(address)
    return None if name is None else name.user


def _change(subject: Subject, becomes: Literal["closed", "gone"]) -> AddressChange:
    return AddressChange(
        channel=subject.channel, subject=subject.name, conversation=subject.conversation, becomes=becomes
    )
