"""A profile as JSON Resume and back, and what is read of a resume that somebody else's program wrote."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signup.adapters.titles import occupations_of
from services.signup.decisions.coarsening import PAY_STEP, YEARS
from services.signup.decisions.place_names import AREAS
from services.signup.decisions.resume import Reading, read, written
from services.signup.decisions.skills import known_skills
from services.signup.model.people import Person
from shared.contracts.codes import STATES, occupation_codes
from shared.contracts.signup import CoarseProfile, EmploymentType

TODAY = date(2026, 11, 28)
KINDS: tuple[EmploymentType, ...] = ("full_time", "part_time", "contract", "temporary", "internship")
AREAS_OF_STATES = sorted(digits for digits, state in AREAS.items() if state in STATES)
PROFILES = st.builds(
    CoarseProfile,
    occupations=st.lists(st.sampled_from(sorted(occupation_codes())), unique=True, max_size=20).map(tuple),
    skills=st.lists(st.sampled_from(sorted(known_skills())), unique=True, max_size=50).map(tuple),
    years=st.none() | st.sampled_from(YEARS),
    state=st.none() | st.sampled_from(sorted(STATES)),
    area=st.none() | st.sampled_from(AREAS_OF_STATES),
    remote=st.booleans(),
    employment_types=st.lists(st.sampled_from(KINDS), unique=True).map(tuple),
    pay_floor=st.none() | st.integers(0, 500).map(lambda step: step * PAY_STEP),
    available_from=st.none() | st.dates(date(2020, 1, 1), date(2035, 1, 1)).map(lambda day: day.replace(day=1)),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.sampled_from(
        ["2019", "2019-03", "Present", "Registered nurse", "Driver", "CO", "80202", "US", "DE", "triage", "\ud800"]
    ),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            [
                "basics", "work", "skills", "meta", "fairpool", "sections", "experience", "items", "name", "email", "location",
                "region", "countryCode", "postalCode", "city", "position", "startDate", "endDate", "date", "keywords", "version",
                "occupations", "years", "state", "area", "remote", "pay_floor", "available_from", "time_zone", "employment_types",
            ]
        ) | st.text(max_size=5),
        inner,
        max_size=8,
    ),
    max_leaves=40,
)  # fmt: skip


def reading(given: dict[str, Any]) -> Reading:
    return read(given, occupations_of=occupations_of, today=TODAY)


def profile_of(found: Reading) -> CoarseProfile:
    fields = {name: value for name, value in found.fields.items() if name not in ("name", "email", "time_zone")}
    return CoarseProfile.model_validate_json(
        json.dumps({("area" if name == "postal_code" else name): value for name, value in fields.items()})
    )


def why(found: Reading) -> dict[str, str]:
    return {one.pointer: one.detail for one in found.passed_over}


@given(PROFILES)
def test_a_profile_that_is_taken_along_is_read_back_as_it_was(profile: CoarseProfile) -> None:
    person = Person(mail="ana@example.org", given_name="Ana", family_name="Ruiz", phones=())
    found = reading(json.loads(json.dumps(written(profile, person, time_zone="America/Denver"))))
    assert profile_of(found) == profile
    assert (found.fields["name"], found.fields["email"]) == ("Ana Ruiz", "ana@example.org")
    assert (found.fields["time_zone"], found.passed_over, found.is_ours) == ("America/Denver", (), True)


def test_what_is_written_is_a_resume_that_other_programs_read() -> None:
    profile = CoarseProfile(occupations=("29-1141",), skills=("triage",), years=0, state="CO", area="802", pay_floor=0)
    person = Person(mail="ana@example.org", given_name="Ana", phones=("+13035550100", "+13035550101"))
    assert written(profile, person) == {
        "$schema": "https://raw.githubusercontent.com/jsonresume/resume-schema/v1.0.0/schema.json",
        "basics": {"name": "Ana", "label": "Registered Nurses", "email": "ana@example.org",
                   "phone": "+13035550100, +13035550101", "location": {"region": "CO", "countryCode": "US"}},
        "skills": [{"name": "triage"}],
        "meta": {"version": "v1.0.0", "fairpool": {"version": 1, "occupations": ["29-1141"], "skills": ["triage"],
                 "years": 0, "state": "CO", "area": "802", "pay_floor": 0}},
    }  # fmt: skip


def test_who_kept_nothing_takes_along_who_they_are() -> None:
    found = reading(written(None, Person(mail="bo@example.org")))
    assert (found.fields, found.passed_over) == ({"email": "bo@example.org"}, ())


@given(st.dictionaries(st.sampled_from(["basics", "work", "skills", "meta", "sections", "resume"]), ANYTHING))
def test_whatever_stands_in_the_file_it_is_read_or_passed_over_with_a_sentence(given: dict[str, Any]) -> None:
    found = reading(given)
    assert len(found.passed_over) <= 41
    for one in found.passed_over:
        assert one.pointer.startswith("#")
        assert one.detail.endswith(".")
        assert (one.pointer + one.detail).encode()  # no half of a surrogate pair
    assert set(found.fields) <= {
        "name", "email", "work", "occupations", "skills", "years", "state", "postal_code", "remote", "employment_types", "pay_floor",
        "available_from", "time_zone",
    }  # fmt: skip


@dataclass
class Field:
    """One of ours, as somebody changed it."""

    name: str
    value: Any


@pytest.mark.parametrize(
    "field",
    [
        Field("occupations", "29-1141"), Field("occupations", ["99-9999"]), Field("occupations", [1]), Field("occupations", {"a": 1}),
        Field("skills", ["charm"]), Field("skills", 1), Field("years", "6"), Field("years", -1), Field("years", 1e999),
        Field("years", True), Field("years", 10**30), Field("years", float("nan")), Field("state", "PR"), Field("state", ["CO"]),
        Field("area", "80"), Field("area", "006"), Field("area", 1.5), Field("area", "٨٠٢"), Field("remote", "yes"), Field("remote", 1),
        Field("employment_types", ["gig"]), Field("pay_floor", "much"), Field("pay_floor", 10**9), Field("available_from", "soon"),
        Field("available_from", 2027), Field("available_from", "2027-13-01"), Field("time_zone", 5),
    ],
    ids=str,
)  # fmt: skip
def test_one_of_our_fields_that_is_wrong_is_passed_over_with_its_place(field: Field) -> None:
    given = written(CoarseProfile(remote=True, skills=("triage",)))
    given["meta"]["fairpool"] |= {field.name: field.value}
    found = reading(given)
    assert any(pointer.startswith(f"#/meta/fairpool/{field.name}") for pointer in why(found))
    assert found.fields.get("postal_code" if field.name == "area" else field.name) in (None, [])


def test_a_newer_version_of_fairpool_is_read_as_far_as_it_is_known() -> None:
    given = written(CoarseProfile(skills=("triage",)))
    given["meta"]["fairpool"] |= {"version": 2, "moons": 3}
    found = reading(given)
    assert found.fields["skills"] == ["triage"]
    assert why(found).keys() == {"#/meta/fairpool/version"}


def work(*spans: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "work": [{"position": "Welder", **dict(zip(("startDate", "endDate"), span, strict=False))} for span in spans]
    }


@pytest.mark.parametrize(
    ("spans", "years"),
    [
        ([("2019-03", "2021-02")], 1),
        ([("2016", "2021")], 5),
        ([("2016", "2020"), ("2018", "2021")], 5),
        ([("2011-11-01", "Present")], 15),
        ([("2011-11-01", None)], 15),
        ([("2011-11",)], 15),
        ([("11/2011", "")], 15),
        ([("November 2011", "current")], 15),
        ([("Nov 5, 2011", "today")], 15),
        ([("2011-11-05T00:00:00.000Z", "2027-12")], 15),
        ([(2016, 2021)], 5),
        ([("2026-11", "Present")], 0),
        ([("2018", "2016")], None),
        ([("2031", "2033")], None),
        ([("", "2020")], None),
        ([("soon", "2020")], None),
        ([("2019-13", "2020")], None),
        ([("0001", "2020")], None),
        ([(["2019"], "2020")], None),
        ([({}, None)], None),
        ([("2018", "2016"), ("2016", "2021")], 5),
        ([("enero 2016", "dic. de 2018")], 3),
        ([("1 de marzo de 2016", "marzo del 2018")], 1),
        ([("Ene. 2011", "Actualidad")], 15),
        ([("setiembre 2016", "Agosto-2018")], 1),
        ([("noviembre/2011", "hasta la fecha")], 15),
        ([("Desde abril 2011", "a la fecha")], 15),
        ([("15/06/2016", "31/12/2019")], 3),
        ([("06/15/2016", "12/31/2019")], 3),
        ([("2016\u201306", "2019\u201312")], 3),
    ],
)
def test_years_are_counted_from_the_dates_that_people_write(spans: list[tuple[Any, ...]], years: int | None) -> None:
    found = reading(work(*spans))
    assert found.fields.get("years") == years
    said = [pointer for pointer in why(found) if pointer.startswith("#/work/0")]
    assert (said != []) == (spans[0] in [("2018", "2016"), ("2031", "2033"), ("", "2020"), ("soon", "2020"),
                                         ("2019-13", "2020"), ("0001", "2020"), (["2019"], "2020")])  # fmt: skip


@pytest.mark.parametrize("said", ["13/13/2015", "market 2019", "de 2019", "mar 19"])
def test_what_is_no_date_in_either_language_is_said_whole(said: str) -> None:
    assert any(f"“{said}” is no date" in one.detail for one in reading(work((said, "2020"))).passed_over)


@pytest.mark.parametrize(
    ("dates", "years"),
    [
        ("Aug 2015 – Sep 2019", 3), ("enero de 2016 a diciembre de 2018", 3), ("2015 al 2019", 3), ("desde 2015 hasta 2019", 3),
        ("enero 2011 a la fecha", 15), ("Ene 2011 - Actualidad", 15), ("2015 TO 2019", 3), ("two years", None), ("2019", None),
    ],
)  # fmt: skip
def test_a_time_in_one_field_is_read_or_said(dates: str, years: int | None) -> None:
    found = reading({"work": [{"position": "Welder", "dates": dates}]})
    assert found.fields.get("years") == years
    assert ("#/work/0/dates" in why(found)) == (years is None)


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ({"region": "Colorado", "countryCode": "US"}, ("CO", None)),
        ({"region": "co", "postalCode": "80202-1234"}, ("CO", "80202")),
        ({"region": "MA", "postalCode": 2139}, ("MA", "02139")),
        ({"postalCode": "80202", "countryCode": "us"}, ("CO", "80202")),
        ({"city": "Denver, CO", "country": "United States"}, ("CO", None)),
        ({"city": "Denver", "state": "CO"}, ("CO", None)),
        ("Denver, CO", ("CO", None)),
        ([{"region": "CO"}], ("CO", None)),
        ({"region": "WA", "countryCode": "AU"}, (None, None)),
        ({"region": "Bavaria", "countryCode": "DE", "postalCode": "80202"}, (None, None)),
        ({"postalCode": "10115"}, (None, None)),
        ({"region": "CO", "postalCode": "10001"}, (None, None)),
        ({"region": "Puerto Rico", "countryCode": "US"}, (None, None)),
        ({"region": 7}, (None, None)),
        (5, (None, None)),
        ("Perth, WA", (None, None)),
        ({"postalCode": "CA 94115", "region": "California", "countryCode": "US"}, ("CA", "94115")),
        ({"postalCode": "CO 80233-1000", "region": "Colorado"}, ("CO", "80233")),
        ({"postalCode": "Colorado, 80233", "countryCode": "US"}, ("CO", "80233")),
        ({"postalCode": "TX 75201"}, ("TX", "75201")),
        ({"postalCode": "US-80202"}, ("CO", "80202")),
        ({"postalCode": "CO 94115", "countryCode": "US"}, (None, None)),
        ({"postalCode": "DE 19801"}, (None, None)),
        ({"postalCode": "D-80331", "city": "Munich"}, (None, None)),
        ({"postalCode": "CA 94115", "countryCode": "CA"}, (None, None)),
        ({"region": "Florida, United States", "city": "Miami"}, ("FL", None)),
        ({"region": "Colorado (CO)"}, ("CO", None)),
        ({"region": "CO (Colorado)"}, ("CO", None)),
        ({"region": "Colorado (WA)"}, (None, None)),
    ],
)  # fmt: skip
def test_a_place_is_taken_where_it_is_clear(location: Any, place: tuple[str | None, str | None]) -> None:
    found = reading({"basics": {"location": location}})
    assert (found.fields.get("state"), found.fields.get("postal_code")) == place
    assert (why(found) == {}) == (place != (None, None))


def test_titles_become_occupations_newest_first_and_what_is_unclear_gets_a_sentence() -> None:
    jobs = [("Cashier", "2010", "2011"), ("Registered nurse", "2020", None), ("Wizard", "2012", "2013"), ("Driver", "2014", "2015"),
            ("Welder", "2016", "2017"), ("Bartender", "2018", "2019")]  # fmt: skip
    found = reading({"work": [{"position": title, "startDate": a, "endDate": b} for title, a, b in jobs]})
    assert found.fields["occupations"] == ["29-1141", "35-3011", "51-4121"]
    assert "work" not in found.fields
    told = " ".join(one.detail for one in found.passed_over)
    assert "without “Cashier”" in told
    assert "“Wizard” is no job title that we know" in told
    assert "“Driver” may mean several occupations" in told


def test_a_title_that_no_list_has_is_left_in_its_own_words_for_the_person() -> None:
    found = reading({"basics": {"label": "Wizard"}, "work": [{"position": "Driver"}]})
    assert found.fields["work"] == "Driver"
    assert [one.detail for one in found.passed_over] == ["“Wizard” is no job title that we know."]


def test_skills_go_through_the_vocabulary_wherever_a_builder_puts_them() -> None:
    given = [
        {"name": "Clinical", "level": "", "keywords": ["Triage", "Phlebotomy"]},
        "Forklift, charm",
        {"name": "python"},
        None,
        7,
    ]
    found = reading({"skills": given})
    assert found.fields["skills"] == ["triage", "phlebotomy", "forklift", "python"]
    assert why(found) == {"#/skills": "Not on our list of skills: “charm”.", "#/skills/4": "This is no text."}


@pytest.mark.parametrize(
    ("said", "skills", "unknown"),
    [
        ("Python (Programming Language)", ["python"], []), ("Python (langage de programmation)", ["python"], []),
        ("Basic Life Support (BLS)", ["bls"], []), ("C++ (Programming Language), SQL", ["c++", "sql"], []),
        ("JavaScript (ES6)", ["javascript"], []), ("Java / Python", ["java", "python"], []), ("Java/Python", ["java", "python"], []),
        ("PHP MVC (Custom, Cake, etc), SQL", ["sql"], ["PHP MVC (Custom, Cake, etc)"]), ("Charm (a lot)", [], ["Charm (a lot)"]),
        ("Tools (Python, charm)", ["python"], []), ("a/c", [], ["a/c"]), ("Python (", [], ["Python ("]), ("(((,)))", [], ["(((,)))"]),
    ],
)  # fmt: skip
def test_a_skill_is_known_with_a_bracket_behind_it_and_nothing_is_cut_within_one(
    said: str, skills: list[str], unknown: list[str]
) -> None:
    found = reading({"skills": [{"name": said}]})
    assert found.fields.get("skills", []) == skills
    told = f"Not on our list of skills: {', '.join(f'“{word}”' for word in unknown)}."
    assert [one.detail for one in found.passed_over] == ([told] if unknown else [])


@pytest.mark.parametrize(
    "skills",
    [
        {"languages": ["Python"], "more": ["SQL"]}, {"languages": "Python, SQL"}, {"Python": 5, "SQL": "4"}, [["Python"], ["SQL"]],
        {"technical": {"languages": ["Python"], "databases": [{"name": "SQL"}]}}, [{"skill_name": "Python"}, {"skillName": "SQL"}],
        [{"category": "Languages", "list": ["Python", "SQL"]}], [{"name": "Python", "keywords": ["SQL"]}],
    ],
)  # fmt: skip
def test_skills_are_found_in_lists_by_headings_and_in_lists_of_lists(skills: Any) -> None:
    assert reading({"skills": skills}).fields["skills"] == ["python", "sql"]


def test_skills_far_inside_are_said_to_be_none_that_we_read() -> None:
    found = reading({"skills": {"aa": {"bb": {"cc": {"dd": {"ee": ["Python"]}}}}}})
    assert (found.fields, why(found)) == ({}, {"#/skills/aa/bb/cc/dd/ee": "These are no skills that we can read."})


@pytest.mark.parametrize(
    "name",
    ["work", "experience", "experiences", "Work Experience", "work_experience", "employment", "Experiencia Laboral"],
)
def test_work_is_found_under_the_names_that_people_give_it(name: str) -> None:
    found = reading({name: [{"title": "Registered nurse", "from": "2016", "to": "2021"}]})
    assert (found.fields, found.passed_over) == ({"occupations": ["29-1141"], "years": 5}, ())


@pytest.mark.parametrize("title", ["title", "puesto", "designation", "Job Title", "cargo"])
def test_a_title_is_found_under_the_names_that_people_give_it(title: str) -> None:
    assert reading({"work": [{"company": "X", title: "Registered nurse"}]}).fields == {"occupations": ["29-1141"]}


def test_a_job_without_a_title_is_said() -> None:
    found = reading({"work": [{"company": "X", "post": "Nurse", "startDate": "2016", "endDate": "2021"}]})
    assert (found.fields, why(found)) == ({"years": 5}, {"#/work/0": "This job has no title that we can find."})


WHO = {"name": "Ana Ruiz", "email": "ana@example.org"}
FOUND = {**WHO, "state": "CO"}


@pytest.mark.parametrize(
    "given",
    [
        {**WHO, "location": "Denver, CO"}, {**WHO, "address": "1 Main St", "city": "Denver", "state": "CO"},
        {"personalInfo": {**WHO, "location": {"region": "CO"}}}, {"Personal Information": {"fullName": WHO["name"], **WHO, "state": "CO"}},
        {"firstName": "Ana", "last_name": "Ruiz", "emails": ["ana@example.org"], "location": {"region": "CO"}},
        {"contact": {**WHO, "location": "Denver, CO"}},
    ],
)  # fmt: skip
def test_who_it_is_stands_beside_the_work_or_under_another_name(given: dict[str, Any]) -> None:
    found = reading(given)
    assert (found.fields, found.passed_over) == (FOUND, ())


def test_what_is_not_read_is_said_of_every_name_at_the_top() -> None:
    """Nothing stands in a file of which neither the form nor a sentence says anything."""
    given = {**WHO, "poems": ["x"], "Hobbies": "y", "phone": "1", "experience": [{"title": "Welder"}], "awards": []}
    (one,) = reading(given).passed_over
    assert (
        one.detail
        == "Not read, since the form does not ask for it or we don’t know the name: “poems”, “Hobbies”, “phone”."
    )


@pytest.mark.parametrize("words", ["2019–12–x", "O’Brien’s day", "Aug 2015 – never", "50 % $*|?! ©", "日本語", "naïve"])
def test_words_of_the_file_are_repeated_whole(words: str) -> None:
    assert f"“{words}” is no date" in reading(work((words, "2020"))).passed_over[0].detail


def test_a_place_is_an_exact_pointer_for_programs_and_words_for_people() -> None:
    (one, *_) = reading({"Work Experience": [{"puesto de/mío": "x"}]}).passed_over
    assert (one.pointer, one.place) == ("#/Work%20Experience/0", "Work Experience 1")
    (one, *_) = reading({"meta": {"fairpool": {"skills": ["triage", "cha\u202erm"]}}}).passed_over
    assert (one.pointer, one.place) == ("#/meta/fairpool/skills/1", "meta, fairpool, skills 2")
    (one, *_) = reading({"a/~\ud800\n": 1, "basics": {"location": {"region": "x"}}}).passed_over
    assert one.place == "basics, location, region"


def test_words_of_the_file_are_repeated_without_what_cant_be_seen() -> None:
    found = reading(
        {"work": [{"position": "Wiz\u202eard\ud800 " + "x" * 200}, {"position": "Driver"}, {"position": "Welder"}]}
    )
    (long,) = (one.detail for one in found.passed_over if "Wizard" in one.detail)
    assert len(long) < 120
    assert long.encode()


def test_a_list_of_a_hundred_thousand_is_read_to_its_first_hundred() -> None:
    found = reading({"work": [{"position": f"Wizard {number}"} for number in range(100_000)]})
    assert len(found.passed_over) == 41
    assert found.passed_over[-1].detail.startswith("And ")
