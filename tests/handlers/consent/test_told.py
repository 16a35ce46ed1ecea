"""What a person reads of what employers could read of them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from services.consent.model import Choices, Present
from shared.contracts.pool_matching import Criteria, PoolChangedV1
from shared.security import encoding
from tests.fakes.clock import NOON
from tests.fakes.consent import ConsentsDatabase
from tests.fakes.consent_pages import bearer, client_of
from tests.fakes.told import FakeTellings
from tests.ports.test_told import ANA, BO, DAY, HOUR, disclosed, is_in

ASKED = Criteria(occupations=("29-1141",), states=("CO",), min_years=3, pay_max=80_000)
LOOKS_FOR = [
    "do this work: Registered Nurses",
    "are in CO",
    "have worked for 3 years or more",
    "want no more pay than it offers",
]


@pytest.fixture
def kept() -> FakeTellings:
    return FakeTellings()


@pytest.fixture
async def client(database: ConsentsDatabase, kept: FakeTellings) -> AsyncIterator[httpx.AsyncClient]:
    for who in (ANA, BO):
        choices = Choices(purposes=("match",), time_zone="America/Denver")
        database.rows[who] = Present(who, "person_x", version=1, choices=choices)
    async with client_of(database, tellings=kept) as client:
        yield client


async def heard(kept: FakeTellings) -> None:
    """Ana is listed in one pool, fits another unlisted, and was in a third."""
    pools = [PoolChangedV1(pool=one, version=1, employer="emp_a", name="Secret name", criteria=ASKED) for one in ("p_a", "p_b")]  # fmt: skip
    await kept.note_pools(pools)
    await kept.note_disclosures(
        [disclosed(NOON + DAY), disclosed(NOON + DAY, "p_c"), disclosed(NOON + DAY, "p_b", who=BO)]
    )
    await kept.note_memberships([(is_in(1, ("p_a", NOON), ("p_b", NOON + HOUR)), NOON + 2 * DAY)])


async def test_a_person_reads_where_they_are_and_who_could_read_what_from_when_until_when(
    client: httpx.AsyncClient, kept: FakeTellings
) -> None:
    await heard(kept)
    answer = await client.get("/v1/me/told", headers=bearer(ANA))
    assert answer.status_code == 200
    employer = {"id": "emp_a", "name": "an employer that is not known here"}
    seen = {"employer": employer, "looks_for": LOOKS_FOR, "fields": ["state", "years"]}
    assert answer.json() == {
        "pools": [
            {**seen, "since": "2026-11-23T20:00:00Z", "shown_since": None, "fields": []},
            {**seen, "since": "2026-11-23T19:00:00Z", "shown_since": "2026-11-24"},
        ],
        "items": [
            {**seen, "looks_for": [], "at": "2026-11-24", "until": "2026-11-25", "way": "list"},
            {**seen, "at": "2026-11-24", "until": None, "way": "list"},
        ],
        "next": None,
    }
    assert "80" not in answer.text and "Secret" not in answer.text, "no pay and no name of a pool"


async def test_the_page_says_it_in_words_and_in_the_persons_zone(client: httpx.AsyncClient, kept: FakeTellings) -> None:
    await heard(kept)
    page = (await client.get("/me/told", headers=bearer(ANA))).text
    for words in ("do this work: Registered Nurses", "your years of work, rounded down", "No. You fit, but are shown to nobody there"):  # fmt: skip
        assert words in page
    assert "Nov 24, 2026" in page or "November 24" in page
    assert "12:00" not in page and "noon" not in page, "the hour would tell of the employer's tick"
    assert "80,000" not in page and "Secret name" not in page


async def test_nobody_reads_anothers(client: httpx.AsyncClient, kept: FakeTellings) -> None:
    await heard(kept)
    theirs = (await client.get("/v1/me/told", headers=bearer(BO))).json()
    assert len(theirs["items"]) == 1 == len(theirs["pools"]), "listed, while the list of their pools is on its way"
    assert (await client.get("/v1/me/told")).status_code == 401


async def test_whoever_is_in_nothing_reads_that_nothing_could_be_read(client: httpx.AsyncClient) -> None:
    page = (await client.get("/me/told", headers=bearer(ANA))).text
    assert "no employer can read anything about you now" in page and "Nothing yet." in page


async def test_a_long_list_is_read_page_by_page(client: httpx.AsyncClient, kept: FakeTellings) -> None:
    moments = [NOON + number * timedelta(days=1) for number in range(120)]
    await kept.note_disclosures([disclosed(at) for at in moments])
    found, after = [], ""
    for size in (50, 50, 20):
        page = (await client.get("/v1/me/told", params={"after": after}, headers=bearer(ANA))).json()
        assert len(page["items"]) == size
        found += [item["at"] for item in page["items"]]
        after = page["next"] or ""
    assert not after and len(set(found)) == 120 and found == sorted(found, reverse=True)
    first = (await client.get("/me/told", headers=bearer(ANA))).text
    assert "What could be read earlier</a>" in first


@pytest.mark.parametrize(
    "after", ["x", "!", encoding.encode(b"2026-11-24 p_a"), encoding.encode(b"\xff"), encoding.encode(b"0001-01-01T00:00:00+12:00 p"), encoding.encode(b"2026-11-24T00:00:00+00:00 p\x00")]
)  # fmt: skip
async def test_a_place_that_is_none_of_this_list_is_refused(client: httpx.AsyncClient, after: str) -> None:
    answer = await client.get("/v1/me/told", params={"after": after}, headers=bearer(ANA))
    assert answer.status_code == 422 and "`next`" in answer.json()["detail"]
