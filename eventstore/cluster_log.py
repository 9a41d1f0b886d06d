"""The log as one daemon of a memory cluster has it: read by whoever arrived, written by the one that acts.

This file answers for the fence: nothing of a daemon is written once the database takes another for the one that acts.
"""

from typing import TYPE_CHECKING

from core.ports import Health, Inbox
from eventstore.cluster_door import MemoryInbox
from eventstore.memory import MemoryLog

if TYPE_CHECKING:
    from eventstore.cluster_node import Node


class NodeLog(MemoryLog):
    """The log through one node. Without an epoch it is for reading: whatever is written raises StoreUnavailable."""

    def __init__(self, node: "Node", epoch: int | None = None, *, is_exclusive: bool = False) -> None:
        super().__init__(node.cluster.durable, node.disk)
        self._waking = node.cluster.committed
        self._node = node
        self._epoch = epoch
        self._was_orderly = is_exclusive
        self.inbox: Inbox | None = None if epoch is None else MemoryInbox(node, epoch)

    @property
    def is_exclusive(self) -> bool:
        """Whether whoever wrote before is surely gone: all of them stopped in order."""
        return self._was_orderly

    def may_send(self) -> bool:
        """Whether this process surely still is the one that acts."""
        return self._epoch is not None and self._node.may_send()

    def health(self) -> tuple[Health, str]:
        """Whether writes work now, and why not: as the last batch tells, or a sign of life that nobody heard."""
        state, reason = super().health()
        return (state, reason) if state != "ok" else self._node.health()

    def _check_right(self) -> None:
        self._node.check_acting(self._epoch)
