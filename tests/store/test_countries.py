"""The country of a sign-in: by the word of a trusted proxy or by a local database, for the customer and for support."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import maxminddb
import pytest
from litestar import Litestar

from store.app import attach
from store.countries import LookedUp, ToldByProxy, Unknown, open_countries
from store.settings import Settings, UnsafeSettings
from tests.auth.people import GOOD_PASSWORD, a_colleague, a_customer, parts_of, sign_in
from tests.auth.post_office import deliver_mails, open_post_office, text_of
from tests.store.mmdb import write_database
from tests.test_settings import production_environment

PLACES = {
    "192.0.2.0/24": {"country": {"iso_code": "AT"}},
    "198.51.100.0/25": {"country_code": "de"},
    "203.0.113.128/25": {"country": "FR"},
    "203.0.113.0/25": {"registered_country": {"iso_code": "US"}},
    "2001:db8:1::/48": {"country": {"iso_code": "CH"}},
    "2001:db8:2::/48": {"country": {"iso_code": "EU"}},
    "2001:db8:3::/48": {"country": {"names": {"en": "Nowhere"}}},
    "2001:db8:4::/48": "AT",
}


@pytest.fixture
def places(tmp_path: Path) -> str:
    return str(write_database(tmp_path / "places.mmdb", PLACES))


@pytest.mark.parametrize(
    ("ip", "country"),
    [
        ("192.0.2.9", "AT"),
        ("198.51.100.7", "DE"),
        ("198.51.100.200", None),
        ("203.0.113.200", "FR"),
        ("203.0.113.1", None),
        ("2001:db8:1::5", "CH"),
        ("2001:db8:2::5", None),
        ("2001:db8:3::5", None),
        ("2001:db8:4::5", None),
        ("127.0.0.1", None),
        ("0.0.0.0", None),  # noqa: S104 - said of a peer without an address
    ],
)
def test_a_database_tells_the_country_of_an_address(
    places: str, settings: Settings, ip: str, country: str | None
) -> None:
    countries = open_countries(replace(settings, country_database=places))
    assert countries.country_of(ip, told={"cf-ipcountry": "GB"}) == country


def test_a_file_that_is_no_database_stops_the_start(tmp_path: Path, settings: Settings) -> None:
    other = tmp_path / "other.mmdb"
    other.write_bytes(b"no database")
    with pytest.raises(maxminddb.InvalidDatabaseError):
        open_countries(replace(settings, country_database=str(other)))


@pytest.mark.parametrize(
    ("told", "country"),
    [("AT", "AT"), (" at ", "AT"), ("XX", None), ("T1", None), ("", None), ("AUT", None), ("Ä1", None), ("<b", None)],
)
def test_a_proxy_tells_a_country_or_none(told: str, country: str | None) -> None:
    assert ToldByProxy("cf-ipcountry").country_of("192.0.2.1", told={"cf-ipcountry": told}) == country
    assert ToldByProxy("cf-ipcountry").country_of("192.0.2.1", told={"other": told}) is None


def test_nobody_tells_by_default_and_both_at_once_are_a_fault(settings: Settings, places: str) -> None:
    assert isinstance(open_countries(settings), Unknown)
    assert Unknown().country_of("192.0.2.9", told={"cf-ipcountry": "AT"}) is None
    assert isinstance(open_countries(replace(settings, country_database=places)), LookedUp)
    both = {"COUNTRY_HEADER": "CF-IPCountry", "COUNTRY_DATABASE": places, "TRUSTED_PROXIES": "10.0.0.1"}
    for changes, fault in (
        (both, "COUNTRY_HEADER and COUNTRY_DATABASE are both set"),
        ({"COUNTRY_HEADER": "CF-IPCountry"}, "COUNTRY_HEADER is set, but no proxy in TRUSTED_PROXIES can be believed"),
        ({"COUNTRY_DATABASE": "/nowhere.mmdb"}, "COUNTRY_DATABASE names no file"),
    ):
        with pytest.raises(UnsafeSettings) as refusal:
            Settings.from_env(production_environment(**changes))
        assert refusal.value.faults == [fault]


@pytest.fixture
async def behind_a_proxy(app: Litestar) -> AsyncIterator[None]:
    """The application behind a proxy that tells the country; it is the address of the tests' own client."""
    parts = parts_of(app)
    trusting = replace(parts.settings, trusted_proxies=("127.0.0.1/32",))
    attach(app, replace(parts, settings=trusting, countries=ToldByProxy("cf-ipcountry")))
    yield
    attach(app, parts)


@pytest.mark.usefixtures("behind_a_proxy")
async def test_the_country_is_in_the_sessions_the_mail_the_page_and_the_file_of_support(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    account = await a_customer(app, locale="en")
    await sign_in(client, account)
    client.headers.update({"cf-ipcountry": "AT", "x-forwarded-for": "192.0.2.9"})
    client.cookies.clear()
    with open_post_office(settings.smtp_url) as office:
        bearer = await sign_in(client, account)
        await deliver_mails(app)
    sessions = (await client.get("/v1/sessions", headers=bearer.headers)).json()["sessions"]
    assert {session["is_current"]: session["country"] for session in sessions} == {True: "AT", False: None}
    assert "country: Austria" in text_of(office.to(account.email)[-1])
    assert "Österreich" in (await client.get("/de/account", headers=bearer.headers)).text
    agent = await sign_in(client, await a_colleague(app))
    file = (await client.get(f"/v1/staff/customers/{account.id}", headers=agent.headers)).json()
    assert sorted(str(session["country"]) for session in file["sessions"]) == ["AT", "None"]
    page = await client.get(f"/de/support/customers/{account.id}", headers=agent.headers)
    assert "Österreich" in page.text
    exported = await client.post("/v1/data-exports", json={"password": GOOD_PASSWORD}, headers=bearer.headers)
    assert {row["country"] for row in exported.json()["parts"]["sessions"]} == {"AT", None}


async def test_a_client_that_is_no_proxy_cannot_tell_its_country(app: Litestar, client: httpx.AsyncClient) -> None:
    parts = parts_of(app)
    attach(app, replace(parts, countries=ToldByProxy("cf-ipcountry")))
    client.headers["cf-ipcountry"] = "AT"
    bearer = await sign_in(client, await a_customer(app))
    (session,) = (await client.get("/v1/sessions", headers=bearer.headers)).json()["sessions"]
    assert session["country"] is None
    attach(app, parts)
