"""Trees are those of RFC 9162, and no path proves what is not below its root."""

from hashlib import sha256

import pytest

from shared.security.merkle import leaf_hash, tree, way_up

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
"""The test vectors of certificate transparency (google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc)."""


@pytest.mark.parametrize("size", ROOTS)
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert tree([leaf_hash(entry) for entry in ENTRIES[:size]])[0].hex() == ROOTS[size]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 100])
def test_each_leaf_proves_itself_and_no_other_place(size: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    root, paths = tree(leaves)
    for index, (leaf, path) in enumerate(zip(leaves, paths, strict=True)):
        way = way_up(leaf, index, size, path)
        assert way is not None
        assert way[-1] == root
        for wrong in {index ^ 1, index + 1, size} - {index}:
            other = way_up(leaf, wrong, size, path)
            assert other is None or other[-1] != root


def test_a_path_of_another_length_is_none() -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(5)]
    _, paths = tree(leaves)
    assert way_up(leaves[0], 0, 5, paths[0][:-1]) is None
    assert way_up(leaves[0], 0, 5, paths[0][:-32]) is None
    assert way_up(leaves[0], 0, 5, paths[0] + bytes(32)) is None
    assert way_up(leaves[0], 5, 5, paths[0]) is None
    assert way_up(leaves[0], 0, 0, b"") is None


def test_a_node_is_no_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != tree([left, right])[0]
    assert leaf_hash(b"a") != sha256(b"a").digest()
