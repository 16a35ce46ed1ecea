"""Messages in."""

from collections.abc import Sequence

from services.consent.ports import Consents
from shared.contracts.signup import CandidateRegisteredV1
from shared.messaging.envelope import Received


async def on_candidate_registered(consents: Consents, events: Sequence[Received[CandidateRegisteredV1]]) -> None:
    """Each new person has a row in which nothing is on; one that their own link made first stays as it is."""
    await consents.register([item.event.candidate for item in events])
