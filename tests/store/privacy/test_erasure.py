"""Erasing an account: its cool-off, what delays it, and that nothing of the person is found afterwards."""

import json
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.erasure import COOL_OFF
from store.database import Database
from store.erasure import Eraser
from store.invariants import check_invariants
from store.settings import Settings
from tests.auth.people import sign_in
from tests.auth.post_office import deliver_mails, open_post_office, text_of, token_in
from tests.store.privacy.lives import EMAIL, PASSWORD, TRACES, Life

KEPT = {
    # Evidence of the customer's country (Regulation (EU) 282/2011, Article 24f): ten years.
    "billing.orders.tax_evidence",
}
"""The columns that may still hold a trace, each with the law that demands it."""


async def places_of(owner: asyncpg.Connection) -> set[str]:
    """Every column of every table in which something of the person is found, whatever its type."""
    found = set()
    tables = await owner.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
        "WHERE schemaname IN ('auth', 'billing', 'store', 'jobs')"
    )
    for table in tables:
        for row in await owner.fetch(f"SELECT to_jsonb(t)::text AS row FROM {table['name']} AS t"):
            for column, value in json.loads(row["row"]).items():
                if any(trace in readable(value) for trace in TRACES):
                    found.add(f"{table['name']}.{column}")
    return found


def readable(value: object) -> str:
    """A value as text; bytes as what they may spell."""
    text = str(value)
    if text.startswith("\\x"):
        text = bytes.fromhex(text[2:]).decode("latin-1")
    return text.lower()


async def ask(program: httpx.AsyncClient, life: Life, *, password: str = PASSWORD) -> httpx.Response:
    return await program.post("/v1/account-erasures", headers=life.headers, json={"password": password})


async def erase(database: Database, *, after: timedelta = COOL_OFF) -> int:
    return await Eraser(database).erase_due(at=datetime.now(UTC) + after + timedelta(minutes=1))


async def test_after_an_erasure_nothing_of_the_person_is_found_but_what_the_law_keeps(
    program: httpx.AsyncClient, life: Life, database: Database, owner: asyncpg.Connection
) -> None:
    before = await places_of(owner)
    assert before >= {
        "auth.accounts.email",
        "auth.accounts.email_key",
        "auth.email_changes.old_email",
        "auth.profiles.name",
        "auth.registrations.email",
        "auth.sessions.ip_trunc",
        "auth.password_resets.request_ip",
        "auth.audit_addresses.ip",
        "billing.orders.client_address",
        "billing.withdrawal_declarations.name",
        "store.devices.name",
        "store.device_resets.reason",
        "store.rental_remedies.reason",
        *KEPT,
    }
    assert (await ask(program, life)).status_code == 201
    assert await erase(database) == 1
    assert await places_of(owner) == KEPT


async def test_the_books_and_the_proofs_stay_and_still_hold(
    program: httpx.AsyncClient, life: Life, database: Database, owner: asyncpg.Connection
) -> None:
    books = "SELECT jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text)::text FROM {} AS t"
    tables = ("billing.documents", "billing.journals", "billing.postings", "store.licence_events", "store.entitlements")
    before = {table: await owner.fetchval(books.format(table)) for table in tables}
    assert all(before.values())
    await ask(program, life)
    await erase(database)
    assert {table: await owner.fetchval(books.format(table)) for table in tables} == before
    assert not [finding.invariant.name for finding in await check_invariants(database) if finding.count]
    kinds = {row["kind"]: row for row in await owner.fetch("SELECT * FROM store.mails")}
    assert set(kinds) == {"order_confirmation", "withdrawal_receipt"}
    assert {(row["account_id"], row["sent_to"], row["smtp_reply"]) for row in kinds.values()} == {(None, None, None)}


async def test_a_device_of_which_only_a_download_is_left_stands_in_no_erasure_s_way(
    program: httpx.AsyncClient, life: Life, database: Database, owner: asyncpg.Connection
) -> None:
    """Licence events and playbacks are deleted when their period is over; the download's row stays."""
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        for table in ("licence_events", "watch_progress", "playback_sessions"):
            await owner.execute(f"DELETE FROM store.{table}")
    assert await owner.fetchval("SELECT count(*) FROM store.offline_licences") == 1
    await ask(program, life)
    assert await erase(database) == 1
    assert await places_of(owner) == KEPT


async def test_an_erased_account_opens_to_nobody_and_its_address_is_free_again(
    app: Litestar, program: httpx.AsyncClient, life: Life, database: Database, settings: Settings
) -> None:
    await ask(program, life)
    await erase(database)
    assert (await program.get("/v1/account", headers=life.headers)).status_code == 401
    with_password = await program.post("/v1/sessions", json={"email": EMAIL, "password": PASSWORD})
    assert with_password.status_code == 401
    with open_post_office(settings.smtp_url) as office:
        body = {"email": EMAIL, "password": PASSWORD, "residence_country": "DE"}
        await program.post("/v1/registrations", json=body)
        await deliver_mails(app)
    token = token_in(office.to(EMAIL)[-1])
    opened = await program.post("/v1/registration-confirmations", json={"token": token, "password": PASSWORD})
    assert opened.json()["id"] != str(life.account.id)
    again = await sign_in(program, life.account, password=PASSWORD)
    assert (await program.get("/v1/orders", headers=again.headers)).json()["orders"] == []


