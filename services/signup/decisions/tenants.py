"""What an operator may do to a vendor, an employer or an operator, and what is written down of it.

A tenant is the record on `tenants` with the highest version: each act takes everybody as they are now and gives that
tenant's next record, or says what is wrong, field by field.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.names import NETWORK, folded, holds_the_networks_name, reading_keys, skeleton
from shared.text import speaks_of_a_person, why_not_one_line, why_not_readable

MOST_KEYS = 5
FINGERPRINT = 12
"""So many hex digits of a key's hash name the key: it can be told of, and nobody can use it."""
LONGEST_NAME, LONGEST_REASON = 80, 200
_HOLDS_THE_KEY = "the software of the vendor before holds the employer's key"

_ID = re.compile(r"[a-z][a-z0-9_-]{1,62}")
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
REASON_SPEAKS_OF_A_PERSON = "must not hold an email address or a phone number: it is kept in clear"
_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@" + _DOMAIN.pattern, re.IGNORECASE)
_POSES_AS_CHECKED = re.compile(r"@|://|\bwww\d*\.|\bverified\b|[([][^()[\]]*\.[a-z]{2,}", re.IGNORECASE)
_HOST = re.compile(
    r"(?<![^\W_])(?:[^\W_][\w-]{0,62}\.){1,8}(?:xn--[\w-]{1,59}|[^\W\d_]{2,63})(?![^\W_])(?P<goes_on>\.?[/?#:]\w)?"
    r"|\d{1,3}(?:\.\d{1,3}){3}",
    re.IGNORECASE,
)
"""A host's name or number, whatever it ends with; a name of two words without a space is one, too."""

Tenants = Mapping[str, TenantChangedV1]
"""Everybody as they are now, by id."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It can't be done; a sentence for each field at fault, in words that follow the field's name."""

    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Act:
    """Which operator acts, when, and why; a reason is asked for where somebody is harmed by the act."""

    by: str
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class From:
    """With which vendor a seat has to be for a move to be meant; None: with none."""

    vendor: str | None


@dataclass(frozen=True, slots=True)
class About:
    """What people and machines are told of a tenant."""

    name: str
    vendor: str | None = None
    domain: str | None = None
    reply_to: str | None = None


def add(
    tenants: Tenants, tenant: str, kind: TenantKind, about: About, key_hash: str, act: Act
) -> TenantChangedV1 | Refused:
    """A new tenant with one key; an id is never used again, also after its tenant has left."""
    errors = {**_wrong_about(tenants, tenant, kind, about), **_wrong_reason(act, needed=False)}
    if not _ID.fullmatch(tenant):
        errors["tenant"] = "must have 2 to 63 characters, a-z, 0-9, _ and -, a letter first, such as emp_riverside"
    elif NETWORK in skeleton(tenant).replace("-", "").replace("_", ""):
        errors["tenant"] = f"must not hold {NETWORK!r}: such ids are the network's own"
    elif tenant in tenants:
        errors["tenant"] = "must be new: a tenant has, or had, this id"
    if errors:
        return Refused(errors)
    return _written(
        TenantChangedV1(tenant=tenant, version=0, kind=kind, name=about.name, key_hashes=(key_hash,)),
        about,
        "added",
        act,
    )


def change(tenants: Tenants, tenant: str, about: About, act: Act) -> TenantChangedV1 | Refused:
    """Another name, domain or address for replies; what is as it was is written again. Another vendor is a `move`."""
    before = tenants.get(tenant)
    if before is None or before.removed:
        return _unknown(tenant)
    errors = {**_wrong_about(tenants, tenant, before.kind, about), **_wrong_reason(act, needed=False)}
    if before.kind == "employer" and about.vendor != before.vendor:
        errors["vendor"] = (
            f"can't be changed by itself, since {_HOLDS_THE_KEY}: `fairpool tenants move` gives another one"
        )
    return Refused(errors) if errors else _written(before, about, "changed", act)


