"""What signing and checking cost a record, beside encoding and decoding it, and what opening what is sealed in it: `python -m tests.bench.signatures`.

The best of several turns, in microseconds of this process' own time a record: nothing in it waits, and a machine that does other things
as well is only ever slower.
"""

import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received, Record, decode, encode
from shared.messaging.producer import said_by
from shared.messaging.signatures import Signer, Verifier
from tests.signing import consented, signed_by, verifier

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
BATCHES = (1, 100, 500, 1000)
_RECORDS = 4000


def consent() -> ConsentChangedV2:
    """A small record: a person's no. A yes costs one check more, that of its link's statement, and there is no batch of those."""
    return consented(candidate=new_candidate_id(), version=3, at=AT, purposes=())


def decision() -> OutreachDecidedV1:
    """A large one: an admitted message with its sealed words."""
    return OutreachDecidedV1(
        outreach="o_" + "x" * 22,
        version=1,
        candidate=new_candidate_id(),
        employer="emp_denverhealth",
        outcome="admitted",
        policy="2026-12",
        at=AT,
        good_until=AT,
        sealed="x" * 1500,
    )


def microseconds(make: Callable[[], Event], signer: str, size: int) -> tuple[float, float, float]:
    """A record of a batch of this size: encoded and decoded as it is, opened besides, and signed and checked besides that."""
    events = [make() for _ in range(size)]
    plain, opened, signed = [], [], []
    for _ in range(max(15, _RECORDS // size)):
        plain.append(_turn(events, None, None))
        opened.append(_turn(events, None, verifier("take")))
        signed.append(_turn(events, signed_by(signer), verifier()))
    return min(plain), min(opened), min(signed)


def _turn(events: Sequence[Event], key: Signer | None, known: Verifier | None) -> float:
    began = time.process_time()
    sent = [encode(event, source="bench", at=AT) for event in events]
    if key is None:
        records = [Record(one.topic, 0, 0, one.key, one.value, one.headers) for one in sent]
    else:
        records = [
            Record(one.topic, 0, 0, one.key, one.value, (*one.headers, *more))
            for one, more in zip(sent, said_by(key, sent), strict=True)
        ]
    read = [decode(record, known) for record in records]
    took = time.process_time() - began
    assert all(isinstance(one, Received) for one in read)
    return took / len(events) * 1e6


def main() -> None:
    """Prints a line for each kind of record and size of batch."""
    for make, signer in ((consent, "consent"), (decision, "outreach_gateway")):
        for size in BATCHES:
            plain, opened, signed = microseconds(make, signer, size)
            sys.stdout.write(
                f"{make.__name__:9} batch of {size:4}: {plain:6.1f} us, opened {opened:6.1f}, signed too {signed:6.1f};"
                f" signatures {signed - opened:5.1f} us, {(signed - opened) / plain:.0%}\n"
            )


if __name__ == "__main__":
    main()
