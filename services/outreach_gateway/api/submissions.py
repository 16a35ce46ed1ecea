"""Submitting outreach, and other words for it: what comes in is checked, sealed and kept before it is answered."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, ValidationError

from services.outreach_gateway.answers import (
    FEWEST_DAYS,
    MOST_DAYS,
    Course,
    Told,
    closed_until,
    handed_on_until,
    known_at,
    last_day,
)
from services.outreach_gateway.api import pool_messages
from services.outreach_gateway.api.accounts import must_be_an_id, shown, too_late
from services.outreach_gateway.api.bodies import (
    OutreachOut,
    OutreachRequest,
    PoolOutreachRequest,
    PoolSubmittedOut,
    SubmittedOut,
    WordsRequest,
)
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.api.job_bodies import JobRequest, NamedJob
from services.outreach_gateway.api.jobs import check_words, job_of, wrong
from services.outreach_gateway.decisions import ENDED_KEPT
from services.outreach_gateway.history import state_of
from services.outreach_gateway.model import PoolMessage, PublicKey, State
from services.outreach_gateway.ports.requests import RequestStore, Submission, Taken
from shared.contracts.outreach_gateway import Job, Pay, Words
from shared.facts import Fact, Known
from shared.security.words import KeyPair, seal_job, seal_words
from shared.security.x25519 import is_public_key
from shared.web.bodies import parse_json
from shared.web.idempotency import AS_SENT, LONGEST, must_be_a_key, used_for_another
from shared.web.openapi import REF
from shared.web.problems import Problem, invalid_model, kind, not_found, unsupported
from shared.web.tenants import Tenant

M = TypeVar("M", bound=BaseModel)


def _body(model: type[BaseModel], **also: Any) -> dict[str, Any]:  # noqa: ANN401 - schemas of JSON Schema
    schema = model.model_json_schema(ref_template=REF)
    schema["properties"] |= also
    schema["required"] = [name for name in schema["required"] if name != "member_ref"]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_POOL = PoolOutreachRequest.model_json_schema()["properties"]["pool"] | {"description": "In place of `member_ref`."}


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`POST /v1/outreach` and `PATCH /v1/outreach/{id}`."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type

    @routes.post(
        "/v1/outreach",
        tags=["outreach"],
        status_code=202,
        summary="Write to a member of one of your pools, or to whoever is in one",
        openapi_extra=_body(OutreachRequest, pool=_POOL),
    )
    async def submit(
        request: Request,
        employer: Employer,
        idempotency_key: Annotated[
            str | None,
            Header(max_length=LONGEST, description=f"Required: a value of your own for this message. {AS_SENT}"),
        ] = None,
    ) -> SubmittedOut | PoolSubmittedOut:
        """Accepted is not sent: it waits for a place in the person's week, and you are told what became of it at `/v1/outreach/{id}`
        and in the feed, by `known_by` at the latest. What was sent closes the person to you for as long as /v1/policy says,
        what was not sent or was taken back for 14 days from its submission: until then another one to the same member_ref is
        refused (409), and says from when on. Of several that are sent at the very same moment all may be taken: one can be sent, the
        others are told `not_sent`.

        What is wrong is named in `errors` step by step: the fields' own form, then links in subject and body, then the job, then
        the member. What is looked at later is named once the earlier is right.

        With `pool` in place of `member_ref` it goes to whoever is in that pool, up to 1,000 people, seen or not: a list below five
        shows nobody, and can be written to like this. You are told that it was `taken`, and after its last day to how many it
        was sent, rounded down to fives. One message to a pool at a time, and the next no sooner than 14 days after it.
        Which pools there are is known elsewhere: an id that is no pool of yours is `taken` as well, and reaches nobody.

        The same Idempotency-Key with the same body is the same outreach; with another body it is refused (422). An outreach is
        kept for 110 days after its last day: from then on its key is as good as new, and sent again it is a new message.
        """
        key = must_be_a_key(idempotency_key, "message", request.headers)
        sent = await _json(request)
        digests = edge.ids.digests(sent)
        if _is_to_a_pool(sent):
            names = edge.ids.of(employer.id, key, kind="pool")
            return await _to_a_pool(edge, employer, names, sent, digests)
        names = edge.ids.of(employer.id, key)
        async with edge.store() as store:
            taken = await store.kept(names)
        if taken is None:
            # What was taken before is recognized whatever has become of it since; only what is new is judged.
            taken = await _take(edge, employer, names, sent, digests[0])
        if taken.digest not in digests:
            raise used_for_another("message")
        known_by = known_at(taken.course, edge.ticks, employer.id).date()
        return SubmittedOut(id=taken.id, state=taken.told, known_by=known_by)

    @routes.patch(
        "/v1/outreach/{id}",
        tags=["outreach"],
        summary="Other words for an outreach that waits: subject, body and job, all anew",
        openapi_extra=_body(WordsRequest),
    )
    async def correct(id: str, request: Request, employer: Employer) -> OutreachOut:
        """It keeps its place and its days; which words went is not told, since it would say when. All three of subject, body and job are sent: what was said before is sealed, and nobody
        can open it here. One that is missing is a 422, and nothing is changed. A message to a pool keeps its words (409). The new words go out, unless the message has gone out by now."""
        words = _valid(WordsRequest, await _json(request))
        must_be_an_id(id)
        check_words(employer, {("subject",): words.subject, ("body",): words.body})
        job = await job_of(edge, employer, words.job, at=edge.clock.now())
        async with edge.store() as store:
            taken = await store.lock_one(id, employer.id)
            if taken is None:
                raise await pool_messages.cannot_be_corrected(edge, id, employer.id)
            if taken.told is not Told.WAITING:
                raise too_late(taken.told)
            if job.valid_through < taken.course.last_day:
                raise wrong(
                    _last_day_of(words.job),
                    f"must not be before the message's last day, {taken.course.last_day}: it keeps its days",
                )
            key, key_missing = _key_or_none(await store.public_key(taken.candidate))
            said = _words(words, job, id)
            await store.seal_again(
                id,
                seal_words(said, key, edge.words_form),
                seal_job(said, key, edge.words_form),
                key_missing=key_missing,
            )
            account = await store.account(id, employer.id)
        if account is None:
            raise not_found("outreach")
        return shown(
            edge,
            account,
            "These words go out in place of the earlier ones, unless those have gone out by now: which of them went is not told.",
        )


async def _json(request: Request) -> object:
    if not _is_json(request.headers.get("content-type", "")):
        raise unsupported("application/json")
    return parse_json(await request.body())


def _valid(model: type[M], sent: object) -> M:
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise invalid_model(error) from None


async def _take(edge: Edge, employer: Tenant, names: tuple[str, ...], sent: object, digest: bytes) -> Taken:
    """Checks, seals and keeps it under the first name; what stands under one of them now."""
    outreach, *earlier = names
    now = edge.clock.now()
    today = now.astimezone(UTC).date()
    request = _valid(OutreachRequest, sent)
    check_words(employer, {("subject",): request.subject, ("body",): request.body})
    job = await job_of(edge, employer, request.job, at=now)
    last = last_day(_asked_for(request, job, today), job.valid_through, today=today)
    referred = edge.refs.read(request.member_ref, employer.id)
    if referred is None:
        raise not_found("member")
    refs = edge.refs.all_of(referred, employer.id)
    async with edge.store() as store:
        await _must_be_open(edge, store, employer.id, referred.candidate, refs, names)
        key, key_missing = _key_or_none(await store.public_key(referred.candidate))
        said = _words(request, job, outreach)
        return await store.submit(
            Submission(
                id=outreach,
                earlier_names=tuple(earlier),
                employer=employer.id,
                candidate=referred.candidate,
                pool_tag=referred.pool_tag,
                generation=referred.generation,
                member_ref=request.member_ref,
                digest=digest,
                sealed=seal_words(said, key, edge.words_form),
                sealed_job=seal_job(said, key, edge.words_form),
                key_missing=key_missing,
                at=now,
                last_day=last,
                expires_at=handed_on_until(last),
                valid_through=job.valid_through,
                held_until=now + edge.policy.held_for_grant,
                tell_at=known_at(Course(State.SUBMITTED, now, last), edge.ticks, employer.id),
                occupation=job.occupation,
                job_state=state_of(job.location),
            )
        )


async def _to_a_pool(
    edge: Edge, employer: Tenant, names: tuple[str, ...], sent: object, digests: tuple[bytes, ...]
) -> PoolSubmittedOut:
    """The same, for whoever is in a pool: nothing that is done before the answer depends on who that is."""
    outreach = names[0]
    now = edge.clock.now()
    async with edge.pool_messages() as messages:
        kept = await messages.find(names, employer.id)
    if kept is None:
        today = now.astimezone(UTC).date()
        request = _valid(PoolOutreachRequest, sent)
        check_words(employer, {("subject",): request.subject, ("body",): request.body})
        job = await job_of(edge, employer, request.job, at=now)
        last = last_day(_asked_for(request, job, today), job.valid_through, today=today)
        kept = await pool_messages.keep(
            edge,
            PoolMessage(
                id=outreach,
                employer=employer.id,
                pool=request.pool,
                digest=digests[0],
                submitted_at=now,
                last_day=last,
                valid_through=job.valid_through,
                tell_at=known_at(Course(State.SUBMITTED, now, last), edge.ticks, employer.id),
            ),
            _words(request, job, outreach),
            names,
        )
    if kept.digest not in digests:
        raise used_for_another("message")
    return PoolSubmittedOut(id=kept.id, known_by=kept.tell_at.date())


async def _must_be_open(
    edge: Edge, store: RequestStore, employer: str, candidate: str, refs: Sequence[str], names: Sequence[str]
) -> None:
    """A 409 while an earlier message to the same ref (or to what it was by an older key) closes the person, by what its employer was told of it and nothing else."""
    now = edge.clock.now()
    opens, is_taken_back = now.astimezone(UTC).date(), False
    for one in await store.earlier_to_refs(employer, candidate, refs, since=now - ENDED_KEPT, but=names):
        until = closed_until(one.told, one.course, same_employer=edge.policy.same_employer)
        is_taken_back = is_taken_back or one.told is Told.CANCELLED
        if until is None:
            raise _earlier(
                f"Your outreach {one.id} to this member waits. Give it other words with PATCH /v1/outreach/{one.id}, "
                f"which takes subject, body and job all anew, or wait "
                f"until {_known_by(one, edge, employer, now)}: by then you know what became of it."
            )
        opens = max(opens, until)
    if opens > now.astimezone(UTC).date():
        unless = (
            f" If what you took back had gone out before, you hear so, and it is {edge.policy.same_employer.days + 1} days after that day."
            if is_taken_back
            else ""
        )
        raise _earlier(f"You wrote to this member before. You may write again from {opens} (UTC) on.{unless}")


def _is_to_a_pool(sent: object) -> bool:
    """Which of the two it names; a 422 for both, and for neither."""
    if not isinstance(sent, dict):
        return False
    named = [name for name in ("member_ref", "pool") if sent.get(name) is not None]
    if len(named) == 2:
        raise wrong(("pool",), "must not stand beside member_ref: write to one member, or to whoever is in a pool")
    if not named:
        raise wrong(("member_ref",), "is required, or pool in its place: the id of one of your pools")
    return named == ["pool"]


def _known_by(taken: Taken, edge: Edge, employer: str, now: datetime) -> date:
    """Of what waits though its end has passed (the courier has it, or a tick is being told) the day of the next tick."""
    return max(known_at(taken.course, edge.ticks, employer), edge.ticks.next(employer, now)).date()


def _asked_for(request: OutreachRequest | PoolOutreachRequest, job: JobRequest, today: date) -> date | None:
    """The day that was asked for; a 422 for one that is too early or too late, and for an offer that ends too early."""
    first, latest = today + timedelta(days=FEWEST_DAYS), today + timedelta(days=MOST_DAYS)
    if request.expires_at is not None and not first <= request.expires_at <= latest:
        raise wrong(("expires_at",), f"must be 3 to 14 days ahead (UTC): from {first} to {latest}")
    if job.valid_through < first:
        raise wrong(
            _last_day_of(request.job),
            f"must be at least 3 days ahead (UTC), {first}: a message needs days to find its place",
        )
    return request.expires_at


def _last_day_of(named: NamedJob) -> tuple[str, ...]:
    """The field that says until when the job's offer stands."""
    return ("job",) if named.given is None else ("job", "valid_through")


def _key_or_none(key: Fact[PublicKey]) -> tuple[str, bool]:
    """The person's key, or one whose other half nobody has; whether it is that. It is made in any case, and takes as long.

    A key that nothing can be sealed to, as a version kept it that took any text, is as good as none.
    """
    nobodys = KeyPair.generate().public
    found = key.value if isinstance(key, Known) else nobodys
    usable = is_public_key(found)
    return (found, False) if usable and isinstance(key, Known) else (nobodys, True)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _words(request: WordsRequest, job: JobRequest, outreach: str) -> Words:
    pay = job.pay
    return Words(
        outreach=outreach,
        subject=request.subject,
        body=request.body,
        job=Job(
            title=job.title,
            occupation=job.occupation,
            organization=job.organization,
            location=job.location,
            remote=job.remote,
            pay=Pay(min=pay.min, max=pay.max, currency=pay.currency, per=pay.per),
            url=job.url,
            valid_through=job.valid_through.isoformat(),
        ),
    )


def _earlier(detail: str) -> Problem:
    return Problem(409, "You wrote to this member before", detail, type=kind("earlier-message"))
