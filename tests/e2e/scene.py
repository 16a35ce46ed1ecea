"""What end-to-end tests do again and again on the one stack: bring people and employers of their own, and wait."""

import asyncio
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg

from deploy import tenants
from deploy.checks.collect import CaughtMail
from deploy.checks.privacy import Canary
from deploy.demo.client import Client
from deploy.demo.watching import MailWatch, TopicWatch
from deploy.demo.world import next_tuesday
from deploy.local import clockfile
from deploy.local.devfile import DevFile
from deploy.local.home import Home
from deploy.local.secrets import SEAL_KEYS, signing_key_of
from deploy.local.secrets import read as read_secrets
from services.signup.courier.adapters.envelope import message_id
from services.signup.decisions.skills import known_skills
from shared.contracts.base import Event, rfc3339
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.messaging.envelope import encode
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.signatures import Signer
from shared.security import encoding
from shared.security.links import Link, LinkReader
from shared.security.member_refs import MemberRefs
from shared.security.seals import Seals
from shared.security.tenant_keys import new_key
from tests.signing import consented
from tests.stack import Stack
from tests.waiting import until

_LINK = re.compile(r"https?://[^\s<>\"]+/(?:confirm/|sign-in/)[^\s<>\"]+")
_UNSUBSCRIBE = re.compile(rb"^List-Unsubscribe:\s*<([^>]+)>", re.MULTILINE | re.IGNORECASE)
_SKILLS = sorted(known_skills() - {"triage", "icu", "welding"})  # tests ask for these by name
ALL_ON = {"purposes": ["match", "contact"]}


def signed_as(name: str, home: Home) -> Signer:
    """Signs as one who does in the stack of this home."""
    return Signer(encoding.decode(read_secrets(home).keys[signing_key_of(name)]))


@dataclass(frozen=True, slots=True)
class Employer:
    """A tenant of one test's own."""

    id: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An invented person of one test's own; `skills` together are theirs alone, so that a pool can ask for just them."""

    given_name: str
    family_name: str
    mail: str
    phone: str
    street: str
    skills: tuple[str, ...]
    record: str


