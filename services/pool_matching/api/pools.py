"""Pools and their members."""

from dataclasses import replace
from datetime import timedelta
from math import ceil
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import ValidationError
from starlette.convertors import Convertor, register_url_convertor

from services.pool_matching.api import made_once
from services.pool_matching.api.bodies import MemberOut, MembersOut, PoolIn, PoolOut, PoolPatch, PoolsOut, state_of
from services.pool_matching.api.edge import Edge
from services.pool_matching.decisions import asks, coarse
from services.pool_matching.listing import FEWEST
from services.pool_matching.model import POOLS_PER_EMPLOYER, SKILLS_A_POOL, Pool, ShownPool, plain_skill
from services.pool_matching.ports import PoolStore
from shared.contracts.pool_matching import Criteria, PoolChangedV1
from shared.ids import new_id
from shared.web import idempotency, problems
from shared.web.tenants import Tenant

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_TOO_FEW = (
    f"Fewer than {FEWEST} people are listed here, so nobody is shown. Who joins is listed from one of your ticks on, once there are "
    "enough; a pool with fewer criteria finds more people."
)
_BEING_MADE = "The list of this pool is being made, so nobody is shown yet: ask again a little later."
_TOO_FAST: dict[int | str, dict[str, Any]] = {
    429: {"description": "More changes of pools within a minute than are allowed; `Retry-After` says when to go on."}
}


