"""`POST /join/file`: a file fills the form, for people and programs, and nothing of it is kept or logged."""

import html
import io
import json
import logging
import tempfile
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from services.signup.adapters.titles import occupations_of, suggestions
from services.signup.api import join
from services.signup.api.resume_files import CHANGED
from services.signup.decisions.resume import written
from services.signup.model.people import Person
from services.signup.vault.index import BlindIndex
from shared.contracts.signup import CoarseProfile
from shared.web.app import create_app
from tests.fakes.clock import FixedClock

BROWSER = {"Accept": "text/html"}
EXAMPLES = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(Path(__file__).with_name("resumes").glob("*.json"))
}
"""As resume builders write them, of invented people."""
PROFILE = CoarseProfile(
    occupations=("29-1141", "29-2061"), skills=("triage",), years=0, state="CO", area="802", remote=True,
    employment_types=("full_time",), pay_floor=400_000,
)  # fmt: skip
OURS = json.dumps(written(PROFILE, Person(mail="annabellarita@example.org", given_name="Annabellarita"))).encode()


@dataclass
class Taken:
    """Stands for intake and limits: whatever is called is an effect that must not be."""

    effects: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        self.effects.append(name)
        raise AssertionError(f"{name} was asked for")


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
async def http(taken: Taken) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> dict[str, Any]:
        return {}

    app = create_app("signup", "signup", ready=ready)
    nothing: Any = taken
    index = BlindIndex(bytes(32))
    routes = join.router(
        nothing, nothing, FixedClock(), index=index, titles=suggestions(), occupations_of=occupations_of
    )
    app.include_router(routes)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://signup.test") as client:
        yield client


