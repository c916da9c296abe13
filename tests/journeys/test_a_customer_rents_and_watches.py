"""A customer rents a film and watches it, by a program: quote, order, payment, device, licence, key, picture."""

import base64
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import pytest

from store.catalogue.models import Title
from tests.journeys.decryption import decrypted_samples, is_aac
from tests.journeys.programs import CONSENTS, Program
from tests.journeys.street import Street
from tests.store.entitlement import parts
from tests.store.entitlement.parts import TestDevice, kid_of

HER = Title(slug="her-2013")
THREE_D_SECURE = "pm_card_threeDSecure2Required"


async def test_a_film_is_rented_paid_started_and_decrypted_and_ends_after_its_hours(street: Street) -> None:
    customer = await street.customer()
    app = await street.signed_in_program(customer)
    await a_quote_says_all_that_must_be_said(app)
    order = await app.order(await app.offer("rent"))
    assert (await app.get("/v1/library"))["watchable"] == [], "nothing is paid yet"
    assert (await app.pay(order["id"])).json()["status"] == "succeeded"

    detail = await app.paid(order["id"])
    assert detail["invoice_number"].startswith("R-")
    [film] = (await app.get("/v1/library"))["watchable"]
    assert (film["slug"], film["kind"], film["quality"], film["state"]) == ("her-2013", "rent", "HD", "ready")
    letter = await customer.mailbox.receives(f"Ihre Bestellung {order['order_number']}")
    assert detail["invoice_number"] in letter.text
    assert "4,99" in letter.text

    watcher = parts.Customer(UUID(app.account_id), app.token)
    device = TestDevice(street.store.web)
    registered = await device.register(app.client, watcher, name="Wohnzimmer")
    assert registered.status_code == 201, registered.text
    asked = await device.open(app.client, watcher, HER, start_confirmed=False)
    assert (asked.status_code, asked.json()["code"]) == (409, "start_confirmation_needed")
    [film] = (await app.get("/v1/library"))["watchable"]
    assert film["state"] == "ready", "the hours begin with a yes only"
    opened = await device.open(app.client, watcher, HER)
    assert opened.status_code == 201, opened.text
    playback = opened.json()
    licence = await device.licence(app.client, playback["token"])
    assert licence.status_code == 200, licence.text
    await the_key_opens_the_sound(app, playback["manifest_url"], licence.json())

    [film] = (await app.get("/v1/library"))["watchable"]
    assert film["state"] == "running"
    assert moment(film["ends_at"]) - moment(film["first_played_at"]) == timedelta(hours=48)
    beat = await device.beat(app.client, watcher, playback["id"], position=12.5)
    assert beat.status_code == 200, beat.text

    await street.program().post("/v1/sandbox/clock", {"forward_seconds": 48 * 3600}, status=200)
    refused = await device.licence(app.client, playback["token"])
    assert (refused.status_code, refused.json()["code"]) == (403, "rental_over")
    assert refused.json()["detail"] == "Ihre Leihe ist vorbei. Sie können den Film noch einmal leihen oder kaufen."
    assert "keys" not in refused.json()
    assert [entry["state"] for entry in (await app.get("/v1/library"))["history"]] == ["over"]


async def test_a_declined_card_leaves_the_order_open_and_three_d_secure_pays_it(street: Street) -> None:
    app = await street.signed_in_program(await street.customer())
    order = await app.order(await app.offer("buy"))
    assert (await app.pay(order["id"], "pm_card_visa_chargeDeclined")).status_code == 402
    check = await app.post(f"/v1/orders/{order['id']}/payment-checks", status=200)
    assert check["order_state"] == "open"
    assert check["payment"]["problem"]["sentence"]
    assert (await app.get("/v1/library"))["watchable"] == []

    confirmed = (await app.pay(order["id"], THREE_D_SECURE)).json()
    assert confirmed["status"] == "requires_action"
    bank = confirmed["next_action"]["redirect_to_url"]["url"]
    assert (await app.client.post(bank, data={"outcome": "complete"})).status_code == 303
    detail = await app.paid(order["id"])
    [film] = (await app.get("/v1/library"))["watchable"]
    assert (film["kind"], film["ends_at"], film["start_by"]) == ("buy", None, None)
    again = await app.post("/v1/quotes", {"offer_id": await app.offer("rent")}, status=409)
    assert again["code"] == "already_entitled"
    assert detail["order"]["price"] == {"amount": 1199, "currency": "EUR"}


