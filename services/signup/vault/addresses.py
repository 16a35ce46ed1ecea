"""Mail addresses: how they are written, and how one is found again without being kept in clear."""

import hashlib
import hmac
import ipaddress
import unicodedata

from email_validator import EmailNotValidError, validate_email

# 15 ms here, against 63 ms for 2^14: a few hundred people who register at once are to get their mail within seconds on two
# cores, and whoever guesses needs the pepper as well. Another cost gives other hashes, so it can't be changed alone.
_SCRYPT_COST = 2**12
_SCRYPT_MEMORY = 64 * 1024 * 1024


def parse_mail(text: str) -> str:
    """The address as mail is sent to it, the domain in ASCII; ValueError, without the address, when it is none."""
    try:
        found = validate_email(text.strip(), check_deliverability=False)
    except EmailNotValidError:
        raise ValueError("must be a mail address such as name@example.org") from None
    return f"{found.local_part}@{found.ascii_domain.lower()}"


def without_tag(mail: str) -> str:
    """The address whose mailbox also takes `name+tag@...`: counted as one, it can't be mailed under ever new tags."""
    local, _, domain = mail.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def origin_index(host: str, key: bytes) -> bytes:
    """Counts a network's requests without keeping its address; of IPv6, a whole /64 is one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        network = host
    else:
        network = str(ipaddress.ip_network((address, 64 if address.version == 6 else 32), strict=False))
    return hmac.digest(key, b"fairpool origin " + network.encode(), "sha256")


def blind_index(mail: str, key: bytes) -> bytes:
    """Finds an address again: the same for every way of writing it (case, Unicode form), useless without the key."""
    return hmac.digest(key, _normal(mail), "sha256")


def slow_hash(mail: str, key: bytes) -> bytes:
    """What outlives an erasure: costly to guess with, even for who holds the pepper that comes from the key (scrypt)."""
    pepper = hmac.digest(key, b"fairpool invitations", "sha256")
    return hashlib.scrypt(_normal(mail), salt=pepper, n=_SCRYPT_COST, r=8, p=1, maxmem=_SCRYPT_MEMORY, dklen=32)


def _normal(mail: str) -> bytes:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", mail).lower()).encode()
