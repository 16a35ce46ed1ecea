"""Somebody with recognizable fields lives a full life on a stack of their own; and what each store then holds of them."""

import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from deploy.checks import collect
from deploy.checks.privacy import Canary
from services.consent.adapters import kept as consent
from services.outreach_gateway.adapters import kept as outreach_gateway
from services.pool_matching.adapters import kept as pool_matching
from services.signup.adapters import kept as signup
from services.signup.courier.adapters import kept as courier
from shared.contracts import topics
from shared.contracts.topics import ATS_EVENTS
from shared.messaging.envelope import Outgoing, Record
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.signatures import HEADER
from tests.e2e import own_page
from tests.e2e.scene import ALL_ON, Newcomer, Scene, signed_as
from tests.waiting import until

FIELDS: Mapping[str, Collection[str]] = {
    "topic ats-events": ("name", "mail", "phone", "title", "later title"),
    "topic ats-events-dlq": ("name", "mail"),
    "topic outreach-decisions": ("words",),
    "table signup.identities": ("name", "mail", "phone"),
    "table signup.proposals": ("title", "later title"),
    "table signup.exports": ("name", "mail", "phone"),
    "table outreach_gateway.outreach": ("words",),
    "before signup.dump": ("mail", "title", "later title"),
    "before outreach_gateway.dump": ("words",),
}
"""Where their fields and the words to them lie, sealed or (a title that nobody kept) as they were told.

On `export-parts` nobody finds them, not even before: the parts are sealed to a key of that export alone, which went when the zip
was made (`test_unlocking.py` reads one as long as the key is there)."""
NOWHERE = ("session",)
"""Kinds of canaries that no store ever holds."""

_KEPT = {
    "signup": (signup.PEOPLE, courier.PEOPLE),
    "consent": (consent.PEOPLE,),
    "pool_matching": (pool_matching.PEOPLE,),
    "outreach_gateway": (outreach_gateway.PEOPLE,),
}
_OTHERWISE = {
    "signup.refusals": "they did not refuse",
    "signup.not_theirs": "every record is theirs",
    "signup.kept_reports": "for what waits until an earlier person is gone",
    "signup.erased": "they are not erased yet; so with the four below",
    "signup.erasure_requests": "",
    "signup.certificates": "",
    "signup.erasure_sweeps": "",
    "signup.erasures_outstanding": "",
    "outreach_gateway.erased": "",
    "signup.rotations": "a place in a list of all",
    "pool_matching.evaluations": "a place in a list of all",
    "consent.attempts": "nobody unsubscribed",
    "consent.ledger": "names a principal, of which only `consents` tells whose it is",
    "consent.changes_to_tell": "until an email has told of them",
    "pool_matching.listed": "not asked for: who is in a list at a moment is its last tick's to say",
    "signup.email_changes": "their email was never changed; so with the three below",
    "signup.former_mailboxes": "",
    "signup.recovery_codes": "",
    "consent.void_links": "",
    "signup.export_parts": "go when the zip is made, and `test_kept.py` erases a row of it",
    "pool_matching.persons_before": "goes a tick after their profile changed",
    "pool_matching.disclosures": "goes when the topic has it",
}
"""Tables that hold the id of others, or hold it later."""
IDS = frozenset(
    {
        *(
            f"table {service}.{table.name}"
            for service, kept in _KEPT.items()
            for one in kept
            for table in one.tables
            if "candidate" in table.columns and f"{service}.{table.name}" not in _OTHERWISE
        ),
        *(
            f"topic {topic.name}"
            for topic in (
                topics.CANDIDATE_EVENTS, topics.CANDIDATE_PROFILES, topics.CANDIDATE_KEYS, topics.CONSENT_STATE,
                topics.SESSIONS, topics.EXPORTS, topics.EXPORT_PARTS, topics.MEMBERSHIPS, topics.DISCLOSURES, topics.OUTREACH_REQUESTS,
                topics.OUTREACH_DECISIONS, topics.OUTREACH_OUTCOMES, topics.WISHES, topics.NOTICES,
            )
        ),
        "redis",
        *(f"before {service}.dump" for service in _KEPT),
    }
)  # fmt: skip
"""Every store that is to hold the id of somebody with a full life: where it is missing, their life was not full."""


@dataclass(frozen=True, slots=True)
class Lived:
    """Somebody who was there, one like them who stays, and what to look for of each."""

    person: Newcomer
    candidate: str
    of_theirs: Sequence[Canary]
    of_the_other: Sequence[Canary]

    @property
    def all(self) -> list[Canary]:
        """All that is looked for."""
        return [*self.of_theirs, *self.of_the_other, Canary("id", self.candidate)]


