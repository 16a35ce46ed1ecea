"""A yes is believed with signup's statement of a link of that person, also where consent's own key signed it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV1, ConsentChangedV2, Limits
from shared.contracts.topics import CONSENT_STATE
from shared.messaging.envelope import Received, Record, Undecodable, decode, encode
from shared.messaging.signatures import BAD_SIGNATURE, STATEMENTS, UNKNOWN_KEY, Verifier
from shared.security.links import public_half
from shared.security.seals import Seals
from shared.security.statements import StatementReader
from tests.signing import PUBLIC, SEALS, consented, seed_of, signed_by, statement, verifier, with_signatures

ANA, BO = "01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10", "01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e11"
AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
DAY = timedelta(days=1)
OTHERS = Seals([bytes(32)])
YES: Mapping[str, Any] = {"candidate": ANA, "version": 1, "at": AT, "purposes": ("match", "contact")}


def on_the_topic(event: Event) -> Record:
    """Signed with consent's real key."""
    (sent,) = with_signatures([encode(event, source="consent", at=AT)], signed_by("consent"))
    return Record(sent.topic, 0, 0, sent.key, sent.value, sent.headers)


def read(event: Event, by: Verifier | None = None) -> Received[Event] | Undecodable:
    found = decode(on_the_topic(event), by or verifier())
    assert isinstance(found, Received | Undecodable)
    return found


def moved(**changes: Any) -> ConsentChangedV2:
    """A statement of which something was changed afterwards."""
    return consented(**YES, statement=statement(ANA, AT).model_copy(update=changes))


def genuine(more: Mapping[str, Any], **changes: Any) -> ConsentChangedV2:
    """One that consent said, with its limits sealed; who has its signing key alone changed something in clear."""
    return consented(**{**YES, **more}).model_copy(update=changes)


FORGED: Mapping[str, Event] = {
    "without a statement": consented(**YES, statement=None),
    "with another person's": consented(**YES, statement=statement(BO, AT)),
    "with one that consent made": consented(**YES, statement=statement(ANA, AT, by="consent")),
    "with one that the gateway made": consented(**YES, statement=statement(ANA, AT, by="outreach_gateway")),
    "by a link that had expired": consented(**YES, statement=statement(ANA, AT - 2 * DAY, lasts=DAY)),
    "by a link made to last longer": moved(expires_at=AT + 100 * DAY),
    "by a link made younger": moved(issued_at=AT + DAY),
    "by another link": moved(link="another"),
    "with a statement that is none": moved(signature="="),
    "of which nobody says when it was said": consented(**YES, said_at=None),
    "in the form before": ConsentChangedV1(**YES),
    "without its limits": consented(**YES).model_copy(update={"sealed": None}),
    "with the limits of another version": consented(**YES).model_copy(
        update={"sealed": consented(**{**YES, "version": 2}).sealed}
    ),
    "with another person's limits": consented(**YES).model_copy(
        update={"sealed": consented(**{**YES, "candidate": BO}).sealed}
    ),
    "of one purpose with one more": genuine({"purposes": ("match",)}, purposes=("match", "contact")),
    "that was paused and is not": genuine({"paused_until": AT + DAY}, paused_until=None),
    "that lasts longer": genuine({"ends_at": AT + DAY}, ends_at=AT + 3000 * DAY),
    "with the statement of a later link": genuine({}, statement=statement(ANA, AT + DAY, link="later")),
    "said at another time": genuine({}, said_at=AT + DAY),
    "that no no was before": genuine({"stopped_at": AT - DAY}, stopped_at=None),
    "at another time": genuine({}, at=AT + DAY),
    "sealed by somebody else": ConsentChangedV2.within(
        Limits(), OTHERS, **YES, statement=statement(ANA, AT), said_at=AT
    ),
}


@pytest.mark.parametrize("how", FORGED)
def test_with_consents_own_key_nobody_says_yes_for_somebody(how: str) -> None:
    found = read(FORGED[how])
    assert isinstance(found, Undecodable)
    assert found.reason.startswith(BAD_SIGNATURE)
    assert ANA not in found.reason


def test_each_field_in_clear_is_bound_by_what_is_sealed() -> None:
    said = consented(**YES, stopped_at=AT - DAY, paused_until=AT, ends_at=AT + DAY)
    others: Mapping[str, Any] = {"candidate": BO, "version": 2, "purposes": ("match",), "statement": None}
    for name in set(ConsentChangedV2.model_fields) - {"sealed"}:
        with pytest.raises(ValueError, match="open"):
            said.model_copy(update={name: others.get(name, AT + 2 * DAY)}).opened(SEALS)


def test_a_yes_that_was_said_by_a_link_is_believed_with_its_limits() -> None:
    found = read(consented(**YES, blocked_employers=("emp_mesa",), time_zone="America/Denver"))
    assert isinstance(found, Received)
    assert isinstance(found.event, ConsentChangedV2)
    assert found.event.limits == Limits(blocked_employers=("emp_mesa",), time_zone="America/Denver")


