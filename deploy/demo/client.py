"""What vendors, candidates, employers and operators send over HTTP, as they would write it themselves."""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from deploy.local.devfile import DevFile, DevSource

_AT_ONCE = 16
_PAGE = 500
_PATIENCE = timedelta(seconds=90)
_LISTS = frozenset({"occupations", "skills", "employment_types"})
_TOKEN = re.compile(r"/confirm/|/sign-in/")
_SIGNS_IN = "/sign-in/"
_BUSY = frozenset({429, 503})


class UnexpectedAnswerError(Exception):
    """A service answered otherwise than the documentation says."""


@dataclass(slots=True)
class Client:
    """One HTTP client for all roles; a service that is away or busy is asked again, as a good client does."""

    dev: DevFile
    http: httpx.AsyncClient = field(repr=False)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _sessions: dict[str, str] = field(default_factory=dict, repr=False)
    """By the link that was spent for it: each works once."""

    async def ask(
        self,
        method: str,
        url: str,
        *,
        expect: Sequence[int] = (200,),
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        raw: bytes | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """The answer, if its status is one of those expected; UnexpectedAnswerError names what was found."""
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        if body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        async with self._room:
            answer = await self._until_heard(method, url, headers=sent, content=raw, params=params)
        if answer.status_code not in expect:
            place = httpx.URL(url).path.split("/")[1:3]  # the rest of a path may be a token
            raise UnexpectedAnswerError(
                f"expected {' or '.join(map(str, expect))} from {method} /{'/'.join(place)}, "
                f"found {answer.status_code}: {answer.text[:300]}"
            )
        return answer

    async def _until_heard(self, method: str, url: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx' own arguments
        until = asyncio.get_running_loop().time() + _PATIENCE.total_seconds()
        pause = 0.1
        while True:
            try:
                answer = await self.http.request(method, url, **request)
            except httpx.TransportError:
                if asyncio.get_running_loop().time() > until:
                    raise
            else:
                if answer.status_code not in _BUSY or asyncio.get_running_loop().time() + _wish(answer) > until:
                    return answer
            await asyncio.sleep(pause)
            pause = min(2 * pause, 2.0)

    async def post_webhook(self, source: DevSource, payload: object, *, event_id: str) -> httpx.Response:
        """A Greenhouse webhook, signed as Greenhouse does it."""
        raw = json.dumps(payload).encode()
        headers = {"Signature": greenhouse_signature(source.secret, raw), "Greenhouse-Event-ID": event_id}
        return await self.ask(
            "POST", source.url, raw=raw, headers={**headers, "Content-Type": "application/json"}, expect=(200,)
        )

    async def post_events(self, key: str, events: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """One CloudEvent, or a batch of them; the counts that came back."""
        single = len(events) == 1
        kind = "application/cloudevents+json" if single else "application/cloudevents-batch+json"
        answer = await self.ask(
            "POST",
            f"{self.dev.services.signup}/v1/events",
            key=key,
            headers={"Content-Type": kind},
            body=events[0] if single else list(events),
            expect=(202,),
        )
        found: Mapping[str, Any] = answer.json()
        return found

    async def is_open(self, link: str) -> bool:
        """Whether there is still somebody behind the link: who said no is forgotten after a while."""
        return (await self.ask("GET", link, expect=(200, 404, 410))).status_code == 200

    async def choose(self, link: str, choices: Mapping[str, Any]) -> Mapping[str, Any]:
        """Open the page behind a link, then post the choices to it; a link to sign in is spent, and the choices are at /me."""
        await self.ask("GET", link, expect=(200, 410) if link in self._sessions else (200,))
        session = await self.sign_in(link) if _SIGNS_IN in link else None
        page = f"{self.dev.services.consent}/me" if session else link
        answer = await self.ask("POST", page, key=session, body=dict(choices), expect=(200, 202))
        found: Mapping[str, Any] = answer.json()
        return found

    async def sign_in(self, link: str) -> str:
        """The session that this link was, or is now, spent for."""
        if link not in self._sessions:
            self._sessions[link] = (await self.ask("POST", link, expect=(201,))).json()["session"]
        return self._sessions[link]

    async def join(self, form: Mapping[str, Any]) -> None:
        """What a person fills in on the join page."""
        await self.ask("POST", f"{self.dev.services.signup}/join", body=dict(form), expect=(202,))

    async def has_kept(self, link: str) -> bool:
        """Whether the person has said before what may be shown."""
        answer = await self.ask("GET", self._profile(link), headers={"Accept": "application/json"})
        return answer.json()["kept"] is not None

    async def keep(self, link: str, added: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The second step, by the same link: keep what is proposed, of each field with one value what was told last, and
        set what the person adds."""
        page = self._profile(link)
        told = (await self.ask("GET", page, headers={"Accept": "application/json"})).json()["proposed"]
        keep: dict[object, str] = {}
        for one in told:
            if one["field"] != "titles":
                keep.setdefault((one["field"], one["value"] if one["field"] in _LISTS else None), one["id"])
        body = {"keep": list(keep.values()), **({"set": dict(added)} if added else {})}
        answer = await self.ask("POST", page, body=body, expect=(200, 202))
        found: Mapping[str, Any] = answer.json()
        return found

    def _profile(self, link: str) -> str:
        return f"{self.dev.services.signup}/profile/{_TOKEN.split(link)[-1]}"

    async def erase(self, link: str) -> str:
        """The person behind this invitation erases themself; the address of their certificate."""
        url, key = f"{self.dev.services.signup}/v1/me/erase", _TOKEN.split(link)[-1]
        answer = await self.ask("POST", url, key=key, body={"confirm": "erase"}, expect=(202,))
        return str(answer.json()["certificate"])

    async def outstanding(self, certificate: str) -> list[str]:
        """The services that have yet to confirm the erasure."""
        found = await self.ask("GET", certificate, headers={"Accept": "application/json"})
        return list(found.json()["outstanding"])

    async def unsubscribe(self, link: str) -> bool:
        """The one-click POST that a mail program makes (RFC 8058); whether the whole network has it already."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self.ask("POST", link, raw=b"List-Unsubscribe=One-Click", headers=form, expect=(200, 202))
        return answer.status_code == 200

    async def make_pool(self, key: str, pool: Mapping[str, Any]) -> str:
        """The new pool's id."""
        answer = await self.ask(
            "POST", f"{self.dev.services.pool_matching}/v1/pools", key=key, body=pool, expect=(201,)
        )
        return str(answer.json()["id"])

    async def members(self, key: str, pool: str) -> list[dict[str, Any]]:
        """Every member of a pool."""
        return [item async for item in self._pages(f"{self.dev.services.pool_matching}/v1/pools/{pool}/members", key)]

    async def updates(self, key: str) -> list[dict[str, Any]]:
        """Every update of an employer's pools up to now."""
        return await self._feed(f"{self.dev.services.pool_matching}/v1/updates", key)

    async def told(self, key: str) -> list[dict[str, Any]]:
        """All that an employer was told of its outreach up to now."""
        return await self._feed(f"{self.dev.services.outreach_gateway}/v1/outreach", key)

    async def _feed(self, url: str, key: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            answer = await self.ask("GET", url, key=key, params={"after": after} if after else None)
            page = answer.json()
            if not page["items"]:
                return found
            found += page["items"]
            after = page["next"]

    async def send(self, key: str, idempotency_key: str, message: Mapping[str, Any]) -> str:
        """Submit outreach; its id."""
        return str((await self.submit(key, idempotency_key, message)).json()["id"])

    async def submit(
        self, key: str, idempotency_key: str, message: Mapping[str, Any], *, expect: Sequence[int] = (202,)
    ) -> httpx.Response:
        """Submit outreach; the whole answer."""
        return await self.ask(
            "POST",
            f"{self.dev.services.outreach_gateway}/v1/outreach",
            key=key,
            headers={"Idempotency-Key": idempotency_key},
            body=message,
            expect=expect,
        )

    async def told_every(self) -> timedelta:
        """How long it is from one of an employer's ticks to its next."""
        policy = (await self.ask("GET", f"{self.dev.services.outreach_gateway}/v1/policy")).json()
        return timedelta(hours=policy["told_every_hours"])

    async def outreach(self, key: str, outreach: str) -> dict[str, Any]:
        """The receipt as this key may see it."""
        answer = await self.ask("GET", f"{self.dev.services.outreach_gateway}/v1/outreach/{outreach}", key=key)
        found: dict[str, Any] = answer.json()
        return found

    async def mail(self, name: str) -> dict[str, Any]:
        """A caught mail with its text."""
        found: dict[str, Any] = (await self.ask("GET", f"{self.dev.mail}/api/v1/message/{name}")).json()
        return found

    async def gone(self, addresses: Sequence[str]) -> None:
        """From now on the catcher of a stack on this machine has no mailbox for these addresses, and for no others."""
        await self.ask("PUT", f"{self.dev.mail}/api/v1/gone", body=list(addresses), expect=(204,))

    async def raw_mail(self, name: str) -> bytes:
        """A caught mail as it came in."""
        return (await self.ask("GET", f"{self.dev.mail}/api/v1/message/{name}/raw")).content

    async def _pages(self, url: str, key: str) -> AsyncIterator[dict[str, Any]]:
        after: str | None = None
        while True:
            params = {"limit": _PAGE} | ({"after": after} if after else {})
            page = (await self.ask("GET", url, key=key, params=params)).json()
            for item in page["items"]:
                yield item
            after = page["next"]
            if not after:
                return


@asynccontextmanager
async def connect(dev: DevFile) -> AsyncIterator[Client]:
    """A client for a running stack."""
    limits = httpx.Limits(max_connections=2 * _AT_ONCE, max_keepalive_connections=2 * _AT_ONCE)
    async with httpx.AsyncClient(timeout=30, limits=limits, trust_env=False, follow_redirects=False) as http:
        yield Client(dev, http)


def _wish(answer: httpx.Response) -> float:
    """For how many seconds it asks to be left alone."""
    said = answer.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else 0.0


def greenhouse_signature(secret: str, raw: bytes) -> str:
    """`sha256 ` and the hex HMAC of the raw body."""
    return "sha256 " + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
