"""An address abroad is never read as one of a state, and American towns of the same look still are."""

import pytest

from services.signup.decisions.place_names import TERRITORIES, state_of_zip
from services.signup.decisions.places import state_and_zip
from services.signup.decisions.places_abroad import COUNTRY_CODES
from shared.contracts.codes import STATES

ABROAD = [
    # five digits that are no ZIP code of the state
    "10115 Berlin, DE", "80331 M\u00fcnchen, DE", "80331 Munchen, DE", "D-10115 Berlin, DE", "DE-10115 Berlin", "Berlin 10115 DE",
    "Berlin DE 10115", "Berlin, DE 10115", "D10115 Berlin, DE", "10115 berlin, de", "10115 Berlin DE", "10115, Berlin, DE",
    "Unter den Linden 5, 10117 Berlin, DE", "Unter den Linden 5\n10117 Berlin\nDE", "69469 Weinheim, DE", "54290 Schweich, DE",
    "10001 Denver, CO", "10001 Denver, Colorado", "90210 Tirana, AL", "90210, Denver, CO", "10001 Denver, CO, USA", "10001 Denver CO 80202",
    "20000 Casablanca, MA", "Casablanca 20250, MA", "81000 Podgorica, ME", "14200 Ulaanbaatar, MN", "98800 Noumea, NC", "10110 Jakarta, ID",
    "10001 Austin / TX", "10001 Denver; Colorado", "USA, Colorado, 10001 Denver", "75002 Paris, CO", "10001 Denver, Colo.",
    "10001 Denver 80202 USA", "Milano 20121, MI", "00184 Roma, RM", "12345 Main Street, Denver, CO", "81929 Munich, DE",
    # other digits before the town
    "600001 Chennai, IN", "600 001 Chennai, IN", "560001 Devanahalli, IN", "110111 Bogota, CO", "110111 Chia, CO", "1001 Tirana, AL",
    "5000 Cordoba, AR", "C1425 Buenos Aires, AR", "B1636 Olivos, AR", "AZ1000 Baku, AZ", "AZ 1000 Baku, AZ", "6100000 Tel Aviv, IL",
    "4673310 Kiryat Ono, IL", "MD-2001 Chisinau, MD", "VLT 1010 Valletta, MT", "8001 Niamey, NE", "V6B 1A1 Vancouver, CA",
    "0801 Panama City, PA", "1000 Tunis, TN", "11111 Khartoum, SD", "2080 Nouvelle Ariana, TN", "1001, Lushnje, AL", "1001\nDivjake\nAL",
    "802 Kamza, CO", "KY1-1001 George Town, KY",
    # a city of the country with that code
    "Tirana, AL", "Tirana AL", "tirana, al", "TIRANA, AL", "Tirana, Tirane, AL", "Tirana, Albania, AL", "Durres, AL", "Baku, AZ", "Baku AZ",
    "Ganja, AZ", "Cordoba, AR", "Rosario, AR", "San Miguel de Tucuman, AR", "Victoria, SC", "Victoria, MT", "Berlin, DE", "Berlin DE",
    "Berlin Mitte, DE", "Berlin-Mitte, DE", "Berlin, Germany, DE", "Kiel, DE", "Karlsruhe, DE", "Libreville, GA", "Port-Gentil, GA", "Medan, ID",
    "South Jakarta, ID", "Mataram, ID", "83511 Praya, ID", "Tel Aviv-Yafo, IL", "Ra'anana, IL", "Netanya, IL", "61000 Tel Aviv, IL", "Chennai, IN",
    "Chennai, Tamil Nadu, IN", "Navi Mumbai, IN", "Lucknow, IN", "Greater Noida, IN", "New Delhi, IN", "Vientiane, LA", "Luang Prabang, LA",
    "Casablanca, MA", "Fez, MA", "Agadir, MA", "Chisinau, MD", "Tiraspol, MD", "Podgorica, ME", "Ulaanbaatar, MN", "Macau, MO", "Brades, MS",
    "St. Paul's Bay, MT", "Noumea, NC", "Niamey, NE", "Zinder, NE", "Panama City, PA", "David, PA", "Khartoum, SD", "Port Sudan, SD", "Sousse, TN",
    "Vatican City, VA", "George Town, KY", "Toronto, CA", "Greater Toronto Area, CA", "London, CA", "Halifax, CA", "Medellin, CO", "Cali, CO",
    "Cucuta CO", "Chennai, IND", "12 Mount Road, Chennai, IN", "12 Mount Road Chennai IN", "Raipur, CT", "Panaji, GA", "Campo Grande, MS",
    # letters that are none of English
    "C\u00f3rdoba, AR", "Bogot\u00e1, CO", "Chi\u0219in\u0103u, MD", "Lushnj\u00eb, AL", "Divjak\u00eb, AL", "Chocont\u00e1, CO", "Z\u00fclpich, DE", "\u0411\u0430\u043a\u0443, AZ", "S\u0259ki, AZ",
    "Sal\u00e9, MA", "Montr\u00e9al, CA", "Trois-Rivi\u00e8res, CA", "Gu\u00e9rande 12, CA", "Co\u0301rdoba, AR",
]  # fmt: skip

