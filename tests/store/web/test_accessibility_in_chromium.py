"""axe-core reads the main pages in a real browser: no serious finding, nothing beyond a phone's edge, no jump."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from auth.models import Account
from billing.acknowledgements import acknowledge
from store.database import Database
from store.suppressions import RETURNED, suppress
from tests.billing.test_reconciliation import LATER, sold
from tests.billing.tills import Till
from tests.store.consoles.people import Person, a_person, some_history
from tests.store.purchase.shops import make_film, make_offer
from tests.store.web.test_storefront_pages import slug_of

pytestmark = pytest.mark.browser

PHONE: Final = {"width": 360, "height": 780}
DESKTOP: Final = {"width": 1280, "height": 900}

SHIFTS: Final = """
window.shifted = 0;
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""

BEYOND: Final = """() => {
    const places = [document.body, ...document.querySelectorAll(".file > *, .checkout > *, .film > *, .panel")];
    return places.flatMap((place) => [...place.querySelectorAll("*")].filter((element) => {
        if (!element.checkVisibility({ visibilityProperty: true }) || element.closest(".glow")) return false;
        if (element.getBoundingClientRect().right <= place.getBoundingClientRect().right + 1) return false;
        for (let around = element.parentElement; around !== place; around = around.parentElement) {
            if (getComputedStyle(around).overflowX !== "visible") return false;
        }
        return true;
    }).map((element) => `${element.tagName} ${element.className} reaches out of ${place.tagName} ${place.className}`));
}"""
"""What is cut off at the right or lies over what is beside it; parts that scroll by themselves may be wider."""


async def faults_on(page: Page, address: str, axe_script: str) -> list[str]:
    """Everything that is wrong with the page at an address, one line per fault."""
    answer = await page.goto(address)
    assert answer is not None
    return await faults_of_page(page, axe_script)


