"""A person with a browser: what every page they see has to be, and moving on it with the keyboard alone."""

import os
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Response,
    ViewportSize,
    async_playwright,
    expect,
)

from tests.browsers import browser_here

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 900}
_SERIOUS = frozenset({"serious", "critical"})
_WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_FOCUS_IS_SEEN = (
    "(at) => { const s = getComputedStyle(at); return s.outlineStyle !== 'none' && s.outlineWidth !== '0px' }"
)
_MOST_TABS = 150
_PATIENCE_MS = 60_000
"""Of a busy machine: nothing is asserted on how long anything takes."""
SCREENSHOTS = os.environ.get("FAIRPOOL_SCREENSHOTS")
"""A directory for pictures of what is looked at (`make pictures`); none: no pictures."""
SHOWN_IN_THE_DOCS = {
    "/confirm/[^/]+": "confirm",
    "/me": "choices",
    "/me/profile|/profile/[^/]+": "profile",
    "/me/messages": "messages",
}
"""By path, which picture is kept in `docs/pages`: what a phone shows first, in English as the text around it."""


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Debian's own, or another that is installed."""
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=browser_here(), args=["--disable-dev-shm-usage"])
        yield opened
        await opened.close()


@dataclass(slots=True)
class Visitor:
    """Somebody at one window. What the pages ask of other hosts, and what a script of theirs would do, is refused."""

    page: Page
    own: tuple[str, ...]
    """Where the pages are; nothing is asked of anybody else."""
    asked_elsewhere: list[str]
    scripts: bool
    """Whether the browser runs any. Axe is one itself: without, a page is looked at for all else."""
    kept: list[str] = field(default_factory=list)
    """Pictures for the docs."""

    async def open(self, url: str, *, status: Collection[int] = (200,)) -> None:
        """Load a page, which answers with one of these."""
        answer: Response | None = await self.page.goto(url)
        assert answer is not None and answer.status in status, (status, answer and answer.status)

    async def reads(self, heading: str | re.Pattern[str]) -> None:
        """The page with this heading is here, and is what each page has to be."""
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)
        await self._keep_picture()
        assert await self._wrong() == {}

    async def press(self, name: str | re.Pattern[str]) -> None:
        """Use the button with these words."""
        await self.page.get_by_role("button", name=name).click()

    async def follow(self, name: str | re.Pattern[str]) -> None:
        """Use the first link with these words."""
        await self.page.get_by_role("link", name=name).first.click()

    async def tab_to(self, wanted: Locator) -> None:
        """Press Tab until it is reached; where the focus is can be seen."""
        for _ in range(_MOST_TABS):
            await self.page.keyboard.press("Tab")
            if await wanted.evaluate("(at) => at === document.activeElement"):
                assert await wanted.evaluate(_FOCUS_IS_SEEN), "the focus can't be seen"
                return
        raise AssertionError(f"Tab never reached {wanted}")

    async def _wrong(self) -> dict[str, Any]:
        """What is wrong with this page, by day and by night."""
        wrong: dict[str, Any] = {}
        if (wider := await self.page.evaluate(_WIDER)) > 0:
            wrong["scrolls sideways"] = wider
        if self.asked_elsewhere:
            wrong["asks another host"] = self.asked_elsewhere
        for scheme in ("dark", "light") if self.scripts else ():
            await self.page.emulate_media(color_scheme=scheme)
            found = (await Axe().run(self.page)).response["violations"]
            serious = {
                one["id"]: [node["target"] for node in one["nodes"]] for one in found if one["impact"] in _SERIOUS
            }
            if serious:
                wrong[f"axe, {scheme}"] = serious
        return wrong

    async def _keep_picture(self) -> None:
        if not SCREENSHOTS:
            return
        screen = self.page.viewport_size or PHONE
        path = urlsplit(self.page.url).path
        name = next((name for begin, name in SHOWN_IN_THE_DOCS.items() if re.fullmatch(begin, path)), None)
        is_english = await self.page.evaluate("document.documentElement.lang") == "en"
        if name and is_english and screen == PHONE and name not in self.kept:
            self.kept.append(name)
            await self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")
        title = re.sub(r"[^a-z0-9]+", "-", (await self.page.title()).lower().partition("–")[0]).strip("-")
        whole = Path(SCREENSHOTS) / "whole" / f"{screen['width']}-{title}.png"
        await self.page.screenshot(path=whole, full_page=True)


@asynccontextmanager
async def visitor(
    browser: Browser, *own: str, scripts: bool = True, screen: ViewportSize = PHONE, language: str = "en-US"
) -> AsyncIterator[Visitor]:
    """A window of a browser that remembers nothing, on a phone unless it says otherwise."""
    context: BrowserContext = await browser.new_context(
        viewport=screen,
        java_script_enabled=scripts,
        locale=language,
    )
    context.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    asked_elsewhere: list[str] = []
    context.on(
        "request", lambda request: asked_elsewhere.append(request.url) if not request.url.startswith(own) else None
    )
    yield Visitor(await context.new_page(), own, asked_elsewhere, scripts)
    await context.close()
