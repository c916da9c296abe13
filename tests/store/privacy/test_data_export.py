"""The export holds everything that is kept of its customer, and nothing of anybody else."""

import re
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlalchemy import ForeignKey

from auth.models import Account
from store.database import Database
from store.schema import METADATA
from tests.auth.people import a_customer, sign_in
from tests.store.consoles.people import a_person
from tests.store.privacy.lives import ADDRESS, CASE, EMAIL, NAME, PASSWORD, Life

HELD_BUT_NOT_EXPORTED = {
    # Rules against fraud, which an export must not teach.
    "billing.payment_tries.account_id",
    # The lines are exported with their orders.
    "billing.order_lines.account_id",
    # A sign-in that was begun and is over within minutes.
    "auth.sign_in_steps.account_id",
    # So is a TV that asked to be signed in; what became of it is among the events of the account.
    "auth.device_grants.account_id",
    # What staff did; the customer sees it under the events of the account.
    "auth.password_resets.requested_by",
    "auth.caller_verifications.agent_id",
    "auth.recoveries.requested_by",
    "auth.recoveries.approved_by",
    "auth.recoveries.ended_by",
    "auth.role_assignments.account_id",
    "auth.invitations.invited_by",
    "billing.gifts.agent_id",
    "billing.refunds.decided_by",
    "billing.refunds.requested_by",
    "billing.resolutions.decided_by",
    "billing.resolutions.requested_by",
    "billing.withdrawal_declarations.closed_by",
    "store.device_resets.agent_id",
    "store.rental_remedies.agent_id",
    "store.incidents.agent_id",
    "store.incidents.approved_by",
    "store.cases.assigned_to",
    "store.case_entries.agent_id",
}
"""Columns that name an account and whose rows are no part of its export, each with the reason."""

EXPORTED = {
    "auth.profiles.account_id": "profiles",
    "auth.parental_pins.account_id": "parental_pin",
    "auth.consents.account_id": "registration_consents",
    "auth.sessions.account_id": "sessions",
    "auth.known_devices.account_id": "known_devices",
    "auth.second_factors.account_id": "second_factors",
    "auth.passkeys.account_id": "passkeys",
    "auth.recovery_codes.account_id": "recovery_codes",
    "auth.password_resets.account_id": "password_resets",
    "auth.caller_verifications.account_id": "caller_verifications",
    "auth.email_changes.account_id": "email_changes",
    "auth.erasures.account_id": "erasures",
    "billing.quotes.account_id": "quotes",
    "billing.orders.account_id": "orders",
    "store.entitlements.account_id": "rights",
    "store.device_limits.account_id": "device_limits",
    "store.devices.account_id": "devices",
    "store.device_resets.account_id": "device_resets",
    "store.rental_remedies.account_id": "rental_remedies",
    "store.offline_licences.account_id": "offline_licences",
    "store.playback_sessions.account_id": "playbacks",
    "store.watch_progress.account_id": "watch_progress",
    "store.track_choices.account_id": "track_choices",
    "store.licence_events.account_id": "licences",
    "auth.recoveries.account_id": "recoveries",
    "store.cases.account_id": "cases",
    "store.mails.account_id": "mails",
}
"""Which part of the export holds the rows of which column."""


async def export(program: httpx.AsyncClient, life: Life, *, password: str = PASSWORD) -> httpx.Response:
    return await program.post("/v1/data-exports", headers=life.headers, json={"password": password})


def test_every_table_that_knows_an_account_is_exported_or_says_why_not() -> None:
    naming = {
        f"{table.fullname}.{key.parent.name}"
        for metadata in METADATA
        for table in metadata.tables.values()
        for key in _keys_to_accounts(table.foreign_keys)
    }
    assert naming == EXPORTED.keys() | HELD_BUT_NOT_EXPORTED


def _keys_to_accounts(keys: set[ForeignKey]) -> list[ForeignKey]:
    return [key for key in keys if key.target_fullname == f"{Account.__table__.fullname}.id"]


