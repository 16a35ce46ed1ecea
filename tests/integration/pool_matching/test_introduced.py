"""`GET /v1/introduced`: one number, at the employer's tick, in fives."""

from datetime import timedelta

import pytest

from services.pool_matching.introductions import in_steps
from tests.integration.pool_matching.conftest import Http
from tests.integration.pool_matching.kit import candidates, next_tick


async def number(http: Http, employer: str = "emp_a") -> object:
    answer = await http.ask("GET", "/v1/introduced", employer)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_employer_is_told_how_many_it_introduced_in_fives_at_its_tick(http: Http) -> None:
    await http.kit.introduces("emp_a", *candidates(7))
    assert await number(http) == {"introduced": 0}, "not before its tick"
    http.kit.at = next_tick(http.kit)
    assert await number(http) == {"introduced": 5}
    await http.kit.introduces("emp_a", *candidates(3))
    http.kit.at += timedelta(minutes=1)
    assert await number(http) == {"introduced": 5}
    http.kit.at = next_tick(http.kit)
    assert await number(http) == {"introduced": 10}
    assert await number(http, "emp_b") == {"introduced": 0}


@pytest.mark.parametrize(("people", "told"), [(0, 0), (4, 0), (5, 5), (9, 5), (10, 10), (1_004, 1_000)])
def test_a_number_is_rounded_down_to_fives(people: int, told: int) -> None:
    assert in_steps(people) == told
