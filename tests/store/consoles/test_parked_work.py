"""What the machine could not finish is there to be seen, without what it is about."""

from datetime import UTC, datetime

import asyncpg
import httpx

from store.database import Database
from tests.store.consoles.people import a_person
from tests.store.web.page_reading import faults_of


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
        for shown in ("deliver_mail", "MailDelayed", "evt_parked", "no payment of ours"):
            assert shown in page.text
        for hidden in ("secret-id", "anna@example.org", "a_healthy_job", "evt_settled"):
            assert hidden not in page.text
        assert page.text.partition("<main")[2].partition("</main>")[0].count("<form") == 0


async def test_who_looked_is_in_the_audit_trail(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    lead = await a_person(database, roles=("support_lead",))
    page = await client.get("/de/staff/parked", headers=lead.headers)
    [entry] = await owner.fetch("SELECT * FROM auth.audit_events")
    assert (entry["actor_id"], entry["action"], entry["outcome"]) == (lead.account.id, "parked_work.viewed", "done")
    assert entry["request_id"] == page.headers["x-request-id"]
