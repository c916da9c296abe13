"""Hashes of weaker parameters are renewed when their owner signs in, and never bring an old password back."""

import asyncio

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.models import Account
from auth.passwords import PasswordHasher
from tests.auth.people import GOOD_PASSWORD, OTHER_PASSWORD, a_customer, parts_of, sign_in, with_unused_limits
from tests.auth.post_office import PostOffice, deliver_mails, token_in

ROUNDS = 4
AT_ONCE = 8

OLD, PRESENT = "$m=64,t=1,p=1$", "$m=1024,t=1,p=1$"
"""Parameters of the old hashes, and of those that the application of the tests makes."""


async def age(owner: asyncpg.Connection, account: Account, password: str) -> None:
    """Give the account the hash that an older installation would have made."""
    weak = PasswordHasher(threads=1, memory_kibibytes=64, passes=1)
    hashed = await weak.accept(password, kind="customer")
    weak.close()
    assert OLD in hashed
    await owner.execute("UPDATE auth.accounts SET password_hash = $2 WHERE id = $1", account.id, hashed)


async def hash_of(owner: asyncpg.Connection, account: Account) -> str:
    return str(await owner.fetchval("SELECT password_hash FROM auth.accounts WHERE id = $1", account.id))


async def enter(client: httpx.AsyncClient, account: Account, password: str) -> httpx.Response:
    return await client.post("/v1/sessions", json={"email": account.email, "password": password})


async def test_signing_in_renews_an_old_hash_once_also_many_times_at_once(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    await age(owner, account, GOOD_PASSWORD)
    answers = await asyncio.gather(*(enter(client, account, GOOD_PASSWORD) for _ in range(AT_ONCE)))
    assert [answer.status_code for answer in answers] == [201] * AT_ONCE
    renewed = await hash_of(owner, account)
    assert PRESENT in renewed
    await sign_in(client, account)
    assert await hash_of(owner, account) == renewed, "what is up to date stays as it is"


async def test_a_wrong_password_renews_nothing(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    await age(owner, account, GOOD_PASSWORD)
    before = await hash_of(owner, account)
    assert (await enter(client, account, OTHER_PASSWORD)).status_code == 401
    assert await hash_of(owner, account) == before


async def test_a_disabled_account_keeps_its_old_hash(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    await age(owner, account, GOOD_PASSWORD)
    await owner.execute("UPDATE auth.accounts SET status = 'disabled' WHERE id = $1", account.id)
    assert (await enter(client, account, GOOD_PASSWORD)).status_code == 403
    assert OLD in await hash_of(owner, account)


@pytest.mark.parametrize("way", ["changed by its owner", "reset by mail"])
async def test_sign_ins_that_renew_the_old_hash_never_undo_a_new_password(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, post_office: PostOffice, way: str
) -> None:
    for _ in range(ROUNDS):
        with_unused_limits(app)
        account = await a_customer(app)
        await age(owner, account, GOOD_PASSWORD)
        if way == "reset by mail":
            await client.post("/v1/password-resets", json={"email": account.email})
            await deliver_mails(app)
            token = token_in(post_office.to(account.email)[-1])
            path, body = "/v1/password-reset-completions", {"token": token, "password": OTHER_PASSWORD}
            headers = {}
        else:
            path = "/v1/password-changes"
            body = {"current_password": GOOD_PASSWORD, "password": OTHER_PASSWORD}
            headers = (await sign_in(client, account)).headers
            await age(owner, account, GOOD_PASSWORD)
        half = AT_ONCE // 2
        answers = await asyncio.gather(
            *(enter(client, account, GOOD_PASSWORD) for _ in range(half)),
            client.post(path, json=body, headers=headers),
            *(enter(client, account, GOOD_PASSWORD) for _ in range(half)),
        )
        assert answers.pop(half).is_success
        for opened in (answer for answer in answers if answer.status_code == 201):
            dead = {"Authorization": f"Bearer {opened.json()['token']}"}
            assert (await client.get("/v1/account", headers=dead)).status_code == 401
        assert PRESENT in await hash_of(owner, account)
        assert (await enter(client, account, GOOD_PASSWORD)).status_code == 401
        assert (await enter(client, account, OTHER_PASSWORD)).status_code == 201


async def test_a_hash_that_was_replaced_meanwhile_is_not_renewed(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    """The renewal itself: the row that the new password waits for is locked before the old one is written back."""
    account = await a_customer(app)
    await age(owner, account, GOOD_PASSWORD)
    replaced = await parts_of(app).hasher.accept(OTHER_PASSWORD, kind="customer")
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("UPDATE auth.accounts SET password_hash = $2 WHERE id = $1", account.id, replaced)
    signing_in = asyncio.create_task(enter(client, account, GOOD_PASSWORD))
    async with asyncio.timeout(10):
        while not await owner.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
            assert not signing_in.done(), "it has to wait for the row"
            await asyncio.sleep(0.01)
    await transaction.commit()
    assert (await signing_in).status_code == 201
    assert await hash_of(owner, account) == replaced
