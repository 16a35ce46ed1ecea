"""What is read as an event, what is not, and that no reason ever shows a value."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.contracts.consent import ConsentChangedV1
from shared.contracts.signup import CandidateConfirmedV1, CandidateRegisteredV1, CandidateReportedV1
from shared.contracts.topics import CANDIDATE_EVENTS
from shared.messaging.envelope import (
    LARGEST,
    STRUCTURED,
    Outgoing,
    Received,
    Record,
    Undecodable,
    decode,
    encode,
    gone,
    only,
)

AT = datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC)
EVENT = CandidateRegisteredV1(candidate="00000000-0000-7000-8000-000000000001", at=AT)
SECRET = "ana.ruiz@example.org"


def _record(sent: Outgoing) -> Record:
    return Record(sent.topic, 3, 17, sent.key, sent.value, sent.headers)


def _binary(**changes: bytes | None) -> Record:
    record = _record(encode(EVENT, source="signup", at=AT, id="e-1"))
    headers = {**dict(record.headers), **{name.replace("__", "-"): raw for name, raw in changes.items()}}
    return replace(record, headers=tuple(headers.items()))


def _structured(**changes: object) -> Record:
    whole = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/fairpool/signup",
        "type": EVENT.TYPE,
        "time": "2026-11-22T10:00:00.250000Z",
        "data": {"candidate": "00000000-0000-7000-8000-000000000001", "at": "2026-11-22T10:00:00Z"},
        **changes,
    }
    return Record(
        CANDIDATE_EVENTS.name,
        0,
        0,
        b"00000000-0000-7000-8000-000000000001",
        json.dumps(whole).encode(),
        (("content-type", STRUCTURED + b"; charset=utf-8"),),
    )


def _refused(record: Record) -> str:
    found = decode(record, None)
    assert isinstance(found, Undecodable)
    assert found.record is record
    return found.reason


def test_a_key_is_gone_where_its_topics_last_word_is_a_removal_whatever_other_topics_say() -> None:
    def removal(topic: str, key: bytes) -> Record:
        return Record(topic, 0, 0, key, None, ())

    profile, other = (
        removal("candidate-profiles", b"00000000-0000-7000-8000-000000000001"),
        removal("candidate-keys", b"00000000-0000-7000-8000-000000000001"),
    )
    spoke = Undecodable(replace(other, value=b"x"), "unreadable")
    batch = [
        decode(profile, None),
        decode(removal("candidate-profiles", b"00000000-0000-7000-8000-000000000000"), None),
        decode(other, None),
        spoke,
        decode(removal("tenants", b"t"), None),
    ]
    assert gone(batch) == {
        "candidate-profiles": ["00000000-0000-7000-8000-000000000000", "00000000-0000-7000-8000-000000000001"],
        "tenants": ["t"],
    }
    assert gone([]) == {}


def test_an_events_id_names_nobody() -> None:
    with pytest.raises(ValueError, match="id"):
        encode(EVENT, source="signup", at=AT, id=f"{EVENT.candidate}:registered")


def test_an_event_written_in_binary_mode_is_read_back_whole() -> None:
    sent = encode(EVENT, source="signup", at=AT, id="e-1")
    assert (sent.topic, sent.key) == ("candidate-events", b"00000000-0000-7000-8000-000000000001")
    received = decode(_record(sent), None)
    assert isinstance(received, Received)
    assert received.event == EVENT
    assert (received.id, received.source, received.time) == ("e-1", "/fairpool/signup", AT)


def test_binary_mode_has_the_attributes_as_headers_and_the_data_as_value() -> None:
    sent = encode(EVENT, source="signup", at=AT, id="e-1")
    assert dict(sent.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"e-1",
        "ce_source": b"/fairpool/signup",
        "ce_type": b"fairpool.candidate.registered.v1",
        "ce_time": b"2026-11-22T10:00:00.250000Z",
        "content-type": b"application/json",
    }
    assert json.loads(sent.value or b"") == {
        "candidate": "00000000-0000-7000-8000-000000000001",
        "at": "2026-11-22T10:00:00.250000Z",
    }


def test_an_event_without_an_id_of_its_own_gets_a_fresh_one() -> None:
    ids = {dict(encode(EVENT, source="signup", at=AT).headers)["ce_id"] for _ in range(3)}
    assert len(ids) == 3


def test_structured_mode_is_read_as_well() -> None:
    received = decode(_structured(), None)
    assert isinstance(received, Received)
    assert (received.id, received.event.key, received.time) == ("e-1", "00000000-0000-7000-8000-000000000001", AT)


@pytest.mark.parametrize("kind", [b"Application/CloudEvents+JSON", b"application/cloudevents+json ; a=b"])
def test_the_media_type_is_compared_in_any_case_and_without_parameters(kind: bytes) -> None:
    assert isinstance(decode(replace(_structured(), headers=(("content-type", kind),)), None), Received)


@pytest.mark.parametrize("kind", [b"application/cloudevents+jsonp", b"application/cloudevents-batch+json", b"\xff"])
def test_another_media_type_is_no_structured_mode(kind: bytes) -> None:
    assert _refused(replace(_structured(), headers=(("content-type", kind),))).startswith("unknown_type")


def test_data_as_base64_is_read_and_a_byte_order_mark_passed_over() -> None:
    packed = base64.b64encode(
        b'\xef\xbb\xbf{"candidate": "00000000-0000-7000-8000-000000000001", "at": "2026-11-22T10:00:00Z"}'
    ).decode()
    record = _structured(data=None, data_base64=packed, anextension=7)
    for one in (record, replace(record, value=b"\xef\xbb\xbf" + (record.value or b""))):
        received = decode(one, None)
        assert isinstance(received, Received)
        assert received.event.key == "00000000-0000-7000-8000-000000000001"
    binary = _record(encode(EVENT, source="signup", at=AT))
    assert isinstance(decode(replace(binary, value=b"\xef\xbb\xbf" + (binary.value or b"")), None), Received)


@pytest.mark.parametrize(
    "changes", [{"data_base64": "e30="}, {"data": None, "data_base64": "%"}, {"data": None, "data_base64": 7}]
)
def test_data_twice_or_no_base64_is_unreadable(changes: dict[str, object]) -> None:
    assert _refused(_structured(**changes)).startswith("unreadable")


def test_a_field_that_a_later_version_added_is_ignored() -> None:
    data = {"candidate": "00000000-0000-7000-8000-000000000001", "at": "2026-11-22T10:00:00Z", "tomorrow": 1}
    assert isinstance(decode(_structured(data=data), None), Received)


def test_a_record_without_a_key_is_taken() -> None:
    assert isinstance(decode(replace(_binary(), key=None), None), Received)


def test_a_key_of_another_candidate_is_refused() -> None:
    assert _refused(replace(_binary(), key=b"00000000-0000-7000-8000-000000000002")).startswith("wrong_key")


def test_an_event_on_another_events_topic_is_refused() -> None:
    assert _refused(replace(_binary(), topic="consent-state")).startswith("unknown_type")


@pytest.mark.parametrize("type_", [b"fairpool.candidate.registered.v2", b"", None])
def test_a_type_that_nobody_knows_is_refused(type_: bytes | None) -> None:
    assert _refused(_binary(ce_type=type_)).startswith("unknown_type")


@pytest.mark.parametrize("header", ["ce_id", "ce_source"])
@pytest.mark.parametrize("value", [b"", None])
def test_an_event_without_id_or_source_is_refused(header: str, value: bytes | None) -> None:
    assert _refused(_binary(**{header: value})).startswith("no_id")


@pytest.mark.parametrize(
    "record",
    [
        replace(_binary(), value=None),
        _binary(ce_id=b"\xff\xfe"),
        replace(_structured(), value=b"\xff\xfe{"),
        replace(_structured(), value=b"[" * 100_000),
        replace(_structured(), value=b"[1, 2]"),
        replace(_structured(), value=b""),
    ],
    ids=["tombstone", "bad bytes in a header", "no text", "endless nesting", "a list", "nothing"],
)
def test_junk_is_refused_as_unreadable(record: Record) -> None:
    assert _refused(record).startswith("unreadable")


@pytest.mark.parametrize(
    "value", [b"", b"{", b"null", b"[]", b'"text"', b"\xff", b'{"candidate": "\\ud800"}', b"[" * 100_000]
)
def test_data_that_is_no_event_is_refused(value: bytes) -> None:
    assert _refused(replace(_binary(), value=value)).startswith(("invalid", "unreadable"))


def test_a_header_without_a_value_hurts_nobody() -> None:
    assert isinstance(decode(_binary(x__trace=None), None), Received)
    assert isinstance(decode(_binary(content__type=None), None), Received)


def test_a_time_that_is_none_is_left_out() -> None:
    received = decode(_binary(ce_time=b"yesterday"), None)
    assert isinstance(received, Received)
    assert received.time is None


def test_a_reason_names_fields_and_rules_but_no_values() -> None:
    reasons = [
        _refused(_structured(data={"candidate": {"mail": SECRET}, "at": SECRET})),
        _refused(_structured(data={"candidate": "00000000-0000-7000-8000-000000000001", "at": "2026-11-22T10:00:00"})),
        _refused(_structured(type=SECRET)),
        _refused(replace(_structured(), key=SECRET.encode())),
        _refused(replace(_structured(), value=SECRET.encode())),
    ]
    assert reasons[0] == "invalid: candidate: string_type; at: datetime_from_date_parsing"
    assert reasons[1] == "invalid: at: value_error"
    assert not any("ana" in reason or "example" in reason for reason in reasons)


def test_a_reason_stays_short_however_much_is_wrong() -> None:
    pools = [{"wrong": True}] * 1000
    record = replace(
        _structured(
            type="fairpool.memberships.changed.v1",
            data={"candidate": "00000000-0000-7000-8000-000000000001", "version": 1, "pools": pools},
        ),
        topic="memberships",
    )
    assert len(_refused(record)) < 500


def test_events_are_picked_by_kind_in_their_order() -> None:
    kinds = [
        EVENT,
        CandidateConfirmedV1(candidate="00000000-0000-7000-8000-000000000001", at=AT),
        CandidateRegisteredV1(candidate="00000000-0000-7000-8000-000000000002", at=AT),
    ]
    received = [decode(_record(encode(event, source="signup", at=AT)), None) for event in kinds]
    good = [item for item in received if isinstance(item, Received)]
    assert [item.event.candidate for item in only(CandidateRegisteredV1, good)] == [
        "00000000-0000-7000-8000-000000000001",
        "00000000-0000-7000-8000-000000000002",
    ]
    assert only(ConsentChangedV1, good) == []


def test_an_event_that_kafka_would_not_take_never_reaches_the_outbox() -> None:
    event = CandidateReportedV1(
        vendor="v",
        record="r",
        change="changed",
        reported_at=AT,
        intake_key=AT.date(),
        sealed="s" * LARGEST,
    )
    with pytest.raises(ValueError, match="larger than Kafka takes"):
        encode(event, source="test", at=datetime(2026, 11, 22, tzinfo=UTC))
