"""A connection that is lost is told in a dialog on the page, also to who clicks in the very moment after a swap."""

import pytest
from playwright.async_api import Browser, Route, expect

pytestmark = pytest.mark.browser

CLICK_AS_SOON_AS_THE_ALERT_IS_THERE = """() => {
    const panel = document.getElementById("sign-in");
    new MutationObserver((_changes, observer) => {
        if (!panel.querySelector("[role=alert]")) return;
        observer.disconnect();
        const form = panel.querySelector("form");
        form.elements.email.value = "anna@example.org";
        form.elements.password.value = "noch etwas anderes";
        form.requestSubmit();
    }).observe(panel, { childList: true, subtree: true });
}"""


async def test_a_click_right_after_the_panel_was_swapped_stays_on_the_page(chromium: Browser, live_server: str) -> None:
    tries = 0

    async def lose_the_second(route: Route) -> None:
        nonlocal tries
        tries += 1
        await (route.continue_() if tries == 1 else route.abort("internetdisconnected"))

    context = await chromium.new_context(locale="de-DE")
    page = await context.new_page()
    await page.route("**/de/sign-in", lose_the_second)
    await page.goto(f"{live_server}/de/genres")
    await page.evaluate(CLICK_AS_SOON_AS_THE_ALERT_IS_THERE)
    await page.get_by_role("button", name="Anmelden").first.click()
    panel = page.locator("#sign-in")
    await panel.get_by_label("E-Mail-Adresse").fill("anna@example.org")
    await panel.get_by_label("Passwort").fill("etwas ganz anderes")
    await panel.get_by_role("button", name="Anmelden").click()

    sorry = page.get_by_role("dialog", name="Das ging leider nicht")
    await expect(sorry).to_contain_text("Die Verbindung ist unterbrochen.")
    await sorry.get_by_role("button", name="Schließen").click()
    await expect(sorry).to_be_hidden()
    assert tries == 2
    assert page.url == f"{live_server}/de/genres"
    await context.close()
