"""What the consent process is told by its environment."""

from shared.roles import Role
from shared.settings import OwnFolder, PostgresUrl, ReadsLimitsSettings, Secret32, Secret64, WebUrl


class Settings(ReadsLimitsSettings):
    """Consent's own knobs and its keys: the public half of the courier's, to check links with, and the links' subjects'."""

    ROLES = frozenset(Role)

    consent_database: PostgresUrl
    link_verify_key: Secret32
    link_subject_key: Secret64
    signup_url: WebUrl
    """Where a person without a working link gets a new one."""
    consent_url: WebUrl
    agreements: OwnFolder = None
    """A directory with agreements of the operator's own, beside those that are shipped."""
    agreement: str = ""
    """The version that people are shown; empty: the newest."""
