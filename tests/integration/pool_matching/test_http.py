"""The HTTP face on the real database."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from services.pool_matching.adapters.postgres_pools import PostgresPools
from services.pool_matching.api.updates import stream
from services.pool_matching.handlers import on_pools_changed
from shared.facts import Known
from tests.integration.pool_matching.conftest import Http
from tests.integration.pool_matching.kit import candidates, consent, evaluate, profile, tell_persons

NURSES: dict[str, Any] = {
    "name": "Nurses around Denver", "occupations": ["29-1141"], "states": ["CO"], "remote": False, "skills_all": [],
    "skills_any": ["Triage", "icu"], "skills_any_at_least": 1, "min_years": 2, "pay_max": 105_000,
    "employment_types": [], "available_by": "2027-02-15",
}  # fmt: skip


async def make(http: Http, employer: str = "emp_a", **criteria: Any) -> str:
    answer = await http.ask("POST", "/v1/pools", employer, json={"name": "Pool", **criteria})
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


async def run_evaluations(http: Http) -> None:
    """What Kafka and the job would do for the pools in the outbox."""
    async with http.kit.persons() as store:
        await on_pools_changed(store, await http.kit.outbox())
    await evaluate(http.kit)


async def test_a_pool_is_answered_with_its_rounded_values(http: Http) -> None:
    answer = await http.ask("POST", "/v1/pools", json=NURSES)
    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["location"] == f"/v1/pools/{body['id']}"
    assert (body["min_years"], body["pay_max"], body["available_by"]) == (3, 100_000, "2027-02-01")
    assert body["skills_any"] == ["triage", "icu"]
    assert body["state"] == "matching"
    await run_evaluations(http)
    shown = (await http.ask("GET", f"/v1/pools/{body['id']}")).json()
    assert shown == body | {"state": "ready"}
    assert (await http.ask("GET", "/v1/pools")).json() == {"items": [shown], "next": None}


async def test_a_patch_replaces_what_it_gives_and_null_takes_a_criterion_away(http: Http) -> None:
    made = (await http.ask("POST", "/v1/pools", json=NURSES)).json()
    answer = await http.ask("PATCH", f"/v1/pools/{made['id']}", json={"states": None, "min_years": 7, "name": " New "})
    assert answer.status_code == 200
    assert answer.json() == made | {"states": [], "min_years": 10, "name": "New"}
    again = await http.ask("PATCH", f"/v1/pools/{made['id']}", json={})
    assert again.json() == answer.json()
    dropped = await http.ask("PATCH", f"/v1/pools/{made['id']}", json={"skills_any": []})
    assert dropped.json()["skills_any_at_least"] is None


async def test_a_new_name_and_another_order_leave_a_pool_ready(http: Http) -> None:
    made = (await http.ask("POST", "/v1/pools", json=NURSES | {"states": ["CO", "WY"]})).json()
    await run_evaluations(http)
    for change in ({"name": "Other"}, {"states": ["WY", "CO"], "skills_any": ["ICU", "triage"]}):
        answer = await http.ask("PATCH", f"/v1/pools/{made['id']}", json=change)
        assert (answer.status_code, answer.json()["state"]) == (200, "ready")
        assert (await http.ask("GET", f"/v1/pools/{made['id']}")).json() == answer.json()
    assert (await http.ask("PATCH", f"/v1/pools/{made['id']}", json={"states": ["CO"]})).json()["state"] == "matching"


async def test_an_employer_that_changes_pools_too_often_is_told_when_to_go_on(http: Http) -> None:
    made = await make(http)
    statuses = [
        (await http.ask("PATCH", f"/v1/pools/{made}", json={"name": f"Name {place}"})).status_code
        for place in range(62)
    ]
    assert statuses == [200] * 59 + [429] * 3
    attempts: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "", {"json": {"name": "One more"}}),
        ("PATCH", f"/{made}", {"json": {"name": "Other"}}),
        ("DELETE", f"/{made}", {}),
    ]
    for method, path, more in attempts:
        refused = await http.ask(method, f"/v1/pools{path}", **more)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.headers["content-type"] == "application/problem+json"
        assert "60 times a minute" in refused.json()["detail"]
    assert (await http.ask("GET", f"/v1/pools/{made}")).json()["name"] == "Name 58"
    assert await make(http, "emp_b")
    http.kit.at += timedelta(seconds=1)
    assert (await http.ask("DELETE", f"/v1/pools/{made}")).status_code == 204


async def test_a_deleted_pool_is_gone(http: Http) -> None:
    made = await make(http)
    assert (await http.ask("DELETE", f"/v1/pools/{made}")).status_code == 204
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/members")):
        more: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
        assert (await http.ask(method, f"/v1/pools/{made}{path}", **more)).status_code == 404


async def test_one_employer_can_not_see_or_touch_anothers_pool(http: Http) -> None:
    made = await make(http, "emp_a")
    attempts: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("PATCH", "", {"json": {"name": "Mine"}}),
        ("DELETE", "", {}),
        ("GET", "/members", {}),
    ]
    for method, path, more in attempts:
        theirs = await http.ask(method, f"/v1/pools/{made}{path}", "emp_b", **more)
        unknown = await http.ask(method, f"/v1/pools/p_unknown{path}", "emp_b", **more)
        assert theirs.status_code == unknown.status_code == 404
        assert {**theirs.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert (await http.ask("GET", "/v1/pools", "emp_b")).json()["items"] == []
    assert (await http.ask("GET", f"/v1/pools/{made}")).json()["name"] == "Pool"


async def test_a_pool_in_which_people_are_listed_asks_for_the_same_from_then_on(http: Http) -> None:
    """Its members keep their refs: who stays when something else is asked, and comes back when it is not, would be known by more
    than is shown of them."""
    made = await make(http)
    await come(http, 5)
    asked = (await http.ask("GET", f"/v1/pools/{made}")).json()
    refused = await http.ask("PATCH", f"/v1/pools/{made}", json={"skills_all": ["triage"]})
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    assert "POST /v1/pools" in refused.json()["detail"]
    assert (await http.ask("GET", f"/v1/pools/{made}")).json() == asked
    assert (await http.ask("PATCH", f"/v1/pools/{made}", json={"name": "Other"})).status_code == 200


async def test_a_list_that_has_closed_asks_for_the_same_too(http: Http) -> None:
    """Its members' refs were seen."""
    made = await make(http)
    people = await come(http, 5)
    await tell_persons(http.kit, *(consent(who, 2, match=False) for who in people[:2]))
    await http.tick()
    assert (await http.ask("GET", f"/v1/pools/{made}")).json()["members"] is None
    assert (await http.ask("PATCH", f"/v1/pools/{made}", json={"states": ["CO"]})).status_code == 409


