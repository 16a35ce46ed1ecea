"""The page between a message and the employer's own page, and what a mail scanner can tell by it."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from typing import Any, get_args

import httpx
import pytest

from services.outreach_gateway import links
from services.signup.api import job_page
from services.signup.courier.model import NoticePurpose
from shared.security.links import JobLink, Link, LinkReader, LinkSigner, public_half
from shared.web.app import create_app
from tests.fakes.clock import NOON, FixedClock
from tests.unit.courier.test_letters import CANDIDATE, SEED, SUBJECT_KEY, notice, outreach, texts, written

HTML = {"Accept": "text/html"}
JOB = JobLink("https://a7f.jobs.example.org/42?m=1", "Nurse <b>nights</b>", "Denver Health", NOON + timedelta(days=9))
PATH = f"/j/{LinkSigner(SEED, SUBJECT_KEY).sign_job(JOB)}"
_URL = re.compile(r"https?://[^\s<>\"]+")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
async def http(clock: FixedClock) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> dict[str, Any]:
        return {}

    app = create_app("signup", "signup", ready=ready)
    app.include_router(job_page.router(LinkReader([public_half(SEED)], [SUBJECT_KEY]), clock.now))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://signup.test") as made:
        yield made


async def test_a_look_shows_the_host_and_the_title_and_goes_nowhere(http: httpx.AsyncClient) -> None:
    for prefetch in ({}, {"Sec-Purpose": "prefetch"}):
        page = await http.get(PATH, headers={**HTML, **prefetch})
        assert page.status_code == 200
        assert "Nurse &lt;b&gt;nights&lt;/b&gt;" in page.text
        assert "<strong>a7f.jobs.example.org</strong>" in page.text
        assert "/42?m=1" not in page.text
        assert "refresh" not in page.text + str(page.headers).lower()
        assert "location" not in page.headers
    head = await http.head(PATH, headers=HTML)
    assert (head.status_code, head.content, "location" in head.headers) == (200, b"", False)
    assert (await http.get(PATH)).json()["host"] == "a7f.jobs.example.org"


async def test_a_tap_goes_on_and_tells_the_host_nothing_of_where_from(http: httpx.AsyncClient) -> None:
    gone = await http.post(PATH, headers=HTML)
    assert (gone.status_code, gone.headers["location"]) == (303, JOB.url)
    assert gone.headers["referrer-policy"] == "same-origin"
    assert gone.headers["cache-control"] == "no-store"


async def test_the_form_may_leave_and_nothing_else_is_let_in(http: httpx.AsyncClient) -> None:
    policy = (await http.get(PATH, headers=HTML)).headers["content-security-policy"].split("; ")
    assert "form-action 'self' https:" in policy
    assert "default-src 'none'" in policy
    assert not any("script-src" in part or "connect-src" in part for part in policy)


async def test_after_the_offers_end_and_for_what_is_no_link_it_goes_nowhere(
    http: httpx.AsyncClient, clock: FixedClock
) -> None:
    persons = LinkSigner(SEED, SUBJECT_KEY).sign(Link(CANDIDATE, "unsubscribe", JOB.expires_at))
    for path in ("/j/x.y.z", f"/j/{persons}"):
        for answer in (await http.get(path, headers=HTML), await http.post(path)):
            assert answer.status_code == 404
            assert "location" not in answer.headers
    clock.at(JOB.expires_at)
    over = await http.get(PATH, headers=HTML)
    assert (over.status_code, "This job offer is over" in over.text) == (410, True)
    gone = await http.post(PATH)
    assert (gone.status_code, gone.json()["type"]) == (410, "urn:fairpool:problem:link-expired")


def parts() -> list[str]:
    """The texts of every mail there is."""
    mails = [written(outreach()), *(notice(purpose) for purpose in get_args(NoticePurpose))]
    return [unescape(text) for mail in mails for text in [*texts(mail), *mail.values()]]


def test_no_address_stands_in_any_mail_but_ours() -> None:
    ours = ("https://signup.test", "https://consent.test")
    for text in parts():
        assert all(url.startswith(ours) for url in _URL.findall(text))
        shown = re.sub(r"<[^>]*>", " ", _URL.sub(" ", text))
        found = links.find(shown, own={"pool.example", "denverhealth.org", "people.example", "fairpool.test"})
        assert found is None, shown.split("\n")[found.line - 1]


async def test_a_scanner_that_opens_every_link_of_every_mail_does_not_reach_the_employers_host(
    http: httpx.AsyncClient,
) -> None:
    reached: list[str] = []

    async def catch(request: httpx.Request) -> httpx.Response:
        if request.url.host in ("signup.test", "consent.test"):
            return await http.request(request.method, request.url.path, headers=dict(request.headers))
        reached.append(str(request.url))
        return httpx.Response(200)

    opened = {url.rstrip(".,>)") for text in parts() for url in _URL.findall(text)}
    jobs = [url for url in opened if "/j/" in url]
    assert len(jobs) == 1
    async with httpx.AsyncClient(transport=httpx.MockTransport(catch), follow_redirects=True) as scanner:
        for url in sorted(opened):
            for method in ("GET", "HEAD"):
                await scanner.request(method, url, headers=HTML)
        assert reached == []
        await scanner.post(jobs[0])  # a tap; a scanner that submits forms does the same
    assert reached == ["https://jobs.example.org/42"]
