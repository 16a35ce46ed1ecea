"""Whether the pools made at random, by which the engines are held equal, ask for everything that a pool can ask for."""

import random

from shared.contracts.pool_matching import Criteria
from tests.unit.pool_matching.test_index import a_pool

_POOLS = 400
"""Each of nine fields is in two of nine pools, so all nine are in these."""


def test_pools_at_random_ask_for_every_field_that_a_pool_has() -> None:
    rng = random.Random(7)  # noqa: S311 - a test's
    asked = {name for number in range(_POOLS) for name in a_pool(rng, f"p_{number}").criteria.model_fields_set}
    assert asked == set(Criteria.model_fields)
    assert {name for name in asked if _is_ever_other_than_empty(name)} == set(Criteria.model_fields)


def _is_ever_other_than_empty(name: str) -> bool:
    rng, empty = random.Random(11), getattr(Criteria(), name)  # noqa: S311 - a test's
    return any(getattr(a_pool(rng, f"p_{number}").criteria, name) != empty for number in range(_POOLS))
