import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from store.settings import Settings
from tests.auth.people import GOOD_PASSWORD, a_colleague, a_customer, sign_in


async def test_everyone_sees_where_they_are_signed_in(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app)
    first, second = await sign_in(client, account), await sign_in(client, account)
    await sign_in(client, await a_customer(app))
    listed = (await client.get("/v1/sessions", headers=second.headers)).json()["sessions"]
    assert {one["id"] for one in listed} == {str(first.session_id), str(second.session_id)}
    assert [one["id"] for one in listed if one["is_current"]] == [str(second.session_id)]
    assert listed[0]["network"] == "127.0.0.0/24"


async def test_ending_one_session_leaves_the_others(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app)
    first, second = await sign_in(client, account), await sign_in(client, account)
    ended = await client.delete(f"/v1/sessions/{first.session_id}", headers=second.headers)
    assert ended.status_code == 204
    assert (await client.get("/v1/account", headers=first.headers)).status_code == 401
    assert (await client.get("/v1/account", headers=second.headers)).status_code == 200


async def test_another_accounts_session_looks_like_none(app: Litestar, client: httpx.AsyncClient) -> None:
    mine, theirs = await sign_in(client, await a_customer(app)), await sign_in(client, await a_customer(app))
    answers = [
        await client.delete(f"/v1/sessions/{session_id}", headers=mine.headers)
        for session_id in (theirs.session_id, new_id())
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    assert (await client.get("/v1/account", headers=theirs.headers)).status_code == 200


async def test_signing_out_ends_the_session_for_good(
    app: Litestar, client: httpx.AsyncClient, settings: Settings
) -> None:
    account = await a_customer(app)
    opened = await client.post(
        "/v1/sessions", json={"email": account.email, "password": GOOD_PASSWORD, "client": "web"}
    )
    cookie = {"Cookie": opened.headers["set-cookie"].partition(";")[0]}
    change = {"Origin": settings.base_url, "X-CSRF-Token": opened.json()["csrf_token"]}
    client.cookies.clear()
    answer = await client.delete("/v1/sessions/current", headers={**cookie, **change})
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await client.get("/v1/account", headers=cookie)).status_code == 401


async def test_signing_out_everywhere_ends_all(app: Litestar, client: httpx.AsyncClient) -> None:
    account = await a_customer(app)
    bearers = [await sign_in(client, account) for _ in range(3)]
    stranger = await sign_in(client, await a_customer(app))
    assert (await client.delete("/v1/sessions", headers=bearers[0].headers)).status_code == 204
    for bearer in bearers:
        assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 401
    assert (await client.get("/v1/account", headers=stranger.headers)).status_code == 200
    assert (await sign_in(client, account)).token not in {bearer.token for bearer in bearers}


async def test_staff_sign_in_to_a_short_session_with_their_permissions(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    bearer = await sign_in(client, await a_colleague(app, roles=("support", "finance")))
    account = (await client.get("/v1/account", headers=bearer.headers)).json()
    assert account["kind"] == "staff"
    assert account["roles"] == ["finance", "support"]
    assert "customer.password_reset.start" in account["permissions"]
    assert "staff.manage" not in account["permissions"]


GUARDED = [
    ("GET", "/v1/account"),
    ("GET", "/v1/sessions"),
    ("DELETE", "/v1/sessions"),
    ("DELETE", "/v1/sessions/current"),
    ("DELETE", "/v1/sessions/01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10"),
    ("POST", "/v1/step-ups"),
    ("POST", "/v1/email-changes"),
    ("POST", "/v1/email-change-confirmations"),
    ("POST", "/v1/password-changes"),
    ("POST", "/v1/staff/customers/01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10/password-resets"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_a_stranger_is_asked_to_sign_in(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path, json={"reason": "kein Grund zu sehen"} if method == "POST" else None)
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_signed_in"
    assert answer.headers["www-authenticate"].startswith("Bearer")
