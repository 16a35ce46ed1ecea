"""What a Kafka that lets nobody in without a password needs: a password for each user, and a certificate of its own."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from deploy.acls import USERS
from deploy.local.secrets import kafka_password_of, password

ADMIN_PASSWORD = "KAFKA_ADMIN_PASSWORD"  # noqa: S105 - a variable's name
"""Of the one user who may say what others may do: no process has it but the one that makes topics and users."""
_HOSTS = ("kafka", "localhost", "127.0.0.1")
"""How compose's containers, and this machine where the demo asks for it, call the broker."""
_LIVES = timedelta(days=3650)
_CLOCKS_DIFFER = timedelta(days=1)
_IS_AUTHORITY = x509.BasicConstraints(ca=True, path_length=0)


def passwords() -> dict[str, str]:
    """A new one for each user of Kafka, by the name of its variable."""
    return {kafka_password_of(user): password() for user in USERS}


def missing_from(environment: Mapping[str, str]) -> list[str]:
    """The variables of passwords that are not there."""
    return [name for name in map(kafka_password_of, USERS) if not environment.get(name)]


def given_in(environment: Mapping[str, str]) -> dict[str, str]:
    """The passwords that are there, by user."""
    return {user: environment[kafka_password_of(user)] for user in USERS if environment.get(kafka_password_of(user))}


def of_broker(hosts: Sequence[str] = _HOSTS) -> dict[str, str]:
    """A new password of the administrator, a key and a certificate for the broker of compose, and whom its clients trust.

    The authority's own key is kept by nobody: it signs this one certificate, for ten years.
    """
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    trusted, name = _named("Fairpool's Kafka"), _named(hosts[0])
    names = x509.SubjectAlternativeName([_general(host) for host in hosts])
    signed_root = _certificate(trusted, authority.public_key(), trusted, authority, _IS_AUTHORITY)
    signed_leaf = _certificate(name, server.public_key(), trusted, authority, names)
    key = server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        ADMIN_PASSWORD: password(),
        "KAFKA_TLS_KEY": _one_line(key),
        "KAFKA_TLS_CERTIFICATE": _one_line(signed_leaf.public_bytes(Encoding.PEM)),
        "KAFKA_TLS_AUTHORITY": _one_line(signed_root.public_bytes(Encoding.PEM)),
        "KAFKA_CA": "base64:" + base64.b64encode(signed_root.public_bytes(Encoding.DER)).decode(),
    }


def _one_line(pem: bytes) -> str:
    """As Kafka takes it in a setting: any white space will do. In quotes, for shells and compose."""
    return "'" + " ".join(pem.decode().split("\n")).strip() + "'"


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(host: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)


def _certificate(
    name: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    by: ec.EllipticCurvePrivateKey,
    says: x509.BasicConstraints | x509.SubjectAlternativeName,
) -> x509.Certificate:
    now, is_authority = datetime.now(UTC), says is _IS_AUTHORITY
    usage = {"key_cert_sign": is_authority, "crl_sign": is_authority, "digital_signature": not is_authority}
    never = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + _LIVES)
        .add_extension(says, critical=is_authority)
        .add_extension(x509.KeyUsage(**usage, **never), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .sign(by, hashes.SHA256())
    )
