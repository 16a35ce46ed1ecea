"""The longest job that an employer may name can be opened by a link that every proxy on the way takes."""

from datetime import date
from typing import get_args
from urllib.parse import urlencode

import pytest

from services.outreach_gateway.api.job_bodies import EXAMPLE, JobRequest
from services.signup.api.waiting_job import LONGEST
from shared.contracts.outreach_gateway import Job, Words
from shared.security.words import KeyPair, WordsForm, seal_job

LINE = 8_192
"""Bytes of a request's first line that nginx takes as it is set up in `deploy`."""


@pytest.mark.parametrize("form", get_args(WordsForm))
def test_the_longest_job_sealed_fits_into_a_link(form: WordsForm) -> None:
    line = "\N{GRINNING FACE}" * 200
    longest = {"title": line, "organization": line, "location": line, "url": "https://jobs.example.org/" + "a" * 1970}
    asked = JobRequest.model_validate({**EXAMPLE, **longest, "valid_through": date.max.isoformat()})
    job = Job.model_validate(asked.model_dump(mode="json"))
    sealed = seal_job(Words(outreach="o" * 128, subject="", body="", job=job), KeyPair.generate().public, form)
    query = urlencode({"outreach": "o" * 128, "sealed": sealed})
    assert len(sealed) <= LONGEST
    assert len(f"GET /me/job?{query} HTTP/1.1\r\n") <= LINE
