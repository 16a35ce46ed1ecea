"""What stands beside a title and says nothing of the trade: level, shift, hours, place, papers, team.

Only what is listed here counts as decoration (and names, see `reading`): a word that may make another occupation of a
title (sales, recruiter, aide, manager, test) is in no list.
"""

from collections.abc import Iterable, Mapping, Set

from services.signup.adapters.titles.folding import words
from services.signup.decisions.places import state_and_zip

Phrase = tuple[str, ...]


def _phrases(text: str) -> frozenset[Phrase]:
    return frozenset(tuple(words(part)) for part in text.replace("\n", " ").split(",") if part.strip())


BEFORE = _phrases(
    "senior, sr, snr, junior, jr, jnr, lead, principal, staff, associate, mid, mid level, mid-level, intermediate, entry level,"
    " experienced, distinguished, trainee, apprentice, journeyman, journey level, master, certified, licensed, new grad,"
    " graduate, general, part time, full time, temporary, temp, seasonal, night, night shift, nights, day shift, overnight, evening,"
    " evening shift, weekend, weekends, 1st shift, 2nd shift, 3rd shift, first shift, second shift, third shift, am, pm,"
    " graveyard shift, graveyard, remote, hybrid, onsite, in office, bilingual, spanish speaking, bilingual spanish, urgent,"
    " now hiring, hiring, immediate hire, hiring immediately, prn, per diem, on call, virtual, freelance, fulltime, parttime"
)
"""What is cut off before a title."""
AFTER = _phrases(
    "i, ii, iii, iv, v, vi, 1, 2, 3, 4, 5, 6, l1, l2, l3, l4, l5, l6, l7, ic1, ic2, ic3, ic4, ic5, ic6, level 1, level 2, level 3,"
    " level 4, level 5, level i, level ii, level iii, level iv, grade 1, grade 2, grade 3, grade 4, senior, sr, junior, jr, trainee,"
    " apprentice, entry level, mid level, all levels, full time, part time, nights, days, evenings, weekends, night shift, day shift,"
    " evening shift, overnight, overnights, 1st shift, 2nd shift, 3rd shift, first shift, second shift, third shift, prn, per diem,"
    " remote, hybrid, seasonal, temporary, temp, onsite, contract, temp to hire, contract to hire, freelance, ft, pt time, wfh,"
    " work from home, on call, swing shift, graveyard shift, rotating shift, am, pm"
)
"""What is cut off after a title."""
BESIDE = (
    BEFORE
    | AFTER
    | _phrases(
        "day, shift, shifts, rotating, rotating shifts, all shifts, multiple shifts, flexible, flexible hours, flexible schedule, schedule,"
        " mon fri, monday friday, m f, hours, hour, hr, hrs, hourly, week, weekly, salary, salaried, permanent, perm, direct hire, w2,"
        " 1099, c2c, ft, pt, internship, all genders, m f d, m w d, f m d, d f m, h f, eoe, no experience, no experience needed,"
        " no experience required, will train, training provided, paid training, experience required, sign on bonus, signon bonus,"
        " sign-on bonus available, bonus, relocation, relocation assistance, visa sponsorship, benefits, great benefits, great pay,"
        " weekly pay, paid weekly, daily pay, up to, competitive pay, hiring event, start, immediate start, immediate, start immediately,"
        " immediately, new, urgent need, urgently hiring, apply now, open, multiple openings, multiple locations, various locations,"
        " nationwide, usa, us, us based, united states, anywhere, downtown, north, south, east, west, metro area, metro, area, req, job,"
        " req id, requisition, id, ref, posting, opening, position, role, opportunity, clearance, secret clearance, ts sci,"
        " security clearance, active clearance, english, spanish, bilingual english spanish, bilingual spanish english, mandarin,"
        " bsn, adn, msn, bsn preferred, ccrn, bls, acls, pals, nclex, rn license, compact license, dpt, dvm, cpa, cpa preferred, jd, esq,"
        " mba, phd, pe, eit, fe, pmp, cfa, cfp, phr, shrm cp, shrm scp, asq, ase, ase certified, epa, epa certified, osha, osha 10,"
        " osha 30, nremt, aws certified, cissp, comptia, ccna, rdh, rda, rph, pharmd, lcsw, lmsw, lpc, lmft, ccc slp, slp ccc, otr l,"
        " servsafe, tips certified, state certified, certified, licensed, registered, journeyman, master, cdl, class a, class b, cdl a,"
        " cdl b, cdl class a, cdl class b, associate, principal, staff, lead, mid, experienced, contractor, consultant 1099, gig"
    )
)
"""What a part of its own may hold, alone or several of them together."""
JOINING = frozenset(
    {
        "with",
        "and",
        "or",
        "in",
        "for",
        "on",
        "of",
        "the",
        "our",
        "a",
        "to",
        "team",
        "department",
        "dept",
        "unit",
        "group",
    }
)
"""Between words of decoration; nothing by themselves."""

