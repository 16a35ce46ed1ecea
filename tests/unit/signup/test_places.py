"""Places are read as people and map services write them, and nothing is guessed."""

from types import SimpleNamespace

import pytest

from services.signup.decisions.coarsening import coarsen
from services.signup.decisions.place_names import AREAS, TERRITORIES, WORDS, state_of_zip
from services.signup.decisions.places import LONGEST, is_outside_the_states, settled, state_and_zip, state_code
from services.signup.model.people import RawProfile
from shared.contracts.codes import STATES

CITY_IN = {
    "AL": "36104", "AK": "99801", "AZ": "85001", "AR": "72201", "CA": "95814", "CO": "80202", "CT": "06103",
    "DE": "19901", "DC": "20001", "FL": "32301", "GA": "30303", "HI": "96813", "ID": "83702", "IL": "62701",
    "IN": "46204", "IA": "50309", "KS": "66603", "KY": "40601", "LA": "70802", "ME": "04330", "MD": "21401",
    "MA": "02201", "MI": "48933", "MN": "55102", "MS": "39201", "MO": "65101", "MT": "59601", "NE": "68502",
    "NV": "89701", "NH": "03301", "NJ": "08608", "NM": "87501", "NY": "12207", "NC": "27601", "ND": "58501",
    "OH": "43215", "OK": "73102", "OR": "97301", "PA": "17101", "RI": "02903", "SC": "29217", "SD": "57501",
    "TN": "37219", "TX": "78701", "UT": "84111", "VT": "05602", "VA": "23219", "WA": "98507", "WV": "25301",
    "WI": "53703", "WY": "82001",
}  # fmt: skip
"""A ZIP code of each capital."""


def place(address: str) -> tuple[str | None, str | None]:
    return state_and_zip([address])


@pytest.mark.parametrize(
    "address",
    [
        "Denver, Colorado 80202", "denver, co 80202", "DENVER CO 80202", "Denver CO 80202-1234", "Denver, CO. 80202",
        "123 Main St\nDenver, CO 80202\nUnited States", "123 Main St, Denver, CO 80202, USA", "denver colorado 80202",
        "1437, Bannock Street, Denver, Denver County, Colorado, 80202, United States", "Denver, Colo. 80202", "80202",
        "Denver , CO , 80202", "Denver, CO  80202\r\nUnited States of America", "80202-1234", "Denver,CO,80202,U.S.A.",
        "Denver CO 802021234", "Denver, CO 80202 (home)", "CO 80202", "Colorado 80202", "80202, USA", "CO-80202",
        "Denver 80202, CO", "Denver, CO ZIP 80202", "ZIP code: 80202", "Denver\tCO\u00a080202", "ＣＯ 80202",
        "Denver, CO 80202–1234", "Remote - Denver, CO 80202", "Denver 80202 USA",
    ],
)  # fmt: skip
def test_one_place_is_one_place_however_it_is_written(address: str) -> None:
    assert place(address) == ("CO", "80202")


@pytest.mark.parametrize(
    ("address", "state"),
    [
        ("Denver, CO, USA", "CO"), ("denver, co", "CO"), ("Denver CO", "CO"), ("Denver Colorado", "CO"), ("AUSTIN TX", "TX"),
        ("Colorado", "CO"), ("Colorado, United States", "CO"), ("US-CO-Denver", "CO"), ("USA, Colorado, Denver", "CO"),
        ("Washington, DC", "DC"), ("Washington, D.C.", "DC"), ("Washington DC", "DC"), ("washington d.c.", "DC"),
        ("Washington, D. C.", "DC"), ("Washington, District of Columbia", "DC"), ("Seattle, Washington", "WA"),
        ("Atlanta, Georgia", "GA"), ("Georgia, USA", "GA"), ("New York", "NY"), ("New York, New York", "NY"),
        ("Charleston, W. Va.", "WV"), ("Charleston, West Virginia", "WV"), ("Santa Fe, N. Mex.", "NM"),
        ("Boston, Mass.", "MA"), ("Chicago, Ill.", "IL"), ("Portland, Oregon", "OR"), ("Portland, OR", "OR"), ("portland, or", "OR"),
        ("Kansas City Missouri", "MO"), ("Paris, Texas", "TX"), ("Denver (CO)", "CO"), ("Denver, CO (remote)", "CO"),
        ("Denver, CO / Remote", "CO"), ("Denver, CO or Boulder, CO", "CO"), ("Raleigh, N.C.", "NC"), ("Raleigh-Durham, NC", "NC"),
        ("Vancouver, WA", "WA"), ("Ontario, CA", "CA"), ("Delaware, OH", "OH"), ("Northern Virginia", "VA"),
    ],
)  # fmt: skip
def test_a_state_without_a_zip_code_is_read(address: str, state: str) -> None:
    assert place(address) == (state, None)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "form",
    ["Springfield, {name} {zip}", "springfield, {code} {zip}", "{zip}", "Springfield {code} {zip}-0001", "Springfield, {name}",
     "12 Elm St\nSpringfield, {code} {zip}\nUSA", "SPRINGFIELD, {NAME}", "Springfield, {code}, US", "{name} {zip}"],
)  # fmt: skip
def test_every_state_is_read_in_every_form(state: str, form: str) -> None:
    code = state.lower() if form.startswith("s") else state
    address = form.format(name=STATES[state], NAME=STATES[state].upper(), code=code, zip=CITY_IN[state])
    assert place(address) == (state, CITY_IN[state] if "{zip}" in form else None)


