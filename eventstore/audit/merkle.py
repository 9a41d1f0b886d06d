"""Merkle trees as RFC 6962, section 2.1 has them: a root over many leaves, and the path that leads to it from one.

This file answers for both in the memory of one path, however many leaves there are. It must never know what a leaf is.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Literal

# The hash of one side, and which side it is on.
Step = tuple[Literal["left", "right"], bytes]

# A whole subtree: its height, its root, and which watched leaves are in it.
_Whole = tuple[int, bytes, tuple[int, ...]]

_LEAF, _NODE = b"\x00", b"\x01"


class Tree:
    """A tree that grows leaf by leaf and remembers the paths of the leaves that it was told to watch."""

    def __init__(self, watched: Iterable[int] = ()) -> None:
        self.size = 0
        self._paths: dict[int, list[Step]] = {index: [] for index in watched}
        # The largest first.
        self._whole: list[_Whole] = []

    def add(self, leaf: bytes) -> None:
        """One more leaf; the first has the index 0."""
        within = (self.size,) if self.size in self._paths else ()
        node: _Whole = 0, sha256(_LEAF + leaf).digest(), within
        self.size += 1
        whole = self._whole
        while whole and whole[-1][0] == node[0]:
            left = whole.pop()
            node = node[0] + 1, _joined(left, node, self._paths), left[2] + node[2]
        whole.append(node)

    def root(self) -> bytes:
        """The root as of now. Of no leaves it is the hash of nothing."""
        return self._closed({})

    def paths(self) -> dict[int, list[Step]]:
        """The path of each watched leaf to the root as of now, from the leaf upwards."""
        paths = {index: list(path) for index, path in self._paths.items() if index < self.size}
        self._closed(paths)
        return paths

    def _closed(self, paths: dict[int, list[Step]]) -> bytes:
        if not self._whole:
            return sha256().digest()
        right = self._whole[-1]
        for left in reversed(self._whole[:-1]):
            right = left[0] + 1, _joined(left, right, paths), left[2] + right[2]
        return right[1]


def root_over(leaf: bytes, path: Sequence[Step]) -> bytes:
    """The root that a leaf leads to along a path."""
    node = sha256(_LEAF + leaf).digest()
    for side, other in path:
        node = _node(other, node) if side == "left" else _node(node, other)
    return node


def _joined(left: _Whole, right: _Whole, paths: dict[int, list[Step]]) -> bytes:
    """The node over two others, noted in the paths that lead through it."""
    for index in left[2]:
        paths.get(index, []).append(("right", right[1]))
    for index in right[2]:
        paths.get(index, []).append(("left", left[1]))
    return _node(left[1], right[1])


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()
