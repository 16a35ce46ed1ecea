"""What an employer's request may say."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from services.outreach_gateway.api.bodies import OutreachRequest
from shared.web import plain

JOB = {
    "title": "Registered nurse",
    "occupation": "29-1141",
    "organization": "Denver Health",
    "location": "Denver, CO",
    "remote": False,
    "pay": {"min": 82000, "max": 96000.5, "currency": "USD", "per": "year"},
    "url": "https://jobs.example.org/42",
    "valid_through": "2999-01-31",
}
GOOD = {"member_ref": "m_" + "a" * 30, "subject": "Night-shift RN", "body": "Hello.\r\n\r\nCall us.", "job": JOB}


def wrong(body: Mapping[str, Any]) -> tuple[str, str]:
    with pytest.raises(ValidationError) as caught:
        OutreachRequest.model_validate_json(json.dumps(body))
    (error,) = caught.value.errors()[:1]
    return plain.field(error["loc"]), plain.sentence(error)


def job(**fields: Any) -> Mapping[str, Any]:
    return {**GOOD, "job": {**JOB, **fields}}


def test_a_message_that_is_in_order_is_taken() -> None:
    job = OutreachRequest.model_validate_json(json.dumps(GOOD)).job.given
    assert job is not None
    assert (job.pay.min, job.pay.max, str(job.url)) == (82000, 96000.5, "https://jobs.example.org/42")


def test_a_message_may_name_a_declared_job_by_its_id() -> None:
    for id in ("night-rn.42", "inline:" + "a" * 22):
        assert OutreachRequest.model_validate_json(json.dumps({**GOOD, "job": id})).job.id == id


@pytest.mark.parametrize("id", ["", "a b", "x" * 101, "a/b", "inline:short", "\u00e9"])
def test_what_is_no_id_of_a_job_is_told_what_it_must_be(id: str) -> None:
    field, sentence = wrong({**GOOD, "job": id})
    assert field == "job"
    assert "PUT /v1/jobs" in sentence


@pytest.mark.parametrize("value", [None, 7, [], True])
def test_what_is_neither_a_job_nor_an_id_is_refused(value: object) -> None:
    assert wrong({**GOOD, "job": value})[0] == "job"


@pytest.mark.parametrize(
    "url",
    [
        "https://google.com@evil.example/", "https://a:b@jobs.example.org/", "https://@jobs.example.org@x.org/", "https://0x7f000001/",
        "https://2130706433/", "https://127.1/", "https://10.0.0.7/a", "https://[::1]/", "https://localhost/", "https://jobs/",
        "https://printer.local/", "http://jobs.example.org/", "javascript:alert(1)", "https://\uff11\uff12\uff17.0.0.1/",
    ],
)  # fmt: skip
def test_a_link_that_does_not_say_where_it_leads_is_refused(url: str) -> None:
    assert wrong(job(url=url))[0] == "job.url"


@pytest.mark.parametrize("amount", [1e-300, 0.5, 0, -1, "1e3", "82000", True, None, 1.005, 1e9])
def test_pay_is_an_amount_of_money(amount: object) -> None:
    assert wrong(job(pay={**JOB["pay"], "min": amount}))[0] == "job.pay.min"  # type: ignore[dict-item]  # JOB holds values of any type


@pytest.mark.parametrize("mark", ["\x1b", "\u202e", "\u200b", "\u2028", "\x9b"])
def test_words_hold_nothing_that_a_reader_cannot_see(mark: str) -> None:
    field, sentence = wrong({**GOOD, "body": f"Hello{mark}there"})
    assert field == "body"
    assert f"U+{ord(mark):04X}" in sentence
    assert wrong({**GOOD, "subject": f"Hello{mark}there"})[0] == "subject"
    for name in ("title", "organization", "location"):
        assert wrong(job(**{name: f"Hello{mark}there"}))[0] == f"job.{name}"
