"""What the states and territories are called, and whose a ZIP code is: written by hand from common knowledge."""

from collections.abc import Iterable, Iterator, Mapping

from shared.contracts.codes import STATES

TERRITORIES = frozenset({"AS", "FM", "GU", "MH", "MP", "PR", "PW", "UM", "VI"})
"""USPS and ISO codes of the territories, and of the freely associated states: outside of what the network serves."""

_ABBREVIATED = {
    "AL": "ALA", "AK": "ALAS", "AZ": "ARIZ", "AR": "ARK", "CA": "CALIF, CAL", "CO": "COLO", "CT": "CONN",
    "DE": "DEL", "FL": "FLA, FLOR", "GA": "GEO", "HI": "HAW", "ID": "IDA", "IL": "ILL, ILLS", "IN": "IND",
    "KS": "KAN, KANS", "KY": "KEN, KENT", "MA": "MASS", "MI": "MICH", "MN": "MINN", "MS": "MISS", "MT": "MONT",
    "NE": "NEB, NEBR", "NV": "NEV", "OK": "OKLA", "OR": "ORE, OREG", "PA": "PENN, PENNA", "TN": "TENN",
    "TX": "TEX", "VA": "VIRG", "WA": "WASH", "WI": "WIS, WISC", "WY": "WYO",
    "DC": "D C, WASH DC, WASHINGTON DC, WASHINGTON D C, DIST OF COLUMBIA",
    "NC": "N CAR, N CAROLINA, NO CAROLINA, N C", "ND": "N DAK, N DAKOTA, NO DAKOTA, NODAK, NDAK, N D",
    "NH": "N HAMPSHIRE, N H", "NJ": "N JERSEY, N J", "NM": "N MEX, N MEXICO, NMEX, N M", "NY": "N YORK, N Y",
    "RI": "R I", "SC": "S CAR, S CAROLINA, SO CAROLINA, S C", "SD": "S DAK, S DAKOTA, SO DAKOTA, SDAK, S D",
    "WV": "W VA, WVA, W VIRGINIA, W V",
}  # fmt: skip

_TERRITORY_NAMES = {
    "AS": "AMERICAN SAMOA, AMERIKA SAMOA, AM SAMOA, US SAMOA, PAGO PAGO",
    "FM": "FEDERATED STATES OF MICRONESIA, MICRONESIA",
    "GU": "GUAM, GUAHAN, TERRITORY OF GUAM, GUAM USA",
    "MH": "MARSHALL ISLANDS, REPUBLIC OF THE MARSHALL ISLANDS",
    "MP": "NORTHERN MARIANA ISLANDS, NORTHERN MARIANA ISLAND, NORTHERN MARIANAS, NORTH MARIANA ISLANDS, MARIANA ISLANDS,"
    " N MARIANA ISLANDS, NO MARIANA ISLANDS, N MARIANAS, CNMI, C N M I, SAIPAN, TINIAN,"
    " COMMONWEALTH OF THE NORTHERN MARIANA ISLANDS, COMMONWEALTH OF NORTHERN MARIANA ISLANDS",
    "PR": "PUERTO RICO, PUERTORICO, PORTO RICO, PTO RICO, PUERTO RICO PR, PUERTO RICO US, P R, PRI,"
    " COMMONWEALTH OF PUERTO RICO, ESTADO LIBRE ASOCIADO DE PUERTO RICO",
    "PW": "PALAU, REPUBLIC OF PALAU",
    "UM": "UNITED STATES MINOR OUTLYING ISLANDS, US MINOR OUTLYING ISLANDS, WAKE ISLAND",
    "VI": "VIRGIN ISLANDS, US VIRGIN ISLANDS, U S VIRGIN ISLANDS, UNITED STATES VIRGIN ISLANDS, USVI, U S V I, US VI,"
    " VIRGIN ISLANDS US, VIRGIN ISLANDS OF THE UNITED STATES, US VIRGIN ISLAND, AMERICAN VIRGIN ISLANDS, V I",
}

