import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from jinja2 import Environment, FileSystemLoader, meta
from litestar import Litestar

from auth.ids import new_id
from auth.ports import Letter
from store.letter_templates import FOLDER, render
from store.mail import MailDelayed, list_mails
from store.sandbox.sample_letters import sample
from store.settings import Seller, Settings
from store.smtp import MailServer
from tests.auth.people import a_customer, parts_of
from tests.auth.post_office import open_post_office, text_of

KINDS = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())
FILES = ("subject.txt", "body.txt", "body.html")
SELLER = Seller(name="Kino <& Co>", address="Weg 1", email="kino@videothek.example", vat_id="DE000000000")
EVERYTHING = {
    "site": "videothek.example",
    "base_url": "https://videothek.example",
    "seller": SELLER,
    "link": "https://videothek.example/de/x#t=vt1_reset_abc",
    "page": "https://videothek.example/de/x",
    "token": "vt1_reset_abc",
    "cancel_link": "https://videothek.example/de/account/support/cancel#t=vt1_cancel_sample",
    "cancel_page": "https://videothek.example/de/account/support/cancel",
    "cancel_token": "vt1_cancel_sample",
    "code": "492039",
    "case_number": "A-2026-KRMT-4821",
    "text": "Wir haben die Tonspur getauscht.\nBitte starten Sie den Film noch einmal.",
    "is_done": True,
    "case_page": "https://videothek.example/de/account/cases/1",
    "is_email_change": True,
    "is_reminder": False,
    "held_until": datetime(2026, 1, 6, 20, 15, tzinfo=UTC),
    "valid_until": datetime(2026, 7, 3, 20, 15, tzinfo=UTC),
    "changed_at": datetime(2026, 1, 3, 20, 15, tzinfo=UTC),
    "signed_in_at": datetime(2026, 1, 3, 20, 15, tzinfo=UTC),
    "sealed_at": datetime(2026, 1, 3, 20, 15, tzinfo=UTC),
    "sequence": 4711,
    "anchor": f"audit-anchor 4711 {'9f86d081' * 8} 2026-11-25T20:15:00+00:00",
    "everywhere": True,
    "device": "Firefox, Linux",
    "network": "192.0.2.0/24",
    "country": "Österreich",
    "account_page": "https://videothek.example/de/account",
    "new_address": "n•••@b•••.example",
    "has_changed": True,
    "ordered_at": datetime(2026, 1, 3, 20, 15, tzinfo=UTC),
    "erased_on": datetime(2026, 1, 17, 20, 15, tzinfo=UTC),
    "by_support": True,
    "is_on": True,
    "sign_in": "https://videothek.example/de/sign-in",
    "forgot": "https://videothek.example/de/password/forgot",
    "order_number": "V-1001",
    "invoice_number": "R-2026-1",
    "lines": [
        {"text": "<script>Her</script> (2013), leihen, HD", "price": "3,99 €", "terms": "30 Tage, dann 48 Stunden"}
    ],
    "total": "3,99 €",
    "taxes": [{"rate": "19 %", "amount": "0,64 €", "net": "3,35 €"}],
    "consents": [{"text": "Sofort beginnen", "at": datetime(2026, 1, 3, 20, 14, tzinfo=UTC)}],
    "texts": [{"heading": "Widerrufsbelehrung", "body": "Sie haben das Recht …\n\nMuster"}],
    "library": "https://videothek.example/de/library",
    "name": "Anna Sommer",
    "contract": "V-1001",
    "email": "anna@beispiel.example",
    "declared_at": datetime(2026, 1, 3, 20, 14, tzinfo=UTC),
    "amount": "3,99 €",
    "reason": "Sie haben widerrufen.",
    "credit_note": "G-2026-1",
    "can_be_paid": True,
    "debited_on": "1. Dezember 2026",
    "account_end": "3000",
    "mandate_reference": "NXDSYREGC9PSMKWY",
    "creditor_id": "DE98ZZZ09999999999",
    "order_page": "https://videothek.example/de/orders/1",
    "film": "<script>Her</script>",
    "until": datetime(2026, 1, 5, 20, 15, tzinfo=UTC),
    "hours": 48,
    "is_cut": False,
    "is_begun": True,
    "is_freed": False,
    "terms": "Starten Sie den Film innerhalb von 30 Tagen.",
    "devices": "https://videothek.example/de/account/devices",
    "watch": "https://videothek.example/de/watch/her-2013",
}


def variables_of(path: Path) -> set[str]:
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True)
    environment.filters["moment"] = str
    return set(meta.find_undeclared_variables(environment.parse(path.read_text())))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", FILES)