def move(
    tenants: Tenants,
    employer: str,
    vendor: str | None,
    key_hash: str,
    act: Act,
    *,
    began: TenantChangedV1 | None = None,
    only_from: From | None = None,
) -> TenantChangedV1 | Refused:
    """The employer's seat is with another vendor (None: with none) and has this key alone; whatever else it is and has stays.

    `began` is the employer as it was when the move was begun: a seat that was moved meanwhile is not moved on. One that is not
    where it is to come `only_from` is not moved either.
    """
    before = tenants.get(employer)
    if before is None or before.removed:
        return _unknown(employer)
    if before.kind != "employer":
        return Refused({"tenant": f"must be an employer: {employer} is of the kind {before.kind}, and has no seat"})
    if began is not None and before.vendor != began.vendor:
        return Refused({"tenant": _moved_meanwhile(before)})
    if only_from is not None and only_from.vendor != before.vendor:
        return Refused({"only_from": _is_elsewhere(before, only_from)})
    errors = _wrong_reason(act, needed=True)
    if vendor == before.vendor:
        errors["vendor"] = (
            f"must be another one: the seat of {employer} is there ({vendor or 'with no vendor'}) already"
        )
    elif (wrong := _wrong_vendor(vendor, before.kind, tenants)) is not None:
        errors["vendor"] = wrong
    elif vendor is not None and tenants[vendor].standing == "suspended":
        errors["vendor"] = "must not be suspended: nothing would be taken of it; reinstate it first, or choose another"
    if errors:
        return Refused(errors)
    after = before.model_copy(update={"key_hashes": (key_hash,)})
    return _written(
        after,
        replace(_about(before), vendor=vendor),
        f"moved from {before.vendor or 'no vendor'} to {vendor or 'no vendor'}",
        act,
    )


def moving(
    employer: str,
    vendor: str | None,
    key_hash: str,
    act: Act,
    *,
    seen: TenantChangedV1 | None = None,
    only_from: From | None = None,
) -> Callable[[Tenants], TenantChangedV1 | Refused]:
    """A `move`, to be decided again where somebody else acts in the same moment.

    It begins where the seat is at the first look, or as it was `seen` when it was asked for: who waits for another's move does not
    move on what that one did.
    """
    began = [] if seen is None else [seen]

    def decide(tenants: Tenants) -> TenantChangedV1 | Refused:
        if not began and employer in tenants:
            began.append(tenants[employer])
        return move(tenants, employer, vendor, key_hash, act, began=began[0] if began else None, only_from=only_from)

    return decide


def suspend(tenants: Tenants, tenant: str, act: Act) -> TenantChangedV1 | Refused:
    """From now on nothing is taken of it and nothing is done for it; its keys answer 403."""
    return _standing(tenants, tenant, act, "suspended")


def reinstate(tenants: Tenants, tenant: str, act: Act) -> TenantChangedV1 | Refused:
    """It is in good standing again."""
    return _standing(tenants, tenant, act, "reinstated")


def remove(tenants: Tenants, tenant: str, act: Act) -> TenantChangedV1 | Refused:
    """It has left the network: no key works any more; its name stays beside what it did."""
    before = tenants.get(tenant)
    if before is None or before.removed:
        return _unknown(tenant)
    errors = _wrong_reason(act, needed=True)
    served = sorted(one.tenant for one in tenants.values() if one.vendor == tenant and not one.removed)
    if served:
        errors["tenant"] = (
            f"is the present vendor of {', '.join(served[:5])}: move those to another vendor, or to none, first"
        )
    if _is_last_operator(tenants, before):
        errors["tenant"] = "is the last operator: nobody could act after it; add another first"
    if errors:
        return Refused(errors)
    gone = before.model_copy(update={"removed": True, "key_hashes": (), "vendor": None})
    return _written(gone, _about(gone), "removed", act)


def add_key(tenants: Tenants, tenant: str, key_hash: str, act: Act) -> TenantChangedV1 | Refused:
    """One more key that works beside the others, so that keys can be exchanged without a pause."""
    before = tenants.get(tenant)
    if before is None or before.removed:
        return _unknown(tenant)
    if len(before.key_hashes) >= MOST_KEYS:
        return Refused({"tenant": f"has {MOST_KEYS} keys, as many as it may: revoke one first"})
    after = before.model_copy(update={"key_hashes": (*(one for one in before.key_hashes if one != key_hash), key_hash)})
    return _written(after, _about(after), "key_added", act)


