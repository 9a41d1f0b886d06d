"""How a commit changes the counts by tenant, channel, lane and status, so that nothing is ever counted anew.

This file answers for the differences alone. It must never read a store.
"""

from core.events import AttemptStarted
from core.records import Append, Head, Tally

# tenant, channel, lane, status -> messages, attempts they took together.
TallyKey = tuple[str, str, str, str]
Counts = dict[TallyKey, tuple[int, int]]


def key_of(head: Head, status: str) -> TallyKey:
    """The count that a message of this status stands in."""
    return head.tenant, head.channel, head.lane, status


def count(append: Append, differences: Counts) -> None:
    """Adds what an append changes to `differences`."""
    for change in append.heads:
        head = change.head
        if head.kind != "msg":
            continue
        now = key_of(head, head.status)
        if change.was is not None:
            started = sum(
                1 for draft in append.drafts if draft.stream == head.stream and type(draft.event) is AttemptStarted
            )
            lane = head.lane if change.was_lane is None else change.was_lane
            before = head.tenant, head.channel, lane, change.was
            if before == now and not started:
                continue
            add(differences, before, -1, started - head.attempts)
        add(differences, now, 1, head.attempts)


def tallies_of(counts: Counts, tenant: str | None) -> list[Tally]:
    """What is not empty, as the rest of the house sees it, in the order of its keys."""
    return [
        Tally(tenant=key[0], channel=key[1], lane=key[2], status=key[3], count=messages, attempts=attempts)
        for key, (messages, attempts) in sorted(counts.items())
        if messages and tenant in (None, key[0])
    ]


def add(counts: Counts, key: TallyKey, messages: int, attempts: int) -> None:
    """Adds messages and the attempts they took to one count."""
    known = counts.get(key, (0, 0))
    counts[key] = known[0] + messages, known[1] + attempts
