"""What one service says to one reader alone, cut into parts that fit a record: each a compact JWE (RFC 7516, RFC 8037).

The algorithms are those of employers' words (`shared.security.words`). What a part belongs to is sealed with it: no part opens
in another's place.
"""

import json
import re
from collections.abc import Mapping, Sequence

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.contracts.bounds import MOST_PARTS
from shared.security.boxes import CannotOpenError
from shared.security.words import KeyPair

CHUNK = 256 * 1024
"""Bytes of a part before it is sealed: with base64 and the header some 350,000, well under Kafka's usual 1 MiB a record."""
LARGEST = CHUNK * MOST_PARTS
"""Of all parts together: 12 MiB."""
_ALGORITHMS = ["ECDH-ES", "A256GCM"]
_HEADER = {"alg": "ECDH-ES", "enc": "A256GCM"}
_NAME = re.compile(r"[a-z][a-z-]{0,60}\.json")


class _Registry(jwe.JWERegistry):
    """The library's own limit is 64 KiB of text; whoever reads a record has bounded it before."""

    max_ciphertext_length = 2 * CHUNK


def pack(files: Mapping[str, bytes]) -> list[bytes]:
    """The files as chunks of at most `CHUNK` bytes, at least one; ValueError for more than `LARGEST`, or another kind of name."""
    if wrong := [name for name in files if not _NAME.fullmatch(name)]:
        raise ValueError(f"no names of files that travel: {wrong}")
    head = json.dumps([[name, len(content)] for name, content in files.items()]).encode() + b"\n"
    whole = head + b"".join(files.values())
    if len(whole) > LARGEST:
        raise ValueError(f"{len(whole)} bytes are more than {MOST_PARTS} parts hold")
    return [whole[at : at + CHUNK] for at in range(0, len(whole), CHUNK)]


def unpack(chunks: Sequence[bytes]) -> dict[str, bytes]:
    """The files that were packed; ValueError for anything else."""
    head, _, rest = b"".join(chunks).partition(b"\n")
    files: dict[str, bytes] = {}
    for name, size in json.loads(head):
        if not _NAME.fullmatch(name) or name in files or not 0 <= size <= len(rest):
            raise ValueError("not what `pack` has made")
        files[name], rest = rest[:size], rest[size:]
    if rest:
        raise ValueError("more than what the head of it names")
    return files


def seal_part(chunk: bytes, public_key: str, *, context: str) -> str:
    """The chunk for whoever has the private half; ValueError for what is no key. `context`: what it is part of."""
    key = OKPKey.import_key({"kty": "OKP", "crv": "X25519", "x": public_key})
    try:
        return jwe.encrypt_compact(dict(_HEADER), context.encode() + b"\n" + chunk, key, registry=_registry())
    except JoseError as error:
        raise ValueError("not a key to seal to") from error


def open_part(sealed: str, pair: KeyPair, *, context: str) -> bytes:
    """The chunk; CannotOpenError when it was sealed to another key, belongs elsewhere or was changed."""
    key = OKPKey.import_key({"kty": "OKP", "crv": "X25519", "x": pair.public, "d": pair.private})
    try:
        plain = jwe.decrypt_compact(sealed, key, registry=_registry()).plaintext or b""
    except (JoseError, ValueError) as error:
        raise CannotOpenError("this part does not open with this key") from error
    said, _, chunk = plain.partition(b"\n")
    if said != context.encode():
        raise CannotOpenError("this part belongs elsewhere")
    return chunk


def _registry() -> jwe.JWERegistry:
    return _Registry(algorithms=_ALGORITHMS)