async def test_everything_is_in_it(program: httpx.AsyncClient, life: Life, owner: asyncpg.Connection) -> None:
    await program.post("/v1/account-erasures", headers=life.headers, json={"password": PASSWORD})
    answer = await export(program, life)
    assert answer.status_code == 200, answer.text
    parts = answer.json()["parts"]
    for column, part in EXPORTED.items():
        table, _, name = column.rpartition(".")
        held = await owner.fetchval(f"SELECT count(*) FROM {table} WHERE {name} = $1", life.account.id)
        assert held == len(parts[part]) > 0, column
    assert parts["account"][0]["email"] == EMAIL
    assert parts["profiles"][0]["name"] == NAME
    assert parts["payments"][0]["last4"]
    assert [entry["text"] for entry in parts["case_entries"]] == [CASE["text"]]
    assert parts["documents"][0]["document_number"].startswith("R-")
    assert parts["withdrawal_declarations"][0]["name"] == NAME
    assert {event["ip"] for event in parts["events"] if event["action"] == "session.open"} == {ADDRESS}
    assert {(text["name"], text["channel"]) for text in answer.json()["consents"]} >= {
        ("immediate_performance", "app"),
        ("withdrawal_loss", "app"),
    }


async def test_no_secret_is_in_it(program: httpx.AsyncClient, life: Life, owner: asyncpg.Connection) -> None:
    text = (await export(program, life)).text
    hashed = await owner.fetchval("SELECT password_hash FROM auth.accounts WHERE id = $1", life.account.id)
    for secret in (hashed, life.bearer.token, "vt1_", "csrf", "fingerprint", "intent"):
        assert secret not in text


async def test_nobody_else_is_in_it(app: Litestar, program: httpx.AsyncClient, life: Life) -> None:
    other = await a_customer(app)
    bearer = await sign_in(program, other)
    answer = await program.post(
        "/v1/data-exports", headers=bearer.headers, json={"password": "drei Esel tanzen im Regen"}
    )
    assert answer.status_code == 200
    assert not re.search(f"{EMAIL}|{life.account.id}|{life.order_id}", answer.text)
    assert answer.json()["parts"]["orders"] == []


async def test_each_one_is_on_record_and_the_fourth_of_a_day_is_refused(
    program: httpx.AsyncClient, life: Life, owner: asyncpg.Connection
) -> None:
    assert (await export(program, life, password="nicht das richtige Wort")).status_code == 400
    answers = [await export(program, life) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE action = 'data.export'") == 3


async def test_what_was_agreed_to_is_told_with_its_version_and_its_order(
    program: httpx.AsyncClient, life: Life
) -> None:
    consents = (await program.get("/v1/consents", headers=life.headers)).json()["consents"]
    assert {consent["order_id"] for consent in consents} == {life.order_id, None}
    declared = {consent["name"] for consent in consents if consent["is_declaration"] and consent["order_id"]}
    assert declared == {"immediate_performance", "withdrawal_loss"}
    assert all(datetime.fromisoformat(consent["at"]) < datetime.now(UTC) for consent in consents)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/data-exports"),
        ("GET", "/v1/consents"),
        ("POST", "/v1/account-erasures"),
        ("GET", "/v1/account-erasures/current"),
        ("DELETE", "/v1/account-erasures/current"),
    ],
)
async def test_only_a_customer_who_is_signed_in_is_let_in(
    method: str, path: str, client: httpx.AsyncClient, database: Database
) -> None:
    body = {"json": {"password": PASSWORD}} if method == "POST" else {}
    assert (await client.request(method, path, headers={"Sec-Fetch-Site": "same-origin"}, **body)).status_code == 401
    agent = await a_person(database, roles=("support",))
    answer = await client.request(method, path, headers=agent.headers, **body)
    assert (answer.status_code, answer.json()["code"]) == (403, "customers_only")
