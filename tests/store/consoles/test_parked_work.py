"""What the machine could not finish is there to be seen without what it is about, and can be done once more."""

import re
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from billing.models import PaymentState
from billing.money import Money
from billing.ports import Intent
from store.database import Database
from tests.fakes import FakeGateway
from tests.store.consoles.people import Person, a_person
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event, sign_in
from tests.store.web.page_reading import faults_of


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def lead(database: Database) -> Person:
    return await a_person(database, roles=("support_lead",))


async def test_parked_jobs_and_events_are_listed_without_payload_and_text_of_the_fault(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    admin = await a_person(database, roles=("admin",))
    job = await owner.fetchval(
        """
        INSERT INTO jobs.pgqueuer (priority, status, entrypoint, payload, attempts)
        VALUES (0, 'failed', 'deliver_mail', '{"mail_id": "secret-id"}', 8) RETURNING id
        """
    )
    await owner.execute(
        """
        INSERT INTO jobs.pgqueuer_log (job_id, status, priority, entrypoint, traceback)
        VALUES ($1, 'exception', 0, 'deliver_mail',
                '{"exception_type": "MailDelayed", "exception_message": "anna@example.org"}')
        """,
        job,
    )
    await owner.execute(
        "INSERT INTO jobs.pgqueuer (priority, status, entrypoint) VALUES (0, 'queued', 'a_healthy_job')"
    )
    for event, outcome in (("evt_parked", "parked"), ("evt_settled", "paid")):
        await owner.execute(
            "INSERT INTO billing.webhook_events (source, event_id, type, outcome, note, received_at) "
            "VALUES ('stripe', $1, 'payment_intent.succeeded', $2, 'no payment of ours', $3)",
            event,
            outcome,
            datetime.now(UTC),
        )
    for locale in ("de", "en"):
        page = await client.get(f"/{locale}/staff/parked", headers=admin.headers)
        assert faults_of(page.text, locale=locale) == []
        why = {"de": "keine Zahlung von uns", "en": "no payment of ours"}[locale]
        for shown in ("deliver_mail", "MailDelayed", "evt_parked", why):
            assert shown in page.text
        for hidden in ("secret-id", "anna@example.org", "a_healthy_job", "evt_settled"):
            assert hidden not in page.text
        forms = re.findall(r'<form method="post" action="([^"]+)"', page.text.partition("<main")[2])
        assert forms == [
            f"/{locale}/staff/parked/jobs/{job}/replays",
            f"/{locale}/staff/parked/events/evt_parked/replays",
        ]


async def test_who_looked_is_in_the_audit_trail(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    lead = await a_person(database, roles=("support_lead",))
    page = await client.get("/de/staff/parked", headers=lead.headers)
    [entry] = await owner.fetch("SELECT * FROM auth.audit_events")
    assert (entry["actor_id"], entry["action"], entry["outcome"]) == (lead.account.id, "parked_work.viewed", "done")
    assert entry["request_id"] == page.headers["x-request-id"]


async def park(owner: asyncpg.Connection, intent_id: str) -> None:
    """An event about an intent that was none of ours when it came."""
    await owner.execute(
        """
        INSERT INTO billing.webhook_events
            (source, event_id, type, object_kind, object_id, outcome, note, received_at)
        VALUES ('stripe', 'evt_early', 'payment_intent.succeeded', 'payment_intent', $1, 'parked', 'no payment', now())
        """,
        intent_id,
    )


async def test_a_parked_event_is_applied_once_more_and_pays_the_order(
    client: httpx.AsyncClient, database: Database, gateway: FakeGateway, owner: asyncpg.Connection, lead: Person
) -> None:
    buyer = Buyer(client, await sign_in(database))
    order = await buyer.order(await make_offer(database))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.pay(intent)
    await park(owner, intent)
    path = "/de/staff/parked/events/evt_early/replays"
    done = await client.post(path, headers=lead.headers)
    assert done.headers["location"] == "/de/staff/parked?done=event_replayed"
    assert await owner.fetchval("SELECT state FROM billing.orders") == "paid"
    assert await owner.fetchval("SELECT outcome FROM billing.webhook_events WHERE event_id = 'evt_early'") == "paid"
    again = await client.post(path, headers=lead.headers)
    assert again.status_code == 409
    [entry] = await owner.fetch("SELECT * FROM auth.audit_events WHERE action = 'parked_event.replayed'")
    assert (entry["actor_id"], entry["target_id"], entry["details"]) == (
        lead.account.id,
        "evt_early",
        '{"outcome": "paid"}',
    )
    assert (await send_event(client, intent)).json() == {"outcome": "already"}


async def test_an_event_that_is_still_none_of_ours_stays_parked_and_a_silent_provider_changes_nothing(
    client: httpx.AsyncClient, gateway: FakeGateway, owner: asyncpg.Connection, lead: Person
) -> None:
    await park(owner, "pi_of_another_environment")
    path = "/de/staff/parked/events/evt_early/replays"
    gateway.is_mute = True
    gateway.intents["pi_of_another_environment"] = a_foreign_intent("pi_of_another_environment")
    assert (await client.post(path, headers=lead.headers)).status_code == 503
    assert await owner.fetchval("SELECT note FROM billing.webhook_events") == "no payment"
    gateway.is_mute = False
    done = await client.post(path, headers=lead.headers)
    assert done.headers["location"] == "/de/staff/parked?done=event_still_parked"
    assert await owner.fetchval("SELECT note FROM billing.webhook_events") == "no payment of ours"


def a_foreign_intent(intent_id: str) -> Intent:
    return Intent(id=intent_id, state=PaymentState.SUCCEEDED, amount=Money(399, "EUR"), received=Money(399, "EUR"))


async def test_a_parked_job_waits_again_with_all_its_attempts_unless_a_twin_waits_already(
    client: httpx.AsyncClient, owner: asyncpg.Connection, lead: Person
) -> None:
    insert = """
        INSERT INTO jobs.pgqueuer (priority, status, entrypoint, attempts, dedupe_key)
        VALUES (0, $1::jobs.pgqueuer_status, 'deliver_mail', 20, $2) RETURNING id
    """
    job = await owner.fetchval(insert, "failed", "mail:1")
    path = f"/de/staff/parked/jobs/{job}/replays"
    done = await client.post(path, headers=lead.headers)
    assert done.headers["location"] == "/de/staff/parked?done=job_replayed"
    row = await owner.fetchrow("SELECT status::text, attempts FROM jobs.pgqueuer WHERE id = $1", job)
    assert row is not None
    assert tuple(row) == ("queued", 0)
    assert (await client.post(path, headers=lead.headers)).status_code == 409, "it is parked no longer"
    twin = await owner.fetchval(insert, "failed", "mail:1")
    assert (await client.post(f"/de/staff/parked/jobs/{twin}/replays", headers=lead.headers)).status_code == 409
    for nothing in (0, 2**63, 10**40):
        assert (await client.post(f"/de/staff/parked/jobs/{nothing}/replays", headers=lead.headers)).status_code == 409
    entries = await owner.fetch("SELECT target_id FROM auth.audit_events WHERE action = 'parked_job.replayed'")
    assert [entry["target_id"] for entry in entries] == [str(job)]
