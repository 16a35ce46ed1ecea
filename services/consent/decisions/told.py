"""Where a person stands: the pools that they are in, and what can be read of them there."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.consent.model import Disclosed, Memberships
from shared.facts import Fact, Unknown


@dataclass(frozen=True, slots=True)
class Standing:
    """A pool that a person is in."""

    employer: str
    pool: str
    since: datetime
    shown_since: datetime | None
    """None: they fit, and are shown to nobody there."""
    fields: tuple[str, ...]
    """What can be read of their profile there, by name."""


def standings(memberships: Fact[Memberships], in_force: Sequence[Disclosed]) -> tuple[Standing, ...]:
    """Each of their pools, the newest first.

    What can be read in a pool that no list names yet, since the list is on its way, is told as well: rather too much than too little.
    """
    stays = () if isinstance(memberships, Unknown) else memberships.value.pools
    since = {stay.pool: (stay.employer, stay.since) for stay in stays}
    for one in in_force:
        since.setdefault(one.pool, (one.employer, one.member_since))
    told_of: dict[str, list[Disclosed]] = defaultdict(list)
    for one in in_force:
        told_of[one.pool].append(one)
    found = []
    for pool, (employer, began) in since.items():
        told = told_of[pool]
        fields = {field for one in told for field in one.fields}
        found.append(
            Standing(employer, pool, began, min((one.at for one in told), default=None), tuple(sorted(fields)))
        )
    return tuple(sorted(found, key=lambda one: (one.since, one.pool), reverse=True))
