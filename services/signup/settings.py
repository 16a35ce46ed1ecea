"""Every knob of signup."""

from datetime import timedelta
from typing import Annotated

from shared.roles import Role
from shared.security.links import LinkReader
from shared.setting_forms import NOT_TOLD, Duration, OnlyFor, PostgresUrl, RoleSecret32, RoleSecret64, Secret32, WebUrl
from shared.settings import ServiceSettings

_PAGES = OnlyFor(frozenset({Role.PAGES}))


class Settings(ServiceSettings):
    """What signup needs to know beyond what every process does."""

    ROLES = frozenset(Role)

    signup_database: PostgresUrl
    signup_url: WebUrl
    """The public base URL: what an operator gives to a vendor as a webhook's address."""
    vault_key: Secret32
    blind_index_key: Secret32
    link_verify_key: Annotated[RoleSecret32, _PAGES] = NOT_TOLD
    """The public half of the courier's signing key: checks the links that open a person's pages here."""
    link_subject_key: Annotated[RoleSecret64, _PAGES] = NOT_TOLD
    consent_url: WebUrl
    """Where a person's choices are."""
    publish_within: Duration = timedelta(seconds=5)
    """How long an answer waits for Kafka's acknowledgement before it is a 503."""
    sources_kept: Duration = timedelta(seconds=60)
    """How long a source's opened secret stays in memory."""

    @property
    def links(self) -> LinkReader:
        """Reads the links of people's pages; only `pages` can."""
        if self.link_verify_key is None or self.link_subject_key is None:
            raise RuntimeError(f"a process that is {self.role} reads no links")
        return LinkReader(self.link_verify_key, self.link_subject_key)