class _PoolId(Convertor[str]):
    """Only what looks like a pool's id is one: `/v1/pools/preview` is another address."""

    regex = "p_[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("pool_id", _PoolId())


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`/v1/pools` and all below it, for employers."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type

    @routes.post("/v1/pools", status_code=201, tags=["pools"], summary="Make a pool", responses=_TOO_FAST)
    async def make_pool(
        request: Request,
        body: PoolIn,
        employer: Employer,
        response: Response,
        idempotency_key: Annotated[
            str | None,
            Header(
                max_length=idempotency.LONGEST, description=f"A value of your own for this pool. {idempotency.AS_SENT}"
            ),
        ] = None,
    ) -> PoolOut:
        """With an Idempotency-Key it may be sent again: the same body is answered with the pool that it made (201 again), as
        the pool is by now, and is no further change of pools; another body is refused (422). A key is remembered for good, also once
        its pool was deleted (409). Of several that are under way at the same moment each may count as a change (429)."""
        asked = made_once.Request(employer.id, idempotency_key, request.headers, await request.json())
        async with edge.pools() as store:
            made = await asked.made(store)
        if made is None:
            criteria = coarse(body.criteria())
            _must_be_few_skills(criteria, body)
            await _count(edge, employer, asks_anew=True)
            pool = Pool(new_id("p"), employer.id, 1, body.name, criteria)
            async with edge.pools() as store:
                await store.begin_change()
                made = await asked.made(store) or await _made(store, pool, asked)
        response.headers["Location"] = f"/v1/pools/{made.pool.id}"
        return PoolOut.of(made)

    @routes.get("/v1/pools", tags=["pools"], summary="List one's pools")
    async def list_pools(employer: Employer) -> PoolsOut:
        async with edge.pools() as store:
            return PoolsOut(items=[PoolOut.of(listed) for listed in await store.of(employer.id)])

    @routes.get("/v1/pools/{id:pool_id}", tags=["pools"], summary="Show a pool")
    async def show_pool(id: str, employer: Employer) -> PoolOut:
        async with edge.pools() as store:
            return PoolOut.of(await _found(store, employer, id))

    @routes.patch("/v1/pools/{id:pool_id}", tags=["pools"], summary="Change a pool", responses=_TOO_FAST)
    async def change_pool(id: str, body: PoolPatch, employer: Employer) -> PoolOut:
        """A change after which it asks for the same leaves its `state` as it was: nobody is matched anew. Once people were listed
        in it, it asks for the same (409): make another pool."""
        async with edge.pools() as store:
            asks_anew = not _ask_the_same(await _found(store, employer, id), body)
        await _count(edge, employer, asks_anew=asks_anew)
        async with edge.pools() as store:
            await store.begin_change(id)
            listed = await _found(store, employer, id)
            pool = _changed(listed.pool, body)
            if pool == listed.pool:
                return PoolOut.of(listed)
            asks_the_same = _ask_the_same(listed, body)
            if pool.criteria != listed.pool.criteria:
                _must_be_few_skills(pool.criteria, body)
            await _keep(store, pool)
        return PoolOut.of(replace(listed, pool=pool, ready=listed.ready and asks_the_same))

    @routes.delete(
        "/v1/pools/{id:pool_id}", status_code=204, tags=["pools"], summary="Delete a pool", responses=_TOO_FAST
    )
    async def delete_pool(id: str, employer: Employer) -> None:
        await _count(edge, employer)
        async with edge.pools() as store:
            await store.begin_change(id)
            pool = (await _found(store, employer, id)).pool
            gone = replace(pool, version=pool.version + 1)
            await store.delete(gone)
            _tell(
                store, PoolChangedV1(pool=gone.id, version=gone.version, employer=gone.employer, name="", criteria=None)
            )

    @routes.get(
        "/v1/pools/{id:pool_id}/members",
        tags=["pools"],
        summary="List a pool's members",
    )
    async def list_members(
        id: str,
        employer: Employer,
        after: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> MembersOut:
        """As of your last tick, but for those who have left since: they are gone from here within seconds. Where fewer than
        five people are left, nobody is listed, and `detail` says so; nor is anybody while the list of a new pool is being made."""
        async with edge.pools() as store:
            listed = await _found(store, employer, id)
            members = await store.members(id, after=after, limit=limit + 1)
        shown = [MemberOut.of(member) for member in members[:limit]]
        next_ = shown[-1].member_ref if len(members) > limit else None
        return MembersOut(
            items=shown, next=next_, state=state_of(listed), detail=_why_nobody(listed, is_shown=bool(shown))
        )


async def _made(store: PoolStore, pool: Pool, asked: made_once.Request) -> ShownPool:
    """Under the lock of changes."""
    if await store.count(pool.employer) >= POOLS_PER_EMPLOYER:
        raise _too_many()
    await _keep(store, pool)
    await asked.note(store, pool)
    return ShownPool(pool, store.at, ready=False, members=None)


def _why_nobody(listed: ShownPool, *, is_shown: bool) -> str | None:
    """Nothing, where somebody is shown. How far the making has come is not told to less than a thousand people, whom one step looks
    at: it says no more of fewer."""
    if is_shown or listed.members is not None:
        return None
    return _TOO_FEW if listed.is_decided else _BEING_MADE


async def _count(edge: Edge, employer: Tenant, *, asks_anew: bool = False) -> None:
    """In a transaction of its own, before any other employer is kept waiting by the lock that changes take."""
    most, how_often = edge.changes_per_minute, "make, change or delete pools {} times a minute"
    async with edge.pools() as store:
        wait = await store.use_change(employer.id, most=most, within=_MINUTE)
        if wait is None and asks_anew:
            most, how_often = edge.asked_per_day, "make pools, or have them ask for something else, {} times a day"
            wait = await store.use_change(employer.id, most=most, within=_DAY, of="asked")
    if wait is not None:
        raise problems.Problem(
            429,
            "Too many changes of pools",
            f"An employer may {how_often.format(most)}. Nothing was changed; send the same again after as many seconds as "
            "`Retry-After` says.",
            type=problems.kind("too-many-changes"),
            headers={"Retry-After": str(ceil(wait.total_seconds()))},
        )


def _ask_the_same(listed: ShownPool, body: PoolPatch) -> bool:
    """Whether it still asks for the same afterwards; a 409 where it has to."""
    is_so = asks(_changed(listed.pool, body).criteria) == asks(listed.pool.criteria)
    if not is_so and listed.was_listed:
        raise _is_listed()
    return is_so


async def _found(store: PoolStore, employer: Tenant, pool: str) -> ShownPool:
    listed = await store.get(employer.id, pool)
    if listed is None:
        raise problems.not_found("pool")
    return listed


def _must_be_few_skills(criteria: Criteria, given: PoolPatch) -> None:
    """Of a pool that is new or asks for something else; one from before this was asked stays as it is until then."""
    number = len({*criteria.skills_all, *criteria.skills_any})
    if number > SKILLS_A_POOL:
        field = "skills_any" if given.skills_any or not given.skills_all else "skills_all"
        sentence = f"must not be more than {SKILLS_A_POOL} skills in a pool, skills_all and skills_any together: these are {number}"
        raise problems.invalid(
            [{"loc": ("body", field), "type": "value_error", "ctx": {"error": ValueError(sentence)}}]
        )


def _must_be_enough(skills: list[str] | None, stored: dict[str, Any]) -> None:
    """Other skills than before, for the number of them that is asked for already; without any it goes too."""
    least, there = stored["skills_any_at_least"] or 1, len({plain_skill(skill) for skill in skills or ()})
    if not there:
        stored["skills_any_at_least"] = None
    elif there < least:
        sentence = (
            f"must be {least} skills or more, since skills_any_at_least is {least} here: give that as well to change it"
        )
        raise problems.invalid(
            [{"loc": ("body", "skills_any"), "type": "value_error", "ctx": {"error": ValueError(sentence)}}]
        )


def _changed(pool: Pool, body: PoolPatch) -> Pool:
    """The next version; the same pool when nothing is different."""
    stored = pool.criteria.model_dump(mode="json")
    given = body.model_dump(mode="json", exclude_unset=True)
    if "skills_any" in given and "skills_any_at_least" not in given:
        _must_be_enough(given["skills_any"], stored)
    try:
        whole = PoolIn.model_validate({"name": pool.name} | stored | given)
    except ValidationError as error:
        raise problems.invalid_model(error) from None
    criteria = coarse(whole.criteria())
    if (whole.name, criteria) == (pool.name, pool.criteria):
        return pool
    return replace(pool, version=pool.version + 1, name=whole.name, criteria=criteria)


async def _keep(store: PoolStore, pool: Pool) -> None:
    await store.write(pool)
    event = PoolChangedV1(
        pool=pool.id, version=pool.version, employer=pool.employer, name=pool.name, criteria=pool.criteria
    )
    _tell(store, event)


def _tell(store: PoolStore, event: PoolChangedV1) -> None:
    store.publish(event, id=f"{event.pool}-{event.version}")


def _is_listed() -> problems.Problem:
    """Under the same member refs, who stays when another criterion is asked would tell criterion by criterion what is shown of nobody."""
    return problems.Problem(
        409,
        "People were listed in this pool",
        "A pool in which people were listed asks for the same from then on; nothing was changed. Make another pool for what you ask "
        "now (POST /v1/pools), and delete this one if you no longer need it. Its name can be changed at any time.",
        type=problems.kind("pool-is-listed"),
    )


def _too_many() -> problems.Problem:
    return problems.Problem(
        409,
        "Too many pools",
        f"An employer may have {POOLS_PER_EMPLOYER} pools. Delete one, or change one that is there.",
        type=problems.kind("too-many-pools"),
    )
