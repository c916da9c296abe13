"""People with passkeys: what their programs send to make one and to sign in by it."""

from dataclasses import dataclass
from typing import Any

import httpx
from litestar import Litestar

from auth.models import Account
from tests.auth.people import Bearer, a_colleague, a_customer, parts_of, sign_in
from tests.soft_authenticator import SoftAuthenticator


@dataclass(slots=True)
class Holder:
    """Somebody with a passkey, signed in."""

    account: Account
    bearer: Bearer
    authenticator: SoftAuthenticator
    passkey_id: str


def an_authenticator(app: Litestar, **said: Any) -> SoftAuthenticator:
    return SoftAuthenticator(parts_of(app).settings.base_url, **said)


async def offered(client: httpx.AsyncClient, bearer: Bearer) -> dict[str, Any]:
    answer = await client.post("/v1/passkey-offers", headers=bearer.headers)
    assert answer.status_code == 201, answer.text
    options: dict[str, Any] = answer.json()["options"]
    return options


async def add(
    client: httpx.AsyncClient, bearer: Bearer, credential: dict[str, Any], name: str = "Mein Telefon"
) -> httpx.Response:
    return await client.post("/v1/passkeys", json={"name": name, "credential": credential}, headers=bearer.headers)


async def give_passkey(client: httpx.AsyncClient, bearer: Bearer, authenticator: SoftAuthenticator) -> str:
    answer = await add(client, bearer, authenticator.make(await offered(client, bearer)))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def a_holder(app: Litestar, client: httpx.AsyncClient, *, is_staff: bool = False, **said: Any) -> Holder:
    account = await (a_colleague if is_staff else a_customer)(app)
    bearer, authenticator = await sign_in(client, account), an_authenticator(app, **said)
    return Holder(account, bearer, authenticator, await give_passkey(client, bearer, authenticator))


async def asked(client: httpx.AsyncClient, bearer: Bearer | None = None, **what: Any) -> dict[str, Any]:
    """A challenge with its options; by default for a sign-in."""
    answer = await client.post(
        "/v1/passkey-challenges", json={"purpose": "sign_in", **what}, headers=bearer.headers if bearer else None
    )
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def enter(
    client: httpx.AsyncClient, authenticator: SoftAuthenticator, given: dict[str, Any] | None = None, **lies: Any
) -> httpx.Response:
    """Sign in by a passkey alone, for a challenge that was given or a new one."""
    given = given or await asked(client)
    signed = authenticator.sign(given["options"], **lies)
    return await client.post("/v1/passkey-sign-ins", json={"credential": signed, "token": given["token"]})


async def begin(client: httpx.AsyncClient, account: Account, password: str) -> dict[str, Any]:
    """The first step of a sign-in by password, where a second one is due."""
    answer = await client.post("/v1/sessions", json={"email": account.email, "password": password})
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def finish(
    client: httpx.AsyncClient, token: str, authenticator: SoftAuthenticator, **lies: Any
) -> httpx.Response:
    """The second step by a passkey."""
    challenge = await asked(client, purpose="second_step", token=token)
    signed = authenticator.sign(challenge["options"], **lies)
    return await client.post("/v1/passkey-second-steps", json={"token": token, "credential": signed})


def refused(answer: httpx.Response) -> bool:
    """Whether an answer of an authenticator was not taken."""
    return bool((answer.status_code, answer.json().get("code")) == (400, "passkey_refused"))
