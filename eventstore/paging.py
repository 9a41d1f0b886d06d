"""Pages of the whole log, by a position in each shard: what followers and exports walk along.

This file answers for a page leaving nothing out and the position saying exactly how far it looked. It must never
depend on how a store finds the first event.
"""

from collections.abc import Iterable
from typing import Final

from core.records import Recorded
from eventstore.codec import EventRow, recorded

# One page looks at so many events at most, whoever they belong to: a tenant with few events among many others gets a
# short page and a position that moved, instead of holding up everybody else's reads.
LOOKED_AT_MAX: Final = 10_000


def page_of(
    rows: Iterable[EventRow], after: dict[int, int], *, tenant: str | None, limit: int
) -> tuple[list[Recorded], dict[int, int]]:
    """The first `limit` events of a tenant among `rows`, and the position reached.

    `rows` come in the store's order of arrival, from the first one beyond `after` in any shard; some of them may lie
    before it in their own shard.
    """
    reached = dict(after)
    page: list[Recorded] = []
    for looked_at, row in enumerate(rows):
        if len(page) >= limit or looked_at >= LOOKED_AT_MAX:
            break
        _, shard, seq, *_, of_tenant, _, _, _ = row
        if seq <= reached.get(shard, 0):
            continue
        assert seq == reached.get(shard, 0) + 1, f"shard {shard}: event {seq} follows {reached.get(shard, 0)}"
        reached[shard] = seq
        if tenant is None or of_tenant == tenant:
            page.append(recorded(row))
    return page, reached
