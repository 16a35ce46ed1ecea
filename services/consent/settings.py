"""What the consent process is told by its environment."""

from typing import Annotated

from shared.roles import Role
from shared.security.links import LinkReader
from shared.security.sessions import SessionReader
from shared.setting_forms import NOT_TOLD, OnlyFor, OwnFolder, PostgresUrl, RoleKeys32, RoleKeys64, WebUrl
from shared.settings import ReadsLimitsSettings

_ANSWERS = OnlyFor(frozenset({Role.PAGES, Role.EDGE}))
"""A receipt is shown to whoever has the link that leads to it, by `edge` as well."""


class Settings(ReadsLimitsSettings):
    """Consent's own knobs and its keys: the public halves of the courier's, to check links with, and the links' subjects'."""

    ROLES = frozenset(Role)

    consent_database: PostgresUrl
    link_verify_key: Annotated[RoleKeys32, _ANSWERS] = NOT_TOLD
    link_subject_key: Annotated[RoleKeys64, _ANSWERS] = NOT_TOLD
    signup_url: WebUrl
    """Where a person without a working link gets a new one."""
    consent_url: WebUrl
    agreements: OwnFolder = None
    """A directory with agreements of the operator's own, beside those that are shipped."""
    agreement: str = ""
    """The version that people are shown; empty: the newest."""

    @property
    def links(self) -> LinkReader:
        """Reads the links in emails; a `worker` can't."""
        if self.link_verify_key is None or self.link_subject_key is None:
            raise RuntimeError(f"a process that is {self.role} reads no links")
        return LinkReader(self.link_verify_key, self.link_subject_key)

    @property
    def sessions(self) -> SessionReader:
        """Reads the sessions of people who are signed in; a `worker` can't."""
        if self.link_subject_key is None:
            raise RuntimeError(f"a process that is {self.role} reads no sessions")
        return SessionReader(self.verify_keys["signup"], self.link_subject_key)
