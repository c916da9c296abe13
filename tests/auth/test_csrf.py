import httpx
import pytest
from litestar import Litestar

from store.settings import Settings
from tests.auth.people import GOOD_PASSWORD, a_customer


async def a_browser(app: Litestar, client: httpx.AsyncClient) -> tuple[str, str]:
    """A browser's cookie and the token of its forms."""
    account = await a_customer(app)
    opened = await client.post(
        "/v1/sessions", json={"email": account.email, "password": GOOD_PASSWORD, "client": "web"}
    )
    client.cookies.clear()
    return opened.headers["set-cookie"].partition(";")[0], opened.json()["csrf_token"]


async def test_our_own_page_may_change_things(app: Litestar, client: httpx.AsyncClient, settings: Settings) -> None:
    for site in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": settings.base_url}):
        cookie, token = await a_browser(app, client)
        headers = {"Cookie": cookie, "X-CSRF-Token": token, **site}
        assert (await client.delete("/v1/sessions", headers=headers)).status_code == 204


@pytest.mark.parametrize(
    "site",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null"},
        {"Origin": "https://boese.example"},
        {},
    ],
)
async def test_another_site_may_not_even_with_the_right_token(
    app: Litestar, client: httpx.AsyncClient, site: dict[str, str]
) -> None:
    cookie, token = await a_browser(app, client)
    answer = await client.delete("/v1/sessions", headers={"Cookie": cookie, "X-CSRF-Token": token, **site})
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert (await client.get("/v1/account", headers={"Cookie": cookie})).status_code == 200


@pytest.mark.parametrize("token", [None, "", "falsch", "ungültig ✗"])
async def test_without_the_sessions_own_token_nothing_changes(
    app: Litestar, client: httpx.AsyncClient, settings: Settings, token: str | None
) -> None:
    cookie, _ = await a_browser(app, client)
    headers: dict[str, str | bytes] = {"Cookie": cookie, "Origin": settings.base_url}
    if token is not None:
        headers["X-CSRF-Token"] = token.encode()
    answer = await client.delete("/v1/sessions", headers=headers)
    assert answer.status_code == 403
    assert (await client.get("/v1/account", headers={"Cookie": cookie})).status_code == 200


async def test_the_token_of_another_session_is_not_taken(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    (cookie, _), (_, foreign) = await a_browser(app, client), await a_browser(app, client)
    headers = {"Cookie": cookie, "X-CSRF-Token": foreign, "Origin": settings.base_url}
    assert (await client.delete("/v1/sessions", headers=headers)).status_code == 403


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/registrations", "/v1/password-resets"])
async def test_another_site_cannot_sign_a_browser_in_or_register_it(client: httpx.AsyncClient, path: str) -> None:
    body = {"email": "anna@beispiel.example", "password": GOOD_PASSWORD}
    answer = await client.post(path, json=body, headers={"Origin": "https://boese.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