async def test_pools_that_ask_for_something_new_are_so_many_a_day(http: Http) -> None:
    """Sizes of pools that overlap can be subtracted: what one looks at is counted, however often a minute one may change a name."""
    made = await make(http)
    for number in range(39):
        http.kit.at += timedelta(seconds=1)
        answer = await http.ask("PATCH", f"/v1/pools/{made}", json={"min_years": (0, 3)[number % 2]})
        assert answer.status_code == 200
    http.kit.at += timedelta(seconds=1)
    for method, path in (("POST", "/v1/pools"), ("PATCH", f"/v1/pools/{made}")):
        refused = await http.ask(method, path, json={"name": "Other", "states": ["CO"]})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2120")
        assert "40 times a day" in refused.json()["detail"]
    assert (await http.ask("PATCH", f"/v1/pools/{made}", json={"name": "Other"})).status_code == 200
    http.kit.at += timedelta(seconds=2120)
    assert (await http.ask("PATCH", f"/v1/pools/{made}", json={"states": ["CO"]})).status_code == 200


async def test_members_come_in_pages_and_show_only_what_the_pool_asks_for(http: Http) -> None:
    made = await make(http, occupations=["29-1000"], skills_any=["icu"], min_years=4, states=["CO"])
    await come(http, 5)
    assert (await http.ask("GET", f"/v1/pools/{made}")).json()["members"] == 5
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = (await http.ask("GET", f"/v1/pools/{made}/members", params={"limit": 2, "after": after})).json()
        found += page["items"]
        if page["next"] is None:
            break
        after = page["next"]
    refs = [member["member_ref"] for member in found]
    assert len(set(refs)) == 5 and refs == sorted(refs)
    assert found[0]["since"] == str(http.kit.at.date())
    assert found[0]["profile"] == {"occupations": ["29-1141"], "skills": ["icu"], "years": 5, "state": "CO"}