def revoke_key(tenants: Tenants, tenant: str, fingerprint: str, act: Act) -> TenantChangedV1 | Refused:
    """The key of this fingerprint works no more; it may be the last, for it may have leaked."""
    before = tenants.get(tenant)
    if before is None or before.removed:
        return _unknown(tenant)
    if fingerprint not in fingerprints(before):
        return Refused({"key": f"must be one of this tenant's: {', '.join(fingerprints(before)) or 'it has none'}"})
    left = tuple(known for known in before.key_hashes if known[:FINGERPRINT] != fingerprint)
    if not left and _is_last_operator(tenants, before):
        return Refused({"key": "is the last key of the last operator: add another key first"})
    after = before.model_copy(update={"key_hashes": left})
    return _written(after, _about(after), "key_revoked", act)


def said_by_others(mine: TenantChangedV1, now: Tenants, replaced: TenantChangedV1 | None) -> Tenants:
    """Everybody as they would be without what was said too early: to decide on once more."""
    if now.get(mine.tenant) != mine:
        return now
    others = {tenant: record for tenant, record in now.items() if tenant != mine.tenant}
    return others if replaced is None else {**others, mine.tenant: replaced}


def says_the_same(one: TenantChangedV1 | None, other: TenantChangedV1) -> bool:
    """Whether it is the same record, said once more or not."""
    return one is not None and one.model_copy(update={"version": other.version}) == other


def above(record: TenantChangedV1, now: Tenants) -> TenantChangedV1:
    """The record with a version that outdoes all that was said of its tenant."""
    present = now.get(record.tenant)
    return (
        record if present is None else record.model_copy(update={"version": max(record.version, present.version + 1)})
    )


def fingerprints(tenant: TenantChangedV1) -> tuple[str, ...]:
    """The names of its keys, oldest first."""
    return tuple(known[:FINGERPRINT] for known in tenant.key_hashes)


def _standing(tenants: Tenants, tenant: str, act: Act, done: str) -> TenantChangedV1 | Refused:
    before = tenants.get(tenant)
    if before is None or before.removed:
        return _unknown(tenant)
    errors = _wrong_reason(act, needed=True)
    if done == "suspended" and _is_last_operator(tenants, before):
        errors["tenant"] = "is the last operator: nobody could act after it; add another first"
    if errors:
        return Refused(errors)
    after = before.model_copy(update={"standing": "suspended" if done == "suspended" else "good"})
    return _written(after, _about(after), done, act)


def _written(tenant: TenantChangedV1, about: About, done: str, act: Act) -> TenantChangedV1:
    """With a version above the one before, whatever the clock that wrote that one said."""
    return tenant.model_copy(
        update={
            "version": max(tenant.version + 1, int(act.at.timestamp() * 1000)),
            "name": about.name,
            "vendor": about.vendor,
            "domain": about.domain,
            "reply_to": about.reply_to,
            "act": done,
            "reason": act.reason,
            "changed_by": act.by,
            "changed_at": act.at,
        }
    )


def _about(tenant: TenantChangedV1) -> About:
    return About(tenant.name, tenant.vendor, tenant.domain, tenant.reply_to)


def _wrong_about(tenants: Tenants, tenant: str, kind: TenantKind, about: About) -> dict[str, str]:
    others = [one for one in tenants.values() if one.tenant != tenant and not one.removed]
    found = {
        "name": _wrong_name(about.name, about.domain, kind, others),
        "domain": _wrong_domain(about.domain, others),
        "vendor": _wrong_vendor(about.vendor, kind, tenants),
        "reply_to": None if about.reply_to is None or _EMAIL.fullmatch(about.reply_to) else "must be an email address",
    }
    return {field: wrong for field, wrong in found.items() if wrong is not None}


def _with_plain_dots(name: str) -> str:
    """As a browser reads a host: wide letters and the full stops of other scripts are plain ones."""
    return unicodedata.normalize("NFKC", name).replace("\u3002", ".")


