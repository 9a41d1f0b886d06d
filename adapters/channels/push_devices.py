"""The layer over a push provider: a message to a user goes to each of their devices, one to a device to its token.

This file answers for the order of one attempt: who it is for, what their token is at that instant, what the provider's
answer says of the token. What was refused is recorded against the device before the outcome is: should we die between
the two, the message finds its device invalid at the next attempt. It must never keep a token, nor decide about devices.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from actors.devices import Devices
from actors.pushes import Pushes
from core.device_names import DeviceName, named_in
from core.errors import AppendUnknown, Invalid, NotFound, Refused
from core.outcomes import Hold, Outcome, Permanent, Recipient, Taken, Transient
from core.policies import SECOND_US
from core.ports import Channel, Parcel

# Our own log is in trouble: that is nobody's failure, uses up no attempt, and every step may be taken again.
_LATER: Final = Hold(code="store_unavailable", after_us=SECOND_US, unasked=True)


class PushDevices:
    """A push lane. Its provider knows tokens; users and their devices are known here.

    `takes_users`: the provider also takes a push to a user of whom no device was ever heard (the sandbox, which has
    nowhere to send anything), as if the user were a device.
    """

    def __init__(self, provider: Channel, *, devices: Devices, pushes: Pushes, takes_users: bool) -> None:
        self._provider = provider
        self._devices = devices
        self._pushes = pushes
        self._takes_users = takes_users

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Accepts a message for each device of a user, or sends to the one device that it is for."""
        name = named_in(parcel.to)
        try:
            if name is None:
                return await self._to_user(parcel, handed_over)
            return await self._to_device(parcel, name, handed_over)
        except (Refused, AppendUnknown):
            return _LATER

    async def close(self) -> None:
        """Closes the provider's connections."""
        await self._provider.close()

    async def _to_user(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        try:
            count = await self._pushes.fan_out(parcel.tenant, parcel.to, parcel.stream)
        except NotFound:
            return Permanent(code="content_gone", unasked=True)
        except Invalid as invalid:
            # Its time ends about now, which its next turn says in so many words; else its lane or policy has gone.
            is_late = invalid.at == "/expires_at"
            return Transient(code="too_late") if is_late else Permanent(code=f"invalid:{invalid.at}", unasked=True)
        if count is None and self._takes_users:
            return await self._provider.send(parcel, handed_over)
        if not count:
            return Recipient(code="no_device", unasked=True)
        # Nothing is in doubt before this: all of it may be done again.
        handed_over()
        return Taken(code=f"devices:{count}")

    async def _to_device(self, parcel: Parcel, name: DeviceName, handed_over: Callable[[], None]) -> Outcome:
        try:
            device = await self._devices.device(parcel.tenant, name)
        except NotFound:
            return Permanent(code="device_removed", unasked=True)
        tried = device.held
        if tried is None or device.state.status != "active":
            status = "removed" if tried is None else device.state.status
            return Permanent(code=f"device_{status}", unasked=True)
        outcome = await self._provider.send(replace(parcel, to=tried.address), handed_over)
        if isinstance(outcome, Recipient) and await self._pushes.proves(parcel.stream, outcome):
            await self._devices.refuse(parcel.tenant, name, tried, outcome.code)
        return outcome