AMERICAN = [
    ("Athens, GA", "GA"), ("Rome, GA", "GA"), ("Cairo, GA", "GA"), ("Dublin, GA", "GA"), ("Paris, TX", "TX"), ("Athens, TX", "TX"),
    ("Moscow, ID", "ID"), ("Boise, ID", "ID"), ("Lebanon, IN", "IN"), ("Peru, IN", "IN"), ("Indianapolis, IN", "IN"), ("Gary IN", "IN"),
    ("Mexico, MO", "MO"), ("Cuba, MO", "MO"), ("Lebanon, MO", "MO"), ("Wilmington, DE", "DE"), ("Newark, DE", "DE"), ("Dover, DE", "DE"),
    ("Denver, CO", "CO"), ("Durango, CO", "CO"), ("Pueblo, CO", "CO"), ("Ontario, CA", "CA"), ("Richmond, CA", "CA"), ("San Jose, CA", "CA"),
    ("Los Angeles, CA", "CA"), ("Mobile, AL", "AL"), ("Florence, AL", "AL"), ("Phoenix, AZ", "AZ"), ("Little Rock, AR", "AR"),
    ("Stuttgart, AR", "AR"), ("Hamburg, AR", "AR"), ("Manila, AR", "AR"), ("Boston, MA", "MA"), ("Salem, MA", "MA"), ("Worcester, MA", "MA"),
    ("Berlin, MD", "MD"), ("Baltimore, MD", "MD"), ("Portland, ME", "ME"), ("Bar Harbor, ME", "ME"), ("Belfast, ME", "ME"), ("Paris, ME", "ME"),
    ("Minneapolis, MN", "MN"), ("New Ulm, MN", "MN"), ("Tunis, MS", "MS"), ("Jackson, MS", "MS"), ("Billings, MT", "MT"), ("Charlotte, NC", "NC"),
    ("Omaha, NE", "NE"), ("Lebanon, PA", "PA"), ("Philadelphia, PA", "PA"), ("Hanover, PA", "PA"), ("Charleston, SC", "SC"), ("Sioux Falls, SD", "SD"),
    ("Memphis, TN", "TN"), ("Paris, TN", "TN"), ("Carthage, TN", "TN"), ("Richmond, VA", "VA"), ("New Orleans, LA", "LA"), ("Georgetown, KY", "KY"),
    ("Chicago, IL", "IL"), ("Cairo, IL", "IL"), ("Naples, FL", "FL"), ("Toronto, OH", "OH"), ("Vienna, WV", "WV"), ("Berlin, NH", "NH"),
    ("Victoria, TX", "TX"), ("Milan, MI", "MI"), ("Geneva, NY", "NY"), ("Vancouver, WA", "WA"), ("London, KY", "KY"),
    ("Victoria Ave, Charleston, SC", "SC"), ("12 Berlin St, Dover, DE", "DE"), ("500 17th St Denver CO", "CO"),
    ("123 Main St Denver CO", "CO"), ("500 17th St, Denver, CO", "CO"), ("350 5th Ave New York NY", "NY"), ("PO Box 123 Pueblo, CO", "CO"),
    ("123 Main St Apt 4B Denver, CO", "CO"), ("123 Main St, #4, Denver, CO", "CO"), ("80202 Denver, CO", "CO"), ("80202, Denver, CO", "CO"),
    ("Berlin, Delaware", "DE"), ("Berlin, DE, USA", "DE"), ("Tirana, AL, United States", "AL"), ("Ca\u00f1on City, Colorado", "CO"),
    ("Ca\u00f1on City, CO, USA", "CO"), ("Espa\u00f1ola, NM", "NM"), ("12345 Main St, Denver, CO, USA", "CO"), ("Denver, CO; Remote", "CO"),
]  # fmt: skip
WITH_ZIP = [
    ("Berlin, DE 19901", "DE", "19901"), ("Victoria, SC 29201", "SC", "29201"), ("Tirana, AL 36104", "AL", "36104"),
    ("Ca\u00f1on City, CO 81212", "CO", "81212"), ("Hanover, IN 47243", "IN", "47243"), ("Salem, IN 47167", "IN", "47167"),
    ("Windsor, CA 95492", "CA", "95492"), ("Wilmington, DE 19801", "DE", "19801"), ("Malta, MT 59538", "MT", "59538"),
    ("12345 Main St, Denver, CO 80202", "CO", "80202"), ("12345 Main St Denver CO 80202", "CO", "80202"),
    ("10115 E Bell Rd, Scottsdale, AZ 85260", "AZ", "85260"), ("PO Box 12345, Denver, CO 80202", "CO", "80202"),
    ("12345 Main St\nApt 4\nDenver, CO 80202-1234", "CO", "80202"), ("1234 Bannock Denver CO 80202", "CO", "80202"),
    ("12345, Bannock Street, Denver, Denver County, Colorado, 80202, United States", "CO", "80202"), ("Denver 80202, CO", "CO", "80202"),
    ("12345 Main St, Denver 80202, USA", "CO", "80202"), ("Denver, CO 80202 / Remote", "CO", "80202"),
]  # fmt: skip

