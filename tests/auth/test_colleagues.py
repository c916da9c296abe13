import asyncio
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.colleagues import Colleagues
from auth.errors import LastAdmin
from auth.identity import HOLDER, Identity
from tests.auth.people import (
    GOOD_PASSWORD,
    HOME,
    OTHER_PASSWORD,
    Bearer,
    a_colleague,
    a_customer,
    an_address,
    parts_of,
    sign_in,
)
from tests.auth.post_office import PostOffice, deliver_mails, text_of, token_in

REASON = "Scheidet zum Monatsende aus, Vorgang 815"


async def an_admin(app: Litestar, client: httpx.AsyncClient) -> Bearer:
    return await sign_in(client, await a_colleague(app, roles=("admin",)))


async def invite(client: httpx.AsyncClient, admin: Bearer, email: str, *roles: str) -> httpx.Response:
    body = {"email": email, "roles": list(roles or ("support",))}
    return await client.post("/v1/staff/invitations", json=body, headers=admin.headers)


async def accept(client: httpx.AsyncClient, token: str, password: str = GOOD_PASSWORD) -> httpx.Response:
    return await client.post("/v1/staff-invitation-acceptances", json={"token": token, "password": password})


async def change_roles(client: httpx.AsyncClient, admin: Bearer, whose: UUID, *roles: str) -> httpx.Response:
    body = {"roles": list(roles), "reason": REASON}
    return await client.put(f"/v1/staff/colleagues/{whose}/roles", json=body, headers=admin.headers)


async def let_go(client: httpx.AsyncClient, admin: Bearer, whom: UUID) -> httpx.Response:
    body = {"reason": REASON}
    return await client.post(f"/v1/staff/colleagues/{whom}/departures", json=body, headers=admin.headers)


async def entries(owner: asyncpg.Connection, action: str) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await owner.fetch(
        "SELECT * FROM auth.audit_events WHERE action = $1 ORDER BY id", action
    )
    return rows


