"""Law 7: at the end, and after each crash: state == fold(log), heads == rebuilt heads, and the chain verifies.

What a store keeps beside its events (heads, counts, agenda, lines, vault) follows from them and must be what they say.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from actors.devices import TOKEN
from actors.receipts import SPACE
from core import conversation as c
from core import devices as d
from core import events as e
from core import message as m
from core.errors import Impossible
from core.ids import SHARDS
from core.records import Head, Recorded
from core.sealing import commitment_of
from eventstore.chain import FIRST_LINK, link_of
from eventstore.durable import Durable
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.world.ground import Memory
from scenarios.world.tellings import lanes_of_account

# What the last event of a stray, or of a plan, says of it.
_STATUSES: Final = {
    "StrayKept": "waiting",
    "StrayClaimed": "claimed",
    "StrayDropped": "dropped",
    "PlanSet": "pending",
    "PlanApplied": "applied",
    "ErasureStarted": "erasing",
    "ErasureAdvanced": "erasing",
    "SubjectErased": "erased",
}
_COMMITS: Final = (e.MessageAccepted, e.DeviceRegistered, e.PlanSet, e.PlanApplied, e.ErasureStarted)


def state_is_the_fold(evidence: Evidence) -> Iterator[Finding]:
    """What was found after each crash, then the log as it lies at the end, then what was in memory."""
    yield from evidence.findings
    yield from _chain(evidence.durable)
    yield from as_it_lies(evidence.durable)
    yield from _names(evidence)
    for memory in evidence.memories:
        yield from _remembered(evidence.durable, memory)


def as_it_lies(durable: Durable) -> Iterator[Finding]:
    """Everything that follows from events and must be what they say: what the next start will find."""
    for stream, entries in durable.streams.items():
        yield from _stream(durable, stream, entries)
    yield from _counts(durable)
    yield from _indexes(durable)


def _chain(durable: Durable) -> Iterator[Finding]:
    links, seqs, last_us = [FIRST_LINK] * SHARDS, [0] * SHARDS, 0
    for _, shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body, link in durable.rows:
        if seq != seqs[shard] + 1:
            yield Finding(words=f"event {seq} of shard {shard} follows event {seqs[shard]}")
        content = shard, seq, stream, version, name, schema_version, at_us, tenant, cause, body
        seqs[shard], links[shard] = seq, link_of(links[shard], content)
        if links[shard] != link:
            yield Finding(words=f"the link of event {seq} of shard {shard} is not made over what it follows")
            return
        if at_us < last_us:
            yield Finding(words=f"event {seq} of shard {shard} is recorded before the one it follows", at_us=at_us)
        last_us = at_us


def _stream(durable: Durable, stream: int, entries: Sequence[Recorded]) -> Iterator[Finding]:
    versions = [entry.version for entry in entries]
    if versions != list(range(1, len(entries) + 1)):
        yield Finding(words=f"stream {stream} has versions {versions}", streams=(stream,))
        return
    head = durable.heads.get(stream)
    if head is None:
        yield Finding(words=f"stream {stream} has no head", streams=(stream,))
        return
    try:
        rebuilt = rebuilt_head(entries, head)
    except Impossible as impossible:
        yield Finding(words=f"stream {stream} makes no sense: {impossible}", streams=(stream,))
        return
    if rebuilt != head:
        words = f"the head of stream {stream} is {head}, where its events come to {rebuilt}"
        yield Finding(words=words, at_us=entries[-1].at_us, streams=(stream,))
    yield from _vault(durable, stream, entries)


def rebuilt_head(entries: Sequence[Recorded], head: Head) -> Head:
    """The head row that a stream's events come to; of lanes and jobs only the version is theirs to say."""
    first, last = entries[0], entries[-1]
    if head.kind == "msg":
        return m.head_of(m.fold(entries), first.shard)
    if head.kind == "conv":
        return c.head_of(_conversation(entries), first.shard)
    if head.kind == "device":
        return d.head_of(d.fold(entries), first.shard)
    status = _STATUSES.get(type(last.event).__name__, head.status)
    return Head(
        stream=first.stream,
        kind=head.kind,
        shard=first.shard,
        tenant=first.tenant,
        version=last.version,
        status=status,
        channel=head.channel,
        lane=head.lane,
        changed_us=head.changed_us,
    )


def _conversation(entries: Sequence[Recorded]) -> c.Conversation:
    state = c.Conversation(id=entries[0].stream, tenant=entries[0].tenant)
    for entry in entries:
        state = c.evolve(state, entry.event, entry.at_us)
    return state


def _vault(durable: Durable, stream: int, entries: Sequence[Recorded]) -> Iterator[Finding]:
    """The row of the vault is what the last event that speaks of it committed to, and empty once it was removed."""
    commitments = [entry.event.commitment for entry in entries if isinstance(entry.event, _COMMITS)]
    if not commitments:
        return
    sealed, last = durable.sealed.get(stream), entries[-1].event
    if sealed is None:
        if not _may_be_erased(durable, entries):
            yield Finding(words=f"stream {stream} was accepted and has no vault row", streams=(stream,))
    elif isinstance(last, e.DeviceRemoved):
        if sealed.private:
            yield Finding(words=f"device {stream} was removed, and the vault still knows it", streams=(stream,))
    elif commitment_of(sealed.private, sealed.salt) != commitments[-1]:
        yield Finding(words=f"the vault row of stream {stream} is not what was committed to", streams=(stream,))