CAPITALS = {
    "AL": "Tirana", "AR": "Buenos Aires", "AZ": "Baku", "CA": "Ottawa", "CO": "Bogota", "DE": "Berlin", "GA": "Libreville",
    "ID": "Jakarta", "IL": "Jerusalem", "IN": "New Delhi", "KY": "George Town", "LA": "Vientiane", "MA": "Rabat", "MD": "Chisinau",
    "ME": "Podgorica", "MN": "Ulaanbaatar", "MO": "Macao", "MS": "Brades", "MT": "Valletta", "NC": "Noumea", "NE": "Niamey",
    "PA": "Panama City", "SC": "Victoria", "SD": "Khartoum", "TN": "Tunis", "VA": "Vatican City",
}  # fmt: skip


@pytest.mark.parametrize("address", ABROAD)
def test_what_is_abroad_or_contradicts_itself_is_in_no_state(address: str) -> None:
    assert state_and_zip([address]) == (None, None)


@pytest.mark.parametrize(("address", "state"), AMERICAN)
def test_an_american_town_is_read_though_its_state_has_the_code_of_a_country(address: str, state: str) -> None:
    assert state_and_zip([address]) == (state, None)


@pytest.mark.parametrize(("address", "state", "postal_code"), WITH_ZIP)
def test_a_zip_code_of_the_state_says_that_it_is_the_state(address: str, state: str, postal_code: str) -> None:
    assert state_and_zip([address]) == (state, postal_code)


def test_the_tables_are_long_enough_to_mean_something() -> None:
    assert len(set(ABROAD)) > 80
    assert len(set(AMERICAN)) > 60
    assert set(CAPITALS) == COUNTRY_CODES
    assert set(STATES) - TERRITORIES >= COUNTRY_CODES


@pytest.mark.parametrize(("code", "capital"), CAPITALS.items())
@pytest.mark.parametrize(
    "form", ["{}, {code}", "12 {}, {code}", "{} 12, {code}", "{} {code}", "x, {}, {code}", "Greater {}, {code}"]
)
def test_every_capital_is_known_whatever_stands_with_it(code: str, capital: str, form: str) -> None:
    assert state_and_zip([form.format(capital, code=code)]) == (None, None)


def test_a_zip_code_of_a_territory_before_the_town_is_in_the_territory() -> None:
    assert state_of_zip("00901") == "PR"
    assert state_and_zip(["00901 San Juan, CO"]) == ("PR", None)