@pytest.mark.parametrize(
    "address",
    [
        "Greater Denver Area", "Georgia", "Washington", "Paris, France", "Toronto, ON", "Toronto, ON, CA", "Toronto, CA", "Perth, WA",
        "Perth, WA, Australia", "Perth WA 6000", "Perth, WA 6000, Australia", "Tbilisi, Georgia", "Berlin, DE", "Bogotá, CO",
        "Bengaluru, KA, IN", "75001 Paris", "Paris 75001", "80331 München", "Munich, DE 80331", "Tijuana, Baja California",
        "Tortola, British Virgin Islands", "Denver", "Denver 80202", "500 Colorado", "1600 Pennsylvania", "12 Main E",
        "Port Washington", "Lake Michigan", "University of Colorado", "123 MAPLE CT", "123 Maple CT", "lives in LA", "LA", "LA, USA",
        "Acme Co", "ACME CO", "ask me", "hi", "ok", "IN", "Denver, CO or Austin, TX", "Denver, CO / Austin, TX", "Remote", "USA", "",
        " ,,; \n", "10 Downing Street, London", "ZZ 12345", "+1 303 555 0100", "80202 80203 people", "APO AE 09123", "Boston 2139",
        "Denver, CO 80202 / Austin, TX 78701", "٨٠٢٠٢", "Denver, CO 8020", "Main Street 123", "Victoria, British Columbia",
    ],
)  # fmt: skip
def test_what_is_unclear_or_elsewhere_gives_nothing(address: str) -> None:
    assert place(address) == (None, None)


@pytest.mark.parametrize(
    "address",
    [
        "Remote, except CO", "Remote except Colorado", "Remote (except NY)", "All states except CO", "Anywhere in the US except NY",
        "Anywhere except Texas, USA", "Remote US, excluding California", "Remote - excluding California", "excl. CA", "exc. NY", "minus CA",
        "US (ex-CO)", "without California", "other than Florida", "Remote US (excludes CO)", "with the exception of TX",
        "not in CA", "Not in California", "not CA", "NOT TX", "Remote (not CA)", "Remote \u2013 not CA", "Remote, not available in CA",
        "Currently not in Colorado", "non-CA", "never Texas", "can't work in California", "can\u2019t work in California", "cannot work in CA",
        "will not work in CA", "Remote; unavailable in NY", "not eligible in CO", "US only, no CA", "Remote / no California",
        "Remote US - no Colorado residents", "outside CO", "Denver, CO is not an option", "anywhere but NY", "Anywhere but New York",
        "Chicago or anywhere but NY", "Remote | anywhere but Texas",
        "willing to relocate to TX", "Willing to relocate to Texas", "won't relocate to TX", "open to relocate to Colorado",
        "Open to relocation: Denver, CO", "Open to Denver, CO", "Looking for Denver, CO", "Looking to move to Portland, OR",
        "relocating to Denver, CO", "Relocating to Austin, TX 78701", "moving to Denver, CO 80202", "would move to CO", "will relocate: TX",
        "Relocation to TX", "hoping to move to Ohio", "planning to move to Miami, FL", "interested in Boston, MA", "prefer Denver, CO",
        "Preferred: Denver, CO", "Desired location: Denver, CO", "Target: Austin, TX", "wants Denver, CO, USA", "commute to Denver, CO",
        "Moving to Denver, CO; Chicago, IL", "formerly of Denver, CO", "Previously: Denver, CO 80202", "used to live in Denver, CO",
        "originally Dayton, Ohio", "leaving Denver, CO", "born in Texas, USA",
    ],
)  # fmt: skip
def test_where_somebody_is_not_or_would_be_is_not_where_they_are(address: str) -> None:
    assert place(address) == (None, None)


