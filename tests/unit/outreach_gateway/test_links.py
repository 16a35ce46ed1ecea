"""What is a link in an employer's words, and what only looks like one."""

from pathlib import Path

import pytest

from services.outreach_gateway import links

LINKS = {
    "https://jobs.example.org/42": "a URL",
    "http://jobs.example.org": "a URL without a path",
    "HTTPS://JOBS.EXAMPLE.ORG": "in capitals",
    "See(https://a.example.org/x).": "in brackets",
    "[here](https://a.example.org)": "as Markdown writes it",
    '<a href="//a7f.example.org">here</a>': "as HTML writes it",
    "ftp://files.example.org/x": "any scheme",
    "hxxp://a7f.example.org": "scanners read hxxp",
    "hxxps[:]//a7f[.]example[.]org": "and what is written apart",
    "a7f[.]example[.]org": "the same without a scheme",
    "a7f(.)example(.)org": "in round brackets",
    "a7f{dot}example{dot}org": "as a word in brackets",
    "a7f[dot]example[dot]org/x": "the same",
    "://a7f": "whatever comes before and after",
    "example.org/jobs/42": "a domain with a path",
    "example.org?j=42": "with a query",
    "example.org:8443": "with a port",
    "jobs.example.org": "a host: its look-up tells as much as its page",
    "a7f3.jobs.example.co.uk": "a host of one message",
    "Write to example.org.": "mail programs make a link of a bare domain",
    "EXAMPLE.ORG/JOBS": "in capitals",
    "www.example": "www. and anything",
    "WWW.Example.Org": "in any case",
    "münchen.example.de/stelle": "a host with other letters",
    "xn--mnchen-3ya.xn--p1ai": "the same in punycode",
    "работа.рф": "an ending with other letters",
    "k7f3q.example.भारत/a": "an ending with vowel signs",
    "k7f3q.example.இந்தியா": "another",
    "k7f3q.evil.com\u0301/x": "an ending with an accent upon it",
    "k7f3q.evil.\ufe0fcom/x": "an ending behind a sign that nobody sees",
    "k7f3q.evil。рф": "another script's full stop before another script's ending",
    "求人。example。com": "the full stop of another script",
    "ｊｏｂｓ．ｅｘａｍｐｌｅ．ｏｒｇ": "letters of full width",
    "jobs․example․org": "a dot of another kind",
    "bit.ly/3xYz": "a shortener",
    "a7f.github.io": "a free host",
    "booking.com-based": "programs end at the hyphen",
    "**jobs.example.org**": "between marks",
    "_jobs.example.org_": "between other marks",
    "apply:jobs.example.org": "behind a colon",
    "apply@jobs.example.org/x": "an email that goes on as an address",
    "a7f.example.org@x": "what comes before an @ that is none of an email's",
    "@jobs.example.org": "no one before the @",
    "203.0.113.7/x": "a number with a path",
    "203.0.113.7:8080": "a number with a port",
    "77.am/a7f3": "a short domain with a path",
    "t.co/3xYz": "the same",
    "x.co/a.bcde": "the same, with a path that looks like a degree",
    "t.co./3xYz": "the same, in the form that ends with a dot",
    "shift.In Denver": "unclear: mail programs make a link of it",
    "resume.zip": "unclear: an ending since 2023",
    "wait...jobs.example.org": "behind dots",
    "hr.example.org\\x": "with a backslash",
    "\\\\a7f.example.org\\share": "a share, which Outlook opens",
    "mailto:jobs@a7f3.example.org": "an email at a host that could be of this message alone",
    "jobs@a7f3.example.org": "the same: some scanners look its host up",
}
NONE = {
    "Node.js and Express.js": "no ending of a domain",
    "Node.js/Express": "the same with a slash",
    "ASP.NET": "what people program with",
    "ASP.NET/C#, ADO.NET": "the same",
    "Socket.IO.": "the same at the end of a sentence",
    "C#/.NET 8": "nothing before the dot",
    "e.g. nights, i.e. 7 p.m.": "abbreviations",
    "from 9.00-17.00": "times",
    "from 9.am to 5.pm": "times, though .am and .pm are endings",
    "U.S. citizens, U.S.-based": "initials",
    "St. John's, St.John's": "a saint",
    "Ph.D. or B.Sc.": "degrees, though .sc is an ending",
    "B.Sc./M.Sc.": "two of them",
    "R.Ph. or B.Tech": "more of them",
    "M.Sc.(Nursing)": "a degree before a bracket",
    "$38.50/hour": "an amount",
    "3.5/5": "a rating",
    "24/7, and/or, he/she": "slashes",
    "Version 2.11.4.1": "four numbers",
    "On 10.11.26": "a date",
    "Denver.We offer": "no ending of a domain, so no program makes a link of it",
    "well...in time": "dots",
    "example . org": "no program makes a link of it; who types it in does so of their own accord",
    "example dot org": "the same",
    "example .org": "the same",
    "jobs@example.org": "an email: nothing opens it, and writing to it is the person's own act",
    "Jane.Doe@example.org": "the same",
    "hr.in@example.org": "the same, though what stands before the @ looks like a host",
    "(jobs@example.co.uk)": "below a second level that is given out",
    "mailto:jobs@example.org": "the same",
    "+1 (303) 555-0100, 303.555.0100": "phone numbers",
    "@denverhealth": "a name in some network",
    "resume.pdf, cv.docx": "files",
    "Yahoo!": "a name",
    "night shift:7p-7a": "a colon",
    "$82,000.00": "an amount",
    "Smith & Co. in Denver": "a company",
    "1.5 FTE, 0.8 FTE": "shares",
    "Mr. Lee. Ms. Roe.": "titles",
    "http": "no address",
    "www": "no address",
    "R.N., L.P.N.": "initials",
    "": "nothing",
}


