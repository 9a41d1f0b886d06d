"""Whom a message goes to, as the log knows them: by keyed hashes and conversation ids, never by address.

This file answers for finding the conversation with a peer, and for minting one at first contact. Lately used addresses
are remembered, so that accepting for them reads nothing.
"""

from collections.abc import Collection, Iterable
from typing import Final

import anyio
import msgspec
from msgspec.structs import replace

from core.errors import BeingForgotten
from core.ids import Mint
from core.message import Message
from core.ports import Clock, Log, Secrets
from core.records import NO_TENANT, Alias, MessageFilter

Key = tuple[str, str, str]

# The name of a peer who acted before we ever wrote: the address row comes with the first message only.
SPACE: Final = "peer"
# The name of a person, whichever tenant writes to them: it leads to the first message of each of their conversations.
EVERYWHERE: Final = "person"
# Where people do: who never does costs no second look-up.
_ACT_FIRST: Final = frozenset({"whatsapp", "email"})


class Peer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A peer as the log knows it: the keyed hash of its address, and the conversation with it.

    `person` is what the address is called over all tenants, while the log has no message to it: the first takes it in.
    `is_known`: the log has, or had, a row that leads from the address there.
    """

    subject: bytes
    conversation: int
    person: bytes | None = None
    is_known: bool = False

    def names_with(self, message: int) -> tuple[Alias, ...]:
        """The names that the commit of a message to this peer brings."""
        if self.person is None:
            return ()
        return (Alias(space=EVERYWHERE, tenant=NO_TENANT, name=self.person, stream=message),)


class Peers:
    """Peers by (tenant, channel, normal form of the address); at most `known_max` are remembered."""

    def __init__(self, *, log: Log, clock: Clock, secrets: Secrets, mint: Mint, known_max: int) -> None:
        self._log = log
        self._clock = clock
        self._secrets = secrets
        self._mint = mint
        self._known_max = known_max
        self._known: dict[Key, Peer] = {}
        self._first_contacts: dict[Key, anyio.Lock] = {}
        self._hosts: dict[str, int] = {}
        # Conversations minted here of which nothing is known to be in the log yet, each with the first message that is
        # on its way there; 0 while none is.
        self._unborn: dict[int, int] = {}

    async def of(self, tenant: str, channel: str, address: str) -> Peer:
        """The peer; a new one gets a conversation, whose address row is part of its first message's commit."""
        key = (tenant, channel, address)
        return self.at_hand(key) or await self._first_contact(key)

    def at_hand(self, key: Key) -> Peer | None:
        """The same of (tenant, channel, address) where nothing has to be waited for, as nearly always; else None."""
        # While one is looked up, whoever asked before takes their turn first.
        return None if key in self._first_contacts else self._known.get(key)

    async def _first_contact(self, key: Key) -> Peer:
        """The same while a peer is being looked up: in the order of asking, so that no message overtakes the first."""
        turn = self._first_contacts.setdefault(key, anyio.Lock(fast_acquire=True))
        async with turn:
            try:
                return self._known.get(key) or self._remember(key, await self._looked_up(key))
            finally:
                if not turn.statistics().tasks_waiting:
                    del self._first_contacts[key]

    def _remember(self, key: Key, peer: Peer) -> Peer:
        self._known[key] = peer
        if len(self._known) > self._known_max:
            del self._known[next(iter(self._known))]
        return peer

    async def _looked_up(self, key: Key) -> Peer:
        tenant, channel, address = key
        person: bytes | None = None
        subject = self.name(*key)
        found = await self._log.conversation_at(tenant, channel, subject)
        if found is None and channel in _ACT_FIRST:
            found = await self._before_any_message(tenant, subject)
            person = self._person(channel, address)
            if found is not None:
                return Peer(subject=subject, conversation=found, person=person)
        if found is not None and found < 0:
            raise BeingForgotten("whoever has this address is just being forgotten")
        if found is not None:
            return Peer(subject=subject, conversation=found, is_known=True)
        minted = self._mint.next(self._clock.now_us())
        if len(self._unborn) >= self._known_max:
            self._unborn.clear()
        self._unborn[minted] = 0
        return Peer(subject=subject, conversation=minted, person=person)

    async def _before_any_message(self, tenant: str, subject: bytes) -> int | None:
        return next(iter(await self._log.aliased(SPACE, tenant, subject)), None)

    def name(self, tenant: str, channel: str, address: str) -> bytes:
        """The keyed hash by which a peer is found."""
        return self._secrets.keyed_hash("address", tenant, channel, address)

    def _person(self, channel: str, address: str) -> bytes:
        return self._secrets.keyed_hash("person", channel, address)

    def forget(self, tenant: str, channel: str, address: str, peer: Peer) -> None:
        """A conversation that was minted here is nobody's: another daemon was first. The log has the right one."""
        key = (tenant, channel, address)
        known = self._known.get(key)
        if known is not None and known.conversation == peer.conversation:
            del self._known[key]
        self._unborn.pop(peer.conversation, None)

    def has_message(self, tenant: str, channel: str, address: str) -> None:
        """A message to a peer is durable, with its address and what its person is called."""
        known = self._known.get((tenant, channel, address))
        if known is not None and not known.is_known:
            self._known[tenant, channel, address] = replace(known, person=None, is_known=True)

    async def everywhere(self, channel: str, address: str, lanes: Iterable[str]) -> list[tuple[str, int]]:
        """(tenant, conversation) of everybody who wrote to an address through any of these lanes."""
        firsts = await self._log.aliased(EVERYWHERE, NO_TENANT, self._person(channel, address))
        heads = (await self._log.heads_by(firsts)).values() if firsts else ()
        found = dict.fromkeys((head.tenant, head.conversation) for head in heads)
        return [one for one in found if await self._went_through(one[1], lanes)]

    async def _went_through(self, conversation: int, lanes: Iterable[str]) -> bool:
        for lane in lanes:
            if await self._log.heads(MessageFilter(conversation=conversation, lane=lane), limit=1):
                return True
        return False

    async def name_of(self, tenant: str, channel: str, peer: Peer) -> Alias | None:
        """The name under which the conversation is found before it has a message; None where it has its address row."""
        if await self._log.conversation_at(tenant, channel, peer.subject) is not None:
            return None
        return Alias(space=SPACE, tenant=tenant, name=peer.subject, stream=peer.conversation)

    # -- somebody is forgotten

    async def conversation_of(self, tenant: str, channel: str, subject: bytes) -> int | None:
        """The conversation with a peer, be the way there closed already; None where the log knows of none."""
        found = await self._log.conversation_at(tenant, channel, subject)
        return await self._before_any_message(tenant, subject) if found is None else abs(found)

    async def names_of(self, channel: str, address: str, conversation: int) -> tuple[Alias, ...]:
        """What the person is called over all tenants, as far as that leads to this conversation."""
        name = self._person(channel, address)
        streams = await self._log.aliased(EVERYWHERE, NO_TENANT, name)
        heads = await self._log.heads_by(streams) if streams else {}
        return tuple(
            Alias(space=EVERYWHERE, tenant=NO_TENANT, name=name, stream=stream)
            for stream, head in heads.items()
            if head.conversation == conversation
        )

    def last_name(self, tenant: str, channel: str, subject: bytes, conversation: int) -> Alias | None:
        """The name that still leads to a conversation whose address leads nowhere; None where nobody would look."""
        if channel not in _ACT_FIRST:
            return None
        return Alias(space=SPACE, tenant=tenant, name=subject, stream=conversation)

    def drop(self, tenant: str, channel: str, address: str) -> None:
        """Nothing is remembered of an address."""
        self._known.pop((tenant, channel, address), None)

    def drop_conversations(self, conversations: Collection[int]) -> None:
        """The same of whoever these conversations are with."""
        for key in [key for key, peer in self._known.items() if peer.conversation in conversations]:
            del self._known[key]

    # -- first words

    def writes(self, message: Message) -> None:
        """A message is about to be written."""
        if self._unborn.get(message.conversation) == 0:
            self._unborn[message.conversation] = message.id

    def is_first(self, message: Message) -> bool:
        """Whether a message that was written is certainly the first word of its conversation, and the first heard of.

        Of several on their way the log may answer in any order: then nobody is first, and the log tells which is.
        """
        return self._unborn.pop(message.conversation, None) == message.id

    def has_begun(self, conversation: int) -> None:
        """The log may hold something of a conversation by now."""
        self._unborn.pop(conversation, None)

    def host(self, name: str) -> int:
        """A keyed hash of a webhook's host as a positive number: limits and breakers need no more of it."""
        known = self._hosts.get(name)
        if known is None:
            if len(self._hosts) >= self._known_max:
                self._hosts.clear()
            known = self._hosts[name] = int.from_bytes(self._secrets.keyed_hash("host", name)[:8]) >> 1 | 1
        return known
