"""The engine of readable rules: what a match is, and why."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.pool_matching.decisions import matches
from services.pool_matching.model import Person, Pool


class Readable:
    """Some pools, each held against a person by `RULES` once an occupation fits.

    It is what the other engine is held to, and it takes in what changed since that one was packed.
    """

    def __init__(self, pools: Iterable[Pool] = ()) -> None:
        self.pools: dict[str, Pool] = {}
        self._by_occupation: dict[str | None, dict[str, Pool]] = {}
        """None: of pools that name no occupation."""
        for pool in pools:
            self.put(pool)

    def put(self, pool: Pool) -> None:
        """This pool, in place of what had its id."""
        self.discard(pool.id)
        self.pools[pool.id] = pool
        for code in pool.criteria.occupations or (None,):
            self._by_occupation.setdefault(code, {})[pool.id] = pool

    def discard(self, id_: str) -> None:
        """No pool of this id."""
        pool = self.pools.pop(id_, None)
        for code in set(pool.criteria.occupations or (None,)) if pool else ():
            del self._by_occupation[code][id_]
            if not self._by_occupation[code]:
                del self._by_occupation[code]

    def match(self, people: Sequence[Person], at: datetime) -> list[list[Pool]]:
        """Of each person the pools they belong to at that time, in the order of their ids."""
        return [self._of(person, at) if self.pools else [] for person in people]

    def _of(self, person: Person, at: datetime) -> list[Pool]:
        codes: set[str | None] = {None}
        codes.update(*person.lineages.values())
        found = {id_: pool for code in codes for id_, pool in self._by_occupation.get(code, {}).items()}
        return [pool for _, pool in sorted(found.items()) if matches(person, pool, at)]
