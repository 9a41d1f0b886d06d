"""A push to a user becomes one message for each of their active devices, exactly one whatever is killed in between.

This file answers for what those messages are, and for what a provider's word against one of them says of its device. It
must never send anything: they are messages like any other, with attempts, retries and an end of their own.
"""

from msgspec.structs import replace

from actors.devices import Devices, Registered
from actors.errands import Errands
from actors.intake import Intake
from core import ids
from core.contents import Submission
from core.errors import NotFound
from core.message import TAKEN, Message, fold
from core.outcomes import Recipient
from core.peers import STRIKES_MAX
from core.ports import Log
from core.records import MessageFilter
from core.sealing import unseal


class Pushes:
    """Who knows what a push to a user comes to. It remembers nothing: what was made of one is told by its key."""

    def __init__(self, *, log: Log, devices: Devices, errands: Errands, intake: Intake) -> None:
        self._log = log
        self._devices = devices
        self._errands = errands
        self._intake = intake

    async def fan_out(self, tenant: str, user: str, push: int) -> int | None:
        """Accepts a message for each active device of a user, caused by `push`, and answers how many there are.

        None where no device of theirs was ever heard of. Doing it again makes no second one for any device. Raises what
        Intake.accept does, and NotFound where the vault holds nothing of the push any more.
        """
        known = await self._devices.of_user(tenant, user)
        if known is None:
            return None
        active = [one for one in known if one.state.status == "active"]
        if active:
            message, submission = await self._read(push)
            for one in active:
                await self._intake.accept(tenant, _to_device(submission, message, one))
        return len(active)

    async def proves(self, push: int, outcome: Recipient) -> bool:
        """Whether a refusal of a device's message shows that the device's token is dead.

        A soft one may mean the message: it counts once another device took the same, or for the third time in a row.
        """
        if not outcome.soft:
            return True
        head = await self._log.head_of(push)
        if head is None:
            return False
        if head.cause:
            taken = MessageFilter(cause=head.cause, status=tuple(sorted(TAKEN)))
            if await self._log.heads(taken, limit=1):
                return True
        before = MessageFilter(conversation=head.conversation, before=push)
        lately = await self._log.heads(before, limit=STRIKES_MAX - 1)
        return len(lately) == STRIKES_MAX - 1 and all(
            (one.status, one.code) == ("dead", outcome.code) for one in lately
        )

    async def _read(self, push: int) -> tuple[Message, Submission]:
        """A push, and what it asks of each device."""
        message = fold(await self._log.events_of(push))
        sealed = await self._log.sealed_of(push)
        if sealed is None:
            raise NotFound("the vault holds nothing of the push")
        private = unseal(sealed, message.commitment)
        return message, Submission(
            channel=message.channel,
            to=private.to,
            content=private.content,
            host=None,
            subject=private.to,
            idempotency_key=None,
            reference=private.reference,
            send_at_us=None,
            expires_at_us=message.expires_us,
            lane=message.lane,
            order=message.order,
            priority=message.priority,
            on_ambiguous=message.on_ambiguous,
            policy=message.policy,
            zone=message.zone,
            metadata=private.metadata,
            trace="",
            correlation=private.correlation,
            request=b"fanout",
            failover=self._lanes_from(message),
            cause=message.id,
            caused_by=ids.kind_of(message.channel),
        )

    def _lanes_from(self, message: Message) -> tuple[str, ...]:
        """The lanes that a device's message may go through: those of the push that are still there, from its own on."""
        lanes = message.lanes
        if message.lane not in lanes:
            return ()
        at = lanes.index(message.lane)
        return tuple(name for name in (*lanes[at:], *lanes[:at]) if self._is_served(name))

    def _is_served(self, lane: str) -> bool:
        actor = self._errands.lane_actors.get(lane)
        return actor is not None and actor.is_served


def _to_device(submission: Submission, message: Message, device: Registered) -> Submission:
    assert device.private is not None, "a device that is active was not removed"
    address = device.private.name.address
    push, stream = ids.encode("msg", message.id), ids.encode("device", device.state.id)
    key = f"{push}/{stream}"
    return replace(submission, to=address, subject=address, idempotency_key=key, key_of="fanout")
