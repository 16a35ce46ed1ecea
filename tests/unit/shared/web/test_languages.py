"""In which language a browser is answered, and that a program is not asked."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from shared import i18n
from shared.web.app import create_app
from shared.web.languages import preferred, with_language
from shared.web.pages import SHARED, error_page

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


async def _ready() -> Mapping[str, Callable[[], Awaitable[object]]]:
    return {}


def _app() -> FastAPI:
    app = create_app("Fairpool", "test", ready=_ready)

    @app.get("/chosen", response_class=HTMLResponse)
    async def chosen() -> HTMLResponse:
        return HTMLResponse(f"{i18n.present().locale} {i18n.present().is_chosen}")

    @app.post("/posted", response_class=HTMLResponse)
    @app.post("/page", response_class=HTMLResponse)
    @app.get("/page", response_class=HTMLResponse)
    async def page() -> HTMLResponse:
        return SHARED.render("error.html", heading="x", detail="y", code=404)

    @app.get("/v1/thing")
    async def thing() -> dict[str, str]:
        return {"said": i18n.gettext("There is a problem")}

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(_app()), base_url="https://pool.test") as found:
        yield found


async def test_without_a_word_about_it_a_page_is_english(client: httpx.AsyncClient) -> None:
    answer = await client.get("/page", headers=BROWSER)
    assert '<html lang="en">' in answer.text
    assert answer.headers["content-language"] == "en"
    assert {"Accept-Language", "Cookie"} <= set(answer.headers["vary"].split(", "))
    assert "set-cookie" not in answer.headers


async def test_a_browser_that_prefers_spanish_gets_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/page", headers={**BROWSER, "Accept-Language": "fr, es-MX;q=0.8, en;q=0.5"})
    assert '<html lang="es">' in answer.text
    assert "Ir a la primera página" in answer.text
    assert answer.headers["content-language"] == "es"


async def test_what_the_address_asks_for_comes_first_and_is_remembered(client: httpx.AsyncClient) -> None:
    answer = await client.get("/page?lang=es", headers={**BROWSER, "Accept-Language": "en"})
    assert '<html lang="es">' in answer.text
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("language=es; ")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    again = await client.get("/page", headers={**BROWSER, "Accept-Language": "en"})
    assert '<html lang="es">' in again.text
    back = await client.get("/page?lang=en", headers={**BROWSER, "Accept-Language": "es"})
    assert '<html lang="en">' in back.text
    assert '<html lang="en">' in (await client.get("/page", headers={**BROWSER, "Accept-Language": "es"})).text


async def test_a_language_that_there_is_not_changes_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/page?lang=de", headers={**BROWSER, "Cookie": "language=<script>"})
    assert '<html lang="en">' in answer.text
    assert "set-cookie" not in answer.headers


async def test_each_page_leads_to_itself_in_the_other_language_and_keeps_what_else_its_address_says(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/page?after=7&lang=en", headers=BROWSER)
    assert '<a href="?after=7&amp;lang=es" lang="es" hreflang="es">Español</a>' in answer.text
    spanish = await client.get("/page?lang=es", headers=BROWSER)
    assert '<a href="?lang=en" lang="en" hreflang="en">English</a>' in spanish.text


async def test_an_answer_to_a_form_leads_to_its_page_in_the_other_language_where_there_is_one(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/page?after=7", headers=BROWSER)
    assert '<a href="?after=7&amp;lang=es" lang="es" hreflang="es">Español</a>' in answer.text
    assert "hreflang" not in (await client.post("/posted", headers=BROWSER)).text, "nothing is there to be opened"


async def test_only_what_somebody_asked_for_is_chosen(client: httpx.AsyncClient) -> None:
    spanish = {**BROWSER, "Accept-Language": "es"}
    assert (await client.get("/chosen", headers=spanish)).text == "es False"
    assert (await client.get("/chosen?lang=en", headers=spanish)).text == "en True"
    assert (await client.get("/chosen", headers=spanish)).text == "en True", "it is remembered"


async def test_programs_are_answered_in_english_whatever_they_send(client: httpx.AsyncClient) -> None:
    headers = {"Accept": "application/json", "Accept-Language": "es", "Cookie": "language=es"}
    answer = await client.get("/v1/thing?lang=es", headers=headers)
    assert "content-language" not in answer.headers
    assert (await client.get("/v1/thing", headers=headers)).json() == {"said": "There is a problem"}
    assert (await client.get("/nothing", headers=headers)).json()["title"] == "Not found"


async def test_an_error_is_a_page_in_the_language_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nothing", headers={**BROWSER, "Accept-Language": "es"})
    assert answer.status_code == 404
    assert "En esta dirección no hay nada." in answer.text


async def test_the_docs_are_english_in_every_browser(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs", headers={**BROWSER, "Accept-Language": "es"})
    assert '<html lang="en">' in answer.text
    assert answer.headers["content-language"] == "en"


async def test_after_a_request_nothing_of_its_language_is_left(client: httpx.AsyncClient) -> None:
    await client.get("/page?lang=es", headers=BROWSER)
    assert i18n.present().locale == "en"
    assert b"There is" in bytes(error_page(404, "Not found", "There is nothing").body)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("", None),
        ("fr", None),
        ("ES", "es"),
        ("en-US,en;q=0.9,es;q=0.8", "en"),
        ("es-419;q=0.9, en;q=0.3", "es"),
        ("es;q=0, en;q=0.1", "en"),
        ("es;q=nonsense", None),
        (";;,,=", None),
    ],
)
def test_a_browsers_preference_is_read_as_the_standard_has_it(said: str, found: str | None) -> None:
    assert preferred(said) == found


def test_an_address_opens_in_a_language_where_one_is_known() -> None:
    assert with_language("https://pool.test/me", "es") == "https://pool.test/me?lang=es"
    assert with_language("https://pool.test/me?a=1", "es") == "https://pool.test/me?a=1&lang=es"
    assert with_language("https://pool.test/me", None) == "https://pool.test/me"
