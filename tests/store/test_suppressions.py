"""Addresses that take no mail are left in peace, but for what protects an account or belongs to a contract."""

from datetime import UTC, datetime

import asyncpg
import pytest
from litestar import Litestar

from auth.ids import new_id
from auth.models import Account
from store.letter_templates import FOLDER
from store.settings import Settings
from store.suppressions import BOUNCED, CAN_BE_LEFT_OUT, COMPLAINED, is_bounce, suppress
from tests.auth.people import a_customer, parts_of
from tests.auth.post_office import deliver_mails, open_post_office

STATUS = "SELECT status FROM store.mails WHERE kind = $1 ORDER BY created_at DESC LIMIT 1"


async def queue(app: Litestar, account: Account, kind: str) -> None:
    async with parts_of(app).database.sessions.begin() as session:
        await parts_of(app).outbox.queue(
            session, kind=kind, account_id=account.id, reference=new_id(), locale=account.locale
        )


async def leave_in_peace(app: Litestar, account: Account, *, reason: str) -> None:
    async with parts_of(app).database.sessions.begin() as session:
        await suppress(session, account.email_key or "", reason=reason, at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (550, "no such mailbox", True),
        (550, "5.1.1 user unknown", True),
        (551, "5.1.6 moved", True),
        (552, "5.2.2 mailbox full", False),
        (554, "5.7.1 blocked by policy", False),
        (450, "4.1.1 later", False),
    ],
)
def test_only_a_mailbox_that_is_not_there_bounces(code: int, message: str, expected: bool) -> None:
    assert is_bounce(code, message) == expected


def test_what_can_be_left_out_are_kinds_that_there_are() -> None:
    assert {folder.name for folder in FOLDER.iterdir() if folder.is_dir()} >= CAN_BE_LEFT_OUT


async def test_a_bounce_is_kept_and_the_next_mail_that_arrives_lifts_it(
    app: Litestar, settings: Settings, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    with open_post_office(settings.smtp_url) as office:
        office.answer_to_recipient = "550 5.1.1 user unknown"
        await queue(app, account, "password_changed")
        await deliver_mails(app)
        row = await owner.fetchrow("SELECT email_key, reason FROM store.suppressed_addresses")
        assert row is not None
        assert tuple(row) == (account.email_key, BOUNCED)
        office.answer_to_recipient = None
        await queue(app, account, "password_changed")
        await deliver_mails(app)
    assert len(office.letters) == 1
    assert await owner.fetchval("SELECT count(*) FROM store.suppressed_addresses") == 0


@pytest.mark.parametrize("answer", ["552 5.2.2 mailbox full", "451 4.7.1 come back later"])
async def test_another_refusal_keeps_nobody_from_their_mails(
    app: Litestar, settings: Settings, owner: asyncpg.Connection, answer: str
) -> None:
    account = await a_customer(app)
    mail_delayed = pytest.raises(Exception, match="later") if answer.startswith("4") else None
    with open_post_office(settings.smtp_url) as office:
        office.answer_to_recipient = answer
        await queue(app, account, "password_changed")
        if mail_delayed is None:
            await deliver_mails(app)
        else:
            with mail_delayed:
                await deliver_mails(app)
    assert await owner.fetchval("SELECT count(*) FROM store.suppressed_addresses") == 0


async def test_a_complaint_outlives_a_mail_that_arrives_and_outweighs_a_bounce(
    app: Litestar, settings: Settings, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    for reason in (BOUNCED, COMPLAINED, BOUNCED):
        await leave_in_peace(app, account, reason=reason)
    with open_post_office(settings.smtp_url) as office:
        await queue(app, account, "password_changed")
        await deliver_mails(app)
    assert len(office.to(account.email)) == 1
    assert await owner.fetchval("SELECT reason FROM store.suppressed_addresses") == COMPLAINED
