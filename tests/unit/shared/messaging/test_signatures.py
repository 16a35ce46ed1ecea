"""Only who may say a record is believed, and one signature stands for all that was sent together."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV2, ErasureConfirmedV1
from shared.contracts.operator import TenantChangedV1
from shared.contracts.registry import EVENTS
from shared.contracts.signup import ErasureSweptV1
from shared.contracts.topics import ERASURE_CONFIRMATIONS, signer_of
from shared.messaging import signatures
from shared.messaging.dead_letters import dead_letter, original
from shared.messaging.envelope import Outgoing, Received, Record, Removed, Undecodable, decode, encode
from shared.messaging.signatures import HEADER, UNKNOWN_KEY, Signatures, Verifier, signed_with
from shared.messaging.unit import headers_from_json, headers_to_json
from tests.signing import PUBLIC, consented, signed_by, verifier, with_signatures

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
PEOPLE = [f"01890000-0000-7000-8000-{number:012}" for number in range(20)]


def yes(candidate: str, version: int = 1) -> ConsentChangedV2:
    return consented(candidate=candidate, version=version, at=AT, purposes=("match", "contact"))


def read(sent: Sequence[Outgoing]) -> list[Record]:
    return [Record(one.topic, 0, number, one.key, one.value, one.headers) for number, one in enumerate(sent)]


def batch(count: int = 20, *, by: str = "consent") -> list[Record]:
    return read(with_signatures([encode(yes(one), source="consent", at=AT) for one in PEOPLE[:count]], signed_by(by)))


def reason(record: Record, known: Verifier | None = None) -> str:
    found = decode(record, known or verifier())
    assert isinstance(found, Undecodable), found
    return found.reason


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_every_record_of_a_batch_is_believed_in_any_order(count: int) -> None:
    records, known = batch(count), verifier()
    assert all(isinstance(decode(record, known), Received) for record in reversed(records))
    assert all(isinstance(decode(record, verifier()), Received) for record in records)


def test_one_check_of_a_signature_is_enough_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = []

    class Counted:
        def __init__(self, key: Ed25519PublicKey) -> None:
            self._key = key

        def verify(self, signature: bytes, data: bytes) -> None:
            checks.append(signature)
            self._key.verify(signature, data)

    known = verifier()
    monkeypatch.setattr(known, "_by_id", {id: (name, Counted(key)) for id, (name, key) in known._by_id.items()})
    for record in batch():
        assert isinstance(decode(record, known), Received)
    assert len(checks) == 1


def test_a_record_that_nobody_signed_is_refused_once_that_is_required() -> None:
    unsigned = read([encode(yes(PEOPLE[0]), source="consent", at=AT)])[0]
    assert reason(unsigned).startswith("unsigned")
    assert isinstance(decode(unsigned, verifier("take")), Received)


@pytest.mark.parametrize(
    "changes",
    [
        {"topic": "candidate-profiles"},
        {"key": PEOPLE[1].encode()},
        {"value": yes(PEOPLE[0], 2).model_dump_json().encode()},
        {"value": None},
        {"value": b""},
        {"key": None},
    ],
)
def test_what_was_signed_is_all_that_it_says(changes: dict[str, object]) -> None:
    record = replace(batch(3)[0], **changes)  # type: ignore[arg-type]  # one field at a time
    modes: tuple[Signatures, ...] = ("take", "require")
    for mode in modes:
        assert reason(record, verifier(mode)).startswith("bad_signature")


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_type", "ce_time", "content-type"])
def test_a_header_that_says_something_belongs_to_what_was_signed(name: str) -> None:
    record = batch(3)[0]
    for value in (b"another", b"", None):
        first = replace(record, headers=((name, value), *[pair for pair in record.headers if pair[0] != name]))
        last = replace(record, headers=(*record.headers, (name, value)))
        assert reason(first).startswith("bad_signature")
        assert reason(last).startswith("bad_signature")
    gone = replace(record, headers=tuple(pair for pair in record.headers if pair[0] != name))
    assert reason(gone).startswith("bad_signature")


def test_other_headers_may_be_added_on_the_way() -> None:
    record = batch(2)[0]
    assert isinstance(decode(replace(record, headers=(("mirror", b"x"), *record.headers)), verifier()), Received)


def test_a_signature_of_another_batch_does_not_fit() -> None:
    one, other = batch(2)[0], batch(3)[2]
    header = dict(other.headers)[HEADER]
    swapped = replace(one, headers=(*[pair for pair in one.headers if pair[0] != HEADER], (HEADER, header)))
    known = verifier()
    assert isinstance(decode(other, known), Received)
    assert reason(swapped, known).startswith("bad_signature")


@pytest.mark.parametrize("number", [2, 19])
def test_no_byte_of_a_signature_can_be_another(number: int) -> None:
    record = batch(20)[number]
    header = dict(record.headers)[HEADER] or b""
    for at in range(len(header)):
        changed = header[:at] + bytes([header[at] ^ 1]) + header[at + 1 :]
        assert reason(replace(record, headers=(*record.headers[:-1], (HEADER, changed)))).startswith("bad_signature")


PARTS = (None, b"", b"a", b"\x00(s", "é".encode(), b"N" * 300)


@pytest.mark.parametrize("value", PARTS)
@pytest.mark.parametrize("key", PARTS)
def test_what_is_hashed_is_each_part_behind_its_length(key: bytes | None, value: bytes | None) -> None:
    """The form is in its docstring; marshal is the fast way to write it, here is the slow one."""

    def written(part: bytes | None) -> bytes:
        return b"N" if part is None else b"s" + len(part).to_bytes(4, "little") + part

    headers = {"ce_id": key, "ce_type": value, "content-type": b"application/json", "traceparent": b"x"}
    bound = [headers.get(name) for name in ("ce_id", "ce_source", "ce_type", "ce_time", "content-type")]
    for given, parts in ((headers, bound), (dict(zip(signatures.BOUND, bound, strict=True)), bound)):
        text = b"(" + (8).to_bytes(4, "little") + b"".join(map(written, (b"topic", key, value, *parts)))
        assert signatures.leaf_of("topic", key, value, given) == sha256(b"\x00" + text).digest()


def test_a_path_that_goes_on_vouches_for_nothing() -> None:
    """Whoever reads stops at a hash that is known: what a forger put behind it in the path must not be believed later."""
    forged = read([encode(yes(PEOPLE[9], 2**31 - 2), source="consent", at=AT)])[0]
    leaf = signatures.leaf_of(forged.topic, forged.key, forged.value, dict(forged.headers))
    records, known = batch(4), verifier()
    assert isinstance(decode(records[0], known), Received)
    header = dict(records[2].headers)[HEADER] or b""
    poisoned = replace(records[2], headers=(*records[2].headers[:-1], (HEADER, header + leaf)))
    decode(poisoned, known)
    wearing = replace(forged, headers=(*forged.headers, (HEADER, header + leaf)))
    assert reason(wearing, known).startswith("bad_signature")


@pytest.mark.parametrize("header", [None, b"", b"\x02", b"\x01" + bytes(112), b"\x02" + bytes(112), bytes(200)])
def test_what_is_no_signature_is_refused(header: bytes | None) -> None:
    record = read([encode(yes(PEOPLE[0]), source="consent", at=AT)])[0]
    assert reason(replace(record, headers=(*record.headers, (HEADER, header)))).startswith(
        "unsigned" if header is None else "bad_signature"
    )


def test_who_may_not_say_it_is_refused_with_a_good_signature() -> None:
    assert reason(batch(2, by="pool_matching")[0]).startswith("bad_signature: whoever signed it may not say this")
    tenant = TenantChangedV1(tenant="emp_a", version=1, kind="employer", name="A", key_hashes=())
    for who, is_believed in (("operator", True), ("signup", True), ("consent", False), ("outreach_gateway", False)):
        sent = with_signatures([encode(tenant, source=who, at=AT)], signed_by(who))
        assert isinstance(decode(read(sent)[0], verifier()), Received) == is_believed


@pytest.mark.parametrize(
    ("told", "signer"),
    [
        *((ErasureSweptV1(candidate=PEOPLE[0], service=one, at=AT), signer_of(one)) for one in ERASURE_CONFIRMATIONS.owners),
        (ErasureConfirmedV1(candidate=PEOPLE[0], store="consent", at=AT), "consent"),
    ],
)  # fmt: skip
def test_a_confirmation_is_believed_of_the_service_alone_that_it_names(told: Event, signer: str) -> None:
    def said(by: str) -> Record:
        return read(with_signatures([encode(told, source=by, at=AT)], signed_by(by)))[0]

    assert isinstance(decode(said(signer), verifier()), Received)
    for other in set(ERASURE_CONFIRMATIONS.signers) - {signer}:
        assert reason(said(other)).startswith("bad_signature: whoever signed it may not say this")


def test_each_event_of_a_topic_with_several_signers_who_speak_for_themselves_names_its_own() -> None:
    named = {event for event in EVENTS.values() if event.SAID_BY is not None}
    assert named == {event for event in EVENTS.values() if event.TOPIC == ERASURE_CONFIRMATIONS}


def test_a_removal_is_signed_by_the_owner_of_its_topic() -> None:
    grave = Outgoing("candidate-keys", PEOPLE[0].encode(), None, ())
    assert reason(read([grave])[0]).startswith("unsigned")
    assert isinstance(decode(read(with_signatures([grave], signed_by("signup")))[0], verifier()), Removed)
    assert reason(read(with_signatures([grave], signed_by("consent")))[0]).startswith("bad_signature")


def test_two_keys_of_one_signer_work_at_a_time() -> None:
    old, new = batch(2, by="operator"), batch(2, by="consent")
    both = Verifier({"consent": (*PUBLIC["operator"], *PUBLIC["consent"]), "signup": PUBLIC["signup"]})
    assert all(isinstance(decode(record, both), Received) for record in (*old, *new))
    only_new = Verifier({"consent": PUBLIC["consent"]})
    assert reason(old[0], only_new) == UNKNOWN_KEY
    assert signed_with(new[0]) == signed_by("consent").id != signed_with(old[0])


def test_a_replayed_dead_letter_has_the_signature_that_it_came_with() -> None:
    record = batch(3)[1]
    letter = dead_letter(record, reason="failed: x", group="g", at=AT)
    (kept,) = with_signatures([letter], signed_by("consent"))
    assert kept == letter
    again = original(read([kept])[0])
    assert again is not None
    assert isinstance(decode(read([again])[0], verifier()), Received)


def test_a_signature_survives_the_outbox_form_of_headers() -> None:
    headers = batch(3)[1].headers
    assert headers_from_json(headers_to_json(headers)) == headers


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "_NODES", 100)
    monkeypatch.setattr(signatures, "_ROOTS", 8)
    known = verifier()
    for _ in range(5):
        for record in batch(20):
            assert isinstance(decode(record, known), Received)
    for one in PEOPLE:
        sent = with_signatures([encode(yes(one), source="consent", at=AT)], signed_by("consent"))
        assert isinstance(decode(read(sent)[0], known), Received)
    assert len(known._roots) <= 8
    assert known._nodes == sum(len(root.known) for root in known._roots.values()) <= 100