def zipped(*entries: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


async def chosen(http: httpx.AsyncClient, raw: bytes) -> httpx.Response:
    """As a browser sends it."""
    return await http.post("/join/file", files={"file": ("../resume.zip", raw, "text/plain")}, headers=BROWSER)


async def test_the_page_offers_it_without_a_script(http: httpx.AsyncClient) -> None:
    page = await http.get("/join", headers=BROWSER)
    assert '<form method="post" action="/join/file" enctype="multipart/form-data" novalidate>' in page.text
    assert "<script" not in page.text
    again = await http.get("/join/file", headers=BROWSER)
    assert (again.status_code, again.headers["location"]) == (303, "/join")


@pytest.mark.parametrize("raw", [OURS, zipped(("resume.json", OURS))], ids=["json", "zip"])
async def test_the_form_comes_back_filled_and_nothing_is_stored(
    http: httpx.AsyncClient, taken: Taken, raw: bytes
) -> None:
    page = await chosen(http, raw)
    assert page.status_code == 200
    assert "The form is filled in from your file" in page.text
    for filled in (
        'value="Annabellarita"', 'value="annabellarita@example.org"', 'value="802"', 'value="triage"', 'value="CO" selected', 'value="0" selected',
        'name="occupations" type="checkbox" value="29-1141" checked', 'value="29-2061" checked', 'value="full_time" checked',
        'name="remote" type="checkbox" value="true" checked', '<option value="400000" selected>$400,000 a year',
    ):  # fmt: skip
        assert filled in page.text
    assert "Cache-Control" in page.headers
    assert taken.effects == []


async def test_a_program_gets_the_form_that_join_takes(http: httpx.AsyncClient, taken: Taken) -> None:
    for kind, raw in (("application/json", OURS), ("application/zip", zipped(("x/resume.json", OURS))), ("Application/X-Zip-Compressed", zipped(("resume.json", OURS)))):  # fmt: skip
        answer = await http.post("/join/file", content=raw, headers={"Content-Type": kind})
        assert answer.status_code == 200
        assert answer.json() == {
            "form": {"name": "Annabellarita", "email": "annabellarita@example.org", "occupations": ["29-1141", "29-2061"],
                     "skills": ["triage"], "years": 0, "state": "CO", "postal_code": "802", "remote": True,
                     "employment_types": ["full_time"], "pay_floor": 400_000},
            "passed_over": [],
        }  # fmt: skip
        assert join.JoinIn.model_validate(answer.json()["form"])
    assert taken.effects == []


async def test_a_file_that_was_changed_is_read_and_that_is_said(http: httpx.AsyncClient) -> None:
    manifest = json.dumps({"files": [{"name": "resume.json", "sha256": "0" * 64}]}).encode()
    page = await chosen(http, zipped(("resume.json", OURS), ("manifest.json", manifest)))
    assert page.status_code == 200
    assert CHANGED in page.text


async def test_what_the_form_would_refuse_is_passed_over_with_its_reason(http: httpx.AsyncClient) -> None:
    resume = {"basics": {"name": "http://spam.example", "email": "nobody", "label": "Welder " + "x" * 300}, "skills": ["triage"],
              "meta": {"fairpool": {"skills": ["triage"], "time_zone": "Mars/Olympus", "area": "006"}}}  # fmt: skip
    answer = await http.post("/join/file", json=resume)
    assert answer.json()["form"] == {"skills": ["triage"]}
    told = {one["pointer"]: one["detail"] for one in answer.json()["passed_over"]}
    assert told["#/basics/name"].endswith("it must be a name of at most 100 characters, without a link or an email.")
    assert told["#/basics/email"].startswith("Your email was not filled in: it must be an email")
    assert told["#/meta/fairpool/time_zone"].startswith("The time zone was not filled in: it must be an IANA time zone")
    assert "#/meta/fairpool/area" in told


@pytest.mark.parametrize(
    ("raw", "status", "says"),
    [
        (b"", 422, "Choose the zip that you took along from Fairpool, or a JSON Resume"),
        (b"%PDF-1.7", 422, "This is a PDF"),
        (b"{}", 422, "Nothing in this file could be filled in"),
        (zipped(("resume.json", b" " * 50_000_000)), 413, "larger than 1 MB"),
        (b"{" + b" " * 1_010_000, 413, "larger than 1 MB"),
        (b"{" + b" " * 2_000_000, 413, "larger than 1 MB"),
        (b'{"skills": ["\\ud800"], "basics": {"name": "\\udfff<b>x</b>"}}', 422, "Nothing in this file"),
    ],
)
async def test_a_bad_file_is_said_beside_its_field(http: httpx.AsyncClient, raw: bytes, status: int, says: str) -> None:
    page = await chosen(http, raw)
    assert page.status_code == status
    assert 'href="#file"' in page.text
    assert page.text.count(says) == 2
    assert 'id="file-error"' in page.text


HARD = {"basics": {"name": "http://spam.example", "location": {"region": "Atlantis", "postalCode": "7"}}, "poems": ["x"],
        "skills": {"languages": ["Python", "charm"], "deep": [[[[["x"]]]]]},
        "work": [{"position": "Wizard", "startDate": "soon"}, {"company": "X", "startDate": "2019", "endDate": "2018"}, {"endDate": "2019"},
                 {"position": "Driver", "dates": "two years"}, 7, {"position": 7, "startDate": "2099"}]}  # fmt: skip
WRONG = {
    **json.loads(OURS),
    "meta": {"fairpool": dict.fromkeys(json.loads(OURS)["meta"]["fairpool"], "?") | {"time_zone": 5}},
}


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(HARD).encode(),
        json.dumps(WRONG).encode(),
        json.dumps({"basics": {"name": "Ana", "name ": "x"}}).encode().replace(b"name ", b"name"),
        '{"basics": {"name": "José"}, "work": 5}'.encode("cp1252"),
        zipped(("resume.json", OURS), ("manifest.json", b"{}")),
        b"%PDF", b"GIF8", b"{", b'{"a": ' + b"9" * 5000 + b"}", b"\x7f\xff", b"[" * 10_000, b"[" * 30_000, b"{}", b"7", b"PK\x03\x04",
        b"{" + b" " * 1_010_000, zipped(("word/document.xml", b"")), zipped(("cv.pdf", b"")), zipped(("a/resume.json", b""), ("b/resume.json", b"")),
        zipped(*((f"{number}.json", b"") for number in range(201))),
    ],
)  # fmt: skip
async def test_on_a_spanish_page_each_sentence_about_the_file_is_spanish(http: httpx.AsyncClient, raw: bytes) -> None:
    """What a program is told of the same file, in English, stands nowhere on it."""
    kind = "application/zip" if raw.startswith(b"PK") else "application/json"
    english = (await http.post("/join/file", content=raw, headers={"Content-Type": kind})).json()
    told = [one["detail"] for one in english.get("passed_over", english.get("errors", []))] + [
        english.get("detail", "")
    ]
    assert any(told)
    answer = await http.post("/join/file", files={"file": ("x", raw)}, headers=BROWSER | {"Accept-Language": "es-MX"})
    page = html.unescape(answer.text)
    assert '<html lang="es"' in page
    assert [sentence for sentence in told if sentence and sentence in page] == []
    assert page.count("<li>") >= len(english.get("passed_over", ()))


async def test_where_something_stands_in_the_file_is_said_for_people(http: httpx.AsyncClient) -> None:
    page = (await chosen(http, json.dumps(HARD | {"basics": {"name": "Ana"}}).encode())).text
    assert "(in the file: work 1, startDate)" in page
    assert "#/" not in page


