"""Contents on their way out: recently accepted ones from memory, all others from the vault."""

from collections import OrderedDict
from typing import Final

from core import ids
from core.ids import kind_of
from core.message import TAKEN, Message, fold
from core.ports import Log, Parcel
from core.records import MessageFilter, Private
from core.sealing import unseal

# Messages to one peer whose ids are read where one of them is in doubt: more than anybody is sent in a day.
_OTHERS_MAX: Final = 200


class Parcels:
    """A bounded memory of private parts, so that the first send of a fresh message reads nothing.

    It holds at most `bytes_max` bytes of contents; what does not fit is read from the vault when its turn comes.
    """

    def __init__(self, log: Log, *, bytes_max: int) -> None:
        self._log = log
        # In the order of arrival: looking for the oldest in a dict goes over the places of all that have left.
        self._fresh: OrderedDict[int, Private] = OrderedDict()
        self._bytes = 0
        self._bytes_max = bytes_max

    def keep(self, stream: int, private: Private) -> None:
        """Remembers a private part until its first attempt, or until newer ones need the room."""
        self._fresh[stream] = private
        self._bytes += _size(private)
        while self._bytes > self._bytes_max:
            _, oldest = self._fresh.popitem(last=False)
            self._bytes -= _size(oldest)

    def forget(self, stream: int) -> None:
        """Nothing is remembered of a message any more."""
        private = self._fresh.pop(stream, None)
        if private is not None:
            self._bytes -= _size(private)

    async def of(self, message: Message, attempt: int) -> Parcel | None:
        """What a channel needs for one attempt; None where the vault holds nothing of the message any more."""
        private = self._fresh.pop(message.id, None)
        if private is not None:
            self._bytes -= _size(private)
        else:
            sealed = await self._log.sealed_of(message.id)
            if sealed is None:
                return None
            private = unseal(sealed, message.commitment)
        return Parcel(
            message=ids.encode(kind_of(message.channel), message.id),
            stream=message.id,
            attempt=attempt,
            tenant=message.tenant,
            to=private.to,
            content=private.content,
            accepted_us=message.accepted_us,
            deadline_us=message.deadline_us,
            cause=ids.encode(message.caused_by, message.cause) if message.caused_by else None,
            outside_window=message.by_template,
        )

    async def ids_of_others(self, message: Message) -> frozenset[str]:
        """Its provider's ids of the other messages that lately went to the same peer: none of them is this one's."""
        wanted = MessageFilter(conversation=message.conversation, status=tuple(sorted(TAKEN)))
        heads = await self._log.heads(wanted, limit=_OTHERS_MAX)
        recorded = await self._log.events_of_many([head.stream for head in heads if head.stream != message.id])
        return frozenset(fold(events).provider_id for events in recorded.values()) - {""}


# What an entry costs beside its contents: the struct, its strings and its place in the table, as measured.
_ENTRY_BYTES: Final = 700


def _size(private: Private) -> int:
    return _ENTRY_BYTES + len(private.content) + len(private.to) + len(private.metadata or b"")
