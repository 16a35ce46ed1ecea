"""Every knob of signup."""

from datetime import timedelta

from shared.roles import Role
from shared.settings import Duration, PostgresUrl, Secret32, Secret64, ServiceSettings, WebUrl


class Settings(ServiceSettings):
    """What signup needs to know beyond what every process does."""

    ROLES = frozenset(Role)

    signup_database: PostgresUrl
    signup_url: WebUrl
    """The public base URL: what an operator gives to a vendor as a webhook's address."""
    vault_key: Secret32
    blind_index_key: Secret32
    link_verify_key: Secret32
    """The public half of the courier's signing key: checks the links that open a person's pages here."""
    link_subject_key: Secret64
    consent_url: WebUrl
    """Where a person's choices are."""
    publish_within: Duration = timedelta(seconds=5)
    """How long an answer waits for Kafka's acknowledgement before it is a 503."""
    sources_kept: Duration = timedelta(seconds=60)
    """How long a source's opened secret stays in memory."""
