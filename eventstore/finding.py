"""Finding things in the durable part of the memory log, the plain way.

This file answers for what each query of the Log port means: a store with indexes must give the same. It must never
change anything.
"""

from bisect import bisect_right
from collections.abc import Iterator

from core.records import (
    FIFO_LINE,
    LOOSE_LINE,
    AgendaGroup,
    AgendaRow,
    Head,
    LinePage,
    ListedKind,
    MessageFilter,
    Woken,
)
from eventstore.codec import readable
from eventstore.durable import Durable


def agenda_groups(durable: Durable) -> list[AgendaGroup]:
    """Every group with something waiting, in the order of lane, tenant and priority."""
    return [
        AgendaGroup(lane=lane, tenant=tenant, priority=priority, due_us=pairs[0][0])
        for (lane, tenant, priority), pairs in sorted(durable.agenda.items())
    ]


def agenda_page(
    durable: Durable, group: tuple[str, str, int], *, after: tuple[int, int] | None, limit: int
) -> list[AgendaRow]:
    """A group's waiting messages in the order of (due, stream)."""
    pairs = durable.agenda.get(group, [])
    start = bisect_right(pairs, after) if after is not None else 0
    heads = ((due_us, durable.heads[stream]) for due_us, stream in pairs[start : start + limit])
    return [
        AgendaRow(due_us=due_us, stream=head.stream, conversation=head.conversation, host=head.host)
        for due_us, head in heads
    ]


def line_page(durable: Durable, line: tuple[int, int], *, after: tuple[int, int] | None, limit: int) -> list[Head]:
    """The heads of one line of a conversation in the order of (place, stream)."""
    pairs = durable.lines.get(line, [])
    start = bisect_right(pairs, after) if after is not None else 0
    return [durable.heads[stream] for _, stream in pairs[start : start + limit]]


def of_kind(durable: Durable, kind: ListedKind, *, status: str | None, after: int, limit: int | None) -> list[Head]:
    """The heads of a kind, of one status where it is given, in the order of their streams."""
    heads = [head for head in durable.heads.values() if head.kind == kind and head.stream > after]
    wanted = [head for head in heads if status in {None, head.status}]
    return sorted(wanted, key=lambda head: head.stream)[:limit]


def silent_devices(durable: Durable, *, after: tuple[int, int] | None, limit: int) -> list[Head]:
    """The heads of active devices in the order of (changed, stream)."""
    start = bisect_right(durable.silent, after) if after is not None else 0
    return [durable.heads[stream] for _, stream in durable.silent[start : start + limit]]


def ending_messages(durable: Durable, *, after: tuple[int, int] | None, limit: int) -> list[Head]:
    """The heads of what waits and has an end, in the order of (end, stream)."""
    start = bisect_right(durable.ending, after) if after is not None else 0
    return [durable.heads[stream] for _, stream in durable.ending[start : start + limit]]


def matching(durable: Durable, wanted: MessageFilter, *, oldest_first: bool = False) -> Iterator[Head]:
    """Every message that a filter wants, newest first unless asked otherwise."""
    streams = _narrowed(durable, wanted)
    of_reference = None if wanted.reference is None else set(durable.referenced.get(wanted.reference, []))
    for stream in streams if oldest_first else reversed(streams):
        head = durable.heads.get(stream)
        if head is not None and _is_wanted(head, wanted) and (of_reference is None or stream in of_reference):
            yield head


def _narrowed(durable: Durable, wanted: MessageFilter) -> list[int]:
    """Streams in order among which all that a filter wants are."""
    if wanted.conversation is not None:
        return sorted(durable.members.get(wanted.conversation, []))
    if wanted.reference is not None:
        return durable.referenced.get(wanted.reference, [])
    if wanted.cause:
        return durable.caused.get(wanted.cause, [])
    return durable.owing if wanted.owes else durable.messages


def position_after(durable: Durable, after: dict[int, int]) -> int | None:
    """The position of the first event beyond a position in any shard, None where there is none."""
    first = None
    for shard, positions in enumerate(durable.shards):
        seen = after.get(shard, 0)
        if len(positions) > seen and (first is None or positions[seen] < first):
            first = positions[seen]
    return first


def _is_wanted(head: Head, wanted: MessageFilter) -> bool:
    return (
        head.kind == "msg"
        and wanted.tenant in (None, head.tenant)
        and (wanted.status is None or head.status in wanted.status)
        and wanted.channel in (None, head.channel)
        and wanted.lane in (None, head.lane)
        and wanted.conversation in (None, head.conversation)
        and (wanted.before is None or head.stream < wanted.before)
        and (wanted.after is None or head.stream > wanted.after)
        and wanted.cause in (None, head.cause)
        and wanted.owes in (None, head.owes)
    )


def woken_of(durable: Durable, conversation: int, limit: int) -> Woken:
    """What a conversation's actor wakes with."""
    snapshot = durable.snapshots.get(conversation)
    lines: dict[int, LinePage] = {}
    for line in (FIFO_LINE, LOOSE_LINE):
        heads = line_page(durable, (conversation, line), after=None, limit=limit)
        events = {head.stream: readable(list(durable.streams[head.stream])) for head in heads}
        lines[line] = LinePage(heads=heads, events=events)
    own = durable.streams.get(conversation, [])[0 if snapshot is None else snapshot.version :]
    return Woken(snapshot=snapshot, events=readable(list(own)), lines=lines)
