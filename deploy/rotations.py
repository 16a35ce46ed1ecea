"""How each secret that is a list is exchanged: what to set at each step, and when the old one may go."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.errors import StackError
from services.signup.vault.addresses import derived_pepper
from shared.security import encoding
from shared.security.links import public_half

PEPPER, INDEX = "FAIRPOOL_INVITATION_PEPPER", "FAIRPOOL_BLIND_INDEX_KEY"
SIGNING, VERIFY = "FAIRPOOL_LINK_SIGNING_KEY", "FAIRPOOL_LINK_VERIFY_KEY"
_BY_STATUS = "`fairpool secrets status` says that no row is under it any more"


@dataclass(frozen=True, slots=True)
class Rotation:
    """Of one secret: its length, who has it, and until when the old one is needed."""

    length: int
    who: str
    until: str


LISTS: Mapping[str, Rotation] = {
    INDEX: Rotation(32, "all processes of signup", _BY_STATUS),
    PEPPER: Rotation(
        32, "all processes of signup", f"{_BY_STATUS}, which may be never: the erased can't be hashed anew"
    ),
    "FAIRPOOL_MEMBER_REF_KEY": Rotation(
        64,
        "pool-matching (all), the gateway (edge)",
        f"{_BY_STATUS}, and 30 days more: employers read the refs of now at their next tick, and cursors live that long",
    ),
    "FAIRPOOL_OUTREACH_ID_KEY": Rotation(
        32, "all processes of the gateway", "125 days have passed: a repeated request is recognized for that long"
    ),
    "FAIRPOOL_LINK_SUBJECT_KEY": Rotation(
        64,
        "the courier, signup (edge, pages), consent (edge, pages)",
        "366 days have passed: the link to a job works for so long",
    ),
    "FAIRPOOL_CONSENT_SEAL_KEYS": Rotation(
        32, "consent, pool-matching, the gateway, the courier", "consent has republished every record (docs/running.md)"
    ),
    SIGNING: Rotation(
        32,
        "the courier; its public half signup (edge, pages), consent (edge, pages)",
        "366 days have passed, as for links' subjects",
    ),
}


def steps(name: str, now: Mapping[str, str]) -> list[tuple[str, Mapping[str, str]]]:
    """What to do, and the variables to set for it, in order; `now` are those in force. StackError for what is none."""
    if name not in LISTS:
        raise StackError(
            f"expected one of {', '.join(LISTS)}; found {name}. The others are in docs/operating.md (Rotating secrets)."
        )
    rotation = LISTS[name]
    if name == SIGNING:
        return _of_signing(now, rotation)
    old = _kept(name, now)
    new = encoding.encode(os.urandom(rotation.length))
    found: list[tuple[str, Mapping[str, str]]] = []
    if name == INDEX and not now.get(PEPPER):
        found.append(("keep what slow hashes are made with; restart all processes of signup", {PEPPER: pepper(now)}))
    return [
        *found,
        (f"everybody reads both: restart {rotation.who}, and wait until the last one is", {name: f"{old},{new}"}),
        (f"the new one makes: restart {rotation.who}", {name: f"{new},{old}"}),
        (f"the old one goes once {rotation.until}", {name: new}),
    ]


def pepper(now: Mapping[str, str]) -> str:
    """What the slow hashes of an installation that was given no pepper are made with."""
    first, *others = [one.strip() for one in _kept(INDEX, now).split(",")]
    if others:
        raise StackError(
            f"expected one key in {INDEX}, found several: which of them the slow hashes came from can't be told. Put back the one that "
            "was there alone, ask again, and set the pepper before another key."
        )
    try:
        return encoding.encode(derived_pepper(encoding.decode(first)))
    except ValueError:
        raise StackError(f"expected base64url in {INDEX}, found something else.") from None


def _of_signing(now: Mapping[str, str], rotation: Rotation) -> list[tuple[str, Mapping[str, str]]]:
    old = _kept(VERIFY, now)
    seed = Ed25519PrivateKey.generate().private_bytes_raw()
    new = encoding.encode(public_half(seed))
    return [
        (
            "everybody reads links of both: restart signup (edge, pages) and consent (edge, pages)",
            {VERIFY: f"{old},{new}"},
        ),
        ("the new one signs: restart the courier", {SIGNING: encoding.encode(seed), VERIFY: f"{new},{old}"}),
        (f"the old one goes once {rotation.until}", {VERIFY: new}),
    ]


def _kept(name: str, now: Mapping[str, str]) -> str:
    if not (value := now.get(name)):
        raise StackError(f"expected {name} in the environment or in the file, found none: name the one in force.")
    return value
