"""Greenhouse's webhooks are checked on their bytes and read as Greenhouse documents them."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.signup.adapters.formats.greenhouse import Greenhouse
from services.signup.api.hook_readings import why
from services.signup.model.hooks import Ignored, Malformed, Reading
from tests.fakes.clock import NOON

SECRET = "a-secret-of-the-source"
FORMAT = Greenhouse()


def candidate(**changes: Any) -> dict[str, Any]:
    """A candidate as Greenhouse writes one."""
    return {
        "id": 60304594,
        "first_name": "Jane",
        "last_name": "Smithfield",
        "title": None,
        "company": None,
        "can_email": True,
        "is_private": False,
        "phone_numbers": [{"value": "303-555-0100", "type": "mobile"}, {"value": "ask first", "type": "other"}],
        "email_addresses": [
            {"value": "jane@work.example", "type": "work"},
            {"value": "jane.smithfield@example.org", "type": "personal"},
        ],
        "addresses": [{"value": "123 Test Street\nDenver, CO 80202", "type": "home"}],
        "employments": [
            {"company_name": "A", "title": "Registered Nurse", "start_date": "01/01/2012", "end_date": "01/01/2016"},
            {"company_name": "B", "title": "Charge nurse", "start_date": "01/01/2014", "end_date": "01/01/2018"},
        ],
        "tags": ["Triage", "ICU", "boss@example.org", "Smithfield pregnant", "rejected by front range"],
        "custom_fields": {"x": {"name": "X", "type": "short_text", "value": None}},
        **changes,
    }


def body(action: str = "new_candidate_application", **changes: Any) -> bytes:
    """A webhook with the candidate where Greenhouse puts it."""
    person = candidate(**changes)
    payloads = {"update_candidate": {"candidate": person}, "delete_candidate": {"person": person}}
    payload = payloads.get(action, {"application": {"id": 1, "candidate": person, "jobs": [{"name": "Welder"}]}})
    return json.dumps({"action": action, "payload": payload}).encode()


def signature(raw: bytes, secret: str = SECRET) -> str:
    return "sha256 " + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def read(raw: bytes) -> list[Reading] | Ignored | Malformed:
    return FORMAT.read(raw, at=NOON)


def only(raw: bytes) -> Reading:
    found = read(raw)
    assert isinstance(found, list), found
    return found[0]


def test_the_right_signature_is_taken() -> None:
    assert FORMAT.verify({"signature": signature(body())}, body(), SECRET)


@pytest.mark.parametrize(
    "given",
    ["", "sha256", "sha256 00", "sha256 " + "0" * 64, "sha256=" + "0" * 64, signature(body())[7:], signature(body(), "x"),
     signature(body(), SECRET) + "00", "sha256 " + "\u00e9" * 64],
)  # fmt: skip
def test_any_other_is_not(given: str) -> None:
    assert not FORMAT.verify({"signature": given}, body(), SECRET)


def test_a_changed_byte_breaks_the_signature() -> None:
    raw = body()
    assert not FORMAT.verify({"signature": signature(raw)}, raw + b" ", SECRET)


@pytest.mark.parametrize("action", ["new_candidate_application", "new_prospect_application"])
def test_an_application_signs_its_candidate_up(action: str) -> None:
    reading = only(body(action))
    assert (reading.change, reading.record) == ("signed_up", "60304594")
    person, profile = reading.told.person, reading.told.profile
    assert person is not None
    assert profile is not None
    assert (person.mail, person.given_name, person.family_name) == ("jane.smithfield@example.org", "Jane", "Smithfield")
    assert person.phones == ("+13035550100",)
    assert (profile.titles, profile.skills) == (("Registered Nurse", "Charge nurse"), ("triage", "icu"))
    assert (profile.state, profile.postal_code, profile.years) == ("CO", "80202", 6)


def test_a_person_without_titles_has_that_of_the_job_applied_for() -> None:
    profile = only(body(employments=[])).told.profile
    assert profile is not None
    assert (profile.titles, profile.years) == (("Welder",), None)


@pytest.mark.parametrize(
    ("action", "change"),
    [("hire_candidate", "hired"), ("delete_candidate", "deleted")],
)
def test_other_changes_carry_no_person(action: str, change: str) -> None:
    reading = only(body(action))
    assert (reading.change, reading.told.person) == (change, None)


def test_a_change_tells_the_email_as_well_unless_the_person_may_not_be_mailed() -> None:
    reading = only(body("update_candidate"))
    assert reading.change == "changed"
    assert reading.told.person is not None
    assert reading.told.person.mail == "jane.smithfield@example.org"
    odd: list[dict[str, Any]] = [
        {"can_email": False},
        {"email_addresses": []},
        {"addresses": [{"value": "San Juan, PR 00901"}]},
    ]
    for changes in odd:
        told = only(body("update_candidate", **changes)).told
        assert told.person is None
        assert told.profile is not None


@pytest.mark.parametrize(
    "payload",
    [
        {"person": {"id": 8300, "new_candidate_id": 8299}},
        {"candidate": {"id": "8300", "new_candidate_id": "8299"}},
        {"person": {"id": 8300}, "new_candidate_id": 8299},
        {"candidate_id": 8300, "new_candidate_id": 8299},
        {"person": {"id": 8300, "new_candidate_id": 8299, "phone_numbers": "none of our business"}},
    ],
)
def test_a_merge_names_the_record_that_goes_on(payload: dict[str, Any]) -> None:
    raw = json.dumps({"action": "merge_candidate", "payload": payload}).encode()
    assert read(raw) == [Reading("merged", "8300", into="8299")]


@pytest.mark.parametrize(
    "payload",
    [
        {"person": {"id": 8300}},
        {"person": {"new_candidate_id": 1}},
        {"person": {"id": 1, "new_candidate_id": "\n"}},
        [],
    ],
)
def test_a_merge_without_both_records_is_not_understood(payload: Any) -> None:
    assert isinstance(read(json.dumps({"action": "merge_candidate", "payload": payload}).encode()), Malformed)


@pytest.mark.parametrize(
    "payload",
    [
        {"candidate_id": 8300, "anonymized_fields": ["full_name", "email_addresses"]},
        {"person": {"id": 8300}, "anonymized_fields": []},
        {"candidate": {"id": 8300, "email_addresses": None}},
    ],
)
def test_an_anonymized_candidate_is_a_deleted_one(payload: dict[str, Any]) -> None:
    raw = json.dumps({"action": "candidate_anonymized", "payload": payload}).encode()
    assert read(raw) == [Reading("deleted", "8300")]


@pytest.mark.parametrize("action", ["ping", "offer_created"])
def test_other_documented_actions_are_ignored_by_name(action: str) -> None:
    assert read(json.dumps({"action": action, "payload": {}}).encode()) == Ignored(action)


def test_an_undocumented_action_is_not_named() -> None:
    assert read(b'{"action": "jane.smithfield@example.org"}') == Ignored("undocumented")


def test_who_may_not_be_mailed_is_passed_over() -> None:
    assert read(body(can_email=False)) == Ignored("person_may_not_be_mailed")


@pytest.mark.parametrize(
    "address",
    ["1 Marine Drive\nHagatna, GU 96910", "San Juan, PR 00901", "Ponce, PR", "San Juan, Puerto Rico", "USVI", "guam"],
)
def test_who_lives_in_a_territory_is_passed_over(address: str) -> None:
    assert read(body(addresses=[{"value": address}])) == Ignored("person_outside_the_states")


@pytest.mark.parametrize("junk", ["icu\ud800", "icu\x00"])
def test_text_that_can_not_be_kept_is_left_out_and_the_person_is_taken(junk: str) -> None:
    jobs = [{"title": junk, "start_date": junk}]
    addresses = [{"value": junk + "@example.org", "type": "personal"}, {"value": "jane@example.org", "type": junk}]
    reading = only(
        body(tags=[junk, "triage"], first_name=junk, title=junk, employments=jobs, email_addresses=addresses)
    )
    person, profile = reading.told.person, reading.told.profile
    assert person is not None
    assert profile is not None
    assert (person.mail, person.given_name, profile.skills) == ("jane@example.org", None, ("triage",))
    reading.told.model_dump_json().encode()


def test_of_several_emails_one_alone_is_told_so_that_no_mailbox_can_ask_about_another() -> None:
    """An invitation that comes, or not, would say whether whoever has the other one asked to be forgotten."""
    both = [{"value": "own@example.org", "type": "personal"}, {"value": "victim@example.org", "type": "personal"}]
    told = only(body(email_addresses=both)).told
    assert told.person is not None
    assert told.person.mail == "own@example.org"
    assert "victim" not in told.model_dump_json()


def test_a_skill_that_is_the_persons_name_or_mail_is_left_out() -> None:
    mails = [{"value": "welding.jane@example.org"}]
    profile = only(body(first_name="Ruby", tags=["ruby", "welding", "icu"], email_addresses=mails)).told.profile
    assert profile is not None
    assert profile.skills == ("icu",)


def test_absent_permission_is_no_objection() -> None:
    assert only(body(can_email=None)).change == "signed_up"


@pytest.mark.parametrize("addresses", [[], None, [{"value": "not an address"}], [{"value": None}]])
def test_a_candidate_without_an_email_is_ignored(addresses: object) -> None:
    assert read(body(email_addresses=addresses)) == Ignored("person_without_email")


@pytest.mark.parametrize(
    "changes",
    [
        {"employments": [None]}, {"employments": {}}, {"employments": ""}, {"tags": [None, "", 7, {}]}, {"addresses": [None, ""]},
        {"email_addresses": [None, {"value": "jane@example.org"}, {"value": 5}]}, {"phone_numbers": [{"value": 3035550100}]},
        {"phone_numbers": [{"value": {"a": 1}}]}, {"first_name": {"a": 1}}, {"first_name": ""}, {"title": []}, {"can_email": ""},
        {"employments": [{"title": 7, "start_date": []}]},
    ],
)  # fmt: skip
def test_an_odd_optional_field_turns_nobody_away(changes: dict[str, Any]) -> None:
    assert only(body(**changes)).change == "signed_up"


def test_work_that_goes_on_is_counted_until_now() -> None:
    jobs = [{"title": "Nurse", "start_date": "01/01/2001", "end_date": None}]
    found = FORMAT.read(body(employments=jobs), at=datetime(2011, 6, 1, tzinfo=UTC))
    assert isinstance(found, list)
    assert found[0].told.profile is not None
    assert found[0].told.profile.years == 10


def test_a_text_that_is_too_long_to_be_one_is_left_out() -> None:
    reading = only(body(first_name="J" * 1001, tags=["triage" + " " * 1000, "icu"]))
    assert reading.told.person is not None
    assert reading.told.profile is not None
    assert (reading.told.person.given_name, reading.told.profile.skills) == (None, ("icu",))


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"\xff", b'{"action": 1}', b'{"action": "hire_candidate"}', b"[" * 100_000,
     b'{"action": "hire_candidate", "payload": {"application": []}}', body(id=None), body(id="a b"), body(tags="x"),
     body(email_addresses=[1])],
)  # fmt: skip
def test_what_can_not_be_understood_is_said_without_values(raw: bytes) -> None:
    found = read(raw)
    assert isinstance(found, Malformed)
    assert "jane" not in found.detail.lower()


@pytest.mark.parametrize(
    ("address", "state", "code"),
    [
        ("455 Broadway New York, NY 10280", "NY", "10280"),
        ("12 High St\nAustin, TX 78701-1234, USA", "TX", "78701"),
        ("Portland, OR", "OR", None),
        ("Denver, Colorado 80202", "CO", "80202"),
        ("denver, co 80202", "CO", "80202"),
        ("Perth, WA, Australia", None, None),
        ("10 Downing Street, London", None, None),
        ("ZZ 12345", None, None),
    ],
)
def test_a_typed_address_gives_state_and_zip_where_it_can(address: str, state: str | None, code: str | None) -> None:
    profile = only(body(addresses=[{"value": address}])).told.profile
    assert profile is not None
    assert (profile.state, profile.postal_code) == (state, code)


def test_the_event_id_is_greenhouses_or_the_bodys_digest() -> None:
    assert FORMAT.event_id({"greenhouse-event-id": "e1"}, b"x") == "e1"
    assert FORMAT.event_id({}, b"x") == FORMAT.event_id({}, b"x") != FORMAT.event_id({}, b"y")


@pytest.mark.parametrize("address", ["Toronto, Ontario, Canada", "London, UK", "Toronto, ON"])
def test_another_country_is_not_recognized_and_the_page_for_greenhouse_says_so(address: str) -> None:
    told = only(body(addresses=[{"value": address, "type": "home"}])).told
    assert told is not None
    assert told.person is not None
    assert told.profile is not None
    assert told.profile.state is None
    page = (Path(__file__).parents[3] / "docs/greenhouse.md").read_text()
    assert "Other countries are not recognized: from `Toronto, Ontario, Canada` no state is read" in page


@pytest.mark.parametrize(
    ("action", "detail"),
    [
        ("ping", "Greenhouse documents this action; Fairpool does not need it. Nothing is wrong."),
        ("offer_created", "Greenhouse documents this action; Fairpool does not need it. Nothing is wrong."),
        ("undocumented", "This `action` is none that Greenhouse documents. Check its name."),
    ],
)
def test_why_an_action_is_ignored_is_said_of_greenhouse_by_its_name(action: str, detail: str) -> None:
    assert why(Ignored(action), ats="Greenhouse").detail == detail


@pytest.mark.parametrize(
    "address", ["10115 Berlin, DE", "80331 M\u00fcnchen, DE", "600001 Chennai, IN", "10001 Denver, CO"]
)
def test_nobody_abroad_is_told_to_be_in_a_state(address: str) -> None:
    told = only(body(addresses=[{"value": address, "type": "home"}])).told
    assert told is not None
    assert told.profile is not None
    assert (told.profile.state, told.profile.postal_code) == (None, None)
