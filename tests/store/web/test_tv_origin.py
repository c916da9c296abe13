"""Where a TV asks from, and how often an address may guess at the codes of TVs, whoever is signed in there."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from litestar import Litestar

from store.app import attach
from store.countries import ToldByProxy
from store.settings import Settings
from tests.auth.people import a_customer, parts_of, sign_in, someone_at, with_unused_limits
from tests.store.entitlement.parts import TestDevice
from tests.store.web.test_tv_sign_in import ASK


@pytest.fixture
async def behind_a_proxy(app: Litestar) -> AsyncIterator[None]:
    """The application behind a proxy that tells the country; it is the address of the tests' own client."""
    parts = parts_of(app)
    trusting = replace(parts.settings, trusted_proxies=("127.0.0.1/32",))
    attach(app, replace(parts, settings=trusting, countries=ToldByProxy("cf-ipcountry")))
    yield
    attach(app, parts)


@pytest.mark.usefixtures("behind_a_proxy")
async def test_the_page_names_the_country_that_the_tv_asked_from(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    tv = TestDevice(settings.base_url)
    told = {"cf-ipcountry": "AT", "x-forwarded-for": "192.0.2.9", "DPoP": tv.proof("POST", ASK)}
    asked = await client.post(ASK, json={"device_name": "Wohnzimmer"}, headers=told)
    assert asked.status_code == 201, asked.text
    bearer = await sign_in(client, await a_customer(app))
    page = await client.get("/de/tv", params={"code": asked.json()["user_code"]}, headers=bearer.headers)
    assert "Wohnzimmer" in page.text
    assert "Österreich" in page.text


async def test_an_address_guesses_no_more_with_many_accounts_than_with_one(app: Litestar) -> None:
    with_unused_limits(app)
    async with someone_at(app, "203.0.113.77") as home, someone_at(app, "198.51.100.9") as elsewhere:
        customers = [await sign_in(home, await a_customer(app)) for _ in range(5)]
        home.cookies.clear()
        guesses = [
            (await home.get("/de/tv", params={"code": f"BBBB-BBB{letter}"}, headers=customer.headers)).status_code
            for letter in "BCDF"
            for customer in customers
        ]
        assert guesses == [404] * 20
        for place, customer, status in ((home, customers[0], 429), (elsewhere, customers[1], 404)):
            one_more = await place.get("/de/tv", params={"code": "BBBB-BBBG"}, headers=customer.headers)
            assert one_more.status_code == status, "each account has a guess left"
