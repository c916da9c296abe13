"""The pages of profiles and of who watches, without JavaScript: from the first PIN to the locked page and back."""

import re

import asyncpg
import httpx

from auth.models import Account
from store.database import Database
from tests.store.catalogue.shelves import make_title
from tests.store.web.test_devices_pages import post
from tests.store.web.visitors import OURS, PASSWORD, token_in

PAGE = "/de/account/profiles"


async def child_watches(browser: httpx.AsyncClient, *, age: str = "12") -> str:
    """Set a PIN, add a profile, let it watch; gives the profile's id."""
    assert await post(browser, PAGE, "/de/account/parental-pin", pin="4711") == f"{PAGE}?done=pin_set"
    assert await post(browser, PAGE, PAGE, name="Kinder", age_limit=age) == f"{PAGE}?done=profile_added"
    profile = re.findall(rf'action="{PAGE}/([0-9a-f-]{{36}})/removal"', (await browser.get(PAGE)).text)[0]
    assert await post(browser, "/de/viewer", "/de/viewer", profile=profile, next="/de/films") == "/de/films"
    return str(profile)


async def test_a_holders_page_leads_a_child_to_the_pin_and_back(browser: httpx.AsyncClient, customer: Account) -> None:
    await child_watches(browser)
    shut = await browser.get("/de/orders?page=2")
    assert (shut.status_code, shut.headers["location"]) == (303, "/de/viewer?next=%2Fde%2Forders%3Fpage%3D2")
    page = await browser.get(shut.headers["location"])
    assert "Kinder · bis 12" in page.text
    assert 'name="next" value="/de/orders?page=2"' in page.text
    assert f'href="{PAGE}"' not in page.text, "what is shut is not offered"

    wrong = {"csrf_token": token_in(page.text), "pin": "0000", "next": "/de/orders"}
    refused = await browser.post("/de/viewer/unlock", data=wrong, headers=OURS)
    assert refused.status_code == 403
    assert "Diese PIN stimmt nicht" in refused.text
    assert 'name="next" value="/de/orders"' in refused.text, "the way is not lost"

    there = await post(browser, "/de/viewer", "/de/viewer/unlock", pin="4711", next="/de/orders")
    assert there == "/de/orders"
    assert (await browser.get(there)).status_code == 200
    assert "sind alle Filme frei" in (await browser.get("/de/viewer")).text
    assert await post(browser, "/de/viewer", "/de/viewer/lock") == "/de/viewer?done=viewer_locked"
    assert (await browser.get("/de/orders")).status_code == 303


async def test_what_is_shut_is_not_there_and_the_page_says_how_to_open_it(
    browser: httpx.AsyncClient, customer: Account, database: Database
) -> None:
    film = await make_title(database, "Night of Knives")
    await child_watches(browser)
    page = await browser.get(f"/de/films/{film.slug}")
    assert page.status_code == 404
    assert f'href="/de/viewer?next=%2Fde%2Ffilms%2F{film.slug}"' in page.text
    await post(browser, "/de/viewer", "/de/viewer/unlock", pin="4711")
    assert (await browser.get(f"/de/films/{film.slug}")).status_code == 200


async def test_a_forgotten_pin_is_renewed_with_the_password_from_the_locked_profile(
    browser: httpx.AsyncClient, customer: Account, owner: asyncpg.Connection
) -> None:
    await child_watches(browser)
    await owner.execute("UPDATE auth.sessions SET auth_at = auth_at - interval '1 hour'")
    asked = await browser.get("/de/account/parental-pin")
    assert asked.headers["location"] == "/de/step-up?next=%2Fde%2Faccount%2Fparental-pin"
    proved = await post(
        browser, asked.headers["location"], "/de/step-up", password=PASSWORD, next="/de/account/parental-pin"
    )
    assert proved == "/de/account/parental-pin"
    assert await post(browser, proved, proved, pin="0815") == "/de/viewer?done=pin_set"
    assert await post(browser, "/de/viewer", "/de/viewer/unlock", pin="0815") == "/de"


async def test_a_pin_that_is_none_is_refused_beside_its_field(browser: httpx.AsyncClient, customer: Account) -> None:
    token = token_in((await browser.get("/de/account/parental-pin")).text)
    answer = await browser.post("/de/account/parental-pin", data={"csrf_token": token, "pin": "12a"}, headers=OURS)
    assert answer.status_code == 400
    assert 'aria-invalid="true"' in answer.text


async def test_refusals_of_profiles_are_told_on_their_page(browser: httpx.AsyncClient, customer: Account) -> None:
    token = token_in((await browser.get(PAGE)).text)
    limited = {"csrf_token": token, "name": "Kinder", "age_limit": "6"}
    answer = await browser.post(PAGE, data=limited, headers=OURS)
    assert answer.status_code == 409
    assert "Bitte legen Sie zuerst eine Jugendschutz-PIN fest." in answer.text
    assert (await browser.post(PAGE, data={**limited, "age_limit": "7"}, headers=OURS)).status_code == 400


async def test_a_profile_is_changed_and_removed_on_its_page(browser: httpx.AsyncClient, customer: Account) -> None:
    profile = await child_watches(browser)
    await post(browser, "/de/viewer", "/de/viewer/unlock", pin="4711")
    changed = await post(browser, PAGE, f"{PAGE}/{profile}", name="Mia", age_limit="16")
    assert changed == f"{PAGE}?done=profile_changed"
    assert "Filme bis 16 Jahre" in (await browser.get(PAGE)).text
    removed = await post(browser, PAGE, f"{PAGE}/{profile}/removal")
    assert removed == f"{PAGE}?done=profile_removed"
    assert (await browser.get(PAGE)).status_code == 303, "who watched by it is signed out"
