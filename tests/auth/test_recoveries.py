"""Another address or no second factor through support: evidence, three days, two people, and the owner's word first."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.factor_records import Passkey, RecoveryCode, SecondFactor
from auth.ids import new_id
from auth.models import Account
from auth.recovery.carrying_out import RecoveryRounds
from tests.auth.people import (
    AUTHENTICATOR,
    GOOD_PASSWORD,
    Bearer,
    a_colleague,
    a_customer,
    an_address,
    parts_of,
    sign_in,
)
from tests.auth.post_office import PostOffice, deliver_mails, text_of, token_in
from tests.auth.test_caller_codes import ask, code_of, enter

REASON = "Anruf: Postfach beim alten Anbieter gekündigt"
EVIDENCE = ["order_number", "last_digits"]


async def file(client: httpx.AsyncClient, agent: Bearer, customer_id: UUID, **fields: Any) -> httpx.Response:
    body = {"kind": "email_change", "reason": REASON, "evidence": EVIDENCE, **fields}
    return await client.post(f"/v1/staff/customers/{customer_id}/recoveries", json=body, headers=agent.headers)


async def decide(client: httpx.AsyncClient, agent: Bearer, recovery_id: str, deed: str = "approvals") -> httpx.Response:
    body = {"json": {"reason": REASON}} if deed == "rejections" else {}
    return await client.post(f"/v1/staff/recoveries/{recovery_id}/{deed}", headers=agent.headers, **body)


async def go_by(app: Litestar, owner: asyncpg.Connection, hours: float) -> None:
    """Let time go by for what is under way, then do what the worker does every minute."""
    await owner.execute(
        "UPDATE auth.recoveries SET requested_at = requested_at - $1::interval, "
        "hold_until = hold_until - $1::interval, approved_at = approved_at - $1::interval, "
        "link_sent_at = link_sent_at - $1::interval",
        timedelta(hours=hours),
    )
    parts = parts_of(app)
    await RecoveryRounds(parts.database, parts.outbox).run(at=datetime.now(UTC))


async def complete(client: httpx.AsyncClient, token: str) -> int:
    return (await client.post("/v1/recovery-completions", json={"token": token})).status_code


def way_out_in(letter: EmailMessage) -> str:
    found = re.search(r"#t=(vt1_cancel_[\w-]{43})", text_of(letter))
    assert found, text_of(letter)
    return found[1]


async def proved(app: Litestar, client: httpx.AsyncClient, agent: Bearer, customer: Account) -> str:
    """The agent's proof that the caller is the customer."""
    verification_id: str = (await ask(client, agent, customer.id, "session")).json()["id"]
    assert (await enter(client, agent, verification_id, code_of(app, verification_id))).status_code == 200
    return verification_id


async def with_factors(app: Litestar, account: Account) -> None:
    """An authenticator, a passkey and a recovery code, all in force."""
    parts, at = parts_of(app), datetime.now(UTC)
    async with parts.database.sessions.begin() as session:
        sealed = parts.one_time_codes.seal(AUTHENTICATOR.secret)
        session.add_all(
            [
                SecondFactor(account_id=account.id, sealed_secret=sealed, created_at=at, confirmed_at=at),
                RecoveryCode(account_id=account.id, code_hash=account.id.bytes * 2, created_at=at),
                Passkey(
                    account_id=account.id,
                    credential_id=account.id.bytes,
                    public_key=b"key",
                    sign_count=0,
                    can_be_backed_up=False,
                    is_backed_up=False,
                    transports=[],
                    name="Telefon",
                    created_at=at,
                ),
            ]
        )


async def trail(owner: asyncpg.Connection, action: str) -> list[tuple[UUID | None, str, str | None]]:
    rows = await owner.fetch("SELECT * FROM auth.audit_events WHERE action = $1 ORDER BY id", action)
    return [(row["actor_id"], row["outcome"], row["reason"]) for row in rows]


async def the_two(app: Litestar, client: httpx.AsyncClient) -> tuple[Bearer, Bearer]:
    """An agent and a leader."""
    return (
        await sign_in(client, await a_colleague(app)),
        await sign_in(client, await a_colleague(app, roles=("support_lead",))),
    )


