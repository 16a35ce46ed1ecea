"""Emails: how they are written, and how one is found again without being kept in clear."""

import hashlib
import hmac
import re
import unicodedata
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES, EMAIL_MAX_LENGTH

from shared.web.origins import network_of

# 15 ms here, against 63 ms for 2^14: a few hundred people who register at once are to get their mail within seconds on two
# cores, and whoever guesses needs the pepper as well. Another cost gives other hashes, so it can't be changed alone.
_SCRYPT_COST = 2**12
_SCRYPT_MEMORY = 64 * 1024 * 1024


_UNSEEN = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_LONGEST = 1000
"""Of what is looked at at all; an email has at most 254 characters."""
_LONGEST_LOCAL = 64
"""RFC 5321, 4.5.3.1.1; relays refuse longer ones."""
_WITHIN = re.compile(f"[{_UNSEEN}]")
_DOT_ATOM = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+", re.ASCII)  # one address and nothing more
_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")
_PLAIN_DOMAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_DOMAINS_KEPT = 1024
_SAME_DOMAINS = {"googlemail.com": "gmail.com"}
_WITHOUT_DOTS = frozenset({"gmail.com"})


def parse_mail(text: str) -> str:
    """The address as it was written, the domain in ASCII: one that `mailable` takes. ValueError, without the address, when
    it is none.

    Blanks and characters without width, before and after, are left out, since copying from a page or a document brings them.
    Letters beyond ASCII before the @ are refused: no relay is bound to take them (RFC 6531 is an extension), and whoever is
    told to look into their mailbox must get something.
    """
    if len(text) > _LONGEST:
        raise ValueError("must be an email such as name@example.org")
    shown = _bare(without_unseen(text))
    if _WITHIN.search(shown):
        raise ValueError("must not hold an invisible character: type the email instead of pasting it")
    if (plain := _plain(shown)) is not None:
        return plain
    try:
        found = validate_email(shown, check_deliverability=False)
    except EmailNotValidError:
        raise ValueError("must be an email such as name@example.org") from None
    if not found.local_part.isascii():
        raise ValueError("must have only the letters a to z, digits and common signs before the @")
    address = mailable(f"{found.local_part}@{found.ascii_domain.lower()}")
    if address is None:
        raise ValueError("must be an email such as name@example.org")
    return address


def _plain(shown: str) -> str | None:
    """What `validate_email` and `mailable` make of it where it is as nearly all are; None: they have to be asked.

    They take 60 µs, most of it for the domain, which many people share.
    """
    local, _, domain = shown.partition("@")
    if len(local) > _LONGEST_LOCAL or len(shown) > EMAIL_MAX_LENGTH or not _PLAIN_LOCAL.fullmatch(local):
        return None
    if local.lower() in CASE_INSENSITIVE_MAILBOX_NAMES or not _PLAIN_DOMAIN.fullmatch(domain):
        return None
    mailed = _mailed_domain(domain)
    return None if mailed is None else f"{local}@{mailed}"


@lru_cache(_DOMAINS_KEPT)
def _mailed_domain(domain: str) -> str | None:
    """The domain as mail is sent to it; None where it is none, or is written in another way (`xn--`)."""
    try:
        found = validate_email(f"a@{domain}", check_deliverability=False)
    except EmailNotValidError:
        return None
    address = mailable(f"a@{found.ascii_domain.lower()}")
    return address[2:] if address is not None and address[2:] == domain.lower() else None


def _bare(text: str) -> str:
    """Without what copying brings along and nobody means: `mailto:`, the name of `Ana Ruiz <ana@...>`, a full stop."""
    named = text.partition("<")
    if text.endswith(">") and text.count("<") == 1 and "@" not in named[0]:
        text = without_unseen(named[2][:-1])
    if text[:7].lower() == "mailto:":
        text = text[7:]
    return text.removesuffix(".")


def without_unseen(text: str) -> str:
    """The text without blanks and characters that nobody sees, before and after."""
    if not _WITHIN.search(text):
        return text.strip()
    seen = [place for place, mark in enumerate(text) if not (mark.isspace() or _WITHIN.match(mark))]
    return text[seen[0] : seen[-1] + 1] if seen else ""


def mailable(address: str) -> str | None:
    """The address as SMTP without extensions takes it, with its domain in ASCII (IDNA); None when there is no way.

    The door (`parse_mail`) and the courier ask this same question.
    """
    local, _, domain = address.rpartition("@")
    if len(local) > _LONGEST_LOCAL:
        return None
    try:
        plain = f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        return None
    return plain if _DOT_ATOM.fullmatch(plain) else None


def mailbox(mail: str) -> str:
    """What all ways of writing an address have in common: people are counted and found by it, never written to.

    The case does not count, nor does a `+tag`; dots do not where the provider ignores them, nor which of its names is used.
    """
    local, _, domain = unicodedata.normalize("NFC", unicodedata.normalize("NFC", mail).casefold()).rpartition("@")
    domain = _SAME_DOMAINS.get(domain, domain)
    local = local.partition("+")[0] or local
    if domain in _WITHOUT_DOTS:
        local = local.replace(".", "") or local
    return f"{local}@{domain}"


def origin_index(host: str, key: bytes) -> bytes:
    """Counts a network's requests without keeping its address; of IPv6, a whole /64 is one."""
    return hmac.digest(key, b"fairpool origin " + network_of(host).encode(), "sha256")


def blind_index(mail: str, key: bytes) -> bytes:
    """Finds a mailbox again: the same for every way of writing it, useless without the key."""
    return hmac.digest(key, mailbox(mail).encode(), "sha256")


def derived_pepper(key: bytes) -> bytes:
    """The pepper of an installation that was given none: it comes from the key of the blind index."""
    return hmac.digest(key, b"fairpool invitations", "sha256")


def slow_hash(mail: str, pepper: bytes) -> bytes:
    """Of the mailbox, and outlives an erasure: costly to guess with, even for who holds the pepper."""
    return hashlib.scrypt(
        mailbox(mail).encode(), salt=pepper, n=_SCRYPT_COST, r=8, p=1, maxmem=_SCRYPT_MEMORY, dklen=32
    )
