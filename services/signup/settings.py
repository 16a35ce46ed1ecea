"""Every knob of signup."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from services.signup.vault.addresses import derived_pepper
from services.signup.vault.hashing import SlowHashes
from services.signup.vault.index import BlindIndex
from shared.messaging.signatures import STATES_LINKS
from shared.roles import Role
from shared.security.links import LinkReader
from shared.security.sessions import SessionReader, SessionSigner
from shared.setting_forms import (
    NOT_TOLD,
    Duration,
    KeeperUrl,
    Keys32,
    MaybeKeys32,
    OldSecret32,
    OnlyFor,
    PostgresUrl,
    RoleKeys32,
    RoleKeys64,
    WebUrl,
)
from shared.settings import ServiceSettings


def _pinned(value: tuple[bytes, ...], info: ValidationInfo) -> tuple[bytes, ...]:
    """The hashes of the erased can't be made anew: with another key of the index they would not be found any more."""
    if not value and len(info.data.get("blind_index_key", ())) > 1:
        raise ValueError(
            "is missing, because FAIRPOOL_BLIND_INDEX_KEY has an older key and nobody who said no would be known any more "
            "without it: `fairpool secrets pepper` prints the one in use"
        )
    return value


_ANSWERS = OnlyFor(frozenset({Role.PAGES, Role.EDGE}))
"""A person's link works at `edge` as well: whoever holds one can have themself erased by a program."""


class Settings(ServiceSettings):
    """What signup needs to know beyond what every process does."""

    ROLES = frozenset(Role)

    signup_database: PostgresUrl
    signup_url: WebUrl
    """The public base URL: what an operator gives to a vendor as a webhook's address."""
    vault_keys: KeeperUrl
    """Who keeps the vault's epoch keys."""
    vault_key: OldSecret32 = None
    """The one key of a vault that is older than epochs: kept as the first epoch's when that is made, and then of no use here."""
    blind_index_key: Keys32
    """The first finds new people again; a worker brings the rows of the others under it."""
    invitation_pepper: Annotated[MaybeKeys32, AfterValidator(_pinned)] = ()
    """What the slow hashes that outlive an erasure are made with; none: it comes from the key of the blind index."""
    link_verify_key: Annotated[RoleKeys32, _ANSWERS] = NOT_TOLD
    """The public halves of the courier's signing keys: check the links that open a person's pages here."""
    link_subject_key: Annotated[RoleKeys64, _ANSWERS] = NOT_TOLD
    consent_url: WebUrl
    """Where a person's choices are."""
    publish_within: Duration = timedelta(seconds=5)
    """How long an answer waits for Kafka's acknowledgement before it is a 503."""
    sources_kept: Duration = timedelta(seconds=60)
    """How long a source's opened secret stays in memory."""

    @property
    def index(self) -> BlindIndex:
        """The keys of the blind index."""
        return BlindIndex(*self.blind_index_key)

    @property
    def hashes(self) -> SlowHashes:
        """The peppers in use."""
        return SlowHashes(*(self.invitation_pepper or (derived_pepper(self.blind_index_key[0]),)))

    @property
    def links(self) -> LinkReader:
        """Reads the links of people's pages; a `worker` can't."""
        if self.link_verify_key is None or self.link_subject_key is None:
            raise RuntimeError(f"a process that is {self.role} reads no links")
        return LinkReader(self.link_verify_key, self.link_subject_key)

    @property
    def sessions(self) -> SessionReader:
        """Reads the sessions of people who are signed in; a `worker` can't."""
        if self.link_subject_key is None:
            raise RuntimeError(f"a process that is {self.role} reads no sessions")
        return SessionReader(self.verify_keys["signup"], self.link_subject_key)

    @property
    def certificate_keys(self) -> tuple[bytes, ...]:
        """Public keys by which certificates are checked: signup's, and those that were and did not leak."""
        return tuple(key for name in STATES_LINKS for key in self.verify_keys.get(name, ()))

    @property
    def session_signer(self) -> SessionSigner:
        """Starts sessions; a `worker` can't."""
        if self.link_subject_key is None:
            raise RuntimeError(f"a process that is {self.role} starts no sessions")
        return SessionSigner(self.signing_key, self.link_subject_key[0])
