"""Merkle trees over SHA-256: leaves in bundles, and over the bundles a tree as RFC 9162 (section 2.1) builds it.

A bundle is up to eight leaves that stand next to each other, hashed at once. Their list proves each of them, so that eight cost
one step on either side where a tree of pairs costs one for each. Leaves, nodes and bundles are hashed apart.
"""

from collections.abc import Container, Sequence
from hashlib import sha256

HASH_BYTES = 32
LEAF, NODE, BUNDLE = b"\x00", b"\x01", b"\x02"
"""What is put before the bytes of a leaf, before the two hashes of a node, and before the leaves of a bundle."""
WIDE = 8
"""Leaves of a bundle; the last one of a tree has what is left."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry."""
    return sha256(LEAF + entry).digest()


def bundle_hash(bundle: bytes) -> bytes:
    """The hash of leaf hashes that are joined: a leaf of the tree above."""
    return sha256(BUNDLE + bundle).digest()


def bundled(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """The root over these leaf hashes (at least one), and for each bundle of them its proof: the bundle and its path."""
    bundles = [b"".join(leaves[at : at + WIDE]) for at in range(0, len(leaves), WIDE)]
    root, paths = tree([bundle_hash(bundle) for bundle in bundles])
    return root, [bundle + path for bundle, path in zip(bundles, paths, strict=True)]


def way_of_bundle(
    leaf: bytes, number: int, size: int, proof: bytes, known: Container[bytes] = ()
) -> list[bytes] | None:
    """As `way_up`, of a leaf in the bundle of this number among `size` leaves: those beside it in the bundle included."""
    end = min(WIDE, size - number * WIDE) * HASH_BYTES
    if number < 0 or not 0 < end <= len(proof):
        return None
    bundle = proof[:end]
    leaves = [bundle[at : at + HASH_BYTES] for at in range(0, end, HASH_BYTES)]
    if leaf not in leaves:
        return None
    way = way_up(bundle_hash(bundle), number, -(-size // WIDE), proof[end:], known)
    return None if way is None else leaves + way


def tree(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """The root over these leaf hashes (at least one), and for each leaf its path: the hashes beside its way up, joined."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [sha256(NODE + below[at] + below[at + 1]).digest() for at in range(0, len(below) - 1, 2)]
        levels.append(above + below[-1:] if len(below) % 2 else above)
    paths = [b""]
    for level in reversed(levels[:-1]):
        last = len(level) - 1
        # the last of an odd number has nothing beside it, and stands on the next level as it is
        paths = [
            paths[at >> 1] if at == last and not at % 2 else level[at ^ 1] + paths[at >> 1] for at in range(last + 1)
        ]
    return levels[-1][0], paths


def way_up(leaf: bytes, index: int, size: int, path: bytes, known: Container[bytes] = ()) -> list[bytes] | None:
    """The hashes that stand or fall with the last, from the leaf to the root that the path leads to, those beside the way
    included; None for a path that can't be (RFC 9162, 2.1.3.2).

    It ends sooner at a hash that is known to be below a root that the caller trusts, and else the caller compares the last.
    """
    if not 0 <= index < size or len(path) % HASH_BYTES:
        return None
    found, at, last, here, end = [leaf], index, size - 1, 0, len(path)
    while last:
        if at & 1 or at < last:
            if here == end:
                return None
            beside = path[here : here + HASH_BYTES]
            here += HASH_BYTES
            leaf = sha256(NODE + beside + leaf if at & 1 else NODE + leaf + beside).digest()
            found += (beside, leaf)
            if leaf in known:
                return found
        at >>= 1
        last >>= 1
    return found if here == end else None
