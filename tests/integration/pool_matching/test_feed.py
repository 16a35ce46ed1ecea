"""Employers' updates over HTTP: since a time, after a restore, and to many at once."""

import struct
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.pool_matching.api.updates import stream
from shared.facts import Known
from shared.feed.ports import FeedRows
from shared.security import encoding
from tests.integration.pool_matching.conftest import Http
from tests.integration.pool_matching.kit import ref
from tests.integration.pool_matching.test_http import STREAM, come, make


async def test_the_feed_is_read_from_the_hour_of_a_time_on_in_json_and_as_a_stream(http: Http) -> None:
    made = await make(http)
    await come(http, 5)
    late = await come(http, 5)
    since = {"since": http.kit.at.isoformat()}
    found = (await http.ask("GET", "/v1/updates", params=since)).json()
    assert [one["member_ref"] for one in found["items"]] == sorted(ref(who, made) for who in late)
    rest = (await http.ask("GET", "/v1/updates", params={"after": found["next"]})).json()
    assert rest == {"items": [], "next": found["next"]}
    long_ago = {"since": (http.kit.at - timedelta(days=31)).isoformat()}
    for headers in ({}, STREAM):
        gone = await http.ask("GET", "/v1/updates", params=long_ago, headers=headers)
        assert (gone.status_code, gone.json()["type"]) == (410, "urn:fairpool:problem:cursor-expired")
    for wrong in ({**since, "after": found["next"]}, {"since": "yesterday"}, {"since": "2026-11-23T10:00:00"}):
        refused = await http.ask("GET", "/v1/updates", params=wrong)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/since")


async def test_after_a_restart_of_the_feed_and_with_a_cursor_of_the_form_before_readers_begin_anew(http: Http) -> None:
    await make(http)
    await come(http, 5)
    cursor = (await http.ask("GET", "/v1/updates")).json()["next"]
    key = HKDF(SHA256(), 64, salt=None, info=b"fairpool pool_matching feed cursor").derive(bytes(range(64)))
    of_2026 = encoding.encode(AESSIV(key).encrypt(struct.pack(">QQ", 4711, 12), [b"emp_a"]))
    assert (await http.ask("GET", "/v1/updates", params={"after": of_2026})).status_code == 410
    assert (await http.ask("POST", "/v1/feeds/restart")).status_code == 403
    done = await http.ask("POST", "/v1/feeds/restart", "operator")
    assert (done.status_code, done.json()) == (200, {"feeds": ["updates"]})
    asked: list[dict[str, Any]] = [{"params": {"after": cursor}}, {"headers": {**STREAM, "Last-Event-ID": cursor}}]
    for how in asked:
        gone = await http.ask("GET", "/v1/updates", **how)
        assert (gone.status_code, gone.json()["type"]) == (410, "urn:fairpool:problem:cursor-expired")
        assert "`since`" in gone.json()["detail"]
    anew = (await http.ask("GET", "/v1/updates")).json()
    assert len(anew["items"]) == 5
    assert (await http.ask("GET", "/v1/updates", params={"after": anew["next"]})).status_code == 200


class Looks:
    """Notes what the rows of a feed are asked for."""

    def __init__(self, rows: FeedRows) -> None:
        self._asked_of, self.asked = rows, list[str]()

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._asked_of, name)


async def test_a_hundred_streams_get_their_updates_from_one_look_at_the_database(http: Http) -> None:
    feed, rows = http.kit.feed, Looks(http.kit.feed.rows)
    feed.tailer._rows = feed.reader._rows = rows
    await make(http)
    await http.tick()
    await feed.tailer.look()
    employer = http.tenants.get("emp_a")
    assert isinstance(employer, Known)
    start = (await http.edge.feed.page("emp_a", None, limit=1)).start
    streams = [stream(http.edge, employer.value, start) for _ in range(100)]
    for one in streams:
        assert await anext(one) == ": listening\n\n"
    for _ in range(2):
        await come(http, 5)
        rows.asked.clear()
        await feed.tailer.look()
        assert [len({await anext(one) for one in streams}) for _ in range(5)] == [1] * 5
        assert rows.asked == ["ends", "rows"]
