"""What somebody could read who has everything that is stored and every key that is left.

Nothing of ours is asked: whatever looks like a box is opened with each key, without its context and without asking whether
the tag holds, for what AES-GCM encrypts comes out all the same. What comes out and has the form of a key is tried as one, too.
"""

import base64
import binascii
import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from deploy.checks.encodings import ZIP

_NONCE, _TAG, _KEY, _BLOCK = 12, 16, 32, 16
_WRAPPED_KEY = _NONCE + _KEY + _TAG
_SEALED_PRIVATE = _NONCE + 43 + _TAG
_FIRST_BLOCK = (2).to_bytes(4, "big")
"""NIST SP 800-38D, 7.1: with a nonce of 96 bits the text is encrypted from counter 2 on."""
_TEXT = re.compile(rb"[A-Za-z0-9_+/-]{38,}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){29,}")
_JWE = re.compile(rb"eyJ[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+")
_ALGORITHMS = ["ECDH-ES", "A256GCM"]
_HPKE = re.compile(rb"h1\.([\w-]{64,})")
_HPKE_SUITE, _HPKE_INFO = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM), b"fairpool words v1"


class _Registry(jwe.JWERegistry):
    """The library's own limit is 64 KiB of text; a part of an export has more."""

    max_ciphertext_length = 1 << 20


@dataclass(frozen=True, slots=True)
class Keys:
    """What is tried: with AES-GCM, and as private keys of X25519."""

    symmetric: frozenset[bytes]
    private: frozenset[bytes]


@dataclass(slots=True)
class Loot:
    """What was found in a store: what may be a box, what is a JWE, what is words by HPKE. Add all there is, then `read`."""

    boxes: set[bytes] = field(default_factory=set)
    tokens: set[bytes] = field(default_factory=set)
    words: set[bytes] = field(default_factory=set)

    def add(self, data: bytes) -> None:
        """Takes a stored value: itself, and what stands in it as base64, base64url or hex."""
        self._box(data)
        for found in _TEXT.findall(data):
            with contextlib.suppress(binascii.Error):
                self._box(
                    base64.urlsafe_b64decode(found.replace(b"+", b"-").replace(b"/", b"_") + b"=" * (-len(found) % 4))
                )
        for found in _HEX.findall(data):
            self._box(bytes.fromhex(found.decode()))
        self.tokens.update(_JWE.findall(data))
        self.words.update(_HPKE.findall(data))

    def keys(self, given: Iterable[bytes]) -> Keys:
        """The given ones (of 32 bytes), and what comes out with them and may be a key."""
        known = {key for key in given if len(key) == _KEY}
        wrapped = [box for box in self.boxes if len(box) == _WRAPPED_KEY]
        symmetric = known | {_opened(box, key) for box in wrapped for key in known}
        private = set(known)
        for opened in _texts([box for box in self.boxes if len(box) == _SEALED_PRIVATE], symmetric):
            private |= {key for key in [_private(opened)] if key is not None}
        return Keys(frozenset(symmetric), frozenset(private))

    def read(self, keys: Keys) -> Iterator[bytes]:
        """All that comes out with these keys and begins as text or an archive does."""
        yield from _texts([box for box in self.boxes if len(box) != _WRAPPED_KEY], keys.symmetric)
        registry = _Registry(algorithms=_ALGORITHMS)
        pairs = [_pair(key) for key in keys.private] if self.tokens else []
        for token in self.tokens:
            for pair in pairs:
                with contextlib.suppress(JoseError, ValueError):
                    yield jwe.decrypt_compact(token, pair, registry=registry).plaintext or b""
        privates = [X25519PrivateKey.from_private_bytes(key) for key in keys.private] if self.words else []
        for text in self.words:
            for private in privates:
                with contextlib.suppress(InvalidTag, binascii.Error):
                    raw = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
                    yield _HPKE_SUITE.decrypt(raw, private, info=_HPKE_INFO)

    def _box(self, data: bytes) -> None:
        if len(data) > _NONCE + _TAG and not data.isascii():
            self.boxes.add(data)


def _texts(boxes: Sequence[bytes], keys: Iterable[bytes]) -> Iterator[bytes]:
    """Each box that begins as text, or as an archive, under a key: of all boxes only the first block is decrypted, at once, with each key."""
    counters = b"".join(box[:_NONCE] + _FIRST_BLOCK for box in boxes)
    begun = int.from_bytes(b"".join(box[_NONCE:-_TAG][:_BLOCK].ljust(_BLOCK, b"\x00") for box in boxes), "big")
    for key in keys if boxes else ():
        stream = Cipher(AES(key), ECB()).encryptor().update(counters)  # noqa: S305 - it is one half of counter mode
        begins = (int.from_bytes(stream, "big") ^ begun).to_bytes(len(counters), "big")
        for number, box in enumerate(boxes):
            length = min(_BLOCK, len(box) - _NONCE - _TAG)
            begin = begins[number * _BLOCK : number * _BLOCK + length]
            if begin.isascii() or begin.startswith(ZIP):
                yield _opened(box, key)


def _opened(box: bytes, key: bytes) -> bytes:
    return Cipher(AES(key), CTR(box[:_NONCE] + _FIRST_BLOCK)).decryptor().update(box[_NONCE:-_TAG])


def _private(opened: bytes) -> bytes | None:
    """A private key of X25519, as the vault keeps it: base64url of 32 bytes."""
    if len(opened) != 43 or not opened.isascii():
        return None
    with contextlib.suppress(binascii.Error):
        return base64.urlsafe_b64decode(opened + b"=")
    return None


def _pair(private: bytes) -> OKPKey:
    text = base64.urlsafe_b64encode
    public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    halves = {"x": text(public).rstrip(b"=").decode(), "d": text(private).rstrip(b"=").decode()}
    return OKPKey.import_key({"kty": "OKP", "crv": "X25519", **halves})