_UNITS = (
    "icu, er, ed, emergency, emergency department, emergency dept, med surg, medical, telemetry, tele, pcu, imcu, step down, stepdown,"
    " nicu, picu, cvicu, micu, sicu, ccu, pacu, or, operating room, perioperative, labor and delivery, l and d, ld, postpartum,"
    " mother baby, women's health, oncology, dialysis, hospice, home health, home care, float pool, float, pediatrics, pediatric, peds,"
    " psych, psychiatric, psychiatry, behavioral health, mental health, cardiac, cardiology, cath lab, surgery, surgical, infusion,"
    " long term care, ltc, skilled nursing, skilled nursing facility, snf, rehab, rehabilitation, ortho, orthopedics, orthopedic,"
    " neuro, neurology, trauma, outpatient, inpatient, ambulatory, ambulatory care, clinic, clinical, hospital, acute care, critical care,"
    " intensive care, intensive care unit, wound care, urgent care, primary care, family practice, family medicine, internal medicine,"
    " dermatology, memory care, assisted living, correctional, travel, traveling, geriatrics, gi, endoscopy, gastroenterology,"
    " urology, nephrology, pulmonary, ob gyn, obgyn, ob, hematology, bmt, transplant, burn unit, observation, floor, bedside,"
    " med tech floor, school based, community, private duty, retail, mail order, compounding, specialty, nuclear"
)
_SOFTWARE = (
    "platform, infrastructure, payments, growth, frontend, front end, front-end, backend, back end, fullstack, full stack, mobile, ios,"
    " android, web, cloud, distributed systems, search, ads, core, api, apis, tools, tooling, developer experience, developer tools,"
    " internal tools, embedded, systems, applications, application, desktop, identity, billing, checkout, consumer, enterprise, product,"
    " early career, university graduate, campus, new college grad, security, java, python, javascript, typescript, react, react native,"
    " angular, vue, node, nodejs, net, dotnet, c#, c++, golang, go, ruby, ruby on rails, rails, php, kotlin, swift, scala, rust, aws,"
    " azure, gcp, kubernetes, linux, microservices, ui, graphql, spring, spring boot, django, salesforce, android auto, graphics, gaming,"
    " game, games, firmware, iot, robotics, autonomy, streaming, video, maps, ecommerce, e commerce, fintech, healthcare, compilers, database,"
    " storage, messaging, notifications, experience, engineering, product engineering, core services, integrations, saas, cad, agile"
)
_TEACHING = (
    "math, mathematics, algebra, geometry, calculus, science, biology, chemistry, physics, earth science, english, ela, language arts,"
    " english language arts, reading, literature, history, social studies, government, economics, spanish, french, german, latin, mandarin,"
    " art, visual arts, music, band, choir, orchestra, drama, theater, pe, physical education, health, grade, grades, 1st grade, 2nd grade,"
    " 3rd grade, 4th grade, 5th grade, 6th grade, 7th grade, 8th grade, 9th grade, first grade, second grade, third grade, fourth grade,"
    " fifth grade, sixth grade, seventh grade, eighth grade, k 5, k 8, k 6, 9 12, 6 8, bilingual, dual language, stem, charter, school year"
)
_SHOP = (
    "produce, deli, bakery, grocery, jewelry, shoes, footwear, men's, mens, women's, womens, kids, apparel, clothing, electronics, cosmetics,"
    " beauty, fragrance, front end, frontend, garden, garden center, lumber, hardware, paint, flooring, furniture, home goods, liquor,"
    " gift shop, pet, toys, sporting goods, drive thru, store, retail, convenience store, gas station"
)
_ROAD = (
    "otr, regional, local, over the road, dedicated, flatbed, tanker, reefer, dry van, cdl a, cdl b, class a, class b, cdl, team, solo,"
    " home daily, home weekly, home weekends, owner operator, hazmat, intermodal, linehaul, line haul, no touch freight, dump truck,"
    " company driver, route, day cab, tractor trailer, box truck, delivery"
)
_TRADES = (
    "commercial, residential, industrial, service, new construction, construction, refrigeration, install, installation, field, plant,"
    " union, non union, multifamily, apartment, apartments, hotel, facility, facilities, building, hvac certified, light commercial,"
    " mig, tig, stick, structural, pipe, fabrication, solar, low voltage, finish, rough, framing, interior, exterior, utility"
)
_PHONE = "call center, inbound, outbound, phone, phones, chat, email, contact center, retail, banking, utilities, insurance, healthcare"
_KITCHEN = "restaurant, kitchen, dining room, banquet, banquets, catering, hotel, bar, lounge, cafe, am, pm, breakfast, lunch, dinner, brunch"
TEAMS: Mapping[str, frozenset[Phrase]] = {
    "15-1252": _phrases(_SOFTWARE), "15-1254": _phrases(_SOFTWARE),
    **dict.fromkeys(
        ("29-1141", "29-2061", "31-1131", "29-1171", "29-1071", "29-1051", "29-2052", "29-1122", "29-1123", "29-1126", "29-1127", "31-2011",
         "31-2021", "31-9092", "29-2055", "29-1031", "31-9097", "31-1121", "31-1122", "29-2042", "29-2043", "29-2032", "29-2034", "21-1022"),
        _phrases(_UNITS),
    ),
    **dict.fromkeys(("25-2021", "25-2022", "25-2031", "25-3031"), _phrases(_TEACHING)),
    **dict.fromkeys(("41-2031", "41-2011", "53-7065"), _phrases(_SHOP)),
    **dict.fromkeys(("53-3032", "53-3033"), _phrases(_ROAD)),
    **dict.fromkeys(("47-2111", "47-2152", "49-9021", "49-9071", "47-2031", "51-4121", "47-2141"), _phrases(_TRADES)),
    "43-4051": _phrases(_PHONE),
    **dict.fromkeys(("35-2014", "35-3011", "35-3031", "35-9031", "35-9021", "35-2021", "35-1011"), _phrases(_KITCHEN)),
}  # fmt: skip
"""By occupation, the teams, units and kinds of place that leave it what it is."""

