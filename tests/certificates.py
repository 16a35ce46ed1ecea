"""An authority of one's own, and what it signs, as PEM files."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from deploy.local.ports import HOST

_LIVES = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that exactly those trust who are told its file."""

    key: ec.EllipticCurvePrivateKey
    name: x509.Name
    file: Path

    @classmethod
    def at(cls, file: Path) -> Self:
        """A fresh one, with its certificate in this file."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file.stem)])
        made = _certificate(name, key.public_key(), name, x509.BasicConstraints(ca=True, path_length=0)).sign(
            key, hashes.SHA256()
        )
        file.write_bytes(made.public_bytes(Encoding.PEM))
        return cls(key, name, file)

    def sign(self, file: Path, address: str = HOST) -> Path:
        """A key and a certificate for a server at this IP address, together in this file."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        made = _certificate(name, key.public_key(), self.name, names).sign(self.key, hashes.SHA256())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(pem + made.public_bytes(Encoding.PEM))
        return file


def _certificate(
    name: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name, extension: x509.ExtensionType
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIVES)
        .not_valid_after(now + _LIVES)
        .add_extension(extension, critical=False)
    )
