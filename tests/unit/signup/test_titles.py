"""One title is one title however it is spelled, and no title is guessed."""

import csv
from collections import Counter

import pytest

from services.signup.adapters.titles import occupation_of, occupations_of, suggestions, titles
from services.signup.adapters.titles.folding import LONGEST, key, words
from services.signup.adapters.titles.table import official, shipped
from shared.contracts.codes import OCCUPATIONS

SPELLINGS = {
    "15-1252": [
        "Software Engineer", "software engineer", "SOFTWARE ENGINEER", "Software Engineers", "Software-Engineer", "Software Developer",
        "Software Dev", "Software Eng.", "SW Engineer", "Sr. Software Engineer", "Sr Software Engineer", "Senior Software Engineer",
        "Principal Software Engineer", "Staff Software Engineer", "Lead Software Engineer", "Junior Software Developer",
        "Software Engineer II", "Software Engineer III", "Software Engineer 2", "Software Engineer, Senior", "Software Engineer (Senior)",
        "Software Engineer - Remote", "Remote Software Engineer", "Software Engineer, Platform", "Software Engineer - Payments Platform",
        "Software Engineer, iOS", "iOS Engineer", "iOS Developer", "Android Developer", "Mobile Developer", "Software Engineer at Google",
        "Software Engineer @ Acme", "Software Engineer (Python)", "Java Developer", "Java Engineer", "Python Developer",
        "Sr. .NET Developer", "C# Developer", "C++ Software Engineer", "Node.js Developer", "Backend Developer", "Back-End Developer",
        "Back End Engineer", "Backend Engineer", "Backend Java Developer", "Fullstack engineer", "Full-Stack Developer", "Full Stack Engineer",
        "Full Stack Web Developer", "Senior Software Engineer: Full-Stack with TypeScript", "SWE", "SDE II", "DevOps Engineer",
        "Software Engineer | Denver, CO", "Software Engineer, Denver", "Software Engineer (Denver, CO)", "Software Engineer, Kiro",
        "Software Engineer – Req #12345", "New Grad Software Engineer", "Software Engineer, Full Time", "  Software   Engineer ",
        "Applications Developer", "App Developer",
    ],
    "15-1254": [
        "Front-End Engineer", "Front End Engineer", "Frontend Engineer", "Front-End Engineer, Kiro", "Front End Developer", "Frontend Developer",
        "Sr. Front-End Developer", "React Frontend Developer", "Web Developer", "Web Engineer", "Web Dev", "Website Developer",
    ],
    "29-1141": [
        "Registered Nurse", "Registered Nurses", "registered-nurse", "RN", "RNs", "R.N.", "R. N.", "rn", "RN's", "Registered Nurse (RN)", "RN - Registered Nurse",
        "Registered Nurse, ICU", "ICU RN", "RN ICU", "RN (Med/Surg)", "Med-Surg RN", "Registered Nurse - Labor & Delivery", "RN, BSN", "PRN RN",
        "Registered nurse (nights)", "Night Shift - RN", "Night Shift RN", "RN - Nights", "Registered Nurse, Full Time, Days", "ER Registered Nurse",
        "Registered Nurse - Emergency Department", "Registered Nurse II", "Sr. Registered Nurse", "Registered Nurse Telemetry", "Travel RN",
        "Registered Nurse - Denver, CO", "RN / BSN", "Registered Nurse | Oncology | Days", "Registered Nurse - $10,000 Sign-On Bonus",
        "Staff Nurse", "ICU Nurse", "Registered Nurse @ Denver Health", "Registered Nurse [Nights]", "Weekend RN", "Per Diem Registered Nurse",
    ],
    "29-2061": ["LPN", "L.P.N.", "LPNs", "LVN", "LPN/LVN", "Licensed Practical Nurse", "Licensed Practical Nurse (LPN)", "LPN - Nights"],
    "31-1131": ["CNA", "C.N.A.", "CNAs", "Certified Nursing Assistant", "Certified Nursing Assistant (CNA)", "Nurse's Aide", "Nurses Aide", "Nursing Asst."],
    "43-4051": [
        "Customer Service Rep", "Customer Service Representative", "Customer-Service Representatives", "CSR", "Bilingual Customer Service Representative",
        "Customer Service Representative (CSR)", "Customer Service Rep. - Remote", "Part-Time Customer Service Representative",
        "Customer Service Representative - Call Center", "Cust. Svc. Rep",
    ],
    "47-2111": [
        "Electrician", "Electricians", "Electrician, Denver", "Journeyman Electrician", "Master Electrician", "Electrician (Journeyman)",
        "Electrician - Commercial", "Electrician Apprentice", "Licensed Electrician", "Electrician, Denver, CO", "Electrician - Kiewit",
    ],
    "49-9021": ["HVAC Technician", "HVAC Tech", "H.V.A.C. Technician", "HVAC Technician - Commercial", "Sr. HVAC Technician", "HVAC Service Technicians"],
    "53-3032": [
        "Truck Driver", "truck drivers", "CDL A Truck Driver - Denver, CO", "CDL-A Truck Driver", "Truck Driver - OTR", "Truck Driver (Class A)", "Semi-Truck Driver",
        "Over-the-Road Truck Driver", "Regional Truck Driver", "Local CDL Truck Driver",
    ],
    "53-7065": ["Warehouse Associate", "Warehouse Assoc.", "Warehouse Associate - 2nd Shift", "Order Picker", "Stocker (Overnight)", "Overnight Stocker"],
    "41-2011": ["Cashier", "Cashiers", "Cashier - Part Time", "Part-time Cashier", "Cashier, Whataburger", "Cashier (Front End)", "Cashier I"],
    "43-6014": ["Administrative Assistant", "Admin Assistant", "Administrative Asst", "Administrative Assistant II", "Admin. Assistant (Part Time)"],
    "25-2021": ["Elementary School Teacher", "Elementary Teachers", "Elementary Teacher - 3rd Grade", "Elem. School Teacher", "Elementary School Teacher, Bilingual"],
    "25-9042": ["Teacher's Aide", "Teachers Aide", "Teacher Aide", "Teacher Aides", "Classroom Assistant"],
    "39-9011": ["Child Care Worker", "Childcare Worker", "Day-care Worker", "Child-Care Workers"],
    "43-1011": ["Office Manager", "Office Mgr", "Office Mgr."],
    "11-3121": ["HR Manager", "H.R. Manager", "Human Resources Manager", "Human Resource Manager", "Sr. HR Manager"],
    "15-1232": ["Help Desk Technician", "Helpdesk Technician", "Help-Desk Tech", "IT Support Specialist", "I.T. Support Specialist"],
    "29-1127": ["Speech-Language Pathologist", "Speech Language Pathologist", "Speech Language Pathologist (SLP)", "SLP"],
    "41-2031": ["Retail Sales Associate", "Sales Associate", "Sales Associates - Shoes"],
    "49-3023": ["Auto Mechanic", "Automotive Technician", "Automotive Tech", "Auto Mechanics"],
    "27-1024": ["Graphic Designer", "Graphic Designers", "Senior Graphic Designer", "Graphic Designer (Freelance)", "Graphic Designer - Contract"],
}  # fmt: skip

