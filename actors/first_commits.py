"""What the commit holds that takes charge of a message: its first event and head, its vault row, its key, its names.

This file answers for putting these together from a submission that has found its lane and its peer. It waits for
nothing and writes nothing.
"""

import msgspec
from msgspec.structs import replace

from actors.peers import Peer, Peers
from core import events as e
from core.alternatives import sealed_fallbacks
from core.contents import Submission, shape_of
from core.device_names import named_in
from core.ids import Mint, shard_of
from core.message import Message, accepted, head_of
from core.policies import Policy
from core.ports import Clock, Secrets
from core.records import Acceptance, Append, Dedup, Draft, HeadChange, Private, Sealed
from core.sealing import SALT_BYTES, seal
from core.settings import Lane


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A submission that has found its lane, its peer and its conversation."""

    tenant: str
    submission: Submission
    lane: Lane
    policy: Policy
    peer: Peer
    lanes: tuple[str, ...] = ()


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A message about to be written: everything that one commit makes durable, and what follows from it."""

    acceptance: Acceptance
    message: Message
    private: Private


class FirstCommits:
    """Who prepares them. `dedup_for_us`, how long a key is remembered, changes with the configuration."""

    dedup_for_us = 0

    def __init__(self, *, clock: Clock, secrets: Secrets, mint: Mint, peers: Peers) -> None:
        self._clock = clock
        self._secrets = secrets
        self._mint = mint
        self._peers = peers

    def prepare(self, asked: Asked) -> Prepared:
        """Everything that follows from a submission at this instant, under a new id."""
        now_us = self._clock.now_us()
        stream = self._mint.next(now_us)
        private = _private(asked.submission)
        salt = self._secrets.fresh(SALT_BYTES)
        body, commitment = seal(private, salt)
        event = self._event(asked, now_us, commitment)
        sealed = Sealed(
            stream=stream,
            tenant=asked.tenant,
            subject=asked.peer.subject,
            salt=salt,
            private=body,
            reference=self.reference_hash(asked.tenant, asked.submission.reference),
        )
        message = accepted(stream, now_us, asked.tenant, event, cause=asked.submission.cause)
        acceptance = Acceptance(
            append=_first_append(message, event, asked.peer),
            sealed=sealed,
            conversation=asked.peer.conversation,
            channel=asked.submission.channel,
            dedup=self.dedup(asked.tenant, asked.submission, now_us),
            is_known=asked.peer.is_known,
        )
        return Prepared(acceptance=acceptance, message=message, private=private)

    def _event(self, asked: Asked, now_us: int, commitment: bytes) -> e.MessageAccepted:
        submission = asked.submission
        # No more than fifteen are named at once, as where it is read.
        event = e.MessageAccepted(
            channel=submission.channel,
            lane=asked.lane.name,
            conversation=asked.peer.conversation,
            due_us=max(now_us, submission.send_at_us or 0),
            expires_us=submission.expires_at_us,
            order=submission.order or asked.policy.order,
            priority=submission.priority,
            policy=submission.policy,
            host=None if submission.host is None else self._peers.host(submission.host),
            commitment=commitment,
            size_bytes=len(submission.content),
            trace=submission.trace,
            zone=submission.zone,
            lanes=asked.lanes,
            caused_by=submission.caused_by,
        )
        beyond = _beyond(submission)
        return replace(event, **beyond) if beyond else event

    def reference_hash(self, tenant: str, reference: str | None) -> bytes | None:
        """How a reference is found without being kept."""
        return None if reference is None else self._secrets.keyed_hash("reference", tenant, reference)

    def dedup(self, tenant: str, submission: Submission, now_us: int) -> Dedup | None:
        """The row by which a repeat of it will be known, None where it has no key."""
        key = submission.idempotency_key
        if key is None:
            return None
        # Keys of hooks are their senders', and others our own: no client may take one away from them.
        purpose = "hook_key" if submission.channel == "hook" else "idempotency_key"
        if submission.key_of != "client":
            purpose = f"{submission.key_of}_key"
        # What comes again under a hook's key is the same event, whatever else has changed: its request never differs.
        is_constant = submission.channel == "hook"
        request, before = submission.request, submission.request_before
        return Dedup(
            key_hash=self._secrets.keyed_hash(purpose, tenant, key),
            request_hash=request if is_constant else self._secrets.keyed_hash("request", tenant, request.decode()),
            expires_us=now_us + self.dedup_for_us,
            request_hash_before=self._secrets.keyed_hash("request", tenant, before.decode()) if before else None,
        )


def _private(submission: Submission) -> Private:
    return Private(
        to=submission.to,
        content=submission.content,
        reference=submission.reference,
        metadata=submission.metadata,
        correlation=submission.correlation,
        idempotency_key=submission.idempotency_key if submission.key_of == "client" else None,
        fallbacks=sealed_fallbacks(submission.fallbacks),
    )


def _beyond(submission: Submission) -> dict[str, object]:
    """What the event of a message holds beyond that of nearly all of them."""
    beyond: dict[str, object] = {}
    if submission.on_ambiguous is not None:
        beyond["on_ambiguous"] = submission.on_ambiguous
    if submission.fallbacks or submission.fallback_by_us is not None:
        beyond |= {"fallbacks": len(submission.fallbacks), "fallback_by_us": submission.fallback_by_us}
    if submission.channel == "whatsapp":
        shape = shape_of(submission.content)
        beyond |= {"has_template": shape.has_template, "marketing": shape.marketing}
    if submission.channel == "push":
        beyond["fans_out"] = named_in(submission.to) is None
    if submission.key_of == "fanout":
        beyond["is_part"] = True
    return beyond


def _first_append(message: Message, event: e.MessageAccepted, peer: Peer) -> Append:
    shard = shard_of(message.tenant, message.conversation)
    return Append(
        shard=shard,
        tenant=message.tenant,
        at_us=message.accepted_us,
        drafts=(Draft(stream=message.id, version=1, event=event, cause=message.cause),),
        heads=(HeadChange(head=head_of(message, shard), was=None),),
        aliases=peer.names_with(message.id),
    )
