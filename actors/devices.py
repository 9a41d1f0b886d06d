"""The desk for devices: the one writer of their streams, and where a push learns which token is a device's now.

This file answers for a registration being durable before it is answered, and for no two devices of a tenant holding one
token at any instant, whatever is killed in between: it is taken from the one before the other gets it. The desk
remembers nothing: names lead through the log's aliases to streams, and the log says what those are.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import anyio
import msgspec

from actors.turns_by_name import TurnsByName
from core import devices as d
from core import events as e
from core.device_names import DeviceName, DevicePrivate, Registration, Token, private_of, sealed_form, unsealed
from core.errors import AppendUnknown, NotFound, Refused
from core.ids import Mint, shard_of
from core.policies import PRESETS
from core.ports import Clock, Log, Secrets, Witness
from core.records import Alias, Append, Draft, HeadChange, Sealed, Snapshot
from core.sealing import SALT_BYTES, commitment_of
from core.settings import Settings

# Spaces of names: a device, everything that one user has, and what holds a token.
DEVICE: Final = "device"
USER: Final = "user"
TOKEN: Final = "token"  # noqa: S105  # The name of a space.
# Callers that may wait for what happens to one user's devices, or to one token.
_CALLERS_MAX: Final = 1_024
# A device that is heard of daily comes to a long stream: so many events are read at most beside its snapshot.
SNAPSHOT_EVERY: Final = 64


class Registered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A device as the log has it. `private` is None once it was removed: then nothing is kept of its names."""

    state: d.Device
    private: DevicePrivate | None

    @property
    def held(self) -> Token | None:
        """The token that it registered with last."""
        return None if self.private is None else self.private.held