CITIES = frozenset(
    " ".join(words(city))
    for city in ["New York City", " New York", " NYC", " Los Angeles", " Chicago", " Houston", " Phoenix", " Philadelphia", " San Antonio", " San Diego", " Dallas", " Austin", " San Jose", " Fort Worth", " Jacksonville", " Columbus", " Charlotte", " Indianapolis", " San Francisco", " Seattle", " Denver", " Oklahoma City", " Nashville", " El Paso", " Boston", " Portland", " Las Vegas", " Detroit", " Memphis", " Louisville", " Baltimore", " Milwaukee", " Albuquerque", " Tucson", " Fresno", " Sacramento", " Mesa", " Kansas City", " Atlanta", " Omaha", " Colorado Springs", " Raleigh", " Long Beach", " Virginia Beach", " Miami", " Oakland", " Minneapolis", " Tulsa", " Tampa", " Arlington", " Wichita", " New Orleans", " Cleveland", " Bakersfield", " Honolulu", " Anaheim", " Aurora", " Santa Ana", " St Louis", " Saint Louis", " Riverside", " Corpus Christi", " Pittsburgh", " Lexington", " Anchorage", " Stockton", " Cincinnati", " St Paul", " Saint Paul", " Toledo", " Newark", " Greensboro", " Plano", " Lincoln", " Henderson", " Buffalo", " Fort Wayne", " Jersey City", " Chula Vista", " Orlando", " St Petersburg", " Norfolk", " Chandler", " Laredo", " Madison", " Durham", " Lubbock", " Winston Salem", " Garland", " Glendale", " Hialeah", " Reno", " Baton Rouge", " Irvine", " Chesapeake", " Irving", " Scottsdale", " Fremont", " Boise", " Richmond", " San Bernardino", " Birmingham", " Spokane", " Rochester", " Des Moines", " Modesto", " Fayetteville", " Tacoma", " Oxnard", " Fontana", " Montgomery", " Moreno Valley", " Shreveport", " Yonkers", " Akron", " Huntington Beach", " Little Rock", " Augusta", " Amarillo", " Salt Lake City", " Grand Rapids", " Tallahassee", " Huntsville", " Grand Prairie", " Knoxville", " Worcester", " Newport News", " Brownsville", " Santa Clarita", " Providence", " Overland Park", " Garden Grove", " Chattanooga", " Oceanside", " Jackson", " Fort Lauderdale", " Santa Rosa", " Rancho Cucamonga", " Port St Lucie", " Tempe", " Ontario", " Vancouver", " Cape Coral", " Sioux Falls", " Springfield", " Peoria", " Pembroke Pines", " Elk Grove", " Salem", " Lancaster", " Corona", " Eugene", " Palmdale", " Salinas", " Fort Collins", " Hayward", " Pomona", " Cary", " Rockford", " Alexandria", " Escondido", " McKinney", " Joliet", " Sunnyvale", " Torrance", " Bridgeport", " Lakewood", " Hollywood", " Paterson", " Naperville", " Syracuse", " Mesquite", " Dayton", " Savannah", " Clarksville", " Pasadena", " Fullerton", " Killeen", " Frisco", " Hampton", " McAllen", " Bellevue", " West Valley City", " Columbia", " Olathe", " Sterling Heights", " New Haven", " Miramar", " Waco", " Thousand Oaks", " Cedar Rapids", " Charleston", " Visalia", " Topeka", " Elizabeth", " Gainesville", " Thornton", " Roseville", " Carrollton", " Coral Springs", " Stamford", " Simi Valley", " Concord", " Hartford", " Kent", " Lafayette", " Midland", " Denton", " Victorville", " Evansville", " Santa Clara", " Abilene", " Athens", " Vallejo", " Allentown", " Norman", " Beaumont", " Independence", " Murfreesboro", " Ann Arbor", " Berkeley", " Provo", " El Monte", " Lansing", " Fargo", " Downey", " Costa Mesa", " Wilmington", " Arvada", " Inglewood", " Miami Gardens", " Carlsbad", " Westminster", " Odessa", " Manchester", " Elgin", " Clearwater", " Waterbury", " Gresham", " Fairfield", " Billings", " Lowell", " Ventura", " Pueblo", " High Point", " Richardson", " Cambridge", " Antioch", " Everett", " Palm Bay", " Green Bay", " Boulder", " Duluth", " Albany", " Bismarck", " Burlington", " Cheyenne", " Casper", " Santa Fe", " Missoula", " Bozeman", " Helena", " Concord", " Portsmouth", " Nashua", " Bangor", " Annapolis", " Bethesda", " Bay Area", " Brooklyn", " Queens", " Bronx", " Manhattan", " Staten Island", " Long Island", " Silicon Valley", " Palo Alto", " Mountain View", " Redmond", " Washington"]
)  # fmt: skip
"""Cities and areas that are told apart from any word of a trade."""