async def come(http: Http, count: int, *employers: str, **more: Any) -> Sequence[str]:
    """People who join, and are told of at the next tick of these employers (emp_a)."""
    people = candidates(count)
    await tell_persons(http.kit, *(event for who in people for event in (profile(who), consent(who, **more))))
    await http.tick(*employers)
    return people


async def test_fewer_than_five_people_are_not_listed_and_the_answer_says_no_more_than_that(http: Http) -> None:
    empty, few = await make(http, occupations=["11-0000"]), await make(http, occupations=["29-0000"])
    people = [*await come(http, 4)]

    async def are_alike() -> None:
        answers = [(await http.ask("GET", f"/v1/pools/{id_}/members")).json() for id_ in (empty, few)]
        assert answers[0] == answers[1]
        assert (answers[1]["items"], answers[1]["next"]) == ([], None)
        assert answers[1]["detail"].startswith("Fewer than 5 people")
        assert (await http.ask("GET", f"/v1/pools/{few}")).json()["members"] is None

    await are_alike()
    people += await come(http, 1)
    enough = (await http.ask("GET", f"/v1/pools/{few}/members")).json()
    assert len(enough["items"]) == 5 and enough["detail"] is None
    await tell_persons(http.kit, consent(people.pop(), 2, match=False))
    await are_alike()
    await come(http, 3)
    await are_alike()
    updates = (await http.ask("GET", "/v1/updates")).json()["items"]
    assert [one["type"] for one in updates if one["type"] != "member.joined"] == ["pool.closed"]
    (closed,) = [one for one in updates if one["type"] == "pool.closed"]
    assert set(closed) == {"id", "type", "pool", "at"}


async def test_while_the_list_of_a_pool_is_made_its_members_say_so_of_many_and_of_nobody_alike(http: Http) -> None:
    await make(http, occupations=["29-0000"])
    await come(http, 5)
    empty, many = await make(http, occupations=["11-0000"]), await make(http, occupations=["29-0000"])

    async def answers() -> list[dict[str, Any]]:
        return [(await http.ask("GET", f"/v1/pools/{id_}/members")).json() for id_ in (empty, many)]

    async def are_being_made(state: str) -> None:
        of_nobody, of_many = await answers()
        assert of_nobody == of_many
        assert (of_many["items"], of_many["state"]) == ([], state)
        assert "is being made" in of_many["detail"] and "Fewer" not in of_many["detail"]

    await are_being_made("matching")
    await run_evaluations(http)
    await are_being_made("ready")
    await http.tick()
    of_nobody, of_many = await answers()
    assert of_nobody["detail"].startswith("Fewer than 5 people") and of_nobody["state"] == "ready"
    assert (len(of_many["items"]), of_many["detail"], of_many["state"]) == (5, None, "ready")


