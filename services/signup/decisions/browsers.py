"""What a browser is called in a list of sessions: coarse, so that its person knows it again and nobody else can."""

from shared.i18n import gettext, marked

_BROWSERS = (
    ("Edge", ("Edg/", "EdgA/", "EdgiOS/", "Edge/")),
    ("Samsung Internet", ("SamsungBrowser/",)),
    ("Opera", ("OPR/", "Opera")),
    ("Firefox", ("Firefox/", "FxiOS/")),
    ("Chrome", ("Chrome/", "Chromium/", "CriOS/")),
    ("Safari", ("Safari/",)),
)
"""In this order: most say that they are several of them."""
_SYSTEMS = (
    ("iPad", ("iPad",)),
    ("iPhone", ("iPhone",)),
    ("Android", ("Android",)),
    ("Windows", ("Windows",)),
    ("Chromebook", ("CrOS",)),
    ("Mac", ("Macintosh", "Mac OS X")),
    ("Linux", ("Linux", "X11")),
)
_LOOKED_AT = 500
"""Characters of a User-Agent; what comes later tells nothing."""
PROGRAM = marked("A program")
_ON, _SOME_ON = marked("%(browser)s on %(system)s"), marked("A browser on %(system)s")


def browser_of(user_agent: str) -> str:
    """Such as "Firefox on Windows"; of the User-Agent itself nothing is kept."""
    said = user_agent[:_LOOKED_AT]
    browser, system = _first(_BROWSERS, said), _first(_SYSTEMS, said)
    if browser and system:
        return f"{browser} on {system}"
    return browser or (f"A browser on {system}" if system and said.startswith("Mozilla/") else PROGRAM)


def in_words(kept: str) -> str:
    """What `browser_of` said, in the language of the page."""
    browser, _, system = kept.partition(" on ")
    if not system:
        return gettext(kept)
    return gettext(_SOME_ON, system=system) if browser == "A browser" else gettext(_ON, browser=browser, system=system)


def _first(names: tuple[tuple[str, tuple[str, ...]], ...], said: str) -> str | None:
    return next((name for name, words in names if any(word in said for word in words)), None)
