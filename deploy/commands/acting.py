"""How commands act on tenants: who acts, in whose name it is signed, and what the topic says by then."""

import getpass
import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from deploy import signing, tenants
from deploy.commands import kafka
from deploy.commands.terminal import HomeOption
from deploy.local.home import Home
from services.signup.decisions.tenants import Act
from services.signup.ports.tenants import DecideTenant
from shared.contracts.operator import TenantChangedV1
from shared.messaging.kafka import Kafka
from shared.messaging.signatures import Signer

Reason = Annotated[str, typer.Option(help="Why, in one line; it is written down. No name, email or phone number.")]


def act(home: HomeOption, decide: DecideTenant) -> TenantChangedV1:
    """Decides on everybody as they are now, and says the outcome; StackError where it is refused."""
    signer, believed = trusted(home)
    return kafka.speak(tenants.act(believed, decide, signer))


def trusted(home: HomeOption) -> tuple[Signer, Kafka]:
    """The operator's signer, and a Kafka of which what nobody may say is not believed."""
    signer, verifier = signing.of_commands(Home.at(home))
    return signer, signing.believing(kafka.find(Home.at(home)), verifier)


def by(reason: str | None) -> Act:
    """Whoever acts: FAIRPOOL_OPERATOR, else the name of this machine's user."""
    return Act(by=os.environ.get("FAIRPOOL_OPERATOR") or getpass.getuser(), at=datetime.now(UTC), reason=reason)
