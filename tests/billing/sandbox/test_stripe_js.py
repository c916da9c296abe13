import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import stripe
from playwright.async_api import Browser, Page, expect

from tests.billing.sandbox.checkout_page import CheckoutPage
from tests.billing.sandbox.purchases import an_intent, event_types
from tests.billing.sandbox.sandbox_process import PUBLISHABLE_KEY, SandboxProcess

pytestmark = pytest.mark.browser


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A page whose every complaint, those about the content security policy included, fails the test."""
    context = await chromium.new_context(locale="de-DE", viewport={"width": 360, "height": 740})
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    await context.close()
    # The browser itself reports refused calls as errors of loading; a decline is none.
    assert [complaint for complaint in complaints if "Failed to load resource" not in complaint] == []


def checkout(sandbox: SandboxProcess, intent: stripe.PaymentIntent, **more: str) -> CheckoutPage:
    assert intent.client_secret
    return CheckoutPage(stripe=sandbox.url, key=PUBLISHABLE_KEY, secret=intent.client_secret, **more)


async def pay(page: Page, choice: str) -> None:
    await page.get_by_role("radio", name=choice).check()
    await page.get_by_role("button", name=re.compile("Zahlen")).click()


async def test_a_payment_that_succeeds_leads_back_to_the_store(
    sandbox: SandboxProcess, api: stripe.StripeClient, page: Page
) -> None:
    intent = an_intent(api)
    async with checkout(sandbox, intent) as kasse:
        await page.goto(kasse.url)
        await expect(page.locator("#log")).to_contain_text("ready:")
        await expect(page.get_by_role("group", name="Testzahlung wählen")).to_contain_text("Es fließt kein Geld")

        await pay(page, "Zahlung gelingt")

        await page.wait_for_url(
            f"{kasse.url}/returned?order=1&payment_intent={intent.id}"
            f"&payment_intent_client_secret={intent.client_secret}&redirect_status=succeeded"
        )
    assert api.v1.payment_intents.retrieve(intent.id).status == "succeeded"


async def test_a_decline_is_said_on_the_page_and_another_choice_pays(
    sandbox: SandboxProcess, api: stripe.StripeClient, page: Page
) -> None:
    intent = an_intent(api)
    async with checkout(sandbox, intent, redirect="if_required") as kasse:
        await page.goto(kasse.url)

        await pay(page, "Karte wird abgelehnt")
        await expect(page.locator("#error")).to_have_text(re.compile("Die Karte wurde abgelehnt"))
        await pay(page, "Konto nicht gedeckt")
        await expect(page.locator("#error")).to_have_text(re.compile("nicht ausreichend gedeckt"))
        await pay(page, "Zahlung gelingt")

        await expect(page.locator("#log")).to_have_text(re.compile(r"card_declined .*card_declined .*succeeded"))
        await expect(page.locator("#error")).to_be_empty()
    assert event_types(api, intent.id).count("charge.failed") == 2


@pytest.mark.parametrize(
    ("button", "redirect_status", "status"),
    [
        ("Zahlung freigeben", "succeeded", "succeeded"),
        ("Freigabe ablehnen", "failed", "requires_payment_method"),
    ],
)
async def test_three_d_secure_leads_over_the_bank_and_back(
    sandbox: SandboxProcess, api: stripe.StripeClient, page: Page, button: str, redirect_status: str, status: str
) -> None:
    intent = an_intent(api)
    async with checkout(sandbox, intent) as kasse:
        await page.goto(kasse.url)
        await pay(page, "3-D Secure")

        await expect(page.get_by_role("heading", name="Zahlung bestätigen")).to_be_visible()
        await expect(page.get_by_text("11,99 €")).to_be_visible()
        await page.get_by_role("button", name=button).click()

        await page.wait_for_url(re.compile(rf"/returned\?order=1&.*redirect_status={redirect_status}$"))
    assert api.v1.payment_intents.retrieve(intent.id).status == status


async def test_a_debit_is_offered_where_the_intent_takes_it_and_leads_back_pending(
    sandbox: SandboxProcess, api: stripe.StripeClient, page: Page
) -> None:
    intent = an_intent(api)
    async with checkout(sandbox, intent) as kasse:
        await page.goto(kasse.url)
        await pay(page, "Lastschrift gelingt")
        await page.wait_for_url(re.compile(r"/returned\?order=1&.*redirect_status=pending$"))
    assert api.v1.payment_intents.retrieve(intent.id).status == "processing"

    async with checkout(sandbox, an_intent(api, excluded_payment_method_types=["sepa_debit"])) as kasse:
        async with page.expect_response(re.compile("/v1/payment_intents/")) as asked:
            await page.goto(kasse.url)
        await (await asked.value).finished()
        await expect(page.get_by_role("radio")).to_have_count(4)


@pytest.mark.parametrize(
    ("options", "types"),
    [
        ({"currency": "eur"}, ["card", "sepa_debit"]),
        ({"currency": "eur", "excludedPaymentMethodTypes": ["sepa_debit"]}, ["card"]),
        ({"currency": "usd"}, ["card"]),
    ],
)
async def test_before_there_is_an_intent_the_page_says_whether_debits_are_offered(
    sandbox: SandboxProcess, api: stripe.StripeClient, page: Page, options: dict[str, object], types: list[str]
) -> None:
    async with checkout(sandbox, an_intent(api)) as kasse:
        await page.goto(kasse.url)
        offered = await page.evaluate(
            "([key, options]) => Stripe(key).elements({ mode: 'payment', amount: 1199, ...options })"
            ".paymentMethodTypes()",
            [PUBLISHABLE_KEY, options],
        )
    assert offered == types


async def test_rare_cases_are_folded_away(sandbox: SandboxProcess, api: stripe.StripeClient, page: Page) -> None:
    intent = an_intent(api)
    async with checkout(sandbox, intent) as kasse:
        await page.goto(kasse.url)
        await expect(page.get_by_role("radio", name="Zurückgebucht")).to_have_count(0)
        await page.get_by_text("Seltene Fälle").click()
        await pay(page, "Zurückgebucht")
        await page.wait_for_url(re.compile(r"/returned\?order=1&.*redirect_status=succeeded$"))
    sandbox.control("agenda", deed="dispute_charge")
    assert api.v1.disputes.list({"payment_intent": intent.id}).data[0].status == "needs_response"


async def test_paying_without_a_choice_says_what_is_missing_and_changes_nothing(
    sandbox: SandboxProcess, api: stripe.StripeClient, page: Page
) -> None:
    intent = an_intent(api)
    async with checkout(sandbox, intent) as kasse:
        await page.goto(kasse.url)

        await page.get_by_role("button", name="Zahlen").click()

        await expect(page.get_by_role("group").get_by_role("alert")).to_have_text("Bitte wählen Sie eine Testzahlung.")
        await expect(page.get_by_role("radio", name="Zahlung gelingt")).to_be_focused()
        await page.keyboard.press("ArrowDown")
        await expect(page.get_by_role("radio", name="Karte wird abgelehnt")).to_be_checked()
        await expect(page.locator("#log")).to_contain_text("change:true")
    assert event_types(api, intent.id) == ["payment_intent.created"]


async def test_the_picker_speaks_the_pages_language_and_wears_its_colours(
    sandbox: SandboxProcess, api: stripe.StripeClient, page: Page
) -> None:
    async with checkout(sandbox, an_intent(api), lang="en") as kasse:
        await page.goto(kasse.url)
        names = ["Payment succeeds", "Card is declined", "Insufficient funds", "3-D Secure"]
        for name in names:
            await expect(page.get_by_role("radio", name=name, exact=True)).to_be_visible()

        await page.get_by_role("radio", name=names[0]).check()

        row = page.locator("label").filter(has_text=names[0])
        assert await row.evaluate("(row) => getComputedStyle(row).borderTopColor") == "rgb(200, 80, 40)"
        assert await row.evaluate("(row) => getComputedStyle(row).backgroundColor") == "rgb(250, 248, 244)"
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_an_element_is_taken_down_and_put_up_again(
    sandbox: SandboxProcess, api: stripe.StripeClient, page: Page
) -> None:
    async with checkout(sandbox, an_intent(api)) as kasse:
        await page.goto(kasse.url)
        await page.get_by_role("radio", name="3-D Secure").check()

        await page.evaluate("element.unmount()")
        await expect(page.get_by_role("radio")).to_have_count(0)
        await page.evaluate("element.mount('#payment')")
        await expect(page.get_by_role("radio", name="3-D Secure")).to_be_checked()
        await page.evaluate("element.update({ readOnly: true })")
        await expect(page.get_by_role("radio", name="3-D Secure")).to_be_disabled()
        await page.evaluate("element.destroy()")
        assert await page.evaluate("elements.getElement('payment')") is None


async def test_an_intent_is_read_and_its_open_step_taken_up_again(
    sandbox: SandboxProcess, api: stripe.StripeClient, page: Page
) -> None:
    intent = an_intent(api)
    async with checkout(sandbox, intent) as kasse:
        await page.goto(kasse.url)
        read = await page.evaluate("stripe.retrievePaymentIntent(secret)")
        assert (read["paymentIntent"]["id"], read["paymentIntent"]["amount"]) == (intent.id, 1199)
        assert "metadata" not in read["paymentIntent"]
        wrong = await page.evaluate("stripe.retrievePaymentIntent(secret + 'x').catch(String)")
        assert wrong["error"]["type"] == "invalid_request_error"

        api.v1.payment_intents.confirm(
            intent.id, {"payment_method": "pm_card_threeDSecure2Required", "return_url": f"{kasse.url}/returned"}
        )
        await page.evaluate("void stripe.handleNextAction({ clientSecret: secret })")

        await expect(page.get_by_role("heading", name="Zahlung bestätigen")).to_be_visible()


def test_the_script_asks_for_no_card_and_writes_no_inline_style(sandbox: SandboxProcess) -> None:
    answer = sandbox.http.get("/v3/")
    assert answer.headers["content-type"].startswith("text/javascript")
    static = Path(__file__).parents[3] / "billing" / "sandbox" / "static"
    parts = [(static / name).read_text("utf-8") for name in ("stripe_methods.js", "stripe_look.js", "stripe.js")]
    assert answer.text == "{{\n{}\n{}\n{}\n}}\n".format(*parts)
    for word in ("cardnumber", "cc-number", "cvc", "innerHTML", ".style.", "eval("):
        assert word not in answer.text
