"""Answers for calls to a log as the actors would make them: ids, instants, heads and private rows that fit together.

It must never look into a log; what it knows is what it wrote.
"""

from hashlib import blake2b
from itertools import count

from msgspec.structs import replace

from core import events as e
from core.ids import Mint, shard_of
from core.message import Message, accepted, evolve, head_of
from core.outcomes import Transient
from core.records import (
    Acceptance,
    Alias,
    Append,
    Dedup,
    Draft,
    Head,
    HeadChange,
    ListedKind,
    Private,
    Sealed,
)
from core.sealing import seal
from eventstore.codec import UnknownEvent

START_US = 1_767_225_600_000_000
DEDUP_FOR_US = 35 * 24 * 3600 * 1_000_000


def digest(*parts: object, size: int = 16) -> bytes:
    """Bytes that look random and never change from run to run."""
    return blake2b("\0".join(map(str, parts)).encode(), digest_size=size).digest()


def alias(stream: int, name: str, *, space: str = "provider_id", tenant: str = "org1") -> Alias:
    """A name that leads to a stream."""
    return Alias(space=space, tenant=tenant, name=digest("name", name), stream=stream)


def vault_row(stream: int, private: str, *, reference: str | None = None, tenant: str = "org1") -> Sealed:
    """A vault row of a stream that is no message."""
    return Sealed(
        stream=stream,
        tenant=tenant,
        subject=digest("subject", stream),
        salt=digest("salt", stream, private),
        private=private.encode(),
        reference=digest("reference", reference) if reference is not None else None,
    )


