"""A pool that is made with an Idempotency-Key is made once, however often the request comes."""

import hashlib

from starlette.datastructures import Headers

from services.pool_matching.model import Made, Pool, ShownPool
from services.pool_matching.ports import PoolStore
from shared.web import idempotency, problems


class Request:
    """A request to make a pool, by its key and what was sent; without a key each request is one of its own."""

    def __init__(self, employer: str, key: str | None, headers: Headers, sent: object) -> None:
        self._employer = employer
        given = None if key is None else idempotency.must_be_a_key(key, "pool", headers)
        self._key = None if given is None else hashlib.sha256(given.encode()).digest()
        self._body = b"" if given is None else hashlib.sha256(idempotency.canonical(sent)).digest()

    async def made(self, store: PoolStore) -> ShownPool | None:
        """The pool that it made when it came before, as it is now; a 409 where the pool was deleted since, a 422 where
        another body came with this key."""
        if self._key is None or (before := await store.made_by(self._employer, self._key)) is None:
            return None
        found = await store.get(self._employer, before.pool)
        if found is None:
            raise _was_deleted()
        if before.body != self._body:
            raise idempotency.used_for_another("pool")
        return found

    async def note(self, store: PoolStore, pool: Pool) -> None:
        """This is the pool that it made."""
        if self._key is not None:
            await store.note_made(self._key, Made(pool.id, self._employer, self._body))


def _was_deleted() -> problems.Problem:
    return problems.Problem(
        409,
        "The pool was deleted",
        "The pool that this Idempotency-Key made was deleted since, and none was made now. Use a new key to make another one.",
        type=problems.kind("pool-was-deleted"),
    )
