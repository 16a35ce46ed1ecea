"""Trees are those of RFC 9162, and no path proves what is not below its root."""

from hashlib import sha256

import pytest

from shared.security.merkle import HASH_BYTES, WIDE, bundle_hash, bundled, leaf_hash, tree, way_of_bundle, way_up

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


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 16, 17, 63, 64, 65, 130])
def test_each_leaf_proves_itself_in_its_own_bundle_alone(size: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    root, proofs = bundled(leaves)
    for index, leaf in enumerate(leaves):
        number = index // WIDE
        way = way_of_bundle(leaf, number, size, proofs[number])
        assert way is not None
        assert way[-1] == root
        assert set(leaves[number * WIDE : (number + 1) * WIDE]) <= set(way)
        for wrong in range(-1, len(proofs) + 1):
            other = way_of_bundle(leaf, wrong, size, proofs[number])
            assert wrong == number or other is None or other[-1] != root
            if 0 <= wrong < len(proofs) and wrong != number:
                assert way_of_bundle(leaf, number, size, proofs[wrong]) is None
                assert way_of_bundle(leaf, wrong, size, proofs[wrong]) is None


@pytest.mark.parametrize("size", [1, 8, 9, 17, 40])
def test_a_proof_that_is_longer_or_shorter_is_none(size: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    _, proofs = bundled(leaves)
    for number, proof in enumerate(proofs):
        leaf = leaves[number * WIDE]
        for end in range(len(proof)):
            assert way_of_bundle(leaf, number, size, proof[:end]) is None
        for more in (b"x", bytes(HASH_BYTES), leaf):
            assert way_of_bundle(leaf, number, size, proof + more) is None


def test_what_stands_on_one_level_proves_nothing_on_another() -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(4 * WIDE)]
    root, proofs = bundled(leaves)
    joined = [proof[: WIDE * HASH_BYTES] for proof in proofs]
    above = [bundle_hash(one) for one in joined]
    nodes, _ = tree(above[:2])
    for higher in (root, nodes, *above):
        assert way_of_bundle(higher, 0, len(leaves), proofs[0]) is None
    assert bundle_hash(leaves[0] + leaves[1]) != tree(leaves[:2])[0] != leaf_hash(leaves[0] + leaves[1])
    assert bundle_hash(leaves[0]) not in (leaves[0], leaf_hash(leaves[0]))
    # the hashes of four bundles, given as if they were four leaves, lead to another root
    other = way_of_bundle(above[0], 0, 4, b"".join(above))
    assert other is not None
    assert other[-1] != root