async def test_an_invited_colleague_joins_by_the_mailed_link_with_exactly_the_roles_of_the_invitation(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    admin, email = await an_admin(app, client), an_address("neu")
    answer = await invite(client, admin, email, "finance", "support")
    assert answer.status_code == 201
    assert answer.json()["roles"] == ["finance", "support"]
    assert "vt1_" not in answer.text
    await deliver_mails(app)
    [letter] = post_office.to(email)
    assert "/de/join#t=vt1_invite_" in text_of(letter)
    token = token_in(letter)
    assert (await accept(client, token, "zu kurz")).json()["code"] == "password_refused"
    assert (await accept(client, token)).status_code == 204
    used = await accept(client, token, OTHER_PASSWORD)
    assert (used.status_code, used.json()["code"]) == (400, "link_not_valid")

    due = await client.post("/v1/sessions", json={"email": email, "password": GOOD_PASSWORD})
    assert (due.status_code, due.json()["offer"] is not None) == (202, True)
    rows = await owner.fetch(
        "SELECT r.role, r.granted_by, a.kind FROM auth.role_assignments r JOIN auth.accounts a ON a.id = r.account_id "
        "WHERE a.email = $1 ORDER BY r.role",
        email,
    )
    assert [(row["role"], row["granted_by"], row["kind"]) for row in rows] == [
        ("finance", admin.account_id, "staff"),
        ("support", admin.account_id, "staff"),
    ]
    [invited], [joined] = await entries(owner, "staff.invite"), await entries(owner, "staff.join")
    assert (invited["actor_id"], invited["outcome"]) == (admin.account_id, "done")
    assert email not in str([dict(invited), dict(joined)])
    listed = (await client.get("/v1/staff/colleagues", headers=admin.headers)).json()
    assert [one["has_second_factor"] for one in listed["colleagues"] if one["email"] == email] == [False]
    assert listed["invitations"] == []


async def test_an_invitation_is_accepted_once_also_of_ten_at_once(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    admin, email = await an_admin(app, client), an_address("neu")
    await invite(client, admin, email)
    await deliver_mails(app)
    token = token_in(post_office.to(email)[0])
    answers = await asyncio.gather(*(accept(client, token) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 9
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts WHERE email = $1", email) == 1


async def test_a_newer_a_withdrawn_and_an_old_invitation_let_nobody_in(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    admin, email = await an_admin(app, client), an_address("neu")
    tokens, made = [], []
    for _ in range(3):
        made.append((await invite(client, admin, email)).json()["id"])
        await deliver_mails(app)
        tokens.append(token_in(post_office.to(email)[-1]))
    path = f"/v1/staff/invitations/{made[1]}"
    assert (await client.delete(path, headers=admin.headers)).status_code == 404, "the third replaced it"
    assert (await client.delete(f"/v1/staff/invitations/{made[2]}", headers=admin.headers)).status_code == 204
    assert (await client.delete(f"/v1/staff/invitations/{made[2]}", headers=admin.headers)).status_code == 404
    await invite(client, admin, email)
    await deliver_mails(app)
    tokens.append(token_in(post_office.to(email)[-1]))
    await owner.execute("UPDATE auth.invitations SET expires_at = now() - interval '1 second' WHERE id <> $1", made[0])
    for token in tokens:
        assert (await accept(client, token)).json()["code"] == "link_not_valid"
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts WHERE email = $1", email) == 0


async def test_an_invitation_does_not_tell_the_admin_who_has_a_customer_account(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    admin, customer = await an_admin(app, client), await a_customer(app)
    known, unknown = await invite(client, admin, customer.email or ""), await invite(client, admin, an_address("neu"))
    assert known.status_code == unknown.status_code == 201
    assert known.json().keys() == unknown.json().keys()
    await deliver_mails(app)
    told = await accept(client, token_in(post_office.to(customer.email)[-1]))
    assert (told.status_code, told.json()["code"]) == (409, "email_address_taken")
    assert await owner.fetchval("SELECT kind FROM auth.accounts WHERE id = $1", customer.id) == "customer"
    await sign_in(client, customer)


async def test_new_roles_count_at_once_since_the_person_is_signed_out(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    admin, colleague = await an_admin(app, client), await a_colleague(app, roles=("support", "finance"))
    bearer = await sign_in(client, colleague)
    answer = await change_roles(client, admin, colleague.id, "support", "editor")
    assert (answer.status_code, answer.json()["roles"]) == (200, ["editor", "support"])
    assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 401
    again = await sign_in(client, colleague)
    told = (await client.get("/v1/account", headers=again.headers)).json()
    assert told["roles"] == ["editor", "support"]
    [entry] = await entries(owner, "staff.change_roles")
    assert (entry["actor_id"], entry["target_id"], entry["reason"]) == (admin.account_id, str(colleague.id), REASON)
    assert '"before": ["finance", "support"]' in entry["details"]


async def test_who_leaves_is_out_at_once_and_may_be_invited_anew(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    admin, colleague = await an_admin(app, client), await a_colleague(app, roles=("admin",))
    bearer = await sign_in(client, colleague)
    await invite(client, bearer, an_address("neu"))
    due = await client.post("/v1/sessions", json={"email": colleague.email, "password": GOOD_PASSWORD})
    assert (await let_go(client, admin, colleague.id)).status_code == 204
    assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 401
    step = {"token": due.json()["token"], "code": "123456"}
    assert (await client.post("/v1/second-steps", json=step)).json()["code"] == "step_not_valid"
    refused = await client.post("/v1/sessions", json={"email": colleague.email, "password": GOOD_PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (401, "sign_in_refused")
    assert await owner.fetchval("SELECT count(*) FROM auth.role_assignments WHERE account_id = $1", colleague.id) == 0
    assert await owner.fetchval("SELECT count(*) FROM auth.invitations WHERE withdrawn_at IS NULL") == 0
    assert (await let_go(client, admin, colleague.id)).json()["code"] == "colleague_not_found"
    await invite(client, admin, colleague.email or "")
    await deliver_mails(app)
    assert (await accept(client, token_in(post_office.to(colleague.email)[-1]))).status_code == 204
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts WHERE email = $1", colleague.email) == 2


async def test_nobody_changes_the_own_roles_or_ends_the_own_account(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    admin = await an_admin(app, client)
    await a_colleague(app, roles=("admin",))
    for answer in (
        await change_roles(client, admin, admin.account_id, "admin", "finance"),
        await let_go(client, admin, admin.account_id),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "own_account")
    assert (await client.get("/v1/account", headers=admin.headers)).json()["roles"] == ["admin"]
    refused = [*await entries(owner, "staff.change_roles"), *await entries(owner, "staff.let_go")]
    assert [(entry["outcome"], entry["actor_id"]) for entry in refused] == [("refused", admin.account_id)] * 2


@pytest.mark.parametrize("act", ["leave", "roles"])
async def test_of_two_admins_who_let_each_other_go_at_once_one_stays(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, act: str
) -> None:
    one, other = await an_admin(app, client), await an_admin(app, client)
    answers = await asyncio.gather(
        *(
            let_go(client, admin, whom.account_id)
            if act == "leave"
            else change_roles(client, admin, whom.account_id, "support")
            for admin, whom in ((one, other), (other, one))
        )
    )
    done, refused = sorted(answer.status_code for answer in answers)
    assert done in (200, 204)
    assert refused in (401, 409)
    assert await owner.fetchval("SELECT count(*) FROM auth.role_assignments WHERE role = 'admin'") == 1


async def test_an_admin_whose_role_was_taken_meanwhile_cannot_leave_the_staff_without_one(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    """The request of the one was let in before the other one's role change; the rows decide, not the session."""
    last, gone = await a_colleague(app, roles=("admin",)), await an_admin(app, client)
    await owner.execute("DELETE FROM auth.role_assignments WHERE account_id = $1", gone.account_id)
    await owner.execute(
        "INSERT INTO auth.role_assignments (account_id, role, granted_at) VALUES ($1, 'support', now())",
        gone.account_id,
    )
    identity = Identity(
        account_id=gone.account_id,
        session_id=gone.session_id,
        session_kind="staff",
        kind="staff",
        roles=frozenset({"admin"}),
        permissions=frozenset(),
        locale="de",
        market="DE",
        pseudonym=last.pseudonym,
        csrf_secret=b"",
        email="",
        authenticated_at=datetime.now(UTC),
        viewer=HOLDER,
    )
    database = parts_of(app).database
    at = datetime.now(UTC)
    async with database.sessions() as session:
        with pytest.raises(LastAdmin):
            await Colleagues(session, database).let_go(
                admin=identity, colleague_id=last.id, reason=REASON, at=at, visit=HOME
            )
    async with database.sessions() as session:
        with pytest.raises(LastAdmin):
            await Colleagues(session, database).change_roles(
                admin=identity, colleague_id=last.id, roles=("support",), reason=REASON, at=at, visit=HOME
            )
    assert await owner.fetchval("SELECT account_id FROM auth.role_assignments WHERE role = 'admin'") == last.id
    assert await owner.fetchval("SELECT status FROM auth.accounts WHERE id = $1", last.id) == "active"
    refused = await owner.fetch("SELECT details FROM auth.audit_events WHERE outcome = 'refused'")
    assert ["last_admin" in row["details"] for row in refused] == [True, True]


@pytest.mark.parametrize(
    "body",
    [
        {"email": "neu@beispiel.example", "roles": []},
        {"email": "neu@beispiel.example", "roles": ["customer"]},
        {"email": "neu@beispiel.example", "roles": ["owner"]},
        {"email": "neu@beispiel.example,zwei@beispiel.example", "roles": ["support"]},
        {"email": "neu@beispiel.example", "roles": ["support"], "password": "drei Esel tanzen im Regen"},
    ],
)
async def test_an_invitation_that_makes_no_sense_is_refused_and_nothing_is_sent(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, body: dict[str, object]
) -> None:
    admin = await an_admin(app, client)
    answer = await client.post("/v1/staff/invitations", json=body, headers=admin.headers)
    assert answer.status_code == 400
    for table in ("auth.invitations", "store.mails"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_customers_are_no_colleagues(app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    admin, customer = await an_admin(app, client), await a_customer(app)
    for answer in (
        await let_go(client, admin, customer.id),
        await change_roles(client, admin, customer.id, "support"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "colleague_not_found")
    assert await owner.fetchval("SELECT status FROM auth.accounts WHERE id = $1", customer.id) == "active"


@pytest.mark.parametrize("roles", [(), ("support",), ("support_lead",), ("finance",), ("editor",)])
async def test_nobody_but_an_admin_manages_the_staff_and_each_try_is_on_record(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection, roles: tuple[str, ...]
) -> None:
    colleague = await a_colleague(app, roles=("editor",))
    stranger = await sign_in(client, await a_colleague(app, roles=roles) if roles else await a_customer(app))
    answers = [
        await client.get("/v1/staff/colleagues", headers=stranger.headers),
        await invite(client, stranger, "neu@beispiel.example"),
        await client.delete(f"/v1/staff/invitations/{colleague.id}", headers=stranger.headers),
        await change_roles(client, stranger, colleague.id, "admin"),
        await let_go(client, stranger, colleague.id),
        await change_roles(client, stranger, stranger.account_id, "admin"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 6
    refused = await owner.fetch(
        "SELECT action, outcome FROM auth.audit_events WHERE actor_id = $1", stranger.account_id
    )
    assert [(row["action"], row["outcome"]) for row in refused] == [("staff.manage", "refused")] * 6
    assert await owner.fetchval("SELECT count(*) FROM auth.invitations") == 0
    assert await owner.fetchval("SELECT count(*) FROM auth.role_assignments WHERE role = 'admin'") == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/staff/colleagues"),
        ("POST", "/v1/staff/invitations"),
        ("DELETE", "/v1/staff/invitations/01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10"),
        ("PUT", "/v1/staff/colleagues/01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10/roles"),
        ("POST", "/v1/staff/colleagues/01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10/departures"),
    ],
)
async def test_the_staff_is_managed_by_nobody_who_is_not_signed_in(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, path, json=None if method in ("GET", "DELETE") else {})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
