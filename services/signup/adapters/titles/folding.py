"""One spelling for what is one title: case, hyphens, spaces, points, plurals, abbreviations, developer and engineer."""

import re
import unicodedata
from collections.abc import Sequence

LONGEST = 300
"""Characters of a title that are read; a longer text is none."""

_GLUED = str.maketrans(dict.fromkeys(".'\u2019`\u00b4", ""))
_NOT_A_WORD = re.compile(r"[^\w+#]")
_COMPOUNDS = {
    ("front", "end"): "frontend", ("back", "end"): "backend", ("full", "stack"): "fullstack", ("help", "desk"): "helpdesk",
    ("machine", "learning"): "ml", ("quality", "assurance"): "qa", ("human", "resource"): "hr", ("it", "support"): "itsupport",
    ("information", "technology"): "it", ("user", "experience"): "ux", ("user", "interface"): "ui", ("emergency", "room"): "er",
    ("quality", "control"): "qc", ("point", "of", "sale"): "pos", ("over", "the", "road"): "otr", ("node", "js"): "nodejs",
    ("part", "time"): "parttime", ("full", "time"): "fulltime", ("entry", "level"): "entrylevel", ("mid", "level"): "midlevel",
    ("on", "site"): "onsite", ("sign", "on"): "signon", ("front", "desk"): "frontdesk", ("per", "diem"): "perdiem",
    ("c", "++"): "c++", ("med", "surg"): "medsurg", ("medical", "surgical"): "medsurg", ("health", "care"): "healthcare",
    ("child", "care"): "childcare", ("day", "care"): "daycare", ("junior", "high"): "juniorhigh",
}  # fmt: skip
_SHORT = {
    "dev": "developer", "eng": "engineer", "engr": "engineer", "mgr": "manager", "mngr": "manager", "asst": "assistant",
    "rep": "representative", "coord": "coordinator", "supv": "supervisor", "supvr": "supervisor", "admin": "administrative",
    "tech": "technician", "svc": "service", "srvc": "service", "cust": "customer", "exec": "executive", "ops": "operation",
    "maint": "maintenance", "mfg": "manufacturing", "mktg": "marketing", "sw": "software", "sys": "system",
    "govt": "government", "intl": "international", "elec": "electrical", "mech": "mechanic", "lic": "licensed", "cert": "certified",
    "reg": "registered", "assoc": "associate", "whse": "warehouse", "elem": "elementary", "advisor": "adviser",
    "theatre": "theater", "labourer": "laborer", "counsellor": "counselor", "paediatric": "pediatric",
}  # fmt: skip
_LANGUAGES = frozenset(
    {
        "java", "python", "javascript", "js", "typescript", "react", "reactjs", "angular", "angularjs", "vue", "vuejs", "nodejs", "node",
        "net", "dotnet", "c#", "c++", "golang", "go", "ruby", "rails", "php", "laravel", "django", "kotlin", "swift", "scala", "rust",
        "spring", "j2ee", "perl", "elixir", "clojure", "flutter", "cobol", "asp", "aspnet", "mern",
    }
)  # fmt: skip
_OF_SOFTWARE = frozenset(
    {
        "software",
        "application",
        "app",
        "web",
        "website",
        "frontend",
        "backend",
        "fullstack",
        "mobile",
        "io",
        "ios",
        "android",
        "api",
        "game",
    }
)
_SOFTWARE_HEADS = frozenset({"developer", "engineer", "programmer"})
_PLURAL_ONLY = frozenset({"securities"})
"""What a security analyst does is another trade than what a securities analyst does."""
_ENDINGS = (("women", "man"), ("woman", "man"), ("people", "man"), ("person", "man"), ("men", "man"))


def words(text: str) -> list[str]:
    """The words of a text, folded; nothing for a text that is too long to be a title."""
    if len(text) > LONGEST:
        return []
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_GLUED).replace("&", " and ")
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    found = _initials(_NOT_A_WORD.sub(" ", plain).split())
    return _together([_singular(_SHORT.get(one, one)) for one in found])


def key(folded: Sequence[str]) -> str:
    """What two spellings of one title have in common."""
    joined = "".join(_one_trade(folded))
    for ending, instead in _ENDINGS:
        if joined.endswith(ending) and len(joined) > len(ending):
            return joined[: -len(ending)] + instead
    return joined


def _singular(word: str) -> str:
    """`nurses`, `secretaries`, `bosses`: the same cut on both sides, so that a wrong one does no harm."""
    if len(word) < 3 or word in _PLURAL_ONLY or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word[:-1]


_FOLDED_LANGUAGES = frozenset(map(_singular, _LANGUAGES))


def _initials(found: Sequence[str]) -> list[str]:
    """`R N` is RN: single letters that stand together are one word."""
    merged: list[str] = []
    was_letter = False
    for word in found:
        is_letter = len(word) == 1 and word.isalpha() and word.isascii()
        if is_letter and was_letter:
            merged[-1] += word
        else:
            merged.append(word)
        was_letter = is_letter
    return merged


def _together(found: Sequence[str]) -> list[str]:
    merged: list[str] = []
    place = 0
    while place < len(found):
        size = next((size for size in (3, 2) if tuple(found[place : place + size]) in _COMPOUNDS), 1)
        merged.append(_COMPOUNDS.get(tuple(found[place : place + size]), found[place]))
        place += size
    return merged


def _one_trade(folded: Sequence[str]) -> Sequence[str]:
    """In software, developer and engineer are one trade, and so is it in whatever language."""
    if len(folded) < 2 or folded[-1] not in _SOFTWARE_HEADS:
        return folded
    *before, head = folded
    others = [word for word in before if word not in _FOLDED_LANGUAGES]
    if head == "programmer":
        return folded if others else ["programmer"]
    if not set(others) <= _OF_SOFTWARE:
        return folded
    trade = others or ["software"]
    return [*trade, "developer"]
