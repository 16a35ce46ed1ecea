"""The browser that this machine has, and what to say without one."""

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_BROWSER = f"NO BROWSER: no test opened a page. Install one of {', '.join(NAMES)} (Debian: apt-get install chromium)"


def browser_here() -> str | None:
    """The path of the first that is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)