async def test_where_people_are_shown_nothing_says_that_their_list_is_being_made(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is committed between the two statements that answer."""
    made = await make(http)
    await tell_persons(http.kit, *(event for who in candidates(5) for event in (profile(who), consent(who))))
    read = PostgresPools.members

    async def once_it_is_made(store: PostgresPools, pool: str, *, after: str, limit: int) -> Any:
        await http.tick()
        return await read(store, pool, after=after, limit=limit)

    monkeypatch.setattr(PostgresPools, "members", once_it_is_made)
    answer = (await http.ask("GET", f"/v1/pools/{made}/members")).json()
    assert (len(answer["items"]), answer["detail"]) == (5, None)


async def test_whoever_leaves_is_gone_from_the_list_before_the_tick(http: Http) -> None:
    made = await make(http)
    people = await come(http, 6)
    before = (await http.ask("GET", "/v1/updates")).json()
    await tell_persons(http.kit, consent(people[0], 2, match=False))
    assert len((await http.ask("GET", f"/v1/pools/{made}/members")).json()["items"]) == 5
    assert (await http.ask("GET", f"/v1/pools/{made}")).json()["members"] == 5
    await http.kit.feed.sequencer.once()
    assert (await http.ask("GET", "/v1/updates")).json() == before


async def test_two_employers_answers_for_one_person_share_no_identifier_and_no_time(http: Http) -> None:
    seen = {}
    mine = {employer: await make(http, employer, occupations=["29-0000"]) for employer in ("emp_a", "emp_b")}
    people = await come(http, 5, "emp_a", "emp_b")
    for employer, made in mine.items():
        members = await http.ask("GET", f"/v1/pools/{made}/members", employer)
        updates = await http.ask("GET", "/v1/updates", employer)
        assert len(members.json()["items"]) == len(updates.json()["items"]) == 5
        assert not any(who in members.text + updates.text for who in people)
        seen[employer] = set(_texts([members.json(), updates.json()]))
    days = {text for text in seen["emp_a"] if len(text) == len("2026-11-23")}
    assert (seen["emp_a"] & seen["emp_b"]) - days == {"29-1141", "member.joined", "ready"}


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


async def test_updates_are_read_from_the_start_and_from_a_cursor_on(http: Http) -> None:
    empty = (await http.ask("GET", "/v1/updates")).json()
    assert empty["items"] == []
    made = await make(http)
    people = await come(http, 9)
    first = (await http.ask("GET", "/v1/updates", params={"after": empty["next"], "limit": 2})).json()
    rest = (await http.ask("GET", "/v1/updates", params={"after": first["next"]})).json()
    whole = (await http.ask("GET", "/v1/updates")).json()
    assert first["items"] + rest["items"] == whole["items"] and len(whole["items"]) == 9
    assert {(one["type"], one["pool"]) for one in whole["items"]} == {("member.joined", made)}
    assert {datetime.fromisoformat(one["at"]) for one in whole["items"]} == {http.kit.at}
    assert (await http.ask("GET", "/v1/updates", params={"after": whole["next"]})).json()["items"] == []
    await tell_persons(http.kit, *(consent(who, 2, match=False) for who in people[:4]))
    await come(http, 1)
    news = (await http.ask("GET", "/v1/updates", params={"after": whole["next"]})).json()["items"]
    assert sorted(one["type"] for one in news) == ["member.joined", *["member.left"] * 4]


async def test_a_cursor_of_another_employer_is_refused(http: Http) -> None:
    cursor = (await http.ask("GET", "/v1/updates", "emp_a")).json()["next"]
    answer = await http.ask("GET", "/v1/updates", "emp_b", params={"after": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/after"


async def test_the_stream_sends_updates_heartbeats_and_goes_on_from_the_last_event_id(http: Http) -> None:
    await make(http)
    await come(http, 5)
    employer = http.tenants.get("emp_a")
    assert isinstance(employer, Known)
    frames = []
    start = (await http.edge.feed.page("emp_a", None, limit=1)).start
    async with asyncio.timeout(180):
        async for frame in stream(http.edge, employer.value, start):
            frames.append(frame)
            if frame == ": heartbeat\n\n":
                http.tenant("emp_a", "employer", version=2, suspended=True)  # ends the stream
    assert frames[0] == ": listening\n\n"
    events = [dict(line.split(": ", 1) for line in frame.strip().split("\n")) for frame in frames[1:6]]
    assert [event["event"] for event in events] == ["member.joined"] * 5
    http.tenant("emp_a", "employer", version=3)
    rest = (await http.ask("GET", "/v1/updates", params={"after": events[0]["id"]})).json()["items"]
    assert rest == [json.loads(event["data"]) for event in events[1:]]


STREAM = {"Accept": "text/event-stream"}


async def test_an_employer_has_four_streams_and_reads_the_feed_without_one_all_the_same(http: Http) -> None:
    with ExitStack() as open_streams:
        for _ in range(4):
            open_streams.enter_context(http.edge.streams.place("emp_a"))
        refusal = await http.ask("GET", "/v1/updates", headers=STREAM)
        assert (refusal.status_code, refusal.headers["retry-after"]) == (429, "15")
        assert "Read all pools from one stream" in refusal.json()["detail"]
        assert (await http.ask("GET", "/v1/updates")).status_code == 200
        assert (await http.ask("HEAD", "/v1/updates", "emp_b", headers=STREAM)).status_code == 200


async def test_a_cursor_behind_which_updates_were_forgotten_is_gone_and_any_other_works(http: Http) -> None:
    await make(http)
    await make(http, "emp_b")
    before = {tenant: (await http.ask("GET", "/v1/updates", tenant)).json()["next"] for tenant in ("emp_a", "emp_b")}
    await come(http, 10, blocked_employers=["emp_b"])
    joined = (await http.ask("GET", "/v1/updates")).json()["next"]
    await come(http, 5, blocked_employers=["emp_b"])
    told = (await http.ask("GET", "/v1/updates")).json()["next"]
    http.kit.at += timedelta(days=36)
    await http.kit.feed.keep()
    for cursor in (before["emp_a"], joined):
        for more in ({"params": {"after": cursor}}, {"headers": {**STREAM, "Last-Event-ID": cursor}}):
            gone = await http.ask("GET", "/v1/updates", **more)  # type: ignore[arg-type]  # either of both
            assert (gone.status_code, gone.headers["content-type"]) == (410, "application/problem+json")
            assert gone.json()["type"] == "urn:fairpool:problem:cursor-expired"
            assert "/v1/pools/{id}/members" in gone.json()["detail"]
    anew = (await http.ask("GET", "/v1/updates")).json()
    assert anew["items"] == []
    await come(http, 5, "emp_a", "emp_b")
    for cursor in (told, anew["next"], None):
        found = await http.ask("GET", "/v1/updates", params={"after": cursor} if cursor else {})
        assert [one["type"] for one in found.json()["items"]] == ["member.joined"] * 5
    nothing_forgotten = await http.ask("GET", "/v1/updates", "emp_b", params={"after": before["emp_b"]})
    assert (nothing_forgotten.status_code, len(nothing_forgotten.json()["items"])) == (200, 5)


async def test_a_stream_ends_when_what_comes_next_was_forgotten(http: Http) -> None:
    await make(http)
    await come(http, 5)
    start = (await http.edge.feed.page("emp_a", None, limit=1)).start
    http.kit.at += timedelta(days=36)
    await http.kit.feed.keep()
    employer = http.tenants.get("emp_a")
    assert isinstance(employer, Known)
    async with asyncio.timeout(180):
        assert [frame async for frame in stream(http.edge, employer.value, start)] == [": listening\n\n"]


async def test_occupations_are_found_by_code_and_by_title_for_every_tenant(http: Http) -> None:
    by_title = (await http.ask("GET", "/v1/occupations", "acme-ats", params={"q": "registered NURSES"})).json()
    assert {"code": "29-1141", "level": "detailed", "title": "Registered Nurses"} in by_title["items"]
    by_code = (await http.ask("GET", "/v1/occupations", params={"q": "15-12", "limit": 3})).json()
    assert [entry["code"] for entry in by_code["items"]] == ["15-1200", "15-1210", "15-1211"]
    more = (await http.ask("GET", "/v1/occupations", params={"q": "15-12", "after": by_code["next"]})).json()
    assert more["items"][0]["code"] == "15-1212"


async def test_the_201st_pool_is_refused(http: Http) -> None:
    await http.kit.connections.execute(
        "INSERT INTO pools SELECT 'p_' || n, 'emp_a', 1, 'n', '{}', now(), 0 FROM generate_series(1, 199) AS n"
    )
    answers = await asyncio.gather(*(http.ask("POST", "/v1/pools", json={"name": "One more"}) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert (await http.ask("POST", "/v1/pools", "emp_b", json={"name": "Mine"})).status_code == 201


async def test_a_skill_that_is_longer_as_it_is_compared_is_a_line_there_too(http: Http) -> None:
    refused = await http.ask("POST", "/v1/pools", json={"name": "Sharp", "skills_all": ["ß" * 101]})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/skills_all/0")
    made = await make(http, skills_all=["ß" * 100])
    assert (await http.ask("PATCH", f"/v1/pools/{made}", json={"name": "Sharper"})).status_code == 200


async def make_once(http: Http, key: str, employer: str = "emp_a", **body: Any) -> httpx.Response:
    return await http.ask("POST", "/v1/pools", employer, headers={"Idempotency-Key": key}, json=body)


async def test_a_pool_that_is_made_again_with_its_key_is_the_one_that_is_there(http: Http) -> None:
    first = await make_once(http, "one", name="Nurses", states=["CO"])
    await http.ask("PATCH", f"/v1/pools/{first.json()['id']}", json={"name": "RNs"})
    again = await make_once(http, "one", states=["CO"], name="Nurses")
    assert (again.status_code, again.headers["location"]) == (201, first.headers["location"])
    assert again.json() == first.json() | {"name": "RNs"}
    other = await make_once(http, "two", name="Nurses", states=["CO"])
    theirs = await make_once(http, "one", "emp_b", name="Nurses", states=["CO"])
    assert len({one.json()["id"] for one in (first, other, theirs)}) == 3
    assert len((await http.ask("GET", "/v1/pools")).json()["items"]) == 2


async def test_two_keys_in_one_request_make_nothing(http: Http) -> None:
    keys = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    headers = [("Authorization", f"Bearer {http.keys['emp_a']}"), *keys]
    refused = await http.client.post("/v1/pools", headers=headers, json={"name": "Nurses"})
    assert (refused.status_code, refused.json()["type"]) == (400, "urn:fairpool:problem:malformed")
    assert (await http.ask("GET", "/v1/pools")).json()["items"] == []


async def test_the_same_request_many_times_at_once_makes_one_pool(http: Http) -> None:
    answers = await asyncio.gather(*(make_once(http, "one", name="Nurses") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_request_that_comes_again_is_no_change_and_no_new_pool(http: Http) -> None:
    kept = await make_once(http, "one", name="Nurses")
    for place in range(60):
        await http.ask("PATCH", f"/v1/pools/{kept.json()['id']}", json={"name": f"Name {place}"})
    assert (await make_once(http, "two", name="Nurses")).status_code == 429
    assert (await make_once(http, "one", name="Nurses")).json()["id"] == kept.json()["id"]


async def test_a_key_with_another_body_or_of_a_deleted_pool_makes_nothing(http: Http) -> None:
    made = (await make_once(http, "one", name="Nurses")).json()["id"]
    other = await make_once(http, "one", name="Physicians")
    assert (other.status_code, other.json()["type"]) == (422, "urn:fairpool:problem:idempotency-key-reused")
    await http.ask("DELETE", f"/v1/pools/{made}")
    gone = await make_once(http, "one", name="Nurses")
    assert (gone.status_code, gone.json()["type"]) == (409, "urn:fairpool:problem:pool-was-deleted")
    assert (await http.ask("GET", "/v1/pools")).json()["items"] == []


@pytest.mark.parametrize("key", ["", "a\tb", "k" * 256])
async def test_what_is_no_key_is_refused_and_makes_nothing(http: Http, key: str) -> None:
    answer = await make_once(http, key, name="Nurses")
    assert answer.status_code in (400, 422), answer.text
    assert (await http.ask("GET", "/v1/pools")).json()["items"] == []


async def test_all_wrong_fields_are_named_at_once(http: Http) -> None:
    body = {"name": "", "occupations": ["nurse"], "states": ["Colorado"], "near": {"postal_code": "80202"}}
    errors = (await http.ask("POST", "/v1/pools", json=body)).json()["errors"]
    assert {error["pointer"] for error in errors} == {"#/name", "#/occupations/0", "#/states/0", "#/near"}
    assert {error["detail"] for error in errors if error["pointer"] == "#/name"} == {"must not be empty"}


async def test_all_that_is_wrong_with_a_pool_is_told_in_one_answer(http: Http) -> None:
    made = await make(http)
    wrong = {
        "occupations": ["29-1141", "29-9999"],
        "states": ["co"],
        "skills_any": ["icu", "ICU"],
        "skills_any_at_least": 2,
        "pay_max": -1,
    }
    for method, path in (("POST", "/v1/pools"), ("PATCH", f"/v1/pools/{made}")):
        answer = await http.ask(method, path, json=(NURSES if method == "POST" else {}) | wrong)
        assert {error["pointer"] for error in answer.json()["errors"]} == {
            "#/occupations/1", "#/states/0", "#/skills_any_at_least", "#/pay_max",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"skills_any_at_least": 3}, "#/skills_any_at_least"),
        ({"skills_any": ["icu", "ICU "]}, "#/skills_any"),
        ({"skills_any": ["icu"], "skills_any_at_least": 2}, "#/skills_any_at_least"),
        ({"skills_any": [], "skills_any_at_least": 2}, "#/skills_any_at_least"),
        ({"skills_any": None, "skills_any_at_least": 2}, "#/skills_any_at_least"),
    ],
)
async def test_a_patch_after_which_more_skills_are_asked_for_than_there_are_names_the_half_that_was_given(
    http: Http, given: dict[str, Any], pointer: str
) -> None:
    made = await make(http, skills_any=["icu", "triage"], skills_any_at_least=2)
    before = (await http.ask("GET", f"/v1/pools/{made}")).json()
    answer = await http.ask("PATCH", f"/v1/pools/{made}", json=given)
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [pointer])
    assert (await http.ask("GET", f"/v1/pools/{made}")).json() == before
    fewer = await http.ask("PATCH", f"/v1/pools/{made}", json={"skills_any": ["icu"], "skills_any_at_least": 1})
    assert (fewer.status_code, fewer.json()["skills_any_at_least"]) == (200, 1)
    none = await http.ask("PATCH", f"/v1/pools/{made}", json={"skills_any": None})
    assert (none.status_code, none.json()["skills_any_at_least"]) == (200, None)
    alone = await http.ask("POST", "/v1/pools", json={"name": "Alone", "skills_any_at_least": 2})
    assert [error["pointer"] for error in alone.json()["errors"]] == ["#/skills_any_at_least"]


TEN = [f"skill {number}" for number in range(10)]


@pytest.mark.parametrize(
    ("criteria", "pointer"),
    [
        ({"skills_any": [*TEN, "x"]}, "#/skills_any"),
        ({"skills_all": [*TEN, "x"]}, "#/skills_all"),
        ({"skills_all": TEN[:6], "skills_any": [*TEN[5:], "x"]}, "#/skills_any"),
    ],
)
async def test_a_pool_names_ten_skills_at_most(http: Http, criteria: dict[str, Any], pointer: str) -> None:
    made = await make(http, skills_all=TEN[:6], skills_any=[*TEN[5:], "SKILL  7"])
    before = (await http.ask("GET", f"/v1/pools/{made}")).json()
    for method, path in (("POST", "/v1/pools"), ("PATCH", f"/v1/pools/{made}")):
        answer = await http.ask(method, path, json={"name": "Pool"} | criteria)
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["pointer"]) == (422, pointer)
        assert "must not be more than 10 skills in a pool" in error["detail"]
    assert (await http.ask("GET", f"/v1/pools/{made}")).json() == before


async def test_a_pool_from_before_with_more_skills_stays_until_it_asks_for_something_else(http: Http) -> None:
    made = await make(http, skills_any=TEN)
    await http.kit.connections.execute(
        "UPDATE pools SET criteria = jsonb_set(criteria, '{skills_any}', $1::text::jsonb)", json.dumps([*TEN, "x"])
    )
    renamed = await http.ask("PATCH", f"/v1/pools/{made}", json={"name": "Other"})
    assert (renamed.status_code, len(renamed.json()["skills_any"])) == (200, 11)
    wider = await http.ask("PATCH", f"/v1/pools/{made}", json={"states": ["CO"]})
    assert (wider.status_code, wider.json()["errors"][0]["pointer"]) == (422, "#/skills_any")
    fewer = await http.ask("PATCH", f"/v1/pools/{made}", json={"states": ["CO"], "skills_any": TEN})
    assert fewer.status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("near", {"postal_code": "80202", "miles": 50}, "#/near"),
        ("occupations", ["29-1141", "29-114"], "#/occupations/1"),
        ("occupations", ["29-9999"], "#/occupations/0"),
        ("occupations", "29-1141", "#/occupations"),
        ("occupations", ["29-1141"] * 101, "#/occupations"),
        ("states", ["co"], "#/states/0"),
        ("states", [""], "#/states/0"),
        ("states", ["GU"], "#/states/0"),
        ("remote", "yes", "#/remote"),
        ("skills_all", ["x" * 201], "#/skills_all/0"),
        ("skills_all", [1], "#/skills_all/0"),
        ("skills_all", ["a\x00b"], "#/skills_all"),
        ("skills_any_at_least", 3, "#/skills_any_at_least"),
        ("skills_any_at_least", 0, "#/skills_any_at_least"),
        ("min_years", -1, "#/min_years"),
        ("min_years", "2", "#/min_years"),
        ("min_years", 2.5, "#/min_years"),
        ("pay_max", True, "#/pay_max"),
        ("pay_max", 10**30, "#/pay_max"),
        ("employment_types", ["gig"], "#/employment_types/0"),
        ("available_by", 5, "#/available_by"),
        ("available_by", "2027-13-01", "#/available_by"),
        ("name", "", "#/name"),
        ("name", "x" * 201, "#/name"),
        ("name", None, "#/name"),
        ("color", "red", "#/color"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_written(http: Http, field: str, value: Any, pointer: str) -> None:
    made = await make(http, skills_any=["icu", "ICU", "triage"])
    before = (await http.ask("GET", "/v1/pools")).json()
    for method, path in (("POST", "/v1/pools"), ("PATCH", f"/v1/pools/{made}")):
        body = (NURSES if method == "POST" else {}) | {field: value}
        answer = await http.ask(method, path, json=body)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await http.ask("GET", "/v1/pools")).json() == before


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/v1/pools", {"tenant": None}, 401),
        ("GET", "/v1/pools", {"headers": {"Authorization": "Bearer fp_emp_a_wrong"}}, 401),
        ("GET", "/v1/updates", {"headers": {"Authorization": "Basic abc"}}, 401),
        ("GET", "/v1/occupations", {"tenant": None}, 401),
        ("GET", "/v1/pools", {"tenant": "acme-ats"}, 403),
        ("POST", "/v1/pools", {"tenant": "acme-ats", "json": {"name": "x"}}, 403),
        ("GET", "/v1/updates", {"tenant": "emp_bad"}, 403),
        ("GET", "/v1/introduced", {"tenant": None}, 401),
        ("GET", "/v1/introduced", {"tenant": "acme-ats"}, 403),
        ("GET", "/v1/pools/p_none", {}, 404),
        ("POST", "/v1/pools/preview", {"json": {}}, 404),
        ("GET", "/v1/webhooks", {}, 404),
        ("POST", "/v1/pools", {"content": b"{" * 2_000_000}, 413),
        ("POST", "/v1/pools", {"content": b"name=x", "headers": {"Content-Type": "text/plain"}}, 415),
        ("POST", "/v1/pools", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/v1/pools", {"json": []}, 422),
        ("GET", "/v1/pools/p_x/members?limit=501", {}, 422),
        ("GET", "/v1/updates?after=nonsense", {}, 422),
        ("GET", "/v1/updates?limit=0", {}, 422),
        ("GET", "/v1/updates", {"headers": {"Accept": "text/event-stream", "Last-Event-ID": "x"}}, 422),
    ],
)
async def test_what_can_not_be_answered_is_a_problem(
    http: Http, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    answer = await http.ask(method, path, more.pop("tenant", "emp_a"), **more)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
