"""Merkle trees over SHA-256, as RFC 9162 (section 2.1) builds them: leaves and nodes are hashed apart."""

from collections.abc import Container, Sequence
from hashlib import sha256

HASH_BYTES = 32
LEAF, NODE = b"\x00", b"\x01"
"""What is put before the bytes of a leaf, and before the two hashes of a node."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry."""
    return sha256(LEAF + entry).digest()


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
