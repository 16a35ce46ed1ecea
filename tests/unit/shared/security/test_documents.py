"""Signed documents: what verifies, also with another library, and what does not."""

import json

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from shared.security import encoding
from shared.security.documents import DocumentReader, DocumentSigner

SIGNER = DocumentSigner(b"s" * 32)
DOCUMENT = {"employer": "emp_a", "name": "Société Générale", "files": {"a": [1, None, True]}}
SIGNED = SIGNER.sign("a-kind", DOCUMENT)
FIRST, SECOND, LAST = SIGNED.split(".")


def other(part: str, **changed: object) -> str:
    return encoding.encode(json.dumps(json.loads(encoding.decode(part)) | changed).encode())


def test_what_was_signed_is_read_with_its_key_among_others() -> None:
    keys = (DocumentSigner(b"t" * 32).public, SIGNER.public)
    assert DocumentReader(keys).read("a-kind", SIGNED + "\n") == DOCUMENT


def test_any_library_for_jws_verifies_it() -> None:
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": encoding.encode(SIGNER.public)})
    read = jws.deserialize_compact(SIGNED, key, algorithms=["Ed25519"])
    assert json.loads(read.payload) == DOCUMENT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b.c",
        "..",
        FIRST + "." + SECOND,
        f"{FIRST}.{other(SECOND, employer='emp_b')}.{LAST}",
        f"{other(FIRST, alg='none')}.{SECOND}.",
        f"{other(FIRST, kid=['x'])}.{SECOND}.{LAST}",
        f"{other(FIRST, typ='b-kind')}.{SECOND}.{LAST}",
        f"{FIRST}.{SECOND}.{LAST[:-2]}AA",
        f"{FIRST}.{SECOND}.{LAST}=",
        "é" + SIGNED,
        f"{encoding.encode(b'[' * 100_000)}.{SECOND}.{LAST}",
        DocumentSigner(b"t" * 32).sign("a-kind", DOCUMENT),
        SIGNER.sign("b-kind", DOCUMENT),
    ],
)
def test_what_is_not_so_signed_is_not_read(text: str) -> None:
    assert DocumentReader([SIGNER.public]).read("a-kind", text) is None