class Scribe:
    """Writes the calls of one imagined daemon and keeps the messages they come to."""

    def __init__(self, tenant: str = "org1", *, slot: int = 0) -> None:
        self.tenant = tenant
        self.now_us = START_US
        self.mint = Mint(slot=slot)
        self.messages: dict[int, Message] = {}
        self.conversations: dict[str, int] = {}
        self._salts = count()

    def tick(self, span_us: int = 1_000) -> int:
        """Time goes on."""
        self.now_us += span_us
        return self.now_us

    def conversation(self, peer: str) -> int:
        """The conversation with a peer, made on first use."""
        if peer not in self.conversations:
            self.conversations[peer] = self.mint.next(self.now_us)
        return self.conversations[peer]

    def shard(self, conversation: int) -> int:
        """The shard of a conversation."""
        return shard_of(self.tenant, conversation)

    def acceptance(
        self,
        peer: str = "ann@example.com",
        *,
        key: str | None = None,
        request: str = "request",
        reference: str | None = None,
        due_in_us: int = 0,
        expires_in_us: int | None = None,
        lane: str = "mail",
        channel: str = "email",
        priority: int = 5,
        order: e.Order = "fifo",
        cause: int = 0,
    ) -> Acceptance:
        """A message to take charge of; `messages` knows it from now on, whether a log ever does or not."""
        at_us = self.tick()
        conversation = self.conversation(peer)
        stream = self.mint.next(at_us)
        sealed, commitment = self._sealed(stream, peer, reference)
        event = e.MessageAccepted(
            channel=channel,
            lane=lane,
            conversation=conversation,
            due_us=at_us + due_in_us,
            expires_us=None if expires_in_us is None else at_us + expires_in_us,
            order=order,
            priority=priority,
            commitment=commitment,
            size_bytes=len(sealed.private),
        )
        message = self.messages[stream] = accepted(stream, at_us, self.tenant, event, cause=cause)
        shard = self.shard(conversation)
        append = Append(
            shard=shard,
            tenant=self.tenant,
            at_us=at_us,
            drafts=(Draft(stream=stream, version=1, event=event, cause=cause),),
            heads=(HeadChange(head=head_of(message, shard), was=None),),
        )
        dedup = Dedup(
            key_hash=digest("key", key), request_hash=digest("request", request), expires_us=at_us + DEDUP_FOR_US
        )
        return Acceptance(
            append=append,
            sealed=sealed,
            conversation=conversation,
            channel=channel,
            dedup=dedup if key is not None else None,
        )

    def _sealed(self, stream: int, peer: str, reference: str | None) -> tuple[Sealed, bytes]:
        private = Private(to=peer, content=b'{"text":"See you tomorrow"}', reference=reference)
        salt = digest("salt", self.tenant, next(self._salts))
        body, commitment = seal(private, salt)
        sealed = Sealed(
            stream=stream,
            tenant=self.tenant,
            subject=digest("subject", peer),
            salt=salt,
            private=body,
            reference=digest("reference", reference) if reference is not None else None,
        )
        return sealed, commitment

    def move(self, stream: int, *events: e.Event) -> Append:
        """What happens next to a message."""
        at_us = self.tick()
        message = self.messages[stream]
        was, was_lane, first = message.status, message.lane, message.version + 1
        for event in events:
            message = evolve(message, event, at_us)
        self.messages[stream] = message
        shard = self.shard(message.conversation)
        drafts = tuple(Draft(stream=stream, version=first + n, event=event) for n, event in enumerate(events))
        heads = (HeadChange(head=head_of(message, shard), was=was, was_lane=was_lane),)
        return Append(shard=shard, tenant=self.tenant, at_us=at_us, drafts=drafts, heads=heads)

    def become(self, head: Head, **changes: object) -> Append:
        """What a newer release does to a message, by an event that nobody here knows: its head becomes another."""
        after = replace(head, version=head.version + 1, changed_us=self.tick(), **changes)
        event = UnknownEvent(type="MessageBlessed", schema_version=1, body=b"\x90")
        return Append(
            shard=head.shard,
            tenant=head.tenant,
            at_us=after.changed_us,
            drafts=(Draft(stream=head.stream, version=after.version, event=event),),
            heads=(HeadChange(head=after, was=head.status, was_lane=head.lane),),
        )

    def start(self, stream: int, *, lane: str | None = None) -> Append:
        """An attempt begins, through another lane where one is named."""
        message = self.messages[stream]
        deadline_us = self.now_us + 30_000_000
        lane = message.lane if lane is None else lane
        return self.move(
            stream,
            e.AttemptStarted(attempt=message.attempt + 1, lane=lane, policy_version=1, deadline_us=deadline_us),
        )

    def taken(self, stream: int) -> Append:
        """The provider takes it."""
        message = self.messages[stream]
        return self.move(
            stream,
            e.AttemptTaken(
                attempt=message.attempt, status="sent", sent_at_us=self.now_us, took_us=1_000, code="250 2.0.0"
            ),
        )

    def failed(self, stream: int, *, dead: bool = False) -> Append:
        """The provider is in trouble; the message waits again, or is dead."""
        message = self.messages[stream]
        failure = e.AttemptFailed(
            attempt=message.attempt,
            outcome=Transient(code="503"),
            used=True,
            due_us=None if dead else self.now_us + 60_000_000,
            sent_at_us=self.now_us,
            took_us=900,
        )
        return self.move(stream, failure, e.MessageDead(reason="exhausted")) if dead else self.move(stream, failure)

    def opened(self, kind: ListedKind, name: str) -> Append:
        """A stream that is no message. A store never asks what its events say: all kinds begin with one that only a
        newer release knows, and what their heads say is for that one to judge.
        """
        at_us, stream = self.tick(), self.mint.next(self.now_us)
        head = Head(
            stream=stream,
            kind=kind,
            shard=7,
            tenant="",
            version=1,
            status="open",
            channel="email",
            lane=name,
            changed_us=at_us,
        )
        draft = Draft(stream=stream, version=1, event=UnknownEvent(type="Begun", schema_version=1, body=b"\x90"))
        return Append(shard=7, tenant="", at_us=at_us, drafts=(draft,), heads=(HeadChange(head=head, was=None),))
