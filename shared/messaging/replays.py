"""What a reader does not believe of a consent although it is signed: a yes by a link from before a no."""

from collections.abc import Collection, Sequence

import structlog

from shared.contracts.consent import ConsentChanged
from shared.messaging.envelope import Received
from shared.messaging.signatures import REPLAYED, note_refused

_log = structlog.get_logger(__name__)


def note_replays(received: Sequence[Received[ConsentChanged]], replayed: Collection[tuple[str, int]]) -> None:
    """Counts and names the records of these people and versions: what was known of them stays, and somebody is paged."""
    for item in received:
        if (item.event.candidate, item.event.version) in replayed:
            note_refused(item.record.topic, f"{REPLAYED}: a yes by a link from before a no")
            _log.error("yes_replayed", position=item.record.position)