@pytest.mark.parametrize(
    ("address", "read"),
    [
        ("Denver, CO (willing to relocate to TX)", ("CO", None)), ("Denver, CO, willing to relocate to Texas", ("CO", None)),
        ("Denver, CO 80202; open to relocation", ("CO", "80202")), ("Boulder, CO - will relocate", ("CO", None)),
        ("Denver, CO 80202, not willing to relocate", ("CO", "80202")), ("TX (will relocate)", ("TX", None)),
        ("Denver, CO / anywhere but NY", ("CO", None)), ("Colorado, no relocation", ("CO", None)), ("Denver, CO (no CA)", ("CO", None)),
        ("San Juan, PR, willing to relocate to TX", ("PR", None)),
        ("Raleigh, No Carolina", ("NC", None)), ("Fargo, No Dakota", ("ND", None)), ("No Name, CO", ("CO", None)), ("Whynot, NC", ("NC", None)),
        ("No. 5 Main St, Denver, CO 80202", ("CO", "80202")), ("12 Anywhere St, Denver, CO 80202", ("CO", "80202")),
        ("123 Preferred Way, Denver, CO 80202", ("CO", "80202")), ("123 Main St (formerly Elm St), Denver, CO 80202", ("CO", "80202")),
        ("Hope, AR", ("AR", None)), ("New Hope, PA", ("PA", None)), ("Ideal, GA", ("GA", None)), ("Ready, KY", ("KY", None)),
        ("Looking Glass, OR", ("OR", None)), ("Nome, AK", ("AK", None)), ("Exeter, NH", ("NH", None)), ("Butte, MT", ("MT", None)),
        ("Loving, NM", ("NM", None)),
    ],
)  # fmt: skip
def test_beside_such_words_a_place_is_read_and_names_that_only_look_like_them_are_names(
    address: str, read: tuple[str | None, str | None]
) -> None:
    assert place(address) == read


@pytest.mark.parametrize("address", ["Denver, NY 80202", "New York, NY 80202", "Kansas City, Kansas 64101", "CO 10001"])
def test_a_zip_code_of_another_state_than_the_one_named_gives_neither(address: str) -> None:
    assert place(address) == (None, None)


def test_digits_that_are_no_zip_code_of_any_place_leave_no_state() -> None:
    assert place("Denver, CO 00000") == (None, None)
    assert place("69469 Weinheim, DE") == (None, None)


def test_the_nought_that_a_spreadsheet_took_is_put_back_where_the_state_agrees() -> None:
    assert place("Cambridge, MA 2139") == ("MA", "02139")
    assert place("Newark, New Jersey 7102") == ("NJ", "07102")


def test_the_first_address_that_is_clear_counts() -> None:
    assert state_and_zip(["Paris, France", "Denver, CO 80202", "Austin, TX"]) == ("CO", "80202")