async def test_it_happens_once_and_not_before_the_cool_off_is_over(
    program: httpx.AsyncClient, life: Life, database: Database, owner: asyncpg.Connection
) -> None:
    wish = (await ask(program, life)).json()
    assert datetime.fromisoformat(wish["due_at"]) - datetime.fromisoformat(wish["requested_at"]) == COOL_OFF
    assert (await ask(program, life)).json()["id"] == wish["id"]
    assert await erase(database, after=COOL_OFF - timedelta(hours=1)) == 0
    assert await owner.fetchval("SELECT email FROM auth.accounts WHERE id = $1", life.account.id) == EMAIL
    assert [await erase(database), await erase(database)] == [1, 0]
    erased = await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE action = 'account.erase'")
    assert erased == 1


async def test_a_crash_in_the_middle_leaves_all_of_it_to_the_next_night(
    program: httpx.AsyncClient, life: Life, database: Database, owner: asyncpg.Connection
) -> None:
    await ask(program, life)
    before = await places_of(owner)
    await owner.execute("ALTER TABLE store.mails ADD CONSTRAINT fails CHECK (sent_to IS NOT NULL) NOT VALID")
    try:
        with pytest.raises(Exception, match="fails"):
            await erase(database)
    finally:
        await owner.execute("ALTER TABLE store.mails DROP CONSTRAINT fails")
    assert await places_of(owner) == before
    assert await erase(database) == 1
    assert await places_of(owner) == KEPT


@pytest.mark.parametrize("by", ["link", "app"])
async def test_the_account_is_kept_by_the_link_or_by_who_is_signed_in(
    by: str,
    app: Litestar,
    program: httpx.AsyncClient,
    life: Life,
    database: Database,
    settings: Settings,
    owner: asyncpg.Connection,
) -> None:
    with open_post_office(settings.smtp_url) as office:
        await ask(program, life)
        await deliver_mails(app)
    (letter,) = office.to(EMAIL)
    assert "auch die Filme, die Sie gekauft haben" in text_of(letter)
    if by == "link":
        body = {"token": token_in(letter)}
        answers = [await program.post("/v1/account-erasure-cancellations", json=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [204, 400]
    else:
        answer = await program.delete("/v1/account-erasures/current", headers=life.headers)
        assert answer.status_code == 204
    assert (await program.get("/v1/account-erasures/current", headers=life.headers)).status_code == 404
    assert await erase(database) == 0
    assert await owner.fetchval("SELECT email FROM auth.accounts WHERE id = $1", life.account.id) == EMAIL
    assert (await ask(program, life)).status_code == 201


@pytest.mark.parametrize("kind", ["reset", "confirm"])
async def test_a_token_of_another_kind_cancels_nothing(kind: str, program: httpx.AsyncClient, life: Life) -> None:
    await ask(program, life)
    answer = await program.post("/v1/account-erasure-cancellations", json={"token": f"vt1_{kind}_{'a' * 43}"})
    assert (answer.status_code, answer.json()["code"]) == (400, "link_not_valid")
    assert (await program.get("/v1/account-erasures/current", headers=life.headers)).status_code == 200


async def test_a_wrong_password_asks_for_nothing_and_ten_of_them_are_too_many(
    program: httpx.AsyncClient, life: Life, owner: asyncpg.Connection
) -> None:
    answers = [await ask(program, life, password="nicht das richtige Wort") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [400] * 10 + [429]
    assert await owner.fetchval("SELECT count(*) FROM auth.erasures") == 0


@pytest.mark.parametrize(
    ("code", "break_it", "mend_it"),
    [
        ("open_order", "UPDATE billing.orders SET state = 'open'", "UPDATE billing.orders SET state = 'paid'"),
        (
            "payment_under_way",
            "UPDATE billing.payments SET state = 'processing'",
            "UPDATE billing.payments SET state = 'succeeded'",
        ),
        (
            "refund_under_way",
            """
            INSERT INTO billing.refunds (id, order_id, payment_id, intent_id, kind, amount, net, tax, currency, reason,
                                         idempotency_key, state, created_at, updated_at)
            SELECT gen_random_uuid(), order_id, id, intent_id, 'sale', 1, 1, 0, currency, 'goodwill', id::text,
                   'failed', created_at, created_at FROM billing.payments
            """,
            "UPDATE billing.refunds SET state = 'succeeded'",
        ),
        (
            "dispute_open",
            """
            INSERT INTO billing.disputes (id, order_id, payment_id, provider_dispute_id, state, reason, amount,
                                          currency, created_at, updated_at)
            SELECT gen_random_uuid(), order_id, id, 'dp_1', 'inquiry', 'fraudulent', 1, currency, created_at,
                   created_at FROM billing.payments
            """,
            "UPDATE billing.disputes SET state = 'won'",
        ),
        (
            "withdrawal_open",
            "UPDATE billing.withdrawal_declarations SET state = 'open'",
            "UPDATE billing.withdrawal_declarations SET state = 'closed'",
        ),
    ],
)
async def test_money_under_way_delays_it(
    code: str,
    break_it: str,
    mend_it: str,
    program: httpx.AsyncClient,
    life: Life,
    database: Database,
    owner: asyncpg.Connection,
) -> None:
    await ask(program, life)
    await owner.execute(break_it)
    assert await erase(database) == 0
    assert await owner.fetchval("SELECT email FROM auth.accounts WHERE id = $1", life.account.id) == EMAIL
    told = await program.get("/v1/account-erasures/current", headers=life.headers)
    assert told.json()["delayed_by"] == code
    await owner.execute(mend_it)
    assert await erase(database) == 1