async def test_nobody_watches_without_a_right_and_nobody_sees_what_others_bought(street: Street) -> None:
    app, stranger = [await street.signed_in_program(await street.customer(word)) for word in ("anna", "bert")]
    order = (await app.buy("buy"))["order"]
    assert (await stranger.get(f"/v1/orders/{order['id']}", status=404))["code"] == "order_not_found"
    watcher, device = parts.Customer(UUID(stranger.account_id), stranger.token), TestDevice(street.store.web)
    assert (await device.register(stranger.client, watcher)).status_code == 201
    refused = await device.open(stranger.client, watcher, HER)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_entitled")
    assert "token" not in refused.json()


async def test_in_a_browser_without_javascript_all_but_paying_and_watching_works(street: Street) -> None:
    customer, anna = await street.customer(), street.browser()
    await anna.open("/de/films/her-2013")
    page = await anna.press("Leihen", {"HD": True})
    assert page.heading == "Anmelden", "ordering needs an account, and goes on right after"
    page = await anna.press("Anmelden", {"E-Mail-Adresse": customer.email, "Passwort": customer.password})
    assert page.heading == "Her leihen"
    for words in ("4,99 €", "inkl. 19 % MwSt.", "48 Stunden", "Ich stimme ausdrücklich zu", "mein Widerrufsrecht"):
        assert words in page.words
    assert "Zum Bezahlen braucht diese Seite JavaScript" in page.words
    with pytest.raises(AssertionError, match="cannot be pressed"):
        await anna.press("Zahlungspflichtig bestellen")

    app = await street.signed_in_program(customer)
    order = (await app.buy("rent"))["order"]
    page = await anna.follow("Meine Filme")
    assert "Noch nicht gestartet; danach 48 Stunden Zeit" in page.part("Geliehen").words
    assert page.link("Ansehen Her") == "/de/watch/her-2013"
    page = await anna.open("/de/films/her-2013")
    assert "Starten Sie ihn bis" in page.part("Leihen oder kaufen").words
    await anna.follow("Bestellungen")
    page = await anna.follow("„Her“ (2013) in HD leihen")
    assert page.heading.startswith("Rechnung R-")
    assert order["order_number"] in page.words
    page = await anna.open("/de/watch/her-2013")
    assert "Zum Abspielen braucht diese Seite JavaScript" in page.words


async def a_quote_says_all_that_must_be_said(app: Program) -> None:
    quote = await app.post("/v1/quotes", {"offer_id": await app.offer("rent")})
    assert quote["price"] == {"amount": 499, "currency": "EUR"}
    assert quote["net"]["amount"] + quote["tax"]["amount"]["amount"] == 499
    assert (quote["tax"]["country"], quote["tax"]["rate"]) == ("DE", "19")
    assert (quote["terms"]["watch_hours"], quote["terms"]["quality"]) == (48, "HD")
    assert moment(quote["start_by"]) - moment(quote["created_at"]) == timedelta(days=30)
    assert moment(quote["expires_at"]) - moment(quote["created_at"]) == timedelta(minutes=10)
    assert {text["name"] for text in quote["texts"] if text["version"]} == {"terms", "withdrawal", *CONSENTS}
    assert quote["button"] == "Zahlungspflichtig bestellen"
    refused = await app.post("/v1/orders", {"quote_id": quote["id"], "consents": {}}, status=409)
    assert refused["code"] == "consents_missing"
    assert (await app.get("/v1/orders"))["orders"] == []


async def the_key_opens_the_sound(app: Program, manifest_url: str, licence: Any) -> None:
    """Decrypt a segment as it is served with the key of the licence: all of it is sound, and with no other key."""
    keys = {key["kid"]: base64.urlsafe_b64decode(key["k"] + "==") for key in licence["keys"]}
    segment = await app.client.get(urljoin(manifest_url, "audio/002.m4s"))
    assert segment.status_code == 200
    frames = decrypted_samples(segment.content, keys[kid_of("AUDIO")])
    assert len(frames) > 250
    assert all(is_aac(frame) for frame in frames)
    strange = decrypted_samples(segment.content, keys[kid_of("HD")])
    assert sum(is_aac(frame) for frame in strange) < len(frames) / 10


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