COUNTRY = frozenset(
    {
        ("UNITED", "STATES", "OF", "AMERICA"), ("THE", "UNITED", "STATES"), ("UNITED", "STATES"), ("USA",), ("US",),
        ("U", "S", "A"), ("U", "S"), ("US", "OF", "A"), ("ESTADOS", "UNIDOS"), ("EEUU",), ("EE", "UU"), ("E", "U", "A"),
    }
)  # fmt: skip
"""The United States, as the end of an address or its beginning."""

_AREAS = {
    "AL": "350-352 354-369", "AK": "995-999", "AZ": "850-853 855-857 859-860 863-865", "AR": "716-729",
    "CA": "900-908 910-928 930-961", "CO": "800-816", "CT": "060-069", "DE": "197-199", "DC": "200 202-205 569",
    "FL": "320-339 341-342 344 346-347 349", "GA": "300-319 398-399", "HI": "967-968", "ID": "832-838",
    "IL": "600-620 622-629", "IN": "460-479", "IA": "500-516 520-528", "KS": "660-662 664-679", "KY": "400-418 420-427",
    "LA": "700-701 703-708 710-714", "ME": "039-049", "MD": "206-212 214-219", "MA": "010-027 055", "MI": "480-499",
    "MN": "550-551 553-567", "MS": "386-397", "MO": "630-631 633-641 644-658", "MT": "590-599", "NE": "680-681 683-693",
    "NV": "889-891 893-895 897-898", "NH": "030-038", "NJ": "070-089", "NM": "870-871 873-875 877-884",
    "NY": "005 100-149", "NC": "270-289", "ND": "580-588", "OH": "430-459", "OK": "730-731 734-741 743-749",
    "OR": "970-979", "PA": "150-196", "RI": "028-029", "SC": "290-299", "SD": "570-577", "TN": "370-385",
    "TX": "733 750-799 885", "UT": "840-847", "VT": "050-054 056-059", "VA": "201 220-246", "WA": "980-986 988-994",
    "WV": "247-268", "WI": "530-532 534-535 537-549", "WY": "820-831",
    "PR": "006-007 009", "VI": "008", "GU": "969",
}  # fmt: skip
_OWN = {"06390": "NY", "83414": "WY", "96799": "AS", "96939": "PW", "96940": "PW"}
"""ZIP codes in another state than their neighbors."""
_PACIFIC = {"4": "FM", "5": "MP", "6": "MH", "7": "MH"}
"""By the fourth digit of those that begin with 969; the rest is Guam."""


def _spread() -> Iterator[tuple[str, str]]:
    for state, spans in _AREAS.items():
        for span in spans.split():
            first, _, last = span.partition("-")
            for number in range(int(first), int(last or first) + 1):
                yield f"{number:03}", state


AREAS: Mapping[str, str] = dict(_spread())
"""The first three digits of a ZIP code, to the state or territory."""


def state_of_zip(postal_code: str) -> str | None:
    """The state or territory of a ZIP code of five digits; None where none begins like this."""
    if postal_code in _OWN:
        return _OWN[postal_code]
    if postal_code[:3] == "969":
        return _PACIFIC.get(postal_code[3:4], "GU")
    return AREAS.get(postal_code[:3])


def _names(table: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    return {tuple(name.split()): code for code, names in table.items() for name in names.split(",")}


WORDS: Mapping[tuple[str, ...], str] = _names({code: name.upper() for code, name in STATES.items()})
"""Full names of states, by their words."""
TERRITORY_WORDS: Mapping[tuple[str, ...], str] = _names(_TERRITORY_NAMES)
SHORT: Mapping[tuple[str, ...], str] = _names(_ABBREVIATED)
"""What people wrote before there were codes, and still do."""
CODES: Mapping[tuple[str, ...], str] = {(code,): code for code in (*STATES, *TERRITORIES)}


def sizes_by_last_word(names: Iterable[tuple[str, ...]]) -> Mapping[str, tuple[int, ...]]:
    """By the word that names end in, how many words those have, the longest first."""
    found: dict[str, set[int]] = {}
    for name in names:
        found.setdefault(name[-1], set()).add(len(name))
    return {last: tuple(sorted(sizes, reverse=True)) for last, sizes in found.items()}
