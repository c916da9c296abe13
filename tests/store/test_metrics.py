"""The metrics: for who has the token only, in Prometheus' format, and true."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.app import attach
from store.database import Database
from store.invariants import INVARIANTS, check_invariants
from store.metrics import Metric, render
from tests.store.consoles.people import REASON, a_person

TOKEN = "ein-langes-geheimnis-fuer-prometheus"
SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})? [0-9.e+-]+')


@pytest.fixture
async def with_token(app: Litestar) -> AsyncIterator[None]:
    """The application of an operator who set the token."""
    parts = app.state.parts
    attach(app, replace(parts, settings=replace(parts.settings, metrics_token=TOKEN)))
    yield
    attach(app, parts)


async def read(client: httpx.AsyncClient) -> dict[str, float]:
    """Every sample by its name and labels."""
    answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            assert SAMPLE.fullmatch(line), line
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    return samples


async def test_without_the_setting_there_is_nothing(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}"}):
        answer = await client.get("/metrics", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.usefixtures("with_token")
async def test_only_the_token_opens_them(client: httpx.AsyncClient) -> None:
    for sent in (
        None,
        "",
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        "Bearer \N{LATIN SMALL LETTER U WITH DIAERESIS}",
    ):
        headers = {b"Authorization": sent.encode()} if sent is not None else {}
        answer = await client.get("/metrics", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in"), sent


@pytest.mark.usefixtures("with_token")
async def test_they_say_what_is_parked_waits_and_is_broken(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    before = await read(client)
    assert before["videothek_webhook_events_parked"] == before["videothek_refunds_failed"] == 0
    assert not [name for name in before if name.startswith("videothek_invariant")], "nothing was counted yet"
    await owner.execute(
        "INSERT INTO billing.webhook_events (source, event_id, type, outcome, received_at, happened_at) VALUES "
        "('stripe', 'evt_1', 'x', 'parked', now(), now()), ('stripe', 'evt_2', 'x', 'received', now(), now())"
    )
    await owner.execute(
        "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, execute_after) VALUES "
        "(0, 'failed', 'deliver_mail', now()), (0, 'queued', 'deliver_mail', now() - interval '1 hour')"
    )
    await owner.execute("INSERT INTO billing.document_series (code, next_number) VALUES ('R-1999', 2)")
    await check_invariants(database)
    after = await read(client)
    assert after["videothek_webhook_events_parked"] == after["videothek_webhook_events_unhandled"] == 1
    assert after['videothek_jobs{job="deliver_mail",status="failed"}'] == 1
    assert after["videothek_job_oldest_due_seconds"] >= 3600
    counted = {name: after[f'videothek_invariant_cases{{name="{name}"}}'] for name in (i.name for i in INVARIANTS)}
    assert {name for name, cases in counted.items() if cases} == {"gaps_in_document_numbers"}
    assert after['videothek_invariant_checked_timestamp_seconds{name="unbalanced_journals"}'] > 1_700_000_000


def test_a_label_cannot_break_the_format() -> None:
    text = render([Metric("m", "What it is.", [({"name": 'a"b\\c\nd'}, 1)])])
    assert text == '# HELP m What it is.\n# TYPE m gauge\nm{name="a\\"b\\\\c\\nd"} 1\n'


@pytest.mark.usefixtures("with_token")
async def test_events_count_as_lost_and_movements_do_not(client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    assert (await read(client))["videothek_lost_events_found_total"] == 0
    await owner.execute(
        "INSERT INTO billing.provider_cursors (name, read_until, found)"
        " VALUES ('events', now(), 2), ('movements', now(), 500)"
    )
    assert (await read(client))["videothek_lost_events_found_total"] == 2


@pytest.mark.usefixtures("with_token")
async def test_they_count_what_waits_for_support_and_what_owners_did_not_want(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    names = (
        "videothek_cases_overdue",
        "videothek_recoveries_awaiting_approval",
        "videothek_support_resets_last_hour",
        "videothek_support_actions_called_off_last_day",
    )
    before = await read(client)
    assert [before[name] for name in names] == [0, 0, 0, 0]
    agent, customer = await a_person(database, roles=("support",)), await a_person(database)
    page = f"/de/support/customers/{customer.account.id}"
    words = {"kind": "other", "text": "Anruf: Rechnung fehlt"}
    await client.post(f"{page}/cases", data=words, headers=agent.headers)
    wish = {"kind": "email_change", "new_email": "neu@example.org", "reason": REASON, "films": "y", "devices": "y"}
    await client.post(f"{page}/recoveries", data=wish, headers=agent.headers)
    await client.post(f"{page}/password-resets", data={"reason": REASON}, headers=agent.headers)
    started = await read(client)
    assert [started[name] for name in names] == [0, 1, 1, 0]
    await owner.execute("UPDATE store.cases SET due_at = now()")
    for action in (await client.get("/v1/support-actions", headers=customer.headers)).json()["actions"]:
        await client.delete(f"/v1/support-actions/{action['id']}", headers=customer.headers)
    after = await read(client)
    assert [after[name] for name in names] == [1, 0, 1, 2]
