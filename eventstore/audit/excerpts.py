"""Excerpts: the events of one stream with what proves to an outside party that they stand in a sealed log.

This file answers for a check that needs the excerpt and a public key, and nothing else. It must never hold anything of
another stream but hashes.
"""

from typing import Annotated, Final, Literal

import msgspec

from core import ids
from core.errors import CorruptLog
from eventstore.audit.checkpoints import Hash, Instant, Number, Seal, Shard, is_signed
from eventstore.audit.merkle import Step, root_over
from eventstore.chain import Content, link_of
from eventstore.codec import EventRow

_Body = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2})*\Z")]
_SchemaVersion = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """How an event leads to a checkpoint's root: what to hash its link with on the way, from the leaf upwards."""

    checkpoint: Number
    path: list[tuple[Literal["left", "right"], Hash]]


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """An event as its link was made over it, the link before it in its shard, and its way to a root."""

    shard: Shard
    seq: Number
    stream: Number
    version: Number
    type: str
    schema_version: _SchemaVersion
    at_us: Instant
    tenant: str
    cause: Number
    body: _Body
    previous_link: Hash
    proof: Proof

    @property
    def content(self) -> Content:
        """What the link is made over."""
        envelope = self.shard, self.seq, self.stream, self.version, self.type, self.schema_version, self.at_us
        return *envelope, self.tenant, self.cause, bytes.fromhex(self.body)

    @property
    def row(self) -> EventRow:
        """The event as a store gives it; its position is not known outside."""
        return 0, *self.content, link_of(bytes.fromhex(self.previous_link), self.content)


class Excerpt(msgspec.Struct, frozen=True, kw_only=True):
    """The history of one stream, and the checkpoints that seal it. `message` is its id as people know it."""

    message: str
    events: list[Proved]
    checkpoints: list[Seal]
    public_key: str
    excerpt: Literal[1] = 1


def proved(row: EventRow, previous_link: bytes, checkpoint: int, path: list[Step]) -> Proved:
    """One event of an excerpt."""
    _, shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body, _ = row
    return Proved(
        shard=shard,
        seq=seq,
        stream=stream,
        version=version,
        type=name,
        schema_version=schema_version,
        at_us=at_us,
        tenant=tenant,
        cause=cause,
        body=body.hex(),
        previous_link=previous_link.hex(),
        proof=Proof(checkpoint=checkpoint, path=[(side, other.hex()) for side, other in path]),
    )


def encoded(excerpt: Excerpt) -> bytes:
    """An excerpt as a file."""
    return msgspec.json.format(msgspec.json.encode(excerpt)) + b"\n"


def decoded(content: bytes) -> Excerpt:
    """An excerpt again. Raises CorruptLog for what is none."""
    try:
        return _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptLog(f"this is no excerpt of a log: {error}") from error


def wrong_in(excerpt: Excerpt, public_key: bytes) -> list[str]:
    """What does not hold of an excerpt, for somebody who knows the public key from elsewhere; empty where all does."""
    seals = {seal.number: seal for seal in excerpt.checkpoints}
    wrong = [
        f"checkpoint {seal.number}: its signature is not one of this key"
        for seal in excerpt.checkpoints
        if not is_signed(seal, public_key)
    ]
    if not excerpt.events:
        wrong.append("there is no event")
    elif excerpt.message not in _names_of(excerpt.events[0].stream):
        wrong.append(f"its events are not those of {excerpt.message}")
    for version, event in enumerate(excerpt.events, 1):
        if event.version != version or event.stream != excerpt.events[0].stream:
            wrong.append(f"event {event.version} of stream {event.stream} stands where event {version} should")
        seal = seals.get(event.proof.checkpoint)
        if seal is None or not _leads_to(event, seal):
            wrong.append(f"event {event.version} ({event.type}) was not in the log that was sealed, or was changed")
    return wrong


def _names_of(stream: int) -> set[str]:
    return {ids.encode("msg", stream), ids.encode("hook", stream)}


def _leads_to(event: Proved, seal: Seal) -> bool:
    link = link_of(bytes.fromhex(event.previous_link), event.content)
    path: list[Step] = [(side, bytes.fromhex(other)) for side, other in event.proof.path]
    return root_over(link, path).hex() == seal.root


_DECODER: Final = msgspec.json.Decoder(Excerpt)
