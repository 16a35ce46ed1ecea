"""What an erasure certificate says: each place that was swept, when, and what stays."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.signup.model.erasures import ErasureRecord, Sweep
from shared.contracts.base import rfc3339
from shared.contracts.signup import SweptStore
from shared.contracts.topics import (
    ATS_EVENTS,
    COMPACTED_WITHIN,
    DEAD_LETTERS_KEPT,
    ERASURES,
    POOL_UPDATES,
    TOPICS,
    Topic,
)
from shared.i18n import marked

KIND = "fairpool-erasure-certificate"
SEALED_UNTIL = timedelta(days=15)
"""What a vendor sent is sealed with the key of its day: the last one that could open it is destroyed by then."""
_ANOTHER_COMES_WITHIN = timedelta(days=1)
"""Kafka looks at a partition only once something is written to it; in a network that is in use, that is at most a day."""
_SEGMENT = timedelta(days=7)
"""Kafka's `segment.ms` where nobody set another: records are forgotten by the segment, when its newest is old enough."""
GOES: tuple[str, ...] = (
    marked(
        "Your name, email and phone numbers, and the keys that they are locked with. What hiring systems told of you is locked with a key of its day as well, and opens for 15 days at most."
    ),
    marked("Your profile, what hiring systems told of you, and every choice that you made. Employers stop seeing you."),
    marked("Messages that wait for you. They are not sent, and their senders learn only that they were not sent."),
    marked(
        "Your page, your receipts here, and every link in every email. No email is sent to you any more, not even about this."
    ),
)
"""For the page: what an erasure takes away."""
STAYS: tuple[str, ...] = (
    marked(
        "A scrambled mark of your email (a slow, keyed hash): as long as we have it, no hiring system and no old record that comes with this email brings you back; one that comes with another email of yours can. It can’t be turned into your email, but whoever has our keys and guesses your email can confirm the guess."
    ),
    marked(
        "The random number that you were known by, on a list of numbers that are never used again, so that a backup or a late record can’t bring you back. Once you are erased it leads to nobody."
    ),
    marked(
        "What is outside of Fairpool: emails in your inbox, what the services that carried them there note in their own logs (your email, and when), what a hiring system keeps of you itself, and what an employer has copied or exported while it could see you. We can’t reach it. Employers never had your name or email from us."
    ),
    marked(
        "Marks of your receipts in our ledger. They say nothing to anybody without the receipt, and only you have it."
    ),
    marked(
        "Notes of how many messages were sent and how they ended, without words, under that random number: about 110 days."
    ),
    marked(
        "What employers were told of you, by a code of each list and without your name, in their feeds: 100 days at most."
    ),
    marked(
        "What your profile and your choices said before, under that random number and without your name or email, in the log by which our parts tell each other, until what is superseded there is cleared away: usually in about a week, as others’ entries come in, but the log promises no date."
    ),
    marked(
        "Backups from before, until their key is exchanged. A backup that is brought back stays closed until every erasure since then has been repeated, and takes along that mark. Only where it was lost with everything since then could an old record of a hiring system have you invited once more."
    ),
)
"""What stays, and why, in plain words: on the page before it, and in the certificate."""


def certificate(record: ErasureRecord, own: Sequence[SweptStore]) -> dict[str, Any]:
    """As JSON has it; `own`: what signup itself keeps. No id of the person is in it, and nothing else of theirs."""
    sweeps = [Sweep("signup", record.erased_at, tuple(own)), *record.sweeps]
    complete_at = record.complete_at
    return {
        "id": record.id,
        "erased_at": rfc3339(record.erased_at),
        "complete_at": None if complete_at is None else rfc3339(complete_at),
        "outstanding": list(record.outstanding),
        "stores": [store for sweep in sweeps for store in _stores(sweep)],
        "topics": [_topic(topic, record.erased_at) for topic in TOPICS if _tells_of_people(topic)],
        "stays": list(STAYS),
        "readable_until": rfc3339(record.readable_until),
    }


def _stores(sweep: Sweep) -> Iterator[dict[str, str]]:
    for one in sweep.stores:
        yield {
            "service": sweep.service,
            "store": one.store,
            "ends": one.ends,
            "what": one.how,
            "swept_at": rfc3339(sweep.at),
        }


def _tells_of_people(topic: Topic) -> bool:
    return topic.key == "candidate" or topic in (ATS_EVENTS, POOL_UPDATES)


def _topic(topic: Topic, erased_at: datetime) -> dict[str, str | None]:
    """Of a compacted topic what its last record says, and when those before it are expected to be gone; of any other, when the last one is.

    `gone_by` is what we expect, not a promise: Kafka says when it may clear a segment away, not when it has.
    """
    if topic is ERASURES:
        return {"topic": topic.name, "what": topic.erased, "swept_at": rfc3339(erased_at), "gone_by": None}
    if topic.kept is None:
        what = f"{topic.erased}; what was said before is expected to be cleared away by then, as others’ records come in; Kafka promises no date"
        gone_by = rfc3339(erased_at + COMPACTED_WITHIN + _ANOTHER_COMES_WITHIN)
        return {"topic": topic.name, "what": what, "swept_at": rfc3339(erased_at), "gone_by": gone_by}
    if topic is ATS_EVENTS:
        what, kept = "sealed with keys of days, which are destroyed by then", SEALED_UNTIL
    else:
        what, kept = "ids and states; forgotten by age, a segment at a time", topic.kept + _SEGMENT
        kept += DEAD_LETTERS_KEPT + _SEGMENT if topic.readers else timedelta()
    return {"topic": topic.name, "what": what, "swept_at": None, "gone_by": rfc3339(erased_at + kept)}