def _may_be_erased(durable: Durable, entries: Sequence[Recorded]) -> bool:
    """Whether somebody was to be forgotten with it: whoever a message is for, or the user of a removed device.

    What came after an erasure was over is none of it; of an erasure itself the row goes with its end.
    """
    first, last = entries[0], entries[-1]
    if isinstance(first.event, e.ErasureStarted):
        return isinstance(last.event, e.SubjectErased)
    jobs = [durable.streams[stream] for stream, head in durable.heads.items() if head.kind == "sys"]
    erasures = [(job[0].event, job[-1]) for job in jobs if isinstance(job[0].event, e.ErasureStarted)]
    if isinstance(first.event, e.MessageAccepted):
        return any(
            begun.conversation == first.event.conversation
            and (first.at_us <= end.at_us or not isinstance(end.event, e.SubjectErased))
            for begun, end in erasures
        )
    is_of_user = any(begun.channel == "push" for begun, _ in erasures)
    return is_of_user and isinstance(last.event, e.DeviceRemoved)


def _counts(durable: Durable) -> Iterator[Finding]:
    counted: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    for head in durable.heads.values():
        if head.kind == "msg":
            key = head.tenant, head.channel, head.lane, head.status
            messages, attempts = counted.get(key, (0, 0))
            counted[key] = messages + 1, attempts + head.attempts
    if counted != {key: count for key, count in durable.tallies.items() if count != (0, 0)}:
        yield Finding(words="the counts by status are not those of the heads")


def _indexes(durable: Durable) -> Iterator[Finding]:
    agenda: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
    lines: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for head in durable.heads.values():
        if head.due_us is not None:
            agenda.setdefault((head.lane, head.tenant, head.priority), []).append((head.due_us, head.stream))
        if head.place is not None:
            lines.setdefault((head.conversation, head.line), []).append((head.place, head.stream))
    messages = [head for head in durable.heads.values() if head.kind == "msg"]
    if durable.owing != sorted(head.stream for head in messages if head.owes):
        yield Finding(words="those that owe something are not those of the heads")
    if durable.caused != _caused(messages):
        yield Finding(words="what streams led to is not what the heads say")
    for name, kept, expected in (("agenda", durable.agenda, agenda), ("lines", durable.lines, lines)):
        if kept != {key: sorted(pairs) for key, pairs in expected.items()}:
            yield Finding(words=f"the {name} are not those of the heads")


def _caused(messages: Sequence[Head]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for head in sorted(messages, key=lambda head: head.stream):
        if head.cause:
            found.setdefault(head.cause, []).append(head.stream)
    return found


def _names(evidence: Evidence) -> Iterator[Finding]:
    """Receipts find a message under each id that a provider gave it, in each lane of that account, and nowhere else."""
    lanes = {lane.name: lane for lane in evidence.scenario.settings.lanes}
    expected: dict[bytes, set[int]] = {}
    for story in evidence.chronicle.stories.values():
        if not any(lane.has_receipts for lane in lanes.values()):
            break
        for before, after in pairwise(_states(story.entries)):
            if after.provider_id == before.provider_id or not lanes[after.lane].has_receipts:
                continue
            for lane in lanes_of_account(evidence.scenario, after.lane):
                name = evidence.secrets.keyed_hash("provider_id", lane, after.provider_id)
                expected.setdefault(name, set()).add(story.stream)
    kept = {name: set(streams) for (space, _, name), streams in evidence.durable.aliases.items() if space == SPACE}
    for (space, _, _), streams in evidence.durable.aliases.items():
        if space == TOKEN and len(streams) > 1:
            yield Finding(words="two devices hold one token", streams=tuple(streams))
    if kept != expected:
        words = f"{len(kept)} names lead to messages, where the ids that providers gave come to {len(expected)}"
        yield Finding(words=words)


def _states(entries: Sequence[Recorded]) -> Iterator[m.Message]:
    """A message after each of its events."""
    first = entries[0]
    message = m.accepted(first.stream, first.at_us, first.tenant, first.event, cause=first.cause)
    yield message
    for entry in entries[1:]:
        message = m.evolve(message, entry.event, entry.at_us)
        yield message


def _remembered(durable: Durable, memory: Memory) -> Iterator[Finding]:
    """What an awake conversation believed is what the log said at that instant."""

    def entries(stream: int) -> Sequence[Recorded]:
        return durable.streams.get(stream, [])[: memory.versions[stream]]

    state = memory.conversation
    own = entries(state.id)
    folded = _conversation(own) if own else c.Conversation(id=state.id, tenant=state.tenant)
    if state != folded:
        words = f"conversation {state.id} is {state} in memory, where its events come to {folded}"
        yield Finding(words=words, at_us=memory.at_us, streams=(state.id,))
    for stream, message in memory.open.items():
        if message != m.fold(entries(stream)):
            words = f"stream {stream} is in memory what its events do not come to"
            yield Finding(words=words, at_us=memory.at_us, streams=(stream,))
