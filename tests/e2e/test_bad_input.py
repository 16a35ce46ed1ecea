"""Whatever is wrong with a request: the right 4xx, as problem+json, and nothing written."""

import gzip
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from deploy.demo.client import greenhouse_signature
from tests.e2e.scene import ALL_ON, Scene

EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
_TOO_LONG = b'{"padding": "' + b"x" * (1024 * 1024) + b'"}'


@dataclass(frozen=True, slots=True)
class Bad:
    """One bad request. `who` sends it: `vendor`, `employer`, `operator`, nobody, or a raw header of its own."""

    status: int
    method: str
    url: str
    raw: bytes = b""
    who: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Requests:
    """Builds every bad request on a good one, so that just one thing is wrong with it."""

    def __init__(self, scene: Scene, member_ref: str, link: str, pool: str, outreach: str) -> None:
        self.scene, self.member_ref, self.link, self.pool, self.outreach = scene, member_ref, link, pool, outreach
        services = scene.dev.services
        self.events = f"{services.signup}/v1/events"
        self.pools = f"{services.pool_matching}/v1/pools"
        self.gateway = f"{services.outreach_gateway}/v1/outreach"
        self.consent, self.signup = services.consent, services.signup

    def all(self) -> dict[str, Bad]:
        """By what is wrong."""
        return {
            **self.compressed(), **self.webhooks(), **self.cloud_events(), **self.sources(), **self.pages(), **self.for_employers(), **self.messages(),
        }  # fmt: skip

    def compressed(self) -> dict[str, Bad]:
        def post(url: str, who: str = "", kind: str = JSON, **headers: str) -> Bad:
            sent = {
                "Content-Type": kind,
                "Content-Encoding": "gzip",
                "Idempotency-Key": secrets.token_hex(8),
                **headers,
            }
            return Bad(415, "POST", url, gzip.compress(b"{}"), who, sent)

        source = self.scene.dev.sources[0]
        signature = greenhouse_signature(source.secret, b"{}")
        return {
            "a compressed event": post(self.events, "vendor", EVENT),
            "a compressed batch": post(self.events, "vendor", BATCH),
            "a compressed webhook": post(source.url, Signature=signature),
            "a compressed source": post(f"{self.signup}/v1/sources", "operator"),
            "compressed choices": post(self.link),
            "a compressed sign-in": post(f"{self.signup}/sign-in"),
            "a compressed joining": post(f"{self.signup}/join"),
            "a compressed pool": post(self.pools, "employer"),
            "a compressed message": post(self.gateway, "employer"),
        }

    def webhooks(self) -> dict[str, Bad]:
        source = self.scene.dev.sources[0]
        person = self.scene.invent()
        good = json.dumps(
            {
                "action": "new_candidate_application",
                "payload": {
                    "application": {
                        "candidate": {
                            "id": 1,
                            "first_name": person.given_name,
                            "email_addresses": [{"value": person.mail, "type": "personal"}],
                        }
                    }
                },
            }
        ).encode()

        def hook(status: int, raw: bytes, signature: str | None, url: str = source.url) -> Bad:
            headers = {"Content-Type": JSON, "Greenhouse-Event-ID": secrets.token_hex(8)}
            return Bad(status, "POST", url, raw, headers=headers | ({"Signature": signature} if signature else {}))

        def signed(raw: bytes) -> str:
            return greenhouse_signature(source.secret, raw)

        wrong_type = good.replace(b'"id": 1', b'"id": {"a": 1}')
        return {
            "webhook unsigned": hook(401, good, None),
            "webhook signed by another": hook(401, good, greenhouse_signature("another secret", good)),
            "webhook changed after signing": hook(401, good + b" ", signed(good)),
            "webhook with a bare hash": hook(401, good, "sha256 " + hashlib.sha256(good).hexdigest()),
            "webhook truncated": hook(401, good[:-7], signed(good)),
            "webhook truncated before signing": hook(422, good[:-7], signed(good[:-7])),
            "webhook oversized": hook(413, _TOO_LONG, signed(_TOO_LONG)),
            "webhook with wrong types": hook(422, wrong_type, signed(wrong_type)),
            "webhook that is a list": hook(422, b"[]", signed(b"[]")),
            "webhook of an unknown source": hook(404, good, signed(good), source.url + "x"),
            "webhook of an unknown format": hook(
                404, good, signed(good), source.url.replace("greenhouse", "brownhouse")
            ),
        }

    def cloud_events(self) -> dict[str, Bad]:
        def event(**changes: Any) -> bytes:
            return json.dumps(self.scene.event(self.scene.invent()) | changes).encode()

        def data(**changes: Any) -> bytes:
            whole = self.scene.event(self.scene.invent())
            whole["data"] |= changes
            return json.dumps(whole).encode()

        def post(status: int, raw: bytes, who: str = "vendor", kind: str = EVENT) -> Bad:
            return Bad(status, "POST", self.events, raw, who, {"Content-Type": kind})

        return {
            "event without a key": post(401, event(), who=""),
            "event with a wrong key": post(401, event(), who="Bearer fp_acme-ats_" + "a" * 32),
            "event of an unknown tenant": post(401, event(), who="Bearer fp_nobody_" + "a" * 32),
            "event with a key that is none": post(401, event(), who="Bearer nonsense"),
            "event with another scheme": post(401, event(), who="Basic YTpi"),
            "event with an employer's key": post(403, event(), who="employer"),
            "event for another vendor": post(403, event(source="lumen-ats")),
            "event for another's employer": post(403, data(employer="emp_tidewater")),
            "event for nobody's employer": post(403, data(employer="emp_nobody")),
            "event in plain JSON": post(415, event(), kind=JSON),
            "event in a form": post(415, b"a=b", kind="application/x-www-form-urlencoded"),
            "event truncated": post(400, event()[:-5]),
            "event that is no UTF-8": post(400, b'{"id": "\xff"}'),
            "event oversized": post(413, _TOO_LONG),
            "event with an unknown attribute": post(422, event(unheard_of=1)),
            "event with an unknown field": post(422, data(unheard_of=1)),
            "event of an unknown type": post(422, event(type="candidate.loved")),
            "event with wrong types": post(422, data(profile={"years": "six"})),
            "event without a mail": post(422, data(person={"given_name": "A", "emails": []})),
            "event with an unknown zone": post(422, data(profile={"time_zone": "Mars/Olympus"})),
            "batch that is no list": post(422, event(), kind=BATCH),
        }

    def sources(self) -> dict[str, Bad]:
        body = {
            "format": "greenhouse",
            "source": "fresh",
            "vendor": "acme-ats",
            "employer": "emp_lakeshore",
            "secret": "s" * 20,
        }

        def post(status: int, who: str = "operator", **changes: Any) -> Bad:
            raw = json.dumps(body | changes).encode()
            return Bad(status, "POST", f"{self.signup}/v1/sources", raw, who, {"Content-Type": JSON})

        return {
            "source by a vendor": post(403, who="vendor"),
            "source without a key": post(401, who=""),
            "source with a short secret": post(422, secret="short"),
            "source of an unknown format": post(422, format="brownhouse"),
            "source with an unknown field": post(422, unheard_of=1),
        }

    def pages(self) -> dict[str, Bad]:
        def confirm(status: int, raw: bytes, url: str | None = None, kind: str = JSON) -> Bad:
            return Bad(status, "POST", url or self.link, raw, headers={"Content-Type": kind, "Accept": JSON})

        def wish(**changes: Any) -> bytes:
            return json.dumps(ALL_ON | changes).encode()

        base = f"{self.consent}/confirm/"
        cut = self.link[:-4]
        return {
            "choices for a made-up link": confirm(404, wish(), base + "a.b.c"),
            "choices for a link that was cut": confirm(404, wish(), cut),
            "choices with another door's link": confirm(404, wish(), self.link.replace("/confirm/", "/u/")),
            "choices truncated": confirm(400, wish()[:-3]),
            "choices oversized": confirm(413, _TOO_LONG),
            "choices in another content type": confirm(415, wish(), kind="text/plain"),
            "choices with an unknown field": confirm(422, wish(unheard_of=True)),
            "choices with an unknown purpose": confirm(422, wish(purposes=["sell"])),
            "choices with wrong types": confirm(422, wish(first_contacts_per_week="two")),
            "choices looser than the policy": confirm(422, wish(first_contacts_per_week=50)),
            "choices with an unknown zone": confirm(422, wish(time_zone="Mars/Olympus")),
            "choices without an open hour": confirm(
                422, wish(time_zone="America/Denver", quiet_hours={"start": "08:00", "end": "20:30"})
            ),
            "choices without purposes": confirm(422, b"{}"),
            "sign-in without a mail": Bad(422, "POST", f"{self.signup}/sign-in", b"{}", headers={"Content-Type": JSON}),
            "sign-in oversized": Bad(413, "POST", f"{self.signup}/sign-in", _TOO_LONG, headers={"Content-Type": JSON}),
            "unsubscribing by a made-up link": Bad(404, "POST", f"{self.consent}/u/a.b.c"),
        }

    def for_employers(self) -> dict[str, Bad]:
        def make(status: int, who: str = "employer", raw: bytes | None = None, **changes: Any) -> Bad:
            whole = json.dumps({"name": "A pool", "states": ["CO"]} | changes).encode()
            return Bad(status, "POST", self.pools, whole if raw is None else raw, who, {"Content-Type": JSON})

        def read(status: int, url: str, who: str = "employer") -> Bad:
            return Bad(status, "GET", url, who=who)

        return {
            "pool without a key": make(401, who=""),
            "pool by a vendor": make(403, who="vendor"),
            "pool truncated": make(400, raw=b'{"name": "A'),
            "pool oversized": make(413, raw=_TOO_LONG),
            "pool in a form": Bad(415, "POST", self.pools, b"name=a", "employer", {"Content-Type": "text/plain"}),
            "pool with an unknown field": make(422, unheard_of=1),
            "pool with wrong types": make(422, states="CO"),
            "pool of an unknown occupation": make(422, occupations=["99-9999"]),
            "pool of an unknown state": make(422, states=["ZZ"]),
            "pool without a name": make(422, name=""),
            "members without a key": read(401, f"{self.pools}/{self.pool}/members", who=""),
            "members of an unknown pool": read(404, f"{self.pools}/p_unknown/members"),
            "updates after a made-up cursor": read(422, self.pools.replace("/pools", "/updates?after=abc")),
            "updates with a key of a vendor": read(403, self.pools.replace("/pools", "/updates"), who="vendor"),
            "a route that does not exist": read(404, self.pools.replace("/pools", "/pool")),
            "a method that does not exist": Bad(405, "PUT", self.pools, b"{}", "employer", {"Content-Type": JSON}),
        }

    def messages(self) -> dict[str, Bad]:
        def send(status: int, who: str = "employer", raw: bytes | None = None, **changes: Any) -> Bad:
            whole = json.dumps(self.scene.message(self.member_ref) | changes).encode()
            headers = {"Content-Type": JSON, "Idempotency-Key": secrets.token_hex(8)}
            return Bad(status, "POST", self.gateway, whole if raw is None else raw, who, headers)

        good, claims = self.scene.message(self.member_ref), cast("dict[str, Any]", {"class": "conversation"})
        without_key = Bad(400, "POST", self.gateway, json.dumps(good).encode(), "employer", {"Content-Type": JSON})
        return {
            "outreach without a key": send(401, who=""),
            "outreach by a vendor": send(403, who="vendor"),
            "outreach by the operator": send(403, who="operator"),
            "outreach without an Idempotency-Key": without_key,
            "outreach truncated": send(400, raw=b'{"member_ref": "m_'),
            "outreach oversized": send(413, raw=_TOO_LONG),
            "outreach with an unknown field": send(422, **claims),
            "outreach without a job": send(422, job=None),
            "outreach without pay": send(422, job={**good["job"], "pay": None}),
            "outreach with a subject of two lines": send(422, subject="One\r\nBcc: everybody@example.org"),
            "outreach that expired before": send(422, expires_at="2020-01-01T00:00:00Z"),
            "outreach with a time without zone": send(422, expires_at="2027-01-01T00:00:00"),
            "outreach to a made-up ref": send(404, member_ref="m_" + "A" * 43),
            "outreach to what is no ref": send(422, member_ref="ana@example.org"),
            "a receipt without a key": Bad(401, "GET", f"{self.gateway}/{self.outreach}"),
            "a receipt of nothing": Bad(404, "GET", f"{self.gateway}/o_unknown", who="employer"),
            "a feed after a made-up cursor": Bad(422, "GET", f"{self.gateway}?after=abc", who="employer"),
            "taking nothing back": Bad(404, "DELETE", f"{self.gateway}/o_unknown", who="employer"),
        }