def is_place(part: str, following: str | None, trades: Set[str]) -> bool:
    """Whether a part of a title is a city, a state, or a city before the state that follows it.

    Before a state any name is a city, unless it holds a word of a trade: CT is a scan, too.
    """
    folded = " ".join(words(part))
    for lead in ("greater ", "downtown ", "north ", "south ", "east ", "west ", "near "):
        folded = folded.removeprefix(lead)
    for tail in (" area", " metro", " metro area", " region"):
        folded = folded.removesuffix(tail)
    if folded in CITIES or state_and_zip([part]) != (None, None) or _is_state(part):
        return True
    if following is None or any(word in trades for word in folded.split()):
        return False
    return state_and_zip([f"{part}, {following}"]) != (None, None) and _is_state(following)


def _is_state(part: str) -> bool:
    written = part.strip()
    return (len(written) == 2 and written.isupper()) and state_and_zip([f"Springfield, {written}"])[0] is not None


def is_covered(folded: list[str], lists: Iterable[frozenset[Phrase]]) -> bool:
    """Whether words are phrases of these lists throughout, with joining words between them."""
    known = tuple(lists)
    place, had_one = 0, False
    while place < len(folded):
        size = next(
            (
                size
                for size in range(min(5, len(folded) - place), 0, -1)
                if any(tuple(folded[place : place + size]) in phrases for phrases in known)
            ),
            0,
        )
        if size == 0 and folded[place] not in JOINING and not _is_a_figure(folded[place]):
            return False
        had_one = had_one or size > 0 or _is_a_figure(folded[place])
        place += max(size, 1)
    return had_one


def _is_a_figure(word: str) -> bool:
    """Pay, hours and the numbers of a posting: more digits than letters, or a letter or two before them."""
    digits = sum(map(str.isdigit, word))
    return digits > 0 and (digits >= len(word) - 2)