class Devices:
    """All devices. What concerns one user's devices happens one at a time, and so does what concerns one token."""

    def __init__(
        self, *, log: Log, clock: Clock, secrets: Secrets, mint: Mint, witness: Witness, settings: Settings
    ) -> None:
        self._log = log
        self._clock = clock
        self._secrets = secrets
        self._mint = mint
        self._witness = witness
        self._turns = TurnsByName(_CALLERS_MAX)
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Goes on under the policy of the first push lane."""
        policies = [lane.policy for lane in settings.lanes if lane.channel == "push"]
        policy = policies[0] if policies else settings.policies.get("push", PRESETS["push"])
        self.stale_after_us = policy.stale_after_us

    # -- what applications say

    async def register(self, tenant: str, registration: Registration) -> tuple[Registered, bool]:
        """Takes a device and its token on, durably; answers with what it is now, and whether it was unknown before.

        Saying it again changes nothing. Raises Forbidden where its user has as many active devices as there may be.
        """
        token_name = self._token_name(tenant, registration.token)
        # In the token's turn from beginning to end: whoever else registers it comes before or after all of this.
        async with self._turns.of(token_name):
            await self._take_from_others(tenant, registration, token_name)
            async with self._turns.of(self._user_name(tenant, registration.name.user)):
                return await self._greet(tenant, registration, token_name)

    async def remove(self, tenant: str, name: DeviceName) -> None:
        """A device gets no more pushes, and nothing is kept of its token. Raises NotFound for an unknown one."""
        async with self._turns.of(self._user_name(tenant, name.user)):
            known = await self._find(tenant, name)
            if known is None:
                raise NotFound("there is no such device of this user")
            await self._remove(known, "requested")

    async def device(self, tenant: str, name: DeviceName) -> Registered:
        """One device now. Raises NotFound for an unknown one."""
        async with self._turns.of(self._user_name(tenant, name.user)):
            known = await self._find(tenant, name)
        if known is None:
            raise NotFound("there is no such device of this user")
        return known

    async def of_user(self, tenant: str, user: str) -> list[Registered] | None:
        """All devices of a user but the removed, oldest first; None for one of whom no device was ever heard."""
        user_name = self._user_name(tenant, user)
        async with self._turns.of(user_name):
            streams = await self._log.aliased(USER, tenant, user_name)
            found = [await self._read(stream) for stream in streams]
        return [one for one in found if one.private is not None] if streams else None

    async def forget(self, tenant: str, user: str) -> None:
        """Removes all devices of a user, and no name leads to one of them any more but that of their user."""
        user_name = self._user_name(tenant, user)
        async with self._turns.of(user_name):
            for stream in await self._log.aliased(USER, tenant, user_name):
                known = await self._read(stream)
                if known.private is not None:
                    name = self._device_name(tenant, known.private.name)
                    await self._remove(known, "requested", Alias(space=DEVICE, tenant=tenant, name=name, stream=stream))

    async def hold(self, tenant: str, user: str, act: Callable[[tuple[Alias, ...]], Awaitable[None]]) -> None:
        """Does something with the names that still lead from a user to removed devices, in the user's turn."""
        name = self._user_name(tenant, user)
        async with self._turns.of(name):
            streams = await self._log.aliased(USER, tenant, name)
            heads = await self._log.heads_by(streams) if streams else {}
            removed = [stream for stream, head in heads.items() if head.status == "removed"]
            await act(tuple(Alias(space=USER, tenant=tenant, name=name, stream=stream) for stream in removed))

    # -- what providers say

    async def refuse(self, tenant: str, name: DeviceName, tried: Token, code: str) -> None:
        """A provider said that a token will never work (again). Durable when this returns.

        What was registered since the attempt began is another token, of which nothing was said.
        """
        async with self._turns.of(self._user_name(tenant, name.user)):
            known = await self._find(tenant, name)
            if known is None:
                return
            event = d.invalidated(known.state, known.held, tried=tried, code=code)
            if event is not None:
                await self._change(known.state, event, dropped=(self._token_alias(known.state, tried),))
                self._witness.note("device_invalid", device=known.state.id, code=code)

    # -- what time says

    async def leave_stale(self, stream: int) -> None:
        """Records that a device was silent for too long, if it still is."""
        async with self._turns.of(await self._owner_of(stream)):
            known = await self._read(stream)
            event = d.staled(known.state, now_us=self._clock.now_us(), stale_after_us=self.stale_after_us)
            if event is not None:
                await self._change(known.state, event)

    # -- one token, one device

    async def _take_from_others(self, tenant: str, registration: Registration, token_name: bytes) -> None:
        for stream in await self._log.aliased(TOKEN, tenant, token_name):
            async with self._turns.of(await self._owner_of(stream)):
                known = await self._read(stream)
                is_other = known.private is not None and known.private.name != registration.name
                if is_other and known.held == registration.token and known.state.status in d.HOLDING:
                    await self._remove(known, "moved")

    async def _greet(self, tenant: str, registration: Registration, token_name: bytes) -> tuple[Registered, bool]:
        known = await self._find(tenant, registration.name)
        word = d.greeting(
            None if known is None else known.state,
            registration,
            None if known is None else known.held,
            now_us=self._clock.now_us(),
            stale_after_us=self.stale_after_us,
        )
        if word == "anew":
            return await self._register(tenant, registration, known, token_name), known is None
        assert known is not None, "a device that is not registered anew is known"
        if word == "seen":
            known = Registered(state=await self._change(known.state, e.DeviceSeen()), private=known.private)
        return known, False

    async def _register(
        self, tenant: str, registration: Registration, known: Registered | None, token_name: bytes
    ) -> Registered:
        """Records a device with its token, in its own stream or in a new one."""
        user_name = self._user_name(tenant, registration.name.user)
        is_listed = known is not None and known.state.status != "removed"
        dropped = [] if is_listed else await self._make_room(tenant, user_name)
        if known is not None and known.held is not None and known.held != registration.token:
            dropped.append(self._token_alias(known.state, known.held))
        stream = self._mint.next(self._clock.now_us()) if known is None else known.state.id
        names = (DEVICE, self._device_name(tenant, registration.name)), (USER, user_name), (TOKEN, token_name)
        private, salt = private_of(registration), self._secrets.fresh(SALT_BYTES)
        body = sealed_form(private)
        state = await self._record(
            e.DeviceRegistered(
                platform=registration.platform, app=registration.app, commitment=commitment_of(body, salt)
            ),
            before=None if known is None else known.state,
            stream=stream,
            tenant=tenant,
            sealed=Sealed(stream=stream, tenant=tenant, subject=user_name, salt=salt, private=body),
            aliases=tuple(Alias(space=space, tenant=tenant, name=name, stream=stream) for space, name in names),
            dropped=tuple(dropped),
        )
        return Registered(state=state, private=private)

    async def _make_room(self, tenant: str, user_name: bytes) -> list[Alias]:
        """Makes room for one more device of a user; answers with the names by which removed ones are still listed."""
        heads = list((await self._log.heads_by(await self._log.aliased(USER, tenant, user_name))).values())
        displaced = d.displaced([head for head in heads if head.status != "removed"])
        if displaced is not None:
            await self._remove(await self._read(displaced.stream), "displaced")
        return [
            Alias(space=USER, tenant=tenant, name=user_name, stream=head.stream)
            for head in heads
            if head.status == "removed" or head is displaced
        ]

    async def _remove(self, known: Registered, reason: d.RemovedBy, *names: Alias) -> None:
        """Records a removal, and takes the names out of the vault with it; `names` lead to it no more."""
        event, state = d.removed(known.state, reason), known.state
        if event is None:
            return
        held = () if known.held is None else (self._token_alias(state, known.held),)
        blank = Sealed(stream=state.id, tenant=state.tenant, subject=b"", salt=b"", private=b"")
        await self._change(state, event, sealed=blank, dropped=(*held, *names))
        self._witness.note("device_removed", device=state.id, reason=reason)

    # -- the log

    async def _owner_of(self, stream: int) -> bytes:
        """The name of a device's user, empty where nothing is kept of it any more."""
        sealed = await self._log.sealed_of(stream)
        return b"" if sealed is None else sealed.subject

    async def _find(self, tenant: str, name: DeviceName) -> Registered | None:
        streams = await self._log.aliased(DEVICE, tenant, self._device_name(tenant, name))
        return await self._read(streams[0]) if streams else None

    async def _read(self, stream: int) -> Registered:
        """A device from its last snapshot on. Read in its user's turn, so that events and vault fit together."""
        snapshot = await self._log.snapshot_of(stream)
        state = None if snapshot is None else msgspec.msgpack.decode(snapshot.body, type=d.Device)
        recorded = await self._log.events_of(stream, after_version=0 if state is None else state.version)
        state = d.fold(recorded, state)
        sealed = await self._log.sealed_of(stream)
        if sealed is None or not sealed.private:
            return Registered(state=state, private=None)
        return Registered(state=state, private=unsealed(sealed, state.commitment))

    async def _change(
        self, state: d.Device, event: e.Event, *, sealed: Sealed | None = None, dropped: tuple[Alias, ...] = ()
    ) -> d.Device:
        return await self._record(
            event, before=state, stream=state.id, tenant=state.tenant, sealed=sealed, dropped=dropped
        )

    async def _record(
        self,
        event: e.Event,
        *,
        before: d.Device | None,
        stream: int,
        tenant: str,
        sealed: Sealed | None = None,
        aliases: tuple[Alias, ...] = (),
        dropped: tuple[Alias, ...] = (),
    ) -> d.Device:
        """One event and all that goes with it; answers with the device after it."""
        at_us, shard = self._clock.now_us(), shard_of(tenant, stream)
        after = d.evolve(before, event, at_us, stream=stream, tenant=tenant)
        append = Append(
            shard=shard,
            tenant=tenant,
            at_us=at_us,
            drafts=(Draft(stream=stream, version=after.version, event=event),),
            heads=(HeadChange(head=d.head_of(after, shard), was=None if before is None else before.status),),
            aliases=aliases,
            dropped=dropped,
            sealed=() if sealed is None else (sealed,),
        )
        # Whoever is next in turn reads what this came to, so nobody leaves before that is known.
        with anyio.CancelScope(shield=True):
            await self._log.append(append)
        if after.version % SNAPSHOT_EVERY == 0:
            with suppress(Refused, AppendUnknown):
                body = msgspec.msgpack.encode(after)
                await self._log.save_snapshot(Snapshot(stream=stream, version=after.version, body=body))
        return after

    # -- names

    def _device_name(self, tenant: str, name: DeviceName) -> bytes:
        return self._secrets.keyed_hash("device", tenant, name.user, name.device)

    def _user_name(self, tenant: str, user: str) -> bytes:
        # As the conversation with the user is found, so that whoever is to be forgotten is found whole.
        return self._secrets.keyed_hash("address", tenant, "push", user)

    def _token_name(self, tenant: str, token: Token) -> bytes:
        return self._secrets.keyed_hash("device_token", tenant, token.kind, token.value)

    def _token_alias(self, state: d.Device, token: Token) -> Alias:
        name = self._token_name(state.tenant, token)
        return Alias(space=TOKEN, tenant=state.tenant, name=name, stream=state.id)