NO_HEADS = {
    "29-1141": [
        "Nurse Recruiter", "RN Recruiter", "Registered Nurse, Recruiter", "Registered Nurse - Nurse Manager", "Registered Nurse, Educator", "RN, Director",
        "Nurse Liaison", "Nurse Uniform Designer", "Registered Nurse, Informatics Sales", "Student Nurse", "Former Registered Nurse",
        "Wife of a Registered Nurse", "RN to BSN Student", "Registered Nurse wanted", "Registered Nurse Registered Dietitian", "Nurse Recruiting Assistant",
    ],
    "15-1252": [
        "Engineer, Sales", "Software Sales", "Software Engineer, Recruiter", "Software Engineer, Sales", "Software Engineer, Support",
        "Software Engineer - Manager", "Software Engineer (Recruiting)", "Software Engineer / Manager", "Software Engineer with Sales",
        "Software Engineer in Sales", "Software Engineer, Test Lead", "Not a Software Engineer", "Software Engineering Manager", "Software Sales Engineer",
        "Software Engineer, Sales Engineering", "Machine Learning Recruiter", "Cashier Software Engineer", "Engineer at Sales",
    ],
    "25-2021": ["Teacher's Aide", "Teacher, Aide", "Teacher Recruiter", "Teacher Training Manager", "Elementary School Teacher, Assistant", "Elementary School Secretary"],
    "35-3031": ["Server, Linux", "Server Administrator", "Server at Amazon"],
    "35-9031": ["Host, Airbnb", "Host at Airbnb", "Host Family Coordinator"],
    "17-1011": ["Architect, AWS", "Software Architect", "Data Architect", "Solutions Architect"],
    "11-9051": ["Assistant Manager, Restaurant", "General Manager, Restaurant"],
    "11-1021": ["General Manager, Restaurant", "General Manager, Sales"],
    "13-1082": ["Project Manager, Construction", "Project Manager, Marketing"],
    "41-1011": ["Assistant to the Store Manager", "Store Manager, Recruiting"],
    "47-2111": ["Electrician, Helper", "Electrician Instructor", "Electrician Supervisor - Sales", "Retired Electrician", "Electrician's Union Organizer"],
    "47-2152": ["Plumber, Sales", "Plumbing Sales", "Plumber Helper"],
    "51-4121": ["Welder, Instructor", "Welding Sales"],
    "41-2011": ["Cashier, Supervisor", "Cashier Trainer"],
    "53-3032": ["Truck Driver Recruiter", "Truck Driver, Trainer", "Truck Driver Safety Manager", "Driver, Recruiter"],
    "29-1051": ["Pharmacist, Sales", "Pharmacy Sales Representative", "Pharmacist Recruiter"],
    "29-1021": ["Dentist Office Manager", "Dental Sales", "Dentist, Assistant"],
    "23-1011": ["Attorney Recruiter", "Attorney, Marketing", "Attorney's Secretary"],
    "13-2011": ["Accountant, Sales", "Accounting Recruiter"],
    "33-2011": ["Firefighter, Recruiter"],
    "33-3051": ["Police Officer, Instructor", "Police Officer, Dispatcher"],
    "33-9032": ["Security Guard Sales", "Security Guard, Trainer"],
    "29-1123": ["Physical Therapist, Recruiter", "Physical Therapist, Sales", "Physical Therapist Assistant", "Physical Therapist, Aide"],
    "29-1215": ["Physician, Assistant", "Physician, Sales", "Physician Recruiter"],
    "29-1131": ["Veterinarian, Technician", "Veterinarian Assistant"],
    "15-1254": ["Web Developer, Sales"],
    "11-9021": ["Construction Manager, Sales"],
    "41-2031": ["Sales Associate, Insurance"],
    "43-4051": ["Customer Service Representative, Bank Teller"],
    "37-2012": ["Housekeeper, Supervisor"],
    "17-2071": ["Electrical Engineer, Technician"],
    "29-2034": ["Computed Tomography (CT) Scanner Operator"],
    "25-2058": ["Junior High School Special Education Teacher"],
}  # fmt: skip