def _wrong_name(name: str, domain: str | None, kind: TenantKind, others: Iterable[TenantChangedV1]) -> str | None:
    if (wrong := why_not_one_line(name) or why_not_readable(name)) is not None:
        return f"must {wrong}"
    if not all(map(_is_latin, filter(str.isalpha, unicodedata.normalize("NFKC", name)))):
        return "must be written in Latin letters: people of this network could not tell others from their look-alikes"
    if not folded(name) or len(name) > LONGEST_NAME or name != " ".join(name.split()):
        return (
            f"must have 1 to {LONGEST_NAME} characters, letters among them, without spaces at its ends or doubled ones"
        )
    if _POSES_AS_CHECKED.search(_with_plain_dots(name)):
        return (
            "must be a name alone: no @, no address of a page, no domain in parentheses, nothing about being verified"
        )
    if any(host["goes_on"] or host[0].lower() != domain for host in _HOST.finditer(_with_plain_dots(name))):
        return (
            "must not hold the name of a host, unless it is the domain that you checked and give with it; if it is none, write a"
            " space after the full stop"
        )
    if kind == "operator":
        return None
    keys = reading_keys(name)
    if holds_the_networks_name(name):
        return f"must not hold the network's own name, or what looks like it ({NETWORK})"
    twin = next((one for one in others if reading_keys(one.name) & keys), None)
    if twin is not None:
        return f"is read as that of {twin.tenant} ({twin.name!r}): add what tells them apart, such as the place"
    return None


def _is_latin(letter: str) -> bool:
    """Whether it is a Latin letter as words are written with, not one of phonetic signs or small capitals."""
    return unicodedata.name(letter, "").startswith(("LATIN SMALL LETTER", "LATIN CAPITAL LETTER"))


def _wrong_domain(domain: str | None, others: Iterable[TenantChangedV1]) -> str | None:
    if domain is None:
        return None
    if not _DOMAIN.fullmatch(domain):
        return "must be a domain in lower case and ASCII, such as riverside.org"
    twin = next(
        (one for one in others if one.domain and one.domain != domain and skeleton(one.domain) == skeleton(domain)),
        None,
    )
    return None if twin is None else f"is read as {twin.domain}, the domain of {twin.tenant}"


def _wrong_vendor(vendor: str | None, kind: TenantKind, tenants: Tenants) -> str | None:
    if vendor is None:
        return None
    if kind != "employer":
        return "is for employers alone"
    known = tenants.get(vendor)
    if known is None or known.kind != "vendor" or known.removed:
        return "must be the id of a vendor of this network, or left out: an employer needs none"
    return None


def _wrong_reason(act: Act, *, needed: bool) -> dict[str, str]:
    if act.reason is None or not act.reason.strip():
        return {"reason": "is required: it is written down"} if needed else {}
    if len(act.reason) > LONGEST_REASON or why_not_one_line(act.reason) is not None:
        return {"reason": f"must be one line of at most {LONGEST_REASON} characters"}
    if speaks_of_a_person(act.reason):
        return {"reason": REASON_SPEAKS_OF_A_PERSON}
    return {}


def _is_last_operator(tenants: Tenants, tenant: TenantChangedV1) -> bool:
    able = [
        one.tenant
        for one in tenants.values()
        if one.kind == "operator" and one.standing == "good" and not one.removed and one.key_hashes
    ]
    return able == [tenant.tenant]


def _moved_meanwhile(now: TenantChangedV1) -> str:
    return (
        f"was moved in the same moment, by {now.changed_by or 'somebody else'}, and is with {now.vendor or 'no vendor'} now: if that is "
        "not what you want, move it again; if it is and nobody has its key, add one (`fairpool tenants keys add`)"
    )


def _is_elsewhere(now: TenantChangedV1, wanted: From) -> str:
    last = f" (last: {now.act}, by {now.changed_by or 'somebody'})" if now.act else ""
    return (
        f"must be where the seat is: {now.tenant} is with {now.vendor or 'no vendor'}, not with {wanted.vendor or 'no vendor'}{last}, and "
        "was left there; if it is to move on from there, say so"
    )


def _unknown(tenant: str) -> Refused:
    return Refused({"tenant": f"must be the id of a tenant that is in the network; found {tenant!r}"})