@pytest.mark.timeout(300)
async def test_bad_input_gets_the_right_4xx_as_problem_json_and_nothing_is_written(scene: Scene) -> None:
    person = await scene.join()
    employer, outreach = await scene.write_to(person)
    await scene.until_state(outreach, "delivered")
    pool = await scene.pool_of(employer, person)
    link = await scene.link(person)
    requests = Requests(scene, await scene.ref(employer, person, pool), link, pool, outreach).all()
    keys = {
        "vendor": f"Bearer {scene.dev.vendors[0].key}",
        "employer": f"Bearer {employer.key}",
        "operator": f"Bearer {scene.dev.operator.key}",
    }
    before = await _counts(scene)
    wrong = []
    for what, bad in requests.items():
        headers = dict(bad.headers) | ({"Authorization": keys.get(bad.who, bad.who)} if bad.who else {})
        answer = await scene.client.http.request(bad.method, bad.url, headers=headers, content=bad.raw)
        kind = answer.headers.get("content-type", "")
        if answer.status_code != bad.status:
            wrong.append(f"{what}: {answer.status_code} instead of {bad.status}: {answer.text[:200]}")
        elif kind.split(";")[0] != "application/problem+json":
            wrong.append(f"{what}: {kind} instead of problem+json")
        elif {"type", "title", "status", "detail"} - answer.json().keys() or answer.json()["status"] != bad.status:
            wrong.append(f"{what}: a member of RFC 9457 is missing or wrong: {sorted(answer.json())}")
    assert wrong == []
    assert await _counts(scene) == before


async def test_an_idempotency_key_with_other_words_is_refused(scene: Scene) -> None:
    person = await scene.join()
    employer = await scene.new_employer()
    ref = await scene.member_ref(employer, person)
    key = secrets.token_hex(8)
    outreach = await scene.client.send(employer.key, key, scene.message(ref))
    answer = await scene.client.ask(
        "POST",
        f"{scene.dev.services.outreach_gateway}/v1/outreach",
        key=employer.key,
        headers={"Idempotency-Key": key},
        body=scene.message(ref),
        expect=(422,),
    )
    assert answer.headers["content-type"].startswith("application/problem+json")
    await scene.until_state(outreach, "delivered")
    assert len(await scene.mails_with(outreach, person)) == 1


_WRITTEN = {
    "signup": ("candidates", "claims", "intake", "sources", "invitations"),
    "consent": ("consents", "ledger", "receipts"),
    "pool_matching": ("pools", "memberships"),
    "outreach_gateway": ("outreach",),
}


async def _counts(scene: Scene) -> dict[str, int]:
    return {
        f"{database}.{table}": (await scene.rows(database, f"SELECT count(*) FROM {table}"))[0][0]
        for database, tables in _WRITTEN.items()
        for table in tables
    }