@pytest.mark.parametrize(("code", "title"), [(code, title) for code, all_ in SPELLINGS.items() for title in all_])
def test_one_title_is_one_title_however_it_is_spelled(code: str, title: str) -> None:
    assert occupations_of(title) == (code,)


@pytest.mark.parametrize(("code", "title"), [(code, title) for code, all_ in NO_HEADS.items() for title in all_])
def test_the_head_of_a_title_does_not_count_where_the_rest_says_something_else(code: str, title: str) -> None:
    assert code not in occupations_of(title)


@pytest.mark.parametrize("title", ["", " ", "Happiness wizard", "Intern", "Engineer", "Manager", "Analyst", "Night Manager", "Remote", "Denver, CO", "Senior", "II", ",,", "@", "ML", "Machine Learning", "Senior ML", "OTR", "Over-the-Road", "Vets", "DSP", "CTR", "Front Desk", "Acct Manager", "Sr Acct Mgr"])  # fmt: skip
def test_what_names_no_occupation_gives_none(title: str) -> None:
    assert occupations_of(title) == ()


def test_there_are_spellings_enough_on_both_sides() -> None:
    assert sum(map(len, SPELLINGS.values())) >= 150
    assert sum(map(len, NO_HEADS.values())) >= 60


@pytest.mark.parametrize(
    ("title", "codes"),
    [
        ("Bartender/Server", ("35-3011", "35-3031", "35-3041")), ("Cashier and Stocker", ("41-2011", "53-7065")), ("RN or LPN", ("29-1141", "29-2061")),
        ("Dishwasher & Prep Cook", ("35-9021", "35-2021")), ("Nurse", ("29-1141", "29-2061", "29-1171")), ("Senior Architect", ("15-1299", "17-1011")),
        ("Nurse - Nights", ("29-1141", "29-2061", "29-1171")), ("CMA", ("13-2011", "31-1131", "31-9092")),
    ],
)  # fmt: skip
def test_a_title_that_names_several_occupations_has_them_all_and_none_of_them_alone(
    title: str, codes: tuple[str, ...]
) -> None:
    assert sorted(occupations_of(title)) == sorted(codes)
    assert occupation_of(title) is None


