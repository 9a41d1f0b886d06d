"""Answers for roots and paths being those of RFC 6962, and for no path leading a wrong leaf to the root."""

from hashlib import sha256

import pytest

from eventstore.audit.merkle import Tree, root_over

# The leaves and roots that implementations of certificate transparency agree on.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def tree_of(leaves: list[bytes], watched: range = range(0)) -> Tree:
    """A tree over these leaves."""
    tree = Tree(watched)
    for leaf in leaves:
        tree.add(leaf)
    return tree


@pytest.mark.parametrize("size", ROOTS)
def test_a_root_is_the_known_one(size: int) -> None:
    """Trees of sizes that are powers of two, and of one that is not, have the roots that everybody computes."""
    assert tree_of(LEAVES[:size]).root().hex() == ROOTS[size]


def test_a_tree_of_nothing_has_the_hash_of_nothing() -> None:
    """As the RFC says."""
    assert Tree().root() == sha256().digest()


@pytest.mark.parametrize("size", range(1, 40))
def test_every_path_leads_to_the_root(size: int) -> None:
    """Whatever the size, each leaf's path leads to the root, and from no other leaf; a root may be asked on the way."""
    leaves = [bytes([number]) for number in range(size)]
    tree = Tree(range(size))
    for leaf in leaves:
        tree.add(leaf)
        tree.root()
    paths, root = tree.paths(), tree.root()
    assert len(paths) == size
    for index, path in paths.items():
        assert root_over(leaves[index], path) == root
        assert root_over(b"other", path) != root
        if path:
            side, other = path[0]
            assert root_over(leaves[index], [(side, other[::-1]), *path[1:]]) != root