async def faults_of_page(page: Page, axe_script: str) -> list[str]:
    """Everything that is wrong with the page that is shown, one line per fault."""
    await page.evaluate(axe_script)
    found: dict[str, Any] = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    faults = [
        f"{violation['impact']} {violation['id']}: {violation['nodes'][0]['html'][:160]}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    if await page.evaluate("window.shifted") > 0.05:
        faults.append("the layout jumps while it loads")
    return [f"{page.url}: {fault}" for fault in [*faults, *await page.evaluate(BEYOND)]]


async def read_all(
    chromium: Browser,
    base_url: str,
    paths: Sequence[str],
    axe_script: str,
    cookie: tuple[str, str] | None = None,
    *,
    locale: str = "de",
) -> list[str]:
    """The faults of all pages, light on a phone and dark on a desk; else in German, whose words are the longer ones."""
    faults = []
    for scheme, viewport in (("light", PHONE), ("dark", DESKTOP)):
        # The pages forbid scripts that are not theirs; the checker is one.
        context: BrowserContext = await chromium.new_context(
            viewport=viewport,  # type: ignore[arg-type]
            color_scheme=scheme,  # type: ignore[arg-type]
            bypass_csp=True,
            reduced_motion="reduce",
        )
        if cookie is not None:
            await context.add_cookies([{"name": cookie[0], "value": cookie[1], "url": base_url}])
        await context.add_init_script(SHIFTS)
        page = await context.new_page()
        for path in paths:
            faults += await faults_on(page, f"{base_url}/{locale}{path}", axe_script)
        await context.close()
    return faults


@pytest.fixture
async def film(database: Database) -> str:
    """The slug of a film that is rented and sold."""
    title = await make_film(database, name="Der Fernsehturm")
    await make_offer(database, title_id=title, kind="rent", gross=399)
    await make_offer(database, title_id=title, kind="buy", gross=1199)
    return await slug_of(database, title)


async def gets_no_mail(database: Database, account: Account) -> None:
    """Mails to the account come back, which its pages say."""
    async with database.sessions.begin() as session:
        await suppress(session, account.email_key or "", reason=RETURNED, at=datetime.now(UTC))


def cookie_of(person: Person) -> tuple[str, str]:
    name, _, value = person.cookie.partition("=")
    return name, value


async def test_what_visitors_see_hinders_nobody(
    chromium: Browser, live_server: str, film: str, axe_script: str
) -> None:
    paths = [
        *("", "/films", "/series", "/genres", "/search?q=Fernsehturm", "/search?q=qqq", f"/films/{film}"),
        *("/sign-in", "/register", "/register/confirm", "/password/forgot", "/password/reset", "/password/sent"),
        *("/legal/terms", "/legal/withdrawal", "/legal/privacy", "/legal/imprint", "/gibt-es-nicht"),
        *("/withdrawal", "/withdrawal/received", "/account/email/undo"),
    ]
    assert await read_all(chromium, live_server, paths, axe_script) == []


async def test_what_customers_see_hinders_nobody(
    chromium: Browser, live_server: str, film: str, axe_script: str, database: Database
) -> None:
    person = await a_person(database)
    await some_history(database, person.account, at=datetime.now(UTC))
    await gets_no_mail(database, person.account)
    paths = ["", f"/films/{film}", "/account", "/account/devices", "/account/streams", "/orders", "/library"]
    paths += ["/withdrawal", "/step-up", "/account/password/change", "/account/email", "/account/email/confirm"]
    paths += ["/account/cases", "/account/cases/new", "/tv"]
    paths += ["/account/privacy", "/account/keep", "/account/support/cancel", "/account/recovery"]
    paths += ["/account/passkeys", "/account/second-factor", "/viewer", "/account/profiles"]
    assert await read_all(chromium, live_server, paths, axe_script, cookie_of(person)) == []


async def test_what_staff_see_hinders_nobody(
    chromium: Browser, live_server: str, axe_script: str, database: Database
) -> None:
    customer = (await a_person(database)).account
    await some_history(database, customer, at=datetime.now(UTC))
    await gets_no_mail(database, customer)
    till = Till(database)
    await sold(till)
    till.gateway.pays_out()
    till.gateway.moves("topup", None, 700)
    foreign = till.gateway.moves("topup", "tu_1", 900).id
    await till.reconciliation.run(at=LATER)
    async with database.sessions.begin() as session:
        await acknowledge(session, movement_id=foreign, at=LATER)
    admin = await a_person(database, roles=("support", "support_lead", "finance", "admin"))
    paths = ["/staff", "/staff/parked", "/support", f"/support/customers/{customer.id}", "/finance", "/account"]
    paths += [
        "/staff/cases",
        "/staff/recoveries",
        "/staff/refunds",
        "/staff/withdrawals",
        "/staff/incidents",
        "/finance/invariants",
        "/finance/reconciliation",
        f"/finance/unresolved?short={foreign}",
    ]
    assert await read_all(chromium, live_server, paths, axe_script, cookie_of(admin)) == []


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_the_pages_of_accounts_hinder_nobody_in_either_language(
    chromium: Browser, live_server: str, axe_script: str, database: Database, locale: str
) -> None:
    """Those that are read in German above only in English; the others in both."""
    above = () if locale == "de" else ("/sign-in", "/register", "/register/confirm", "/password/forgot")
    more = () if locale == "de" else ("/password/reset", "/password/sent", "/account/email/undo", "/account/keep")
    visitors = [*above, *more, "/register/sent", "/join"]
    person = await a_person(database)
    await some_history(database, person.account, at=datetime.now(UTC))
    own = ["/account/second-factor", "/account/parental-pin"]
    if locale == "en":
        own += ["/account", "/account/devices", "/account/streams", "/account/privacy", "/account/cases", "/step-up"]
        own += ["/account/cases/new", "/account/password/change", "/account/email", "/account/email/confirm"]
    faults = await read_all(chromium, live_server, visitors, axe_script, locale=locale)
    faults += await read_all(chromium, live_server, own, axe_script, cookie_of(person), locale=locale)
    assert faults == []