async def live(scene: Scene) -> Lived:
    """Told of by two vendors, the second after they answered; in a list that an employer read; an email bounced, one arrived,
    one is held, which they want next; signed in twice, by mailed links, and out once; looked up by the operator; all that is kept of
    them was taken along; and a report of them is a dead letter."""
    people = await _found_together(scene)
    person, other = people[0], people[1]
    of_other = [replace(one, kind=f"other's {one.kind}") for one in scene.canaries if _is_of(one, other)]
    words = len(scene.canaries)
    later = await _told_later(scene, person)
    candidate = await scene.candidate(person)

    await scene.client.gone([person.mail])
    _, bounced = await scene.write_to(person)
    await scene.until_state(bounced, "bounced")
    await scene.client.gone([])
    sessions = [await own_page.signed_in(scene, person)]
    back = "SELECT 1 FROM mailboxes WHERE candidate::text = $1 AND reachable"
    await until(lambda: scene.rows("outreach_gateway", back, candidate), what="the gateway knows that mail arrives")

    _, arrived = await scene.write_to(person)
    await scene.until_state(arrived, "delivered")
    _, held = await scene.write_to(person)
    await scene.until_state(held, "delayed")
    await own_page.let_through_next(scene, sessions[0], held)
    sessions.append(await own_page.signed_in(scene, person))
    await own_page.signed_out(scene, sessions[1])
    for end in ("03:30", "03:45"):  # of the first change an email tells at once, the second waits for a day
        changed = {**ALL_ON, "time_zone": "America/Denver", "quiet_hours": {"start": "03:00", "end": end}}
        await scene.client.ask("POST", f"{scene.dev.services.consent}/me", key=sessions[0], body=changed)
    await own_page.taken_along(scene, sessions[0])
    await _fail_a_record(scene, person)
    await _is_all_heard(scene, candidate, held)
    return Lived(
        person,
        candidate,
        [
            *(one for one in scene.canaries[:words] if _is_of(one, person)),
            *scene.canaries[words:],
            *later,
            *(Canary("session", token) for token in sessions),
        ],
        of_other,
    )


async def _found_together(scene: Scene) -> Sequence[Newcomer]:
    """Six who are found by the same skills, in a list of an employer."""
    first = scene.invent()
    people = [first, *(replace(scene.invent(), skills=first.skills) for _ in range(5))]
    title = _title(first)
    events = [scene.event(person, vendor=1, titles=[title] if person is first else []) for person in people]
    scene.canaries.append(Canary("title", title))
    await scene.client.post_events(scene.dev.vendors[1].key, events)
    for person in people:
        await scene.answer(person, ALL_ON)
    employer = await scene.new_employer()
    await scene.list_of(employer, people)
    return people


async def _told_later(scene: Scene, person: Newcomer) -> Sequence[Canary]:
    """Another vendor knows them too: a claim, and a proposal that waits for their answer."""
    title = f"Mender of {_token(person.given_name)}s"
    await scene.report(person, vendor=2, titles=[title])
    query = "SELECT 1 FROM proposals WHERE candidate::text = $1 AND titles::text LIKE '%Mender%'"
    candidate = await scene.candidate(person)
    await until(lambda: scene.rows("signup", query, candidate), what="the later word waits for their answer")
    return [Canary("later title", title)]


async def _is_all_heard(scene: Scene, candidate: str, held: str) -> None:
    """What was done last has come to where it is kept."""
    wished = "SELECT 1 FROM outreach WHERE id = $1 AND wished_at IS NOT NULL"
    await until(lambda: scene.rows("outreach_gateway", wished, held), what="the gateway has heard of the wish")
    ended = "SELECT 1 FROM ended_sessions WHERE candidate::text = $1"
    await until(lambda: scene.rows("consent", ended, candidate), what="consent has heard of the session's end")


async def _fail_a_record(scene: Scene, person: Newcomer) -> None:
    """What a vendor told of them, once more as a kind that nobody knows: it ends among the dead letters."""
    kafka = Kafka.plain(scene.dev.kafka)
    told = next(record for record in await collect.read_topics(kafka, [ATS_EVENTS]) if _is_about(record, person))
    headers = tuple(
        (name, {"ce_type": b"canary.unknown.v1", "ce_id": secrets.token_hex(8).encode()}.get(name, raw))
        for name, raw in told.headers
        if name != HEADER
    )
    producer = Producer(
        kafka, idempotence=False, client_id="test-by-hand", signer=signed_as("signup", scene.stack.home)
    )
    await producer.start()
    await producer.send([Outgoing(told.topic, told.key, told.value, headers)])
    await producer.stop()

    async def is_dead() -> bool:
        return bool(await collect.read_topics(kafka, [ATS_EVENTS.dead_letters]))

    await until(is_dead, what="a dead letter")


def _is_about(record: Record, person: Newcomer) -> bool:
    return (record.key or b"").endswith(person.record.encode())


def _title(person: Newcomer) -> str:
    """A title that nobody else has; nothing of their name is in it, for titles are no personal field."""
    return f"Keeper of {_token(person.family_name)}s"


def _token(text: str) -> str:
    return (
        hashlib.blake2b(text.encode(), digest_size=8).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))
    )


def _is_of(canary: Canary, person: Newcomer) -> bool:
    fields = (person.given_name, person.family_name, person.mail, person.phone, person.street, _title(person))
    return canary.text in fields
