"""The pages of consent in Spanish: no sentence of ours is left in English, and what is posted there counts as on the others."""

import re
from html import unescape

import httpx
import pytest

from tests.fakes.consent import ConsentsDatabase
from tests.fakes.consent_pages import link
from tests.handlers.consent.test_preferences import COMPLETE, CONFIRM, choices, form_of

WHO = "00000000-0000-7000-8000-000000000001"
ENGLISH = {"Accept": "text/html"}
SPANISH = {**ENGLISH, "Accept-Language": "es-US,es;q=0.9"}
STOP = f"/u/{link(WHO, 'unsubscribe', employer='emp_acme')}"
PAGES = (CONFIRM, "/me", "/me/told", "/me/messages", STOP, "/confirm/nonsense", "/nothing")


def sentences(page: str) -> set[str]:
    """What is read of a page, in stretches of four words and more; names of time zones are names."""
    read = re.sub(r"<(style|datalist|pre|code)\b.*?</\1>", " ", page, flags=re.DOTALL)
    parts = re.split(r"<[^>]*>|[.:;?!](?:\s|$)", unescape(read))
    found = {" ".join(part.split()) for part in parts}
    return {one for one in found if len(re.findall(r"[^\W\d_]{2,}", one)) >= 4 and "/" not in one}


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("answered", [False, True])
async def test_no_sentence_of_a_spanish_page_is_english(
    client: httpx.AsyncClient, path: str, *, answered: bool
) -> None:
    if answered:
        assert (await client.post("/me", json=COMPLETE)).status_code == 200
    english, spanish = await client.get(path, headers=ENGLISH), await client.get(path, headers=SPANISH)
    assert spanish.status_code == english.status_code
    assert '<html lang="es">' in spanish.text
    assert spanish.headers["content-language"] == "es"
    assert sentences(english.text)
    assert sentences(spanish.text) & sentences(english.text) == set()


async def test_the_agreement_is_in_the_language_of_its_page_and_the_receipt_says_so(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    page = await client.get(CONFIRM, headers=SPANISH)
    assert "Mostrar mi perfil a las empresas con trabajos para mí" in page.text
    form = form_of(page.text) | {"purposes": ["match", "contact"]}
    answer = await client.post(CONFIRM, data=form, headers=SPANISH)
    assert answer.status_code == 303
    assert choices(database).purposes == ("match", "contact")
    assert database.rows[WHO].language == "es"
    receipt = await client.get(f"/v1/receipts/{database.rows[WHO].receipt}", headers=SPANISH)
    assert "Su recibo" in receipt.text
    assert "Mostrar mi perfil a las empresas con trabajos para mí" in receipt.text
    again = await client.get(f"/v1/receipts/{database.rows[WHO].receipt}")
    assert again.json()["record"]["notice"]["language"] == "es"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"quiet_hours.start": "08:00", "quiet_hours.end": "08:00"}, "Las horas de calma no pueden terminar"),
        ({"ends_at": "2001-01-01"}, "El fin debe estar en el futuro"),
        ({"ends_at": "soon"}, "Escriba el día en que esto se acaba"),
        ({"version": "x"}, "Esto falta, o no es lo que se pide aquí"),
        ({"blocked_names": "a" * 500}, "caracteres como mucho"),
    ],
)
async def test_what_is_wrong_is_said_in_spanish_beside_its_field(
    client: httpx.AsyncClient, wrong: dict[str, str], said: str
) -> None:
    form = form_of((await client.get("/me", headers=SPANISH)).text) | {"purposes": ["match"], **wrong}
    answer = await client.post("/me", data=form, headers={**SPANISH, "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 422
    assert "Hay un problema" in answer.text
    assert said in unescape(answer.text)


async def test_a_program_is_told_in_english_what_is_wrong(client: httpx.AsyncClient) -> None:
    wrong = {"purposes": ["match"], "ends_at": "2001-01-01T00:00:00Z"}
    answer = await client.post("/me", json=wrong, headers={"Accept-Language": "es", "Accept": "application/json"})
    assert answer.status_code == 422
    assert "The end must lie in the future" in answer.text