@pytest.mark.parametrize(
    "address",
    [
        "San Juan, Puerto Rico", "San Juan, puerto rico 00901", "San Juan Puerto Rico", "San Juan, PR", "ponce, pr", "Ponce PR", "PR 00901",
        "PR 00901-1234", "00901", "San Juan 00901", "San Juan, P.R.", "SAN JUAN PR", "san juan pr 00926", "Puerto Rico", "PUERTO RICO, USA",
        "Commonwealth of Puerto Rico", "San Juan, Puerto Rico, Estados Unidos", "US-PR-San Juan", "Puerto Rico (PR)", "San Juan, PR, USA",
        "Guam", "Hagåtña, Guam", "Dededo, GU 96929", "GU 96910", "96910", "Tamuning, gu", "Guam, USA", "GU",
        "U.S. Virgin Islands", "US Virgin Islands", "USVI", "U.S.V.I.", "St. Thomas, USVI", "Virgin Islands", "Virgin Islands, U.S.",
        "United States Virgin Islands", "St Croix, VI 00820", "Charlotte Amalie, V.I.", "Christiansted, VI", "00802",
        "Virgin Islands of the United States", "Saint Thomas, US Virgin Islands, United States",
        "American Samoa", "Pago Pago, AS 96799", "96799", "Pago Pago, American Samoa", "Pago Pago",
        "CNMI", "C.N.M.I.", "Saipan, MP 96950", "Saipan", "Northern Mariana Islands", "Saipan, Northern Mariana Islands, USA",
        "Commonwealth of the Northern Mariana Islands", "Koror, Palau", "Majuro, MH 96960", "Pohnpei, FM 96941",
        "San Juan, CO 00901", "San Juan, PR 80202",
    ],
)  # fmt: skip
def test_a_territory_is_outside_by_every_spelling(address: str) -> None:
    assert is_outside_the_states(*place(address))


@pytest.mark.parametrize(
    "address", ["Guam Avenue, Denver, CO 80202", "12 Puerto Rico St, Tampa, FL", "Honolulu, HI 96813"]
)
def test_a_street_named_after_a_territory_is_not_one(address: str) -> None:
    assert not is_outside_the_states(*place(address))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("CO", "CO"), ("co", "CO"), (" Co. ", "CO"), ("Colorado", "CO"), ("COLORADO", "CO"), ("Colo.", "CO"), ("US-CO", "CO"),
        ("Georgia", "GA"), ("Washington", "WA"), ("D.C.", "DC"), ("Washington, D.C.", "DC"), ("district of columbia", "DC"),
        ("n. mex.", "NM"), ("New  York", "NY"), ("Puerto Rico", "PR"), ("usvi", "VI"), ("U.S. Virgin Islands", "VI"), ("CNMI", "MP"),
        ("Ontario", None), ("", None), ("USA", None), ("80202", None), ("Denver, CO", None), ("CO, TX", None),
    ],
)  # fmt: skip
def test_a_field_for_a_state_takes_its_name_and_its_code(given: str, code: str | None) -> None:
    assert state_code(given) == code


def test_the_table_of_zip_codes_has_every_state_and_each_capital_is_in_its_own() -> None:
    assert set(AREAS.values()) - TERRITORIES == set(STATES)
    assert {state: state_of_zip(code) for state, code in CITY_IN.items()} == {state: state for state in STATES}
    assert all(len(area) == 3 and area.isdigit() for area in AREAS)
    assert len(WORDS) == len(STATES)


@pytest.mark.parametrize(
    ("state", "postal_code", "shown"),
    [
        ("CO", "80202", ("CO", "802")), (None, "80202", ("CO", "802")), ("CO", None, ("CO", None)), ("NY", "80202", (None, None)),
        (None, "00901", (None, None)), ("CO", "00000", ("CO", None)), (None, "06390-0001", ("NY", "063")), ("XX", "80202", (None, None)),
    ],
)  # fmt: skip
def test_every_way_in_has_the_same_rule_for_state_and_zip_code(
    state: str | None, postal_code: str | None, shown: tuple[str | None, str | None]
) -> None:
    profile = coarsen(RawProfile(state=state, postal_code=postal_code))
    assert (profile.state, profile.area) == shown


def test_one_of_two_in_a_territory_is_enough_to_be_there() -> None:
    assert settled("CO", "00901") == ("PR", None)
    assert settled("PR", "80202") == ("PR", None)


@pytest.mark.parametrize(
    "filling",
    [" ", "\t", "\n", ",", "A", "CO ", ", CO", "9", "80202 ", "-", " - ", ".", " or ", "/", "(", "é", "ﷺ", "U.S. "],
)
def test_a_text_longer_than_an_address_is_not_even_looked_at(filling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(*_: object) -> str:
        raise AssertionError("a text of 100,000 characters was read")

    monkeypatch.setattr("services.signup.decisions.places.unicodedata", SimpleNamespace(normalize=looked))
    address = ", CO" + filling * (100_000 // len(filling)) + "x"
    assert place(address) == (None, None)
    assert state_code(address) is None


def test_an_address_of_the_greatest_length_is_read() -> None:
    address = ", Denver, CO 80202"
    assert place("1" * (LONGEST - len(address)) + address) == ("CO", "80202")