async def test_a_lost_mailbox_is_replaced_after_three_days_by_two_people_and_a_link(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, new = await a_customer(app), an_address("neu")
    agent, lead = await the_two(app, client)
    bearer = await sign_in(client, customer)
    filed = await file(client, agent, customer.id, new_email=new)
    assert filed.status_code == 201, filed.text
    recovery = filed.json()
    assert (recovery["state"], recovery["new_address"]) == ("awaiting_approval", "n•••@b•••.example")
    held = datetime.fromisoformat(recovery["held_until"]) - datetime.fromisoformat(recovery["requested_at"])
    assert held == timedelta(hours=72)
    await deliver_mails(app)
    (notice,) = post_office.letters
    assert notice["To"] == customer.email
    assert "eine andere E-Mail-Adresse, n•••@b•••.example" in text_of(notice)
    approved = await decide(client, lead, recovery["id"])
    assert approved.json()["state"] == "held"

    await go_by(app, owner, 47)
    await deliver_mails(app)
    assert len(post_office.letters) == 1
    await go_by(app, owner, 1)
    await go_by(app, owner, 0)
    await deliver_mails(app)
    assert [letter["To"] for letter in post_office.letters] == [customer.email] * 2
    assert "zur Erinnerung" in text_of(post_office.letters[1])
    await go_by(app, owner, 23.9)
    await deliver_mails(app)
    assert len(post_office.letters) == 2, "not a minute before the hold is over"
    await go_by(app, owner, 0.2)
    await go_by(app, owner, 0)
    await deliver_mails(app)
    (letter,) = post_office.to(new)
    told = filed.text + approved.text + str(filed.headers)
    assert token_in(letter) not in told
    assert new not in told
    assert (await client.get("/v1/account", headers=bearer.headers)).json()["email"] == customer.email

    assert await complete(client, token_in(letter)) == 204
    assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 401
    assert await complete(client, token_in(letter)) == 400
    customer.email = new
    again = await sign_in(client, customer)
    assert (await client.get("/v1/account", headers=again.headers)).json()["email"] == new
    assert await owner.fetchval("SELECT outcome FROM auth.recoveries") == "completed"
    assert [outcome for _, outcome, _ in await trail(owner, "recovery.complete")] == ["done"]


async def test_the_old_mailbox_can_still_undo_it_for_three_days(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, old, new = await a_customer(app), None, an_address("neu")
    old = customer.email
    agent, lead = await the_two(app, client)
    recovery = (await file(client, agent, customer.id, new_email=new)).json()
    await decide(client, lead, recovery["id"])
    await go_by(app, owner, 73)
    await deliver_mails(app)
    assert await complete(client, token_in(post_office.to(new)[0])) == 204
    await deliver_mails(app)
    undo = token_in(post_office.to(old)[-1])
    assert undo.startswith("vt1_undo_")
    # For as long support starts no reset: the old mailbox decides.
    reset = await client.post(
        f"/v1/staff/customers/{customer.id}/password-resets", json={"reason": REASON}, headers=agent.headers
    )
    assert (reset.status_code, reset.json()["code"]) == (409, "address_changed_lately")
    assert (await client.post("/v1/email-change-undos", json={"token": undo})).status_code == 204
    assert await owner.fetchval("SELECT email FROM auth.accounts WHERE id = $1", customer.id) == old


async def test_second_factors_are_removed_only_with_a_proved_caller_and_by_the_mailbox(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer = await a_customer(app)
    bearer = await sign_in(client, customer)
    await with_factors(app, customer)
    agent, lead = await the_two(app, client)
    kind = {"kind": "second_factor_removal"}
    unproved = await file(client, agent, customer.id, **kind)
    assert (unproved.status_code, unproved.json()["code"]) == (409, "caller_not_proved")
    verification_id = await proved(app, client, agent, customer)
    filed = await file(client, agent, customer.id, evidence=[], verification_id=verification_id, **kind)
    assert filed.status_code == 201, filed.text
    assert filed.json()["is_caller_proved"]
    await decide(client, lead, filed.json()["id"])
    await go_by(app, owner, 73)
    await deliver_mails(app)
    letter = next(one for one in post_office.to(customer.email) if one["Subject"] == "Ihr Konto wiederherstellen")
    assert await owner.fetchval("SELECT count(*) FROM auth.second_factors WHERE removed_at IS NULL") == 3
    assert await complete(client, token_in(letter)) == 204
    for table in ("second_factors", "passkeys"):
        left = f"SELECT count(*) FROM auth.{table} WHERE account_id = $1 AND removed_at IS NULL"
        assert await owner.fetchval(left, customer.id) == 0
    assert await owner.fetchval("SELECT count(*) FROM auth.recovery_codes WHERE account_id = $1", customer.id) == 0
    assert (
        await owner.fetchval("SELECT sealed_secret FROM auth.second_factors WHERE account_id = $1", customer.id) is None
    )
    assert (await client.get("/v1/account", headers=bearer.headers)).status_code == 401
    answer = await client.post("/v1/sessions", json={"email": customer.email, "password": GOOD_PASSWORD})
    assert answer.status_code == 201, "the password alone signs in, and it is the old one"
    await deliver_mails(app)
    kinds = await owner.fetch("SELECT kind FROM store.mails WHERE account_id = $1", customer.id)
    assert {row["kind"] for row in kinds} >= {"second_factor_changed", "passkey_changed"}


async def test_nothing_happens_without_the_second_person_and_it_lapses(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, new = await a_customer(app), an_address("neu")
    agent, _ = await the_two(app, client)
    await file(client, agent, customer.id, new_email=new)
    await go_by(app, owner, 100)
    await deliver_mails(app)
    assert post_office.to(new) == []
    await go_by(app, owner, 14 * 24)
    assert await owner.fetchval("SELECT outcome FROM auth.recoveries") == "lapsed"
    await deliver_mails(app)
    assert post_office.to(new) == []


async def test_the_link_lives_a_day(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, new = await a_customer(app), an_address("neu")
    agent, lead = await the_two(app, client)
    recovery = (await file(client, agent, customer.id, new_email=new)).json()
    await decide(client, lead, recovery["id"])
    await go_by(app, owner, 73)
    await deliver_mails(app)
    token = token_in(post_office.to(new)[0])
    await go_by(app, owner, 24)
    assert await complete(client, token) == 400
    assert await owner.fetchval("SELECT outcome FROM auth.recoveries") == "lapsed"
    assert await owner.fetchval("SELECT email FROM auth.accounts WHERE id = $1", customer.id) == customer.email


async def test_nobody_agrees_to_what_they_asked_for_and_the_table_refuses_it_too(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer = await a_customer(app)
    agent, lead = await the_two(app, client)
    mine = (await file(client, lead, customer.id, new_email=an_address("neu"))).json()
    own = await decide(client, lead, mine["id"])
    assert (own.status_code, own.json()["code"]) == (403, "second_person_needed")
    assert (await decide(client, lead, mine["id"], "rejections")).status_code == 403
    forbidden = await decide(client, agent, mine["id"])
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, "not_permitted")
    with pytest.raises(asyncpg.CheckViolationError, match="four_eyes"):
        await owner.execute("UPDATE auth.recoveries SET approved_by = requested_by, approved_at = now()")
    assert await owner.fetchval("SELECT approved_by FROM auth.recoveries") is None
    assert [outcome for _, outcome, _ in await trail(owner, "recovery.approve")] == ["refused"]


async def test_of_two_leaders_at_once_one_agrees(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer = await a_customer(app)
    agent, lead = await the_two(app, client)
    _, another = await the_two(app, client)
    recovery = (await file(client, agent, customer.id, new_email=an_address("neu"))).json()
    answers = await asyncio.gather(*(decide(client, one, recovery["id"]) for one in (lead, another, lead, another)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    stopped = await decide(client, another, recovery["id"], "rejections")
    assert stopped.json()["state"] == "rejected"
    assert (await decide(client, lead, recovery["id"], "rejections")).status_code == 404
    assert (await decide(client, lead, str(new_id()))).status_code == 404


@pytest.mark.parametrize("by", ["link", "session"])
@pytest.mark.parametrize("hours", [0, 73])
async def test_the_owner_calls_it_off_at_any_time_before_it_is_carried_out(
    app: Litestar,
    client: httpx.AsyncClient,
    post_office: PostOffice,
    owner: asyncpg.Connection,
    by: str,
    hours: int,
) -> None:
    customer, new = await a_customer(app), an_address("neu")
    agent, lead = await the_two(app, client)
    bearer, stranger = await sign_in(client, customer), await sign_in(client, await a_customer(app))
    recovery = (await file(client, agent, customer.id, new_email=new)).json()
    await decide(client, lead, recovery["id"])
    await go_by(app, owner, hours)
    await deliver_mails(app)
    if by == "link":
        out = await client.post(
            "/v1/support-action-cancellations", json={"token": way_out_in(post_office.to(customer.email)[0])}
        )
    else:
        (action,) = (await client.get("/v1/support-actions", headers=bearer.headers)).json()["actions"]
        assert (action["kind"], action["id"]) == ("email_change", recovery["id"])
        path = f"/v1/support-actions/{action['id']}"
        assert (await client.delete(path, headers=stranger.headers)).status_code == 404
        out = await client.delete(path, headers=bearer.headers)
    assert out.status_code == 204
    if hours:
        assert await complete(client, token_in(post_office.to(new)[0])) == 400
    await go_by(app, owner, 100)
    await deliver_mails(app)
    assert len(post_office.to(new)) == (1 if hours else 0)
    row = await owner.fetchrow("SELECT * FROM auth.recoveries")
    assert (row["outcome"], row["ended_by"]) == ("cancelled", customer.id if by == "session" else None)
    flag = await owner.fetchrow("SELECT * FROM auth.audit_events WHERE action = 'recovery.cancel'")
    assert f'"started_by": "{agent.account_id}"' in flag["details"]
    assert await owner.fetchval("SELECT email FROM auth.accounts WHERE id = $1", customer.id) == customer.email


async def test_all_known_addresses_are_told(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, before = await a_customer(app), an_address("frueher")
    agent, _ = await the_two(app, client)
    now = datetime.now(UTC)
    await owner.execute(
        "INSERT INTO auth.email_changes (id, account_id, old_email, old_email_key, new_email, new_email_key, "
        "requested_at, expires_at, undo_until, confirmed_at) VALUES ($1, $2, $3, $3, $4, $4, $5, $5, $6, $5)",
        new_id(),
        customer.id,
        before,
        customer.email,
        now,
        now + timedelta(hours=72),
    )
    await file(client, agent, customer.id, new_email=an_address("neu"))
    await deliver_mails(app)
    assert sorted(str(letter["To"]) for letter in post_office.letters) == sorted([before, str(customer.email)])
    tokens = {way_out_in(letter) for letter in post_office.letters}
    assert len(tokens) == 1
    out = await client.post("/v1/support-action-cancellations", json={"token": tokens.pop()})
    assert out.status_code == 204


async def test_a_password_set_by_a_mailed_link_shows_that_the_mailbox_is_not_lost(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer = await a_customer(app)
    agent, _ = await the_two(app, client)
    await file(client, agent, customer.id, new_email=an_address("neu"))
    await client.post("/v1/password-resets", json={"email": customer.email})
    await deliver_mails(app)
    letter = next(one for one in post_office.letters if "vt1_reset_" in text_of(one))
    body = {"token": token_in(letter), "password": "vier Pinguine lesen Zeitung"}
    assert (await client.post("/v1/password-reset-completions", json=body)).status_code == 204
    assert await owner.fetchval("SELECT outcome FROM auth.recoveries") == "cancelled"


async def test_evidence_is_kept_as_kinds_and_too_little_of_it_is_refused(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer, agent = await a_customer(app), await sign_in(client, await a_colleague(app))
    new = an_address("neu")
    for evidence, status in (
        ([], 400),
        (["films"], 400),
        (["films", "films"], 400),
        (["mothers_maiden_name", "films"], 400),
        (["V-2026-KRMT-4821", "4242"], 400),
    ):
        assert (await file(client, agent, customer.id, new_email=new, evidence=evidence)).status_code == status
    assert await owner.fetchval("SELECT count(*) FROM auth.recoveries") == 0
    assert (await file(client, agent, customer.id, new_email=new, evidence=["films", "devices"])).status_code == 201
    assert await owner.fetchval("SELECT evidence FROM auth.recoveries") == ["devices", "films"]
    other = await a_customer(app)
    verification_id = await proved(app, client, agent, other)
    told = await file(
        client, agent, other.id, new_email=an_address("neu"), evidence=[], verification_id=verification_id
    )
    assert told.status_code == 201, "who is signed in and reads the code needs no other evidence"


async def test_what_cannot_be_asked_for_is_refused_and_noted(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer, other, oneself = await a_customer(app), await a_customer(app), await a_colleague(app)
    agent = await sign_in(client, oneself)
    cases: list[tuple[UUID, dict[str, Any], int, str]] = [
        (oneself.id, {}, 403, "not_a_customer"),
        ((await a_colleague(app, roles=("admin",))).id, {}, 403, "not_a_customer"),
        (new_id(), {}, 404, "account_not_found"),
        (customer.id, {"new_email": customer.email}, 400, "email_address_unchanged"),
        (customer.id, {"new_email": other.email}, 409, "email_address_taken"),
        (customer.id, {"new_email": "kein@@postfach"}, 400, "email_address_invalid"),
        (customer.id, {"new_email": None}, 400, "email_address_invalid"),
        (customer.id, {"verification_id": str(new_id())}, 409, "caller_not_proved"),
        (
            customer.id,
            {"kind": "second_factor_removal", "verification_id": await proved(app, client, agent, customer)},
            409,
            "second_factor_missing",
        ),
    ]
    for target, fields, status, code in cases:
        answer = await file(client, agent, target, **{"new_email": an_address("neu"), **fields})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await owner.fetchval("SELECT count(*) FROM auth.recoveries") == 0
    assert [outcome for _, outcome, _ in await trail(owner, "recovery.file")] == ["refused"] * len(cases)
    assert await owner.fetchval("SELECT count(*) FROM store.mails") == 0


async def test_one_at_a_time_also_of_those_filed_at_the_same_instant(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer = await a_customer(app)
    agents = [await sign_in(client, await a_colleague(app)) for _ in range(4)]
    answers = await asyncio.gather(*(file(client, agent, customer.id, new_email=an_address("neu")) for agent in agents))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert await owner.fetchval("SELECT count(*) FROM auth.recoveries") == 1


async def test_an_agent_files_ten_a_day_and_a_customer_has_three_in_thirty_days(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    agent = await sign_in(client, await a_colleague(app))
    for _ in range(10):
        filed = await file(client, agent, (await a_customer(app)).id, new_email=an_address("neu"))
        assert filed.status_code == 201
    over = await file(client, agent, (await a_customer(app)).id, new_email=an_address("neu"))
    assert (over.status_code, over.json()["limit"]) == (429, "per_agent_and_day")
    customer, colleague = await a_customer(app), await sign_in(client, await a_colleague(app))
    bearer, statuses = await sign_in(client, customer), []
    for _ in range(4):
        filed = await file(client, colleague, customer.id, new_email=an_address("neu"))
        statuses.append(filed.status_code)
        if filed.status_code == 201:
            await client.delete(f"/v1/support-actions/{filed.json()['id']}", headers=bearer.headers)
    assert statuses == [201, 201, 201, 429]


async def test_fifty_uses_of_the_link_at_once_are_one(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, new = await a_customer(app), an_address("neu")
    agent, lead = await the_two(app, client)
    recovery = (await file(client, agent, customer.id, new_email=new)).json()
    await decide(client, lead, recovery["id"])
    await go_by(app, owner, 73)
    await deliver_mails(app)
    token = token_in(post_office.to(new)[0])
    statuses = await asyncio.gather(*(complete(client, token) for _ in range(20)))
    assert sorted(statuses) == [204] + [400] * 19


async def test_an_address_that_somebody_took_meanwhile_is_theirs(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    customer, new = await a_customer(app), an_address("neu")
    agent, lead = await the_two(app, client)
    recovery = (await file(client, agent, customer.id, new_email=new)).json()
    await decide(client, lead, recovery["id"])
    await go_by(app, owner, 73)
    await deliver_mails(app)
    await a_customer(app, email=new)
    assert await complete(client, token_in(post_office.to(new)[0])) == 400
    row = await owner.fetchrow("SELECT email, auth_epoch FROM auth.accounts WHERE id = $1", customer.id)
    assert (row["email"], row["auth_epoch"]) == (customer.email, 0)


@pytest.mark.parametrize("kind", ["reset", "cancel", "undo", "email"])
async def test_a_token_of_another_kind_recovers_nothing(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection, kind: str
) -> None:
    customer, new = await a_customer(app), an_address("neu")
    agent, lead = await the_two(app, client)
    recovery = (await file(client, agent, customer.id, new_email=new)).json()
    await decide(client, lead, recovery["id"])
    await go_by(app, owner, 73)
    await deliver_mails(app)
    token = token_in(post_office.to(new)[0])
    assert await complete(client, token.replace("_recover_", f"_{kind}_")) == 400
    assert await complete(client, way_out_in(post_office.to(customer.email)[0])) == 400
    assert await owner.fetchval("SELECT outcome FROM auth.recoveries") is None


async def test_what_is_under_way_is_listed_for_support_without_an_address(
    app: Litestar, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    customer, new = await a_customer(app), an_address("neu")
    agent, lead = await the_two(app, client)
    await file(client, agent, customer.id, new_email=new)
    for bearer in (agent, lead):
        answer = await client.get("/v1/staff/recoveries", headers=bearer.headers)
        assert [one["customer_id"] for one in answer.json()["recoveries"]] == [str(customer.id)]
        assert new not in answer.text
    for roles in (("finance",), ("admin",)):
        stranger = await sign_in(client, await a_colleague(app, roles=roles))
        assert (await client.get("/v1/staff/recoveries", headers=stranger.headers)).status_code == 403
        assert (await file(client, stranger, customer.id, new_email=new)).status_code == 403
    filed = await owner.fetchrow("SELECT * FROM auth.audit_events WHERE action = 'recovery.file' AND outcome = 'done'")
    assert (filed["actor_id"], filed["reason"]) == (agent.account_id, REASON)
    assert new not in str(dict(filed))