def test_both_languages_say_the_same_facts(kind: str, file: str) -> None:
    german, english = (variables_of(FOLDER / kind / locale / file) for locale in ("de", "en"))
    assert german == english


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("locale", ["de", "en"])
def test_every_mail_can_be_read_without_html(kind: str, locale: str) -> None:
    rendered = render(kind, locale, {**EVERYTHING, "locale": locale})
    assert rendered.subject
    assert "\n" not in rendered.subject
    assert "<" not in re.sub(r"<script>Her</script>|Kino <& Co>", "", rendered.text)
    assert "!" not in rendered.subject + rendered.text
    assert "{{" not in rendered.text + rendered.html
    for word in re.findall(r'href="(https://[^"]+)"', rendered.html):
        assert word in rendered.text
    assert f'lang="{locale}"' in rendered.html
    assert "Kino &lt;&amp; Co&gt;" in rendered.html
    assert "<script" not in rendered.html


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("locale", ["de", "en"])
def test_every_mail_can_be_looked_at_in_the_sandbox_with_sample_values(kind: str, locale: str) -> None:
    shown = sample(kind, locale)
    assert shown is not None, "store/sandbox/sample_letters.py has a value for every variable"
    assert shown.letter.subject
    assert sample(kind, "fr") is None


def test_times_are_said_in_the_zone_of_the_markets() -> None:
    assert "3. Juli 2026, 22:15 Uhr" in render("registration", "de", {**EVERYTHING, "locale": "de"}).text
    assert "3 January 2026, 21:15" in render("password_changed", "en", {**EVERYTHING, "locale": "en"}).text


async def a_mail(app: Litestar, account_id: UUID) -> UUID:
    """A mail about a changed password: any kind would do."""
    parts = parts_of(app)
    async with parts.database.sessions.begin() as session:
        return await parts.outbox.queue(
            session, kind="password_changed", account_id=account_id, reference=new_id(), locale="de"
        )


async def test_a_mail_is_sent_once_with_all_that_belongs_to_it(
    app: Litestar, settings: Settings, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    mail_id = await a_mail(app, account.id)
    with open_post_office(settings.smtp_url) as office:
        for _ in range(2):
            await parts_of(app).outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
    (letter,) = office.letters
    assert letter["To"] == account.email
    assert letter["From"] == settings.mail_from
    assert letter["Message-ID"] == f"<{mail_id}@videothek.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Content-Language"] == "de"
    assert letter["Date"].endswith("+0000")
    assert letter.get_content_type() == "multipart/alternative"
    assert "Alle Geräte wurden abgemeldet" in text_of(letter)
    row = await owner.fetchrow("SELECT * FROM store.mails")
    assert row is not None
    assert (row["status"], row["attempts"], row["smtp_reply"]) == ("sent", 1, "kept")
    assert row["sent_to"] == "a•••@b•••.example"
    assert row["sent_at"] is not None


@pytest.mark.parametrize("answer", ["451 come back later", None])
async def test_a_passing_fault_has_the_mail_tried_again(
    app: Litestar, settings: Settings, owner: asyncpg.Connection, answer: str | None
) -> None:
    mail_id = await a_mail(app, (await a_customer(app)).id)
    outbox = parts_of(app).outbox
    if answer is None:
        with pytest.raises(MailDelayed):
            await outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
    with open_post_office(settings.smtp_url) as office:
        if answer is not None:
            office.answer = answer
            with pytest.raises(MailDelayed):
                await outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
        assert await owner.fetchval("SELECT status FROM store.mails") == "queued"
        office.answer = None
        await outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
    assert len(office.letters) == 1
    assert await owner.fetchval("SELECT status FROM store.mails") == "sent"
    assert await owner.fetchval("SELECT attempts FROM store.mails") == 2


class OfficeOfTwo:
    """A mail server that is busy with one worker until another one has sent the same mail."""

    def __init__(self, owner_url: str) -> None:
        self.owner_url = owner_url

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        connection = await asyncpg.connect(self.owner_url)
        await connection.execute("UPDATE store.mails SET status = 'sent', smtp_reply = 'kept'")
        await connection.close()
        return "451 busy"


async def test_a_mail_that_another_worker_sent_meanwhile_stays_sent(
    app: Litestar, settings: Settings, owner: asyncpg.Connection, owner_url: str
) -> None:
    mail_id = await a_mail(app, (await a_customer(app)).id)
    server = urlsplit(settings.smtp_url)
    controller = Controller(OfficeOfTwo(owner_url), hostname=server.hostname or "", port=server.port or 0)
    controller.start()
    with pytest.raises(MailDelayed):
        await parts_of(app).outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
    controller.stop()
    row = await owner.fetchrow("SELECT status, smtp_reply FROM store.mails")
    assert row is not None
    assert tuple(row) == ("sent", "kept")


