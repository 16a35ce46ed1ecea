"""The person's pages in a real browser, on the whole stack: on a phone, with the keyboard alone, and without a script."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, ViewportSize

from tests.browsers import NO_BROWSER, browser_here
from tests.e2e.browsing import DESK, PHONE, Visitor, browser, visitor
from tests.e2e.scene import Newcomer, Scene
from tests.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(browser_here() is None, reason=NO_BROWSER),
]
ANY = re.compile(".")
CHOICES, SHOWN = "Your choices", "What employers may see about you"


@pytest.fixture(scope="module")
async def opened() -> AsyncIterator[Browser]:
    async with browser() as found:
        yield found


@pytest.fixture
async def phone(opened: Browser, scene: Scene) -> AsyncIterator[Visitor]:
    services = scene.dev.services
    async with visitor(opened, services.signup, services.consent) as one:
        yield one


async def on_to_the_profile(visitor: Visitor) -> None:
    """What comes after an answer: the profile, or first a page that says that the network has it in a moment."""
    await visitor.reads(re.compile(f"{SHOWN}|Saved"))
    if not await visitor.page.get_by_role("heading", name=SHOWN).count():
        await visitor.follow("See and change what employers can see")
        await visitor.reads(SHOWN)


async def test_somebody_joins_and_confirms_with_the_keyboard_alone(scene: Scene, phone: Visitor) -> None:
    person, page = scene.invent(), phone.page
    await phone.open(f"{scene.dev.services.signup}/join")
    await phone.reads("Join the pool")
    for label, text in (
        ("Your name", person.given_name),
        ("Your email", person.mail),
        ("What work do you do, or look for?", "Registered nurse"),
    ):
        await phone.tab_to(page.get_by_label(label))
        await page.keyboard.type(text)
    await phone.tab_to(page.get_by_role("button", name="Send me the link"))
    await page.keyboard.press("Enter")
    await phone.reads("Check your email")

    await phone.open(await scene.link(person))
    await phone.reads(ANY)
    for purpose in ("match", "contact"):
        box = page.locator(f"input[name=purposes][value={purpose}]")
        await phone.tab_to(box)
        await page.keyboard.press("Space")
        assert await box.is_checked()
    await phone.tab_to(page.get_by_role("button", name="Save my answer"))
    await page.keyboard.press("Enter")
    await on_to_the_profile(phone)
    await phone.tab_to(page.get_by_role("button", name="Save", exact=True))
    await page.keyboard.press("Enter")
    await phone.reads(ANY)
    await scene.until_confirmed(person)


async def test_somebody_joins_in_spanish_and_their_email_and_all_that_follows_are_spanish(
    opened: Browser, scene: Scene
) -> None:
    """Chosen by the link on the page; the email's own link opens a Spanish page in a browser that never heard of it."""
    person, services = scene.invent(), scene.dev.services
    async with visitor(opened, services.signup, services.consent) as one:
        await one.open(f"{services.signup}/join")
        await one.follow("Español")
        await one.reads("Entrar en la red")
        await one.page.get_by_label("Su nombre").fill(person.given_name)
        await one.page.get_by_label("Su correo electrónico").fill(person.mail)
        await one.press("Mándenme el enlace")
        await one.reads("Mire su correo")
    mail = await scene.first_mail(person)
    assert mail.subject == "Su enlace para entrar en Fairpool"
    async with visitor(opened, services.signup, services.consent) as other:
        await other.open(await scene.link(person))
        await other.reads("¿Qué permite usted?")
        assert await other.page.locator("html").get_attribute("lang") == "es"
        await other.page.locator("input[name=purposes][value=match]").check()
        await other.press("Guardar mi respuesta")
        await other.reads(re.compile("Qué pueden ver de usted las empresas|Guardado"))
        await scene.until_confirmed(person)
        await other.open(f"{services.consent}/confirm/nonsense", status=(404,))
        await other.reads("Este enlace no sirve")
        await other.follow("English")
        await other.reads("This link does not work")


async def signed_in(scene: Scene, visitor: Visitor, person: Newcomer) -> str:
    """By the link that the sign-in page mails; where the person's own page is then."""
    page, had = visitor.page, len(await scene.mails_to(person))
    await visitor.open(f"{scene.dev.services.signup}/sign-in")
    await visitor.reads(ANY)
    await page.get_by_label("Your email").fill(person.mail)
    await page.get_by_role("button").click()
    await visitor.reads("Check your email")
    mail = (await until(lambda: scene.mails.to(person.mail)[had:], what="the mail with the link"))[0]
    await visitor.open(await scene.link_in(mail))
    await visitor.reads("Sign in")
    await visitor.press("Sign in")
    await visitor.reads(CHOICES)
    return page.url


@pytest.mark.parametrize(
    ("scripts", "screen"), [(True, PHONE), (False, DESK)], ids=["on a phone", "at a desk, without scripts"]
)
async def test_somebody_sees_all_of_their_pages_changes_what_is_shown_stops_everything_and_is_erased(
    opened: Browser, scene: Scene, scripts: bool, screen: ViewportSize
) -> None:
    person, services = await scene.join(), scene.dev.services
    await scene.until_confirmed(person)
    _, message = await scene.write_to(person)
    await scene.until_state(message, "delivered")
    async with visitor(opened, services.signup, services.consent, scripts=scripts, screen=screen) as one:
        page = one.page
        own_page = await signed_in(scene, one, person)
        for place in await page.locator("nav.person a").evaluate_all("(links) => links.map((link) => link.href)"):
            await one.open(place)
            await one.reads(ANY)

        await one.open(own_page)
        await page.locator("main a[href*='/profile']").last.click()
        await one.reads(SHOWN)
        await page.get_by_label("Years of experience").select_option("5")
        await one.press("Save")
        await one.reads("Saved")

        await one.open(own_page)
        await one.press("Stop everything")
        await one.reads("Everything is off")
        await scene.until_gone(person)

        await one.open(own_page)
        await page.locator("main a[href*='/erase']").last.click()
        await one.reads("Erase me from Fairpool")
        await one.follow("Go on")
        await one.reads("Are you sure?")
        await page.get_by_label("Yes, erase everything of me").check()
        await one.press("Erase me now")
        await one.reads("You are erased")
        assert "/erased/" in page.url
        await one.open(own_page, status=(401, 410))