@dataclass(slots=True)
class Scene:
    """One stack, one client, and everything personal that was sent in."""

    stack: Stack
    client: Client
    mails: MailWatch
    topics: TopicWatch
    canaries: list[Canary] = field(default_factory=list)
    _company: list[Newcomer] = field(default_factory=list)

    @property
    def dev(self) -> DevFile:
        """Addresses and keys."""
        return self.client.dev

    @property
    def now(self) -> datetime:
        """The stack's time."""
        return clockfile.now(self.stack.home.clock_file)

    def move_clock(self, to: datetime) -> None:
        """Forward only: other tests' people live on the same stack."""
        if to > self.now:
            clockfile.set_to(self.stack.home.clock_file, to)

    def to_the_next_day(self) -> None:
        """The UTC day is over, and the next hours are open in all of the 50 states."""
        self.move_clock((self.now + timedelta(days=1)).replace(hour=18, minute=30))

    def at_working_hours(self) -> None:
        """Make sure that the next hours are open in all of the 50 states."""
        now = self.now
        if not (now.replace(hour=18, minute=10) < now < now.replace(hour=22, minute=0)):
            self.move_clock(next_tuesday(now))

    # people

    def invent(self) -> Newcomer:
        """Somebody whom nobody has reported yet."""
        mark = "".join(secrets.choice("bcdfghklmnprstvw") + secrets.choice("aeiou") for _ in range(4))
        given, family = f"Anneliese{mark}", f"Quillfeather{mark}"
        digits = f"{secrets.randbelow(10_000_000):07}"
        person = Newcomer(
            given_name=given,
            family_name=family,
            mail=f"{given}.{family}@example.org".lower(),
            phone=f"+1303{digits}",
            street=f"{digits[:4]} {family} Lane",
            skills=tuple(secrets.SystemRandom().sample(_SKILLS, 5)),
            record=f"rec-{mark}{digits}",
        )
        self.canaries += [
            Canary("name", given),
            Canary("name", family),
            Canary("mail", person.mail),
            Canary("phone", person.phone),
            Canary("street", person.street),
        ]
        return person

    def event(self, person: Newcomer, *, vendor: int = 0, **profile: Any) -> dict[str, Any]:
        """What a vendor's API tells of a person."""
        tenant = self.dev.vendors[vendor].id
        employer = next(employer.id for employer in self.dev.employers if employer.vendor == tenant)
        named = {"given_name": person.given_name, "family_name": person.family_name}
        return {
            "specversion": "1.0",
            "id": f"{person.record}-{secrets.token_hex(4)}",
            "source": tenant,
            "type": "candidate.signed_up",
            "time": rfc3339(self.now),
            "subject": f"{tenant}:candidate:{person.record}",
            "data": {
                "employer": employer,
                "record": person.record,
                "person": {**named, "emails": [person.mail], "phones": [person.phone]},
                "profile": {"occupations": ["29-1141"], "skills": list(person.skills), "state": "CO", **profile},
            },
        }

    async def report(self, person: Newcomer, *, vendor: int = 0, **profile: Any) -> None:
        """A vendor tells of a person by its API."""
        await self.client.post_events(self.dev.vendors[vendor].key, [self.event(person, vendor=vendor, **profile)])

    async def link(self, person: Newcomer) -> str:
        """The link in the person's first mail."""
        return await self.link_in(await self.first_mail(person))

    async def link_in(self, mail: CaughtMail) -> str:
        """The link to the person's page in a mail of the network."""
        found = _LINK.search((await self.client.mail(mail.id))["Text"])
        assert found, "the mail has no link to a page"
        return found.group()

    async def first_mail(self, person: Newcomer) -> CaughtMail:
        """The first mail that the person got."""
        return (await until(lambda: self.mails.to(person.mail), what="a mail to the person"))[0]

    async def join(self, *, choices: dict[str, Any] | None = None, **profile: Any) -> Newcomer:
        """Somebody new who was reported, got their link and made their choices; nobody signs in before signup knows of these."""
        person = self.invent()
        await self.report(person, **profile)
        await self.answer(person, choices or ALL_ON)
        if (choices or ALL_ON)["purposes"]:
            await self.until_confirmed(person)
        return person

    async def answer(self, person: Newcomer, choices: dict[str, Any]) -> None:
        """Both steps: what is allowed, and what may be shown."""
        link = await self.link(person)
        await self.client.choose(link, choices)
        await self.client.keep(link)

    async def candidate(self, person: Newcomer) -> str:
        """The candidate's id, as the services read it in their link."""
        token = re.split(r"/confirm/|/sign-in/", await self.link(person))[1].partition("?")[0]
        keys = read_secrets(self.stack.home).keys
        verify, subject = (encoding.decode(keys[f"FAIRPOOL_LINK_{name}_KEY"]) for name in ("VERIFY", "SUBJECT"))
        reader = LinkReader([verify], [subject])
        link = reader.read(token, "confirm", "me", at=datetime.min.replace(tzinfo=UTC))  # also of one that has expired
        assert isinstance(link, Link), link
        return link.candidate

    async def until_confirmed(self, person: Newcomer) -> None:
        """Wait until signup has heard of the person's answer."""
        candidate = await self.candidate(person)
        query = "SELECT 1 FROM candidates WHERE candidate::text = $1 AND confirmed_at IS NOT NULL"
        await until(lambda: self.rows("signup", query, candidate), what="signup knows that the person answered")

    # employers

    async def new_employer(self) -> Employer:
        """An employer that no other test uses, once every service knows its key."""
        name = f"emp_{secrets.token_hex(5)}"
        employer = Employer(name, new_key(name))
        tenant = tenants.Tenant(name, "employer", "Test Works", vendor=self.dev.vendors[0].id, domain="works.example")
        await tenants.publish(
            Kafka.plain(self.dev.kafka), [tenant], {name: employer.key}, signed_as("operator", self.stack.home)
        )
        for url in (self.dev.services.pool_matching + "/v1/pools", self.dev.services.outreach_gateway + "/v1/outreach"):
            await until(partial(self._is_known, url, employer), what="the employer's key works")
        return employer

    async def _is_known(self, url: str, employer: Employer) -> bool:
        answer = await self.client.http.get(url, headers={"Authorization": f"Bearer {employer.key}"})
        return answer.status_code == 200

    async def pool(self, employer: Employer, **criteria: Any) -> str:
        """A new pool of the employer."""
        return await self.client.make_pool(employer.key, {"name": "Test pool", **criteria})

    async def pool_of(self, employer: Employer, person: Newcomer) -> str:
        """A pool that only this person fits, as soon as they do; its employer sees nobody in it."""
        pool = await self.pool(employer, skills_all=list(person.skills))
        await self.until_fits(person, pool)
        return pool

    async def until_fits(self, person: Newcomer, *pools: str) -> None:
        """Wait until matching says that the person is in these pools."""
        candidate = await self.candidate(person)
        await until(lambda: set(pools) <= self.pools_of(candidate), what="the person is in the pools")

    def pools_of(self, candidate: str) -> set[str]:
        """The pools that the person is in, as the topic has it: listed or not."""
        known = self.topics.membership.get(candidate)
        return {one.pool for one in known.pools} if known else set()

    async def fitting(self, pool: str) -> list[str]:
        """Who is in the pool, as the topic has it: listed or not."""
        return [candidate for candidate in self.topics.membership if pool in self.pools_of(candidate)]

    async def members(self, employer: Employer, pool: str) -> list[str]:
        """Member refs, as the employer sees them."""
        return [item["member_ref"] for item in await self.client.members(employer.key, pool)]

    async def company(self) -> Sequence[Newcomer]:
        """Seven who have the same skills, none of whom a new employer or its vendor told of; the same ones for all tests."""
        if not self._company:
            first = self.invent()
            people = [first, *(replace(self.invent(), skills=first.skills) for _ in range(6))]
            await self.together(people)
            self._company += people
        return tuple(self._company)

    async def together(self, people: Sequence[Newcomer]) -> None:
        """All of them are reported and say yes at once."""
        events = [self.event(person, vendor=1) for person in people]
        await self.client.post_events(self.dev.vendors[1].key, events)
        await asyncio.gather(*(self.answer(person, ALL_ON) for person in people))

    async def list_of(self, employer: Employer, people: Sequence[Newcomer]) -> str:
        """A pool in which just these people are listed, as soon as they are."""
        pool = await self.pool(employer, skills_all=list(people[0].skills))
        for person in people:
            await self.until_fits(person, pool)
        self.move_clock(self.now + await self.client.told_every())

        async def is_listed() -> bool:
            return len(await self.members(employer, pool)) == len(people)

        await until(is_listed, what=f"{len(people)} are listed")
        return pool

    async def until_first(self, outreach: str) -> OutreachDecidedV1:
        """The first decision, as its topic has it."""
        return await until(lambda: self.topics.first.get(outreach), what="a decision on its topic")

    async def until_gone(self, person: Newcomer) -> None:
        """Wait until matching says that the person is in no pool."""
        candidate = await self.candidate(person)
        await until(lambda: not self.pools_of(candidate), what="the person is in no pool any more")

    async def member_ref(self, employer: Employer, person: Newcomer) -> str:
        """The person's pseudonym in a new pool of the employer, as matching makes it: nobody is listed alone.

        By then the gateway has the person's key: what is written before is for nobody.
        """
        known = "SELECT 1 FROM candidate_keys WHERE candidate::text = $1"
        candidate = await self.candidate(person)
        await until(lambda: self.rows("outreach_gateway", known, candidate), what="the gateway has the person's key")
        return await self.ref(employer, person, await self.pool_of(employer, person))

    async def ref(self, employer: Employer, person: Newcomer, pool: str) -> str:
        """The person's pseudonym in this pool."""
        candidate = await self.candidate(person)
        known = self.topics.membership.get(candidate)
        key = encoding.decode(read_secrets(self.stack.home).keys["FAIRPOOL_MEMBER_REF_KEY"])
        return MemberRefs(key).make(candidate, employer.id, pool, known.generation if known else 0)

    def message(self, member_ref: str, *, expires_in: timedelta = timedelta(days=13)) -> dict[str, Any]:
        """Outreach with words that are nowhere else; at least three days ahead."""
        mark = secrets.token_hex(8)
        self.canaries += [Canary("words", f"night shift {mark}"), Canary("words", f"we would like to talk {mark}")]
        last_day = (self.now + expires_in).date()
        return {
            "member_ref": member_ref,
            "subject": f"A night shift {mark}",
            "body": f"Hello,\n\nwe would like to talk {mark}.\n",
            "expires_at": last_day.isoformat(),
            "job": {
                "title": "Registered nurse",
                "occupation": "29-1141",
                "organization": "Test Works",
                "location": "Denver, CO",
                "remote": False,
                "pay": {"min": 82000, "max": 96000, "currency": "USD", "per": "year"},
                "url": "https://jobs.example.org/42",
                "valid_through": (last_day + timedelta(days=30)).isoformat(),
            },
        }

    async def write(self, employer: Employer, member_ref: str, *, expires_in: timedelta = timedelta(days=13)) -> str:
        """Submit outreach; its id."""
        return await self.client.send(
            employer.key, secrets.token_hex(12), self.message(member_ref, expires_in=expires_in)
        )

    async def write_to(self, person: Newcomer) -> tuple[Employer, str]:
        """A new employer finds the person and writes; the employer and the outreach id."""
        employer = await self.new_employer()
        return employer, await self.write(employer, await self.member_ref(employer, person))

    async def state(self, outreach: str) -> str:
        """As the operator sees it."""
        return str((await self.receipt(outreach))["state"])

    async def receipt(self, outreach: str, key: str | None = None) -> dict[str, Any]:
        """As the operator sees it, or the owner of another key."""
        return await self.client.outreach(key or self.dev.operator.key, outreach)

    async def until_state(
        self, outreach: str, *states: str, within: timedelta = timedelta(seconds=180)
    ) -> dict[str, Any]:
        """Wait for one of these states; the operator's view of it."""

        async def reached() -> dict[str, Any] | None:
            receipt = await self.receipt(outreach)
            return receipt if receipt["state"] in states else None

        return await until(reached, within=within, what=f"{outreach} is {' or '.join(states)}")

    async def mails_to(self, person: Newcomer) -> list[CaughtMail]:
        """What the person got until now."""
        await self.mails.look()
        return self.mails.to(person.mail)

    async def mails_with(self, outreach: str, person: Newcomer) -> list[CaughtMail]:
        """The person's mails whose Message-ID is made of the outreach."""
        key = encoding.decode(read_secrets(self.stack.home).keys["FAIRPOOL_LINK_SUBJECT_KEY"])
        name = message_id("outreach", outreach, key, "fairpool.example")
        found = []
        for mail in await self.mails_to(person):
            raw = await self.client.raw_mail(mail.id)
            if f"Message-ID: {name}".encode() in raw:
                found.append(mail)
        return found

    async def unsubscribe_link(self, mail: CaughtMail) -> str:
        """What the mail's List-Unsubscribe header says."""
        found = _UNSUBSCRIBE.search(await self.client.raw_mail(mail.id))
        assert found, "an employer's mail has a List-Unsubscribe header"
        return found.group(1).decode()

    # topics and tables

    def consented(self, **given: Any) -> ConsentChangedV2:
        """A consent as this stack's own keys make it."""
        keys = read_secrets(self.stack.home).keys
        return consented(self.seals, encoding.decode(keys[signing_key_of("signup")]), **given)

    @property
    def seals(self) -> Seals:
        """This stack's own."""
        return Seals([encoding.decode(key) for key in read_secrets(self.stack.home).keys[SEAL_KEYS].split(",")])

    async def publish(self, *events: Event) -> None:
        """Put events on their topics, one after the other, as nobody else would."""
        for event in events:
            signer = signed_as(event.TOPIC.signers[0], self.stack.home)
            producer = Producer(Kafka.plain(self.dev.kafka), idempotence=False, client_id="test-by-hand", signer=signer)
            await producer.start()
            try:
                await producer.send([encode(event, source="test", at=datetime.now(UTC))])
            finally:
                await producer.stop()

    async def rows(self, database: str, query: str, *values: Any) -> Sequence[asyncpg.Record]:
        """Ask a service's database as the administrator."""
        connection = await asyncpg.connect(self.dev.postgres.rpartition("/")[0] + f"/{database}")
        try:
            found: Sequence[asyncpg.Record] = await connection.fetch(query, *values)
            return found
        finally:
            await connection.close()
