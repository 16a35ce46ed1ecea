"""The page that says what Fairpool is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.imprint import Operator
from shared.web import home
from shared.web.app import create_app
from shared.web.tenants import Tenants
from tests.unit.shared.web.conftest import all_is_well

OPERATOR = Operator("The Example Pool", "1 Main Street, Denver, CO 80202", "help@pool.example")


@asynccontextmanager
async def browser(operator: Operator, tenants: Tenants, signup_url: str | None) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app("Fairpool things", "things", ready=all_is_well)
    app.include_router(home.router(operator, tenants, title="Fairpool things", signup_url=signup_url))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://things.test") as client:
        yield client


async def page(operator: Operator = OPERATOR, *, tenants: Tenants | None = None, people: bool = True) -> str:
    async with browser(operator, tenants or Tenants(), "https://join.test" if people else None) as client:
        answer = await client.get("/")
        head = await client.head("/")
    assert (answer.status_code, head.status_code) == (200, 200)
    assert "script" not in answer.text.replace("no scripts", "")
    return " ".join(answer.text.split())


def tenant(
    name: str, domain: str | None = None, kind: TenantKind = "employer", *, suspended: bool = False
) -> TenantChangedV1:
    return TenantChangedV1(
        tenant=f"t_{name}", version=1, kind=kind, name=name, domain=domain, key_hashes=(), standing="suspended" if suspended else "good"
    )  # fmt: skip


async def test_people_are_told_what_it_is_who_runs_it_what_it_costs_and_how_to_join() -> None:
    text = await page()
    for words in (
        "You join Fairpool once.",
        "Fairpool is run by The Example Pool, 1 Main Street, Denver, CO 80202.",
        'href="mailto:help@pool.example"',
        "<h2>What it costs</h2> <p>Nothing.",
        "Your privacy, in plain words",
        'href="https://join.test/join"',
        'href="https://join.test/sign-in"',
        "No employer yet",
    ):
        assert words in text


async def test_an_operator_who_has_not_said_who_they_are_is_told_of_plainly() -> None:
    text = await page(Operator())
    assert "Whoever runs this Fairpool has given neither a name nor a postal address." in text
    assert "They have not given an email for questions." in text
    assert "mailto:" not in text


async def test_the_employers_in_it_are_named_with_their_domains_and_nobody_else_is() -> None:
    tenants = Tenants()
    for event in (
        tenant("St. <b>Luke</b>"),
        tenant("Denver Health", "denverhealth.org"),
        tenant("Gone", suspended=True),
        tenant("Acme ATS", kind="vendor"),
    ):
        tenants.apply(event)
    text = await page(tenants=tenants)
    assert "<li>Denver Health (denverhealth.org)</li> <li>St. &lt;b&gt;Luke&lt;/b&gt;</li>" in text
    assert "Gone" not in text
    assert "Acme" not in text


async def test_of_very_many_employers_the_page_names_some_and_counts_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "MOST_NAMED", 2)
    tenants = Tenants()
    for name in "abcde":
        tenants.apply(tenant(name))
    assert "<li>a</li> <li>b</li> <li>and 3 more</li>" in await page(tenants=tenants)


async def test_a_host_for_programs_says_what_it_is_and_who_runs_it() -> None:
    text = await page(people=False)
    assert "<h1>Fairpool things</h1>" in text
    assert "The Example Pool" in text
    assert 'href="/docs"' in text
    assert "/join" not in text
