"""What each service says of its routes is so: requests made from its OpenAPI, on real servers, get answers that it names."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.openapi.running import KEYS, SERVICES, Running, running, sent_of
from tests.stack import Servers
from tests.worst_bodies import FORM

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = settings(
    max_examples=6,  # as described, and as many that are not
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
ACCEPTS = ("application/json", "text/html,application/xhtml+xml,*/*;q=0.8", "*/*")
"""A program, a browser, and who says nothing of it."""
HONEST: Mapping[str, Mapping[str, Any]] = {
    "POST /join": {"name": "Ana Ruiz", "email": "ana@example.org", "work": "Registered nurse", "postal_code": "80202"},
    "POST /join/file": {"basics": {"name": "Ana Ruiz", "email": "ana@example.org"}, "skills": [{"name": "triage"}]},
    "POST /me/profile/file": {"basics": {"name": "Ana Ruiz"}, "skills": [{"name": "triage"}]},
    "POST /sign-in": {"email": "ana@example.org"},
    "POST /profile/{token}": {"occupations": ["29-1141"], "years": 5, "state": "CO"},
    "POST /erase/{token}": {"confirm": "erase", "opening": "o" * 43},
    "POST /v1/me/erase": {"confirm": "erase"},
    "POST /confirm/{token}": {"purposes": ["match", "contact"], "time_zone": "America/Denver"},
    "POST /me": {"purposes": ["match"]},
    "POST /u/{token}": {"scope": "employer"},
    "POST /v1/pools": {"name": "Nurses", "occupations": ["29-1141"], "states": ["CO"]},
    "PATCH /v1/pools/{id}": {"name": "Nurses around Denver"},
    "POST /v1/tenants": {"tenant": "emp_other", "kind": "vendor", "name": "Other"},
}  # fmt: skip
"""What somebody sends who means it: what is made from a document hardly ever is an email or a code of an occupation."""


@pytest.fixture(scope="module", params=SERVICES)
async def service(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    async with running(request.param, servers, tmp_path_factory.mktemp("vault")) as made:
        yield made


_LONGEST_URL = 65_536
"""Characters that httpx sends, and uvicorn takes."""


class Visitor:
    """Asks what is made from the document, let in or as a stranger, and keeps what is wrong with the answers."""

    def __init__(self, service: Running, loop: asyncio.AbstractEventLoop) -> None:
        self.service = service
        self.wrong: dict[str, str] = {}
        self.seen: dict[str, set[int]] = {}
        self._loop = loop
        self._turn = 0

    def visit(self, operation: Any) -> None:
        """Ask so many times; a route with a wrong answer is asked no more."""
        self.seen[operation.label] = set()
        try:
            for case in _honest(operation):
                self._validated(case, self._let_in(case))
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                self._made(operation, mode)
        except FailureGroup as failures:
            self.wrong[operation.label] = "\n".join(map(str, failures.exceptions))

    def _made(self, operation: Any, mode: GenerationMode) -> None:
        try:
            made: Any = given(operation.as_strategy(generation_mode=mode))
            EXAMPLES(made(self._ask))()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # it takes nothing that could be wrong

    def _ask(self, case: Case[Any]) -> None:
        """Of six, four are let in, and two have no key or a wrong one."""
        self._turn += 1
        self._validated(case, self._let_in(case) if self._turn % 6 < 4 else self._stranger(case))

    def _validated(self, case: Case[Any], request: requests.PreparedRequest) -> None:
        if len(request.url or "") > _LONGEST_URL:
            return
        answer = asyncio.run_coroutine_threadsafe(self.service.ask(request), self._loop).result()
        self.seen[case.operation.label].add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    def _let_in(self, case: Case[Any]) -> requests.PreparedRequest:
        token = self.service.token(case.operation.path)
        known = self.service.path_parameters | ({"token": token} if token else {})
        asked = case.path_parameters or {}
        case.path_parameters = {**asked, **{name: value for name, value in known.items() if name in asked}}
        request = self._prepared(case)
        if bearer := self._key(case) or token:
            request.headers["Authorization"] = f"Bearer {bearer}"
        request.headers["Signature"] = self.service.signature(sent_of(request))
        return request

    def _key(self, case: Case[Any]) -> str:
        """What opens the route, where that is a header and no link."""
        asked = {name: kinds for needed in _raw(case).get("security", ()) for name, kinds in needed.items()}
        if "session" in asked:
            return self.service.session()
        return KEYS[asked["tenant key"][0]] if "tenant key" in asked else ""

    def _stranger(self, case: Case[Any]) -> requests.PreparedRequest:
        request = self._prepared(case)
        if self._turn % 2:
            request.headers["Authorization"] = f"Bearer {KEYS['operator'][:-1]}b"
        return request

    def _prepared(self, case: Case[Any]) -> requests.PreparedRequest:
        request = requests.Request(**case.as_transport_kwargs(base_url="http://service.example")).prepare()
        if isinstance(case.body, bytes) and case.media_type == FORM:
            request.headers["Content-Type"] = FORM
        request.headers["Accept"] = ACCEPTS[self._turn % 3]
        return request


def _raw(case: Case[Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = case.operation.definition.raw
    return found


def _honest(operation: Any) -> Iterator[Case[Any]]:
    """As JSON and, where the route takes one, as a form."""
    body = HONEST.get(operation.label)
    names = {one.name: "x" for one in operation.path_parameters}
    kinds = operation.definition.raw.get("requestBody", {}).get("content", {})
    if body is not None and "application/json" in kinds:
        yield operation.Case(path_parameters=names, body=dict(body), media_type="application/json")
    if body is not None and FORM in kinds:
        yield operation.Case(path_parameters=names, body=urlencode(body, doseq=True).encode(), media_type=FORM)


def _ends_sessions(operation: Any) -> bool:
    """Whether it takes people or their sessions away, which others are let in by."""
    return any(word in operation.label for word in ("/erase", "/email", "sessions", "sign-out", "/refuse"))


@pytest.mark.slow
@pytest.mark.timeout(600)  # of a busy machine; alone it takes about 20 s
@pytest.mark.filterwarnings(
    "ignore:Do not use the `random` module inside strategies"
)  # schemathesis does; Hypothesis seeds it
async def test_every_answer_is_one_that_the_document_names(service: Running) -> None:
    document = schemathesis.openapi.from_dict(service.app.openapi())
    visitor = Visitor(service, asyncio.get_running_loop())
    found = list(document.get_all_operations())
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == len(found), found
    for operation in sorted(operations, key=_ends_sessions):
        await asyncio.to_thread(visitor.visit, operation)
    assert visitor.wrong == {}
    unopened = {name: seen for name, seen in visitor.seen.items() if name in HONEST and min(seen) >= 400}
    assert unopened == {}, "what somebody means is not taken"