async def test_a_mail_that_the_server_will_never_take_is_given_up(
    app: Litestar, settings: Settings, owner: asyncpg.Connection
) -> None:
    mail_id = await a_mail(app, (await a_customer(app)).id)
    with open_post_office(settings.smtp_url) as office:
        office.answer = "550 no such mailbox"
        for _ in range(2):
            await parts_of(app).outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
    row = await owner.fetchrow("SELECT status, smtp_reply, attempts, sent_at FROM store.mails")
    assert row is not None
    assert tuple(row) == ("refused", "550 no such mailbox", 1, None)


async def test_a_refusal_that_repeats_the_address_is_kept_without_it(
    app: Litestar, settings: Settings, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    assert account.email is not None
    mail_id = await a_mail(app, account.id)
    with open_post_office(settings.smtp_url) as office:
        office.answer = f"451 <{account.email.upper()}> is over quota"
        with pytest.raises(MailDelayed, match="over quota") as delayed:
            await parts_of(app).outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
        office.answer = f"550 <{account.email}> unknown"
        await parts_of(app).outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
    assert account.email not in str(delayed.value).lower()
    assert await owner.fetchval("SELECT smtp_reply FROM store.mails") == "550 <a•••@b•••.example> unknown"


async def test_a_password_is_never_sent_to_a_mail_server_in_clear(
    app: Litestar, settings: Settings, owner: asyncpg.Connection
) -> None:
    mail_id = await a_mail(app, (await a_customer(app)).id)
    with_password = settings.smtp_url.replace("smtp://", "smtp://store:secret@")
    mailer = replace(parts_of(app).outbox, server=MailServer(with_password))
    shown: list[object] = []

    def take_password(
        _server: object, _session: object, _envelope: object, _mechanism: str, data: object
    ) -> AuthResult:
        shown.append(data)
        return AuthResult(success=True)

    server = open_post_office(settings.smtp_url, authenticator=take_password, auth_require_tls=False)
    with server as office, pytest.raises(MailDelayed):
        await mailer.deliver(mail_id=mail_id, at=datetime.now(UTC))
    assert (shown, office.letters) == ([], [])
    assert await owner.fetchval("SELECT status FROM store.mails") == "queued"


async def test_a_mail_to_an_erased_account_is_dropped(app: Litestar, owner: asyncpg.Connection) -> None:
    account = await a_customer(app)
    mail_id = await a_mail(app, account.id)
    await owner.execute("UPDATE auth.accounts SET email = NULL, email_key = NULL")
    await parts_of(app).outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
    assert await owner.fetchval("SELECT status FROM store.mails") == "dropped"


async def test_nothing_is_noted_about_whom_was_erased_while_their_mail_was_composed(
    app: Litestar, settings: Settings, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    mail_id = await a_mail(app, account.id)

    async def read_and_be_late(*_: object, **__: object) -> Letter:
        await owner.execute("UPDATE store.mails SET account_id = NULL")
        return Letter(recipient=account.email or "", values={}, locale="de")

    late = replace(parts_of(app).outbox, readers={"password_changed": read_and_be_late})
    with open_post_office(settings.smtp_url) as office, pytest.raises(MailDelayed):
        await late.deliver(mail_id=mail_id, at=datetime.now(UTC))
    assert office.letters == []
    row = await owner.fetchrow("SELECT status, attempts, sent_to, recipient_hash, account_id FROM store.mails")
    assert row is not None
    assert tuple(row) == ("queued", 0, None, None, None)


async def test_a_rollback_leaves_neither_mail_nor_job(app: Litestar, owner: asyncpg.Connection) -> None:
    parts, account = parts_of(app), await a_customer(app)
    async with parts.database.sessions() as session:
        await parts.outbox.queue(session, kind="password_changed", account_id=account.id, reference=None, locale="de")
        await session.rollback()
    assert await owner.fetchval("SELECT count(*) FROM store.mails") == 0
    assert await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer") == 0


async def test_a_kind_that_nobody_composes_is_refused_at_once(app: Litestar) -> None:
    parts = parts_of(app)
    with pytest.raises(LookupError):
        async with parts.database.sessions.begin() as session:
            await parts.outbox.queue(session, kind="unknown", account_id=None, reference=None, locale="de")


async def test_support_sees_what_was_sent_and_no_address(app: Litestar, settings: Settings) -> None:
    parts, account = parts_of(app), await a_customer(app)
    mail_id = await a_mail(app, account.id)
    with open_post_office(settings.smtp_url):
        await parts.outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
    async with parts.database.sessions() as session:
        (mail,) = await list_mails(session, account_id=account.id)
    assert (mail.kind, mail.status, mail.sent_to) == ("password_changed", "sent", "a•••@b•••.example")
