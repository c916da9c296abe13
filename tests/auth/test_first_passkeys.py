"""Staff whose first second factor is a passkey, and who change from the app to one: never is there none."""

import asyncio
from typing import Any

import asyncpg
import httpx
from litestar import Litestar

from tests.auth.passkey_holders import a_holder, an_authenticator, begin, enter, refused
from tests.auth.people import AUTHENTICATOR, GOOD_PASSWORD, a_colleague, with_unused_limits
from tests.auth.post_office import PostOffice, deliver_mails
from tests.auth.test_second_factor import a_newcomer
from tests.authenticators import Authenticator


async def offered_first(client: httpx.AsyncClient, step: dict[str, Any]) -> httpx.Response:
    return await client.post("/v1/first-passkey-offers", json={"token": step["token"], "client": "app"})


async def enter_first(client: httpx.AsyncClient, step: dict[str, Any], credential: dict[str, Any]) -> httpx.Response:
    body = {"token": step["token"], "name": "Mein Schlüssel", "credential": credential}
    return await client.post("/v1/first-passkeys", json=body)


async def test_staff_set_a_passkey_up_in_place_of_the_app_at_their_first_sign_in(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, post_office: PostOffice
) -> None:
    newcomer, authenticator = await a_newcomer(app), an_authenticator(app)
    step = await begin(client, newcomer, GOOD_PASSWORD)
    assert (step["takes_code"], step["takes_passkey"]) == (True, False)
    options = (await offered_first(client, step)).json()["options"]
    authenticator.verifies = False
    assert refused(await enter_first(client, step, authenticator.make(options)))
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == 0
    authenticator.verifies = True
    options = (await offered_first(client, step)).json()["options"]
    done = await enter_first(client, step, authenticator.make(options))
    assert (done.status_code, done.json()["kind"]) == (201, "staff")
    headers = {"Authorization": f"Bearer {done.json()['token']}"}
    assert (await client.get("/v1/passkeys", headers=headers)).json()["passkeys"][0]["name"] == "Mein Schlüssel"
    assert (await enter(client, authenticator)).status_code == 201
    await deliver_mails(app)
    assert "Ein Passkey wurde hinzugefügt" in [letter["Subject"] for letter in post_office.to(newcomer.email)]


async def test_who_knows_the_password_of_a_newcomer_too_comes_too_late(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    newcomer, own = await a_newcomer(app), an_authenticator(app)
    other = await begin(client, newcomer, GOOD_PASSWORD)
    others = (await offered_first(client, other)).json()["options"]
    step = await begin(client, newcomer, GOOD_PASSWORD)
    made = own.make((await offered_first(client, step)).json()["options"])
    assert (await enter_first(client, step, made)).status_code == 201
    code = {"token": other["token"], "code": Authenticator(other["offer"]["secret"]).now()}
    for answer in (
        await offered_first(client, other),
        await enter_first(client, other, an_authenticator(app).make(others)),
        await client.post("/v1/second-steps", json=code),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "second_factor_exists")
    assert await owner.fetchval("SELECT count(*) FROM auth.passkeys") == 1
    assert await owner.fetchval("SELECT count(*) FROM auth.second_factors WHERE confirmed_at IS NOT NULL") == 0


async def test_of_an_app_and_a_passkey_set_up_at_once_one_is_the_factor(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    for _ in range(5):
        newcomer, authenticator = await a_newcomer(app), an_authenticator(app)
        first, second = [await begin(client, newcomer, GOOD_PASSWORD) for _ in range(2)]
        made = authenticator.make((await offered_first(client, first)).json()["options"])
        code = {"token": second["token"], "code": Authenticator(second["offer"]["secret"]).now()}
        answers = await asyncio.gather(enter_first(client, first, made), client.post("/v1/second-steps", json=code))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        with_unused_limits(app)
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == 5


async def test_who_has_a_second_factor_sets_none_up_in_a_sign_in(app: Litestar, client: httpx.AsyncClient) -> None:
    step = await begin(client, await a_colleague(app), GOOD_PASSWORD)
    answer = await offered_first(client, step)
    assert (answer.status_code, answer.json()["code"]) == (409, "second_factor_exists")
    nobody = await client.post("/v1/first-passkey-offers", json={"client": "web"})
    assert (nobody.status_code, nobody.json()["code"]) == (401, "step_not_valid")


async def test_staff_may_change_from_the_app_to_a_passkey_but_never_to_none(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    holder = await a_holder(app, client, is_staff=True)
    body = {"code": AUTHENTICATOR.code(str(holder.account.id))}
    answers = await asyncio.gather(
        client.post("/v1/second-factor-removals", json=body, headers=holder.bearer.headers),
        client.delete(f"/v1/passkeys/{holder.passkey_id}", headers=holder.bearer.headers),
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    left = "SELECT (SELECT count(*) FROM auth.second_factors WHERE removed_at IS NULL)"
    assert await owner.fetchval(f"{left} + (SELECT count(*) FROM auth.passkeys WHERE removed_at IS NULL)") == 1