@pytest.mark.parametrize(
    ("kind", "raw", "status"),
    [
        ("application/json", b"", 422),
        ("application/json", b"[1", 422),
        ("application/json", b'{"basics": 1, "work": 2, "skills": 3, "meta": {"fairpool": 4}}', 422),
        ("application/zip", b"PK\x03\x04", 422),
        ("application/zip", zipped(("resume.json", b" " * 2_000_000)), 413),
        ("application/json", b" " * 1_048_577, 413),
        ("text/plain", OURS, 415),
        ("application/pdf", b"%PDF", 415),
        ("application/x-www-form-urlencoded", b"file=x", 415),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=x", b"x", 400),
        ("", OURS, 415),
    ],
)
async def test_a_program_gets_a_problem(http: httpx.AsyncClient, kind: str, raw: bytes, status: int) -> None:
    answer = await http.post("/join/file", content=raw, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


async def test_a_length_that_is_far_too_large_is_refused_unread(http: httpx.AsyncClient) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {"Content-Type": "application/zip", "Content-Length": "9000000"}
    answer = await http.post("/join/file", content=never(), headers=headers)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")


async def test_nothing_of_the_file_is_logged_or_written_to_disk(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("a file was made")

    monkeypatch.setattr(tempfile, "_get_default_tempdir", refused)
    monkeypatch.setattr(tempfile, "mkstemp", refused)
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", refused)
    large = json.dumps({**json.loads(OURS), "x": "annabellarita" * 70_000}).encode()
    with caplog.at_level(logging.DEBUG):
        assert (await chosen(http, large)).status_code == 200
        assert (await chosen(http, large[:-1])).status_code == 422
        assert (await chosen(http, zipped(("resume.json", large), ("annabellarita", b"x"))[:-9])).status_code == 422
    assert "annabellarita" not in caplog.text.lower()


@pytest.mark.parametrize("whole", EXAMPLES.values(), ids=EXAMPLES)
async def test_what_resume_builders_write_is_read_as_far_as_it_is_clear(http: httpx.AsyncClient, whole: Any) -> None:
    """Each file says under `expected` what of it is filled in, and where something is passed over."""
    answer = await http.post("/join/file", json=whole["file"])
    expected = SimpleNamespace(**whole["expected"])
    assert answer.status_code == 200
    assert answer.json()["form"] == expected.form
    assert sorted(one["pointer"] for one in answer.json()["passed_over"]) == sorted(expected.passed_over)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 8


async def test_what_was_left_out_of_a_file_is_said_in_the_language_of_the_page(http: httpx.AsyncClient) -> None:
    resume = {
        "work": [{"position": "Happiness wizard", "startDate": "soon"}, {"position": "Registered nurse"}],
        "skills": [{"name": "juggling"}],
        "basics": {"name": "Ana", "email": "not an email", "location": {"region": "Bavaria"}},
    }
    files = {"file": ("r.json", json.dumps(resume).encode(), "application/json")}
    pages = {
        language: (await http.post("/join/file", files=files, headers=BROWSER | {"Accept-Language": language})).text
        for language in ("en", "es")
    }
    for english, spanish in (
        ("is no job title that we know.", "“Happiness wizard” no es un puesto que conozcamos."),
        ("is no date that we can read, so this job", "no es una fecha que podamos leer"),
        ("Not on our list of skills: “juggling”.", "No están en nuestra lista de habilidades: “juggling”."),
        ("Your email was not filled in: it ", "No se llenó su correo: debe ser un correo como name@example.org."),
    ):
        assert english in pages["en"] and english not in pages["es"]
        assert spanish in pages["es"]
    told = (await http.post("/join/file", json=resume, headers={"Accept-Language": "es"})).json()["passed_over"]
    assert "“Happiness wizard” is no job title that we know." in [one["detail"] for one in told], "for programs English"
    for raw, spanish in ((b"[" * 30_000, "muchas más partes"), (b"{", "no es JSON ni un zip")):
        page = await http.post("/join/file", files={"file": ("r", raw)}, headers=BROWSER | {"Accept-Language": "es"})
        assert spanish in page.text, spanish


async def test_work_that_no_occupation_is_found_for_is_said_on_the_join_page_beside_what_else_is_wrong(
    http: httpx.AsyncClient,
) -> None:
    given = {"name": "Ana", "email": "ana", "work": "enfermera"}
    page = await http.post("/join", data=given, headers={"Accept": "text/html", "Accept-Language": "es"})
    assert page.status_code == 422
    assert page.text.index('href="#email"') < page.text.index('href="#work"')
    assert 'id="work-error"' in page.text and 'value="enfermera"' in page.text
    assert "o déjelo vacío" in page.text, "nobody is kept out by a trade that we do not know"
    known = await http.post("/join", data={**given, "work": "Registered nurse"}, headers={"Accept": "text/html"})
    assert known.status_code == 422 and 'id="work-error"' not in known.text