@pytest.mark.parametrize("no", [consented(**{**YES, "purposes": ()}), ConsentChangedV1(**{**YES, "purposes": ()})])
def test_a_no_needs_no_statement(no: Event) -> None:
    assert isinstance(read(no), Received)


def test_while_not_everybody_signs_a_yes_without_a_statement_is_taken_and_a_wrong_statement_is_not() -> None:
    assert isinstance(read(FORGED["in the form before"], verifier("take")), Received)
    assert isinstance(read(FORGED["without a statement"], verifier("take")), Received)
    assert isinstance(read(FORGED["with another person's"], verifier("take")), Undecodable)


def test_a_clock_that_differs_by_seconds_makes_no_yes_a_hold() -> None:
    just_over = consented(**YES, statement=statement(ANA, AT - DAY, lasts=DAY), said_at=AT + timedelta(seconds=4))
    too_late = consented(**YES, statement=statement(ANA, AT - DAY, lasts=DAY), said_at=AT + timedelta(seconds=6))
    assert [type(read(one)) for one in (just_over, too_late)] == [Received, Undecodable]


def test_what_signup_stated_with_a_key_that_it_has_no_more_holds_and_no_record_that_the_key_signs() -> None:
    """The old key's public half stays under a name of its own: no standing grant is a hold after an exchange."""
    old, new = public_half(seed_of("signup")), public_half(seed_of("signup's next"))
    after = Verifier({**PUBLIC, "signup": (new,), STATEMENTS: (old,)}, seals=SEALS)
    assert isinstance(read(consented(**YES), after), Received)
    forgotten = Verifier({**PUBLIC, "signup": (new,)}, seals=SEALS)
    assert isinstance(read(consented(**YES), forgotten), Undecodable)
    (sent,) = with_signatures([encode(consented(**YES), source="consent", at=AT)], signed_by("signup"))
    assert isinstance(decode(Record(sent.topic, 0, 0, sent.key, sent.value, sent.headers), after), Undecodable)


def test_who_has_no_key_reads_what_is_on_and_never_the_limits() -> None:
    found = read(consented(**YES, blocked_employers=("emp_mesa",)), Verifier(PUBLIC))
    assert isinstance(found, Received)
    assert isinstance(found.event, ConsentChangedV2)
    with pytest.raises(RuntimeError, match="sealed"):
        _ = found.event.limits


def test_what_only_some_need_is_not_to_be_read_on_the_bus() -> None:
    limits = {
        "sectors": ("29-1141",), "blocked_employers": ("emp_mesa",), "time_zone": "America/Denver", "min_gap_hours": 719,
        "quiet_hours": {"start": "12:34", "end": "14:56"},
    }  # fmt: skip
    record = on_the_topic(consented(**YES, **limits))
    assert record.topic == CONSENT_STATE.name
    whole = b"".join((record.key or b"", record.value or b"", *(raw or b"" for _, raw in record.headers)))
    assert not [word for word in (b"29-1141", b"emp_", b"Denver", b":719", b"12:34", b"14:56") if word in whole]


def test_how_many_are_blocked_does_not_show_by_ones() -> None:
    sizes = {len(consented(**YES, blocked_employers=("emp_mesa",) * many).sealed or "") for many in range(5)}
    assert len(sizes) == 1


def test_what_is_said_again_is_the_same_record_and_another_version_is_sealed_otherwise() -> None:
    first, again, later = (consented(**{**YES, "version": version}, time_zone="UTC") for version in (1, 1, 2))
    assert first.model_dump_json() == again.model_dump_json()
    assert first.sealed != later.sealed


def test_a_seal_is_exchanged_while_what_the_old_one_sealed_is_still_read_and_said_again() -> None:
    new, old = bytes(31) + b"\1", bytes(31) + b"\2"
    event = ConsentChangedV2.within(Limits(sectors=("29-0000",)), Seals([old]), **YES)
    both = Seals([new, old])
    assert event.opened(both).limits.sectors == ("29-0000",)
    assert event.is_outdated(both)
    assert not ConsentChangedV2.within(Limits(), both, **YES).is_outdated(both)


def test_a_record_with_a_seal_that_a_reader_was_not_told_of_is_read_again_when_it_is() -> None:
    found = read(FORGED["sealed by somebody else"])
    assert isinstance(found, Undecodable)
    assert found.reason.startswith(UNKNOWN_KEY)


def test_what_is_remembered_of_a_statement_is_of_one_person() -> None:
    reader, stated = StatementReader(PUBLIC["signup"]), statement(ANA, AT).value
    assert [reader.holds(ANA, stated), reader.holds(ANA, stated), reader.holds(BO, stated)] == [True, True, False]