@pytest.mark.parametrize("text", LINKS, ids=LINKS.values())
def test_a_link_is_found_however_it_is_spelled(text: str) -> None:
    assert links.find(text) is not None, LINKS[text]
    assert links.find(f"Dear nurse,\n\nwe wrote: {text}\nRegards") is not None


def test_every_ending_is_found() -> None:
    lines = Path(links.__file__).with_name("tlds.txt").read_text("utf-8").splitlines()
    endings = [ending for line in lines if not line.startswith("#") for ending in line.split()]
    assert [ending for ending in endings if links.find(f"see k7f3q.example.{ending}/x") is None] == []


@pytest.mark.parametrize("text", NONE, ids=NONE.values())
def test_what_only_looks_like_a_link_is_let_through(text: str) -> None:
    assert links.find(text) is None, NONE[text]
    assert links.find(f"Dear nurse,\n\nwe wrote: {text}\nRegards") is None


def test_an_employers_verified_domain_may_stand_there_as_its_name() -> None:
    own = {"booking.com", "hr.health.example"}
    for text in (
        "At Booking.com we",
        "jobs@booking.com",
        "jobs@hr.health.example",
        "(booking.com)",
        "booking.com.",
        "booking.com/",
        "(booking.com/).",
        "booking.com?",
        "booking.com/!",
    ):
        assert links.find(text, own=own) is None, text
    for text in (
        "booking.com/x",
        "booking.com/?m=a7f3",
        "booking.com/#a",
        "booking.com/-a",
        "booking.com/~a",
        "booking.com/%61",
        "booking.com//a",
        "booking.com/.a",
        "booking.com/@a",
        "booking.com?%61",
        "booking.com#!/a",
        "booking.com/--",
        "t.co/?a7f3",
        "203.0.113.7/?a7f3",
        "a7f.booking.com",
        "booking.com?x=1",
        "www.booking.com",
        "jobs@a7f.booking.com",
    ):
        assert links.find(text, own=own) is not None, text


def test_it_is_told_where_the_link_is_and_what_to_do_and_not_what_it_says() -> None:
    found = links.find("Dear nurse,\nread canary.example.org/x now")
    assert found == links.Found(2, 2)
    assert "job.url" in found.sentence
    assert "line 2, word 2" in found.sentence
    assert "canary" not in found.sentence
    email = links.find("jobs@a7f3.example.org")
    assert email is not None
    assert "directly at your domain" in email.sentence


def test_a_long_text_without_a_space_is_read_once() -> None:
    assert links.find("a." * 200_000) is None
    assert links.find("a-" * 200_000 + ".org") is not None


def test_the_endings_are_sorted_and_told_once() -> None:
    lines = Path(links.__file__).with_name("tlds.txt").read_text("utf-8").splitlines()
    endings = [ending for line in lines if not line.startswith("#") for ending in line.split()]
    assert endings == sorted(set(endings))
    assert {"com", "org", "zip", "рф"} <= set(endings)
