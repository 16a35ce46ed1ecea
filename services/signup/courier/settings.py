"""Every knob of the courier."""

from datetime import timedelta

from pydantic import Field

from shared.roles import Role
from shared.setting_forms import Certificates, Duration, KeeperUrl, Keys64, PostgresUrl, Secret32, SmtpUrl, WebUrl
from shared.settings import ReadsLimitsSettings


class CourierSettings(ReadsLimitsSettings):
    """Settings of `python -m services.signup.courier`."""

    ROLES = frozenset({Role.ALL, Role.WORKER})
    """Nobody calls it."""

    signup_database: PostgresUrl
    vault_keys: KeeperUrl
    """Who keeps the vault's epoch keys; the courier opens them, and never makes one."""
    link_signing_key: Secret32
    link_subject_key: Keys64
    """The first hides in links whose they are; signup and consent have the same."""
    smtp_plain_to: str = ""
    """A host that mail may go to without TLS though it is another machine: a mail catcher on a network of one's own."""
    smtp: SmtpUrl
    """`smtp+starttls://` or `smtps://`, with user and password if the relay wants them; `smtp://` has no TLS, and is for a
    catcher: on this machine, or the host of `smtp_plain_to`. Never with a password."""
    smtp_ca: Certificates = None
    """The authorities (PEM) that sign the relay's certificate; those of the system where there is none."""
    consent_url: WebUrl
    signup_url: WebUrl
    mail_domain: str = Field(default="fairpool.example", pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    """The domain that mails come from; SPF and DKIM are the relay's work."""
    courier_connections: int = Field(default=8, ge=1, le=500)
    """SMTP connections that one courier keeps open; so many mails at most are in doubt when it is killed."""
    courier_batch: int = Field(default=32, ge=1, le=1000)
    """Mails that one courier may be busy with at a time."""
    courier_lease: Duration = timedelta(seconds=15)
    """After so long without a sign of life a courier counts as dead, and what it was sending as doubtful."""
    smtp_within: Duration = timedelta(seconds=30)
    """How long the relay may take for one answer."""