@pytest.mark.parametrize(
    "filling", ["a", "night ", "senior ", "i ", "1 ", ", ", "/", "RN/", "RN, ", "(", " - ", "é", " at ", "s", "RN and "]
)
def test_a_text_that_is_no_title_costs_nothing(filling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0

    def counted(folded: list[str]) -> str:
        nonlocal steps
        steps += 1
        return key(folded)

    monkeypatch.setattr("services.signup.adapters.titles.reading.key", counted)
    assert occupations_of("RN " + filling * (100_000 // len(filling))) == ()
    assert steps == 0
    occupations_of("RN " + filling * ((LONGEST - 3) // len(filling)))
    assert steps < 2_000


def test_the_table_is_long_and_its_codes_are_detailed_occupations_of_every_major_group() -> None:
    with OCCUPATIONS.open(encoding="utf-8", newline="") as lines:
        detailed = {row["code"] for row in csv.DictReader(lines) if row["level"] == "detailed"}
    codes = {code for all_ in shipped().values() for code in all_}
    assert len(shipped()) >= 1_500
    assert codes <= detailed
    assert len({code[:2] for code in codes}) == 23
    assert len(official()) == len(detailed)


def test_no_two_titles_of_the_table_that_are_one_spelling_differ_in_their_codes() -> None:
    by_key = Counter(key(words(title)) for title in titles())
    assert [found for found, count in by_key.items() if count > 1] == []


def test_every_title_of_the_table_is_found_as_it_is_shown() -> None:
    assert [title for title, codes in shipped().items() if occupations_of(title) != codes] == []
    assert [title for title in titles() if len(title) > 100] == []


def test_every_official_name_of_an_occupation_is_understood() -> None:
    assert [name for name, code in official().items() if code not in occupations_of(name)] == []


def test_the_join_page_suggests_a_title_of_every_occupation_and_not_all_of_them() -> None:
    suggested = list(suggestions())
    assert 800 < len(suggested) < 2_000
    assert {"Registered nurse", "Truck driver", "Software developer", "Cook", "Cashier"} <= set(suggested)
    assert suggested == sorted(suggested, key=str.casefold)


def test_levels_without_end_are_not_cut_off_in_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0

    def counted(folded: list[str]) -> str:
        nonlocal steps
        steps += 1
        return key(folded)

    monkeypatch.setattr("services.signup.adapters.titles.reading.key", counted)
    for length in (29, 99):
        levels = (("am", "pm", "sr", "jr")[place**3 // 7 % 4] for place in range(length))
        assert occupations_of(" ".join(levels)) == ()
    assert steps < 1_000
