"""What comes back: by a server's message or a provider's event, with one effect, once, and never on a stranger."""

import asyncio
import base64
import hmac
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncSession

from auth.ids import new_id
from auth.models import Account
from auth.ports import Letter
from store.app import attach
from store.cli import TRY_LATER, take_in_mail_report
from store.database import Database
from store.metrics import collect, render
from store.settings import Settings
from tests.auth.people import Bearer, a_colleague, a_customer, parts_of, sign_in
from tests.auth.post_office import deliver_mails, open_post_office, text_of
from tests.store.mail_messages import a_complaint, a_delivery_status

NEW, OLD = b"n" * 32, b"o" * 24
"""Signing secrets: the one in force and the one before it."""

STATE = "SELECT status, smtp_reply, returned_at FROM store.mails WHERE id = $1"


@pytest.fixture
async def with_secrets(app: Litestar) -> AsyncIterator[None]:
    """The application of an operator whose provider tells what becomes of mails."""
    parts = parts_of(app)
    attach(app, replace(parts, settings=replace(parts.settings, mail_webhook_secrets=(NEW, OLD))))
    yield
    attach(app, parts)


async def a_sent_mail(app: Litestar, settings: Settings, account: Account, *, kind: str = "password_changed") -> UUID:
    parts = parts_of(app)
    async with parts.database.sessions.begin() as session:
        mail_id = await parts.outbox.queue(session, kind=kind, account_id=account.id, reference=None, locale="de")
    with open_post_office(settings.smtp_url):
        await deliver_mails(app)
    return mail_id


async def send(
    client: httpx.AsyncClient,
    mail_id: UUID | str,
    *,
    kind: str = "mail.bounced",
    secret: bytes = NEW,
    age: timedelta = timedelta(),
    headers: Mapping[str, str] | None = None,
    spoil: bytes = b"",
    **data: object,
) -> httpx.Response:
    """An event as a provider sends it."""
    told = {"message_id": f"<{mail_id}@videothek.example>", "status": "5.1.1", "diagnosis": "550 user unknown", **data}
    body = json.dumps({"type": kind, "data": told}).encode()
    at = str(int((datetime.now(UTC) - age).timestamp()))
    signature = base64.b64encode(hmac.digest(secret, f"evt_1.{at}.".encode() + body, "sha256")).decode()
    signed = {"webhook-id": "evt_1", "webhook-timestamp": at, "webhook-signature": f"v1,AAAA v1,{signature}"}
    given = {"content-type": "application/json", **signed, **(headers or {})}
    encoded = {name.encode(): value.encode() for name, value in given.items()}
    return await client.post("/webhooks/mail", content=body + spoil, headers=encoded)


async def hand_over(
    settings: Settings, content: bytes, monkeypatch: pytest.MonkeyPatch, *, returned_to: str | None = None
) -> int:
    """A message as a mail server hands it to the command."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    return await take_in_mail_report(settings, SimpleNamespace(returned_to=returned_to))  # type: ignore[arg-type]


async def suppressions(owner: asyncpg.Connection) -> dict[str, str]:
    rows = await owner.fetch("SELECT email_key, reason FROM store.suppressed_addresses")
    return {row["email_key"]: row["reason"] for row in rows}


@pytest.mark.usefixtures("with_secrets")
@pytest.mark.parametrize("way", ["message", "provider"])
async def test_a_bounce_is_on_the_mail_in_the_servers_words_and_its_address_is_left_in_peace_whoever_tells(
    way: str,
    app: Litestar,
    client: httpx.AsyncClient,
    settings: Settings,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = await a_customer(app)
    mail_id = await a_sent_mail(app, settings, account)
    words = f"550 5.1.1 <{account.email}>: user unknown"
    for _ in range(2):
        if way == "message":
            content = a_delivery_status(mail_id, recipient=account.email or "", diagnosis=words)
            assert await hand_over(settings, content, monkeypatch) == 0
        else:
            answer = await send(client, mail_id, recipient=account.email, diagnosis=words)
            assert answer.status_code == 200
    row = await owner.fetchrow(STATE, mail_id)
    assert row is not None
    assert (row["status"], row["smtp_reply"]) == ("bounced", "550 5.1.1 <•••@•••>: user unknown")
    assert row["returned_at"] is not None
    assert await suppressions(owner) == {account.email_key: "returned"}
    told = await owner.fetch("SELECT source, kind FROM store.mail_reports")
    assert [tuple(one) for one in told] == [(way, "bounced")]
    events = await owner.fetch("SELECT target_id FROM auth.audit_events WHERE action = 'mail.bounced'")
    assert [event["target_id"] for event in events] == [str(account.id)]


@pytest.mark.usefixtures("with_secrets")
async def test_what_both_ways_tell_and_fifty_times_at_once_has_one_effect(
    app: Litestar,
    client: httpx.AsyncClient,
    settings: Settings,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = await a_customer(app)
    mail_id = await a_sent_mail(app, settings, account)
    answers = await asyncio.gather(*(send(client, mail_id) for _ in range(50)))
    assert sorted(answer.json()["outcome"] for answer in answers) == ["repeated"] * 49 + ["taken_in"]
    await hand_over(settings, a_delivery_status(mail_id), monkeypatch)
    assert await owner.fetchval("SELECT count(*) FROM store.mail_reports") == 1
    assert await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE action = 'mail.bounced'") == 1


@pytest.mark.parametrize(
    "spoilt",
    [
        {"secret": b"x" * 32},
        {"spoil": b" "},
        {"age": timedelta(minutes=6)},
        {"age": -timedelta(minutes=6)},
        {"headers": {"webhook-signature": ""}},
        {"headers": {"webhook-signature": "v1,"}},
        {"headers": {"webhook-signature": "v2,AAAA"}},
        {"headers": {"webhook-id": "evt_2"}},
        {"headers": {"webhook-timestamp": "１２３"}},
        {"headers": {"webhook-timestamp": "9" * 400}},
        {"headers": {"webhook-timestamp": "999999999999"}},
        {"headers": {"webhook-timestamp": ""}},
    ],
    ids=str,
)
@pytest.mark.usefixtures("with_secrets")
async def test_an_event_that_is_not_signed_changes_nothing(
    spoilt: dict[str, object], app: Litestar, client: httpx.AsyncClient, settings: Settings, owner: asyncpg.Connection
) -> None:
    mail_id = await a_sent_mail(app, settings, await a_customer(app))
    answer = await send(client, mail_id, **spoilt)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (400, "mail_event_not_verified")
    assert await owner.fetchval("SELECT status FROM store.mails") == "sent"
    assert await owner.fetchval("SELECT count(*) FROM store.mail_reports") == 0


@pytest.mark.usefixtures("with_secrets")
async def test_two_secrets_are_in_force_and_without_one_there_is_no_such_address(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    for secret in (NEW, OLD):
        assert (await send(client, new_id(), secret=secret)).status_code == 200
    parts = parts_of(app)
    attach(app, replace(parts, settings=replace(parts.settings, mail_webhook_secrets=())))
    for secret in (NEW, b""):
        answer = await send(client, new_id(), secret=secret)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.usefixtures("with_secrets")
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"type": "mail.opened", "data": {}}', b'{"type": 5}', b"[" * 9000, b"\xff"]
)
async def test_a_signed_body_of_another_form_is_refused(body: bytes, client: httpx.AsyncClient) -> None:
    at = str(int(datetime.now(UTC).timestamp()))
    signature = base64.b64encode(hmac.digest(NEW, f"e.{at}.".encode() + body, "sha256")).decode()
    signed = {"webhook-id": "e", "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}
    answer = await client.post("/webhooks/mail", content=body, headers={"content-type": "application/json", **signed})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


@pytest.mark.usefixtures("with_secrets")
async def test_a_report_about_a_mail_that_there_is_not_is_parked_and_one_about_none_is_ignored(
    client: httpx.AsyncClient, owner: asyncpg.Connection, database: Database
) -> None:
    unknown = new_id()
    outcomes = [(await send(client, one)).json()["outcome"] for one in (unknown, unknown, "nothing")]
    assert outcomes == ["parked", "repeated", "ignored"]
    assert await suppressions(owner) == {}
    row = await owner.fetchrow("SELECT mail_id, kind FROM store.mail_reports")
    assert row is not None
    assert tuple(row) == (None, "bounced")
    told = render(await collect(database))
    assert 'videothek_mail_reports_last_day{kind="bounced",source="provider",known="false"} 1' in told


@pytest.mark.usefixtures("with_secrets")
async def test_whoever_got_a_mail_cannot_have_a_strangers_address_left_out(
    app: Litestar, client: httpx.AsyncClient, settings: Settings, owner: asyncpg.Connection
) -> None:
    attacker, victim = await a_customer(app), await a_customer(app)
    mail_id = await a_sent_mail(app, settings, attacker)
    await send(client, mail_id, recipient=victim.email)
    assert await suppressions(owner) == {attacker.email_key: "returned"}


@pytest.mark.usefixtures("with_secrets")
async def test_an_address_that_the_account_left_is_the_one_that_is_left_in_peace(
    app: Litestar, client: httpx.AsyncClient, settings: Settings, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app)
    first, second = [await a_sent_mail(app, settings, account) for _ in range(2)]
    await owner.execute("UPDATE auth.accounts SET email = 'neu@beispiel.example', email_key = 'neu@beispiel.example'")
    await send(client, first)
    assert await suppressions(owner) == {}, "nobody says to whom it was written"
    await send(client, second, recipient=(account.email or "").upper())
    assert await suppressions(owner) == {account.email_key: "returned"}


@pytest.mark.parametrize(("status", "words"), [("5.2.2", "552 mailbox full"), ("4.4.7", "expired")])
async def test_a_full_mailbox_bounces_and_is_written_to_all_the_same(
    status: str,
    words: str,
    app: Litestar,
    settings: Settings,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mail_id = await a_sent_mail(app, settings, await a_customer(app))
    await hand_over(settings, a_delivery_status(mail_id, status=status, diagnosis=words), monkeypatch)
    assert await owner.fetchval("SELECT status FROM store.mails") == "bounced"
    assert await suppressions(owner) == {}


async def test_a_delay_leaves_the_mail_as_it_is_with_the_servers_words_and_a_later_bounce_counts(
    app: Litestar, settings: Settings, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_id = await a_sent_mail(app, settings, await a_customer(app))
    delay = a_delivery_status(mail_id, action="delayed", status="4.2.2", diagnosis="452 later")
    await hand_over(settings, delay, monkeypatch)
    row = await owner.fetchrow(STATE, mail_id)
    assert row is not None
    assert tuple(row) == ("sent", "452 later", None)
    await hand_over(settings, a_delivery_status(mail_id), monkeypatch)
    assert await owner.fetchval("SELECT status FROM store.mails") == "bounced"
    await owner.execute("DELETE FROM store.mail_reports")
    await hand_over(settings, delay, monkeypatch)
    assert await owner.fetchval("SELECT status FROM store.mails") == "bounced"


async def test_after_a_complaint_reminders_are_left_out_and_security_mails_are_not(
    app: Litestar, settings: Settings, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await a_customer(app)
    mail_id = await a_sent_mail(app, settings, account)
    await hand_over(settings, a_complaint(mail_id, recipient=account.email or ""), monkeypatch)
    assert await owner.fetchval("SELECT status FROM store.mails") == "complained"
    assert await suppressions(owner) == {account.email_key: "complained"}
    with open_post_office(settings.smtp_url) as office:
        assert await a_sent_status(app, account, "rental_end_reminder", owner) == "suppressed"
        assert await a_sent_status(app, account, "password_changed", owner) == "sent"
        await owner.execute("DELETE FROM store.suppressed_addresses")
        assert await a_sent_status(app, account, "rental_end_reminder", owner) == "sent"
    assert len(office.letters) == 2


async def a_reminder(
    session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
) -> Letter | None:
    """A reminder of a rental that is always due."""
    account = await session.get_one(Account, account_id)
    values = {"film": "Her", "until": at, "is_cut": False, "watch": "https://videothek.example/de/watch/her-2013"}
    return Letter(recipient=account.email or "", values=values)


async def a_sent_status(app: Litestar, account: Account, kind: str, owner: asyncpg.Connection) -> str:
    parts = parts_of(app)
    outbox = replace(parts.outbox, composers={**parts.outbox.composers, "rental_end_reminder": a_reminder})
    async with parts.database.sessions.begin() as session:
        mail_id = await outbox.queue(session, kind=kind, account_id=account.id, reference=new_id(), locale="de")
    await outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))
    status: str = await owner.fetchval("SELECT status FROM store.mails WHERE id = $1", mail_id)
    return status


async def test_a_report_that_is_faster_than_the_note_of_the_sending_stays(
    app: Litestar, settings: Settings, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await a_customer(app)
    parts = parts_of(app)
    async with parts.database.sessions.begin() as session:
        mail_id = await parts.outbox.queue(
            session, kind="password_changed", account_id=account.id, reference=None, locale="de"
        )
    sending = type(parts.outbox)._send

    async def send_and_bounce(self: object, *given: object, **named: object) -> object:
        done = await sending(self, *given, **named)  # type: ignore[arg-type]
        await hand_over(settings, a_delivery_status(mail_id), monkeypatch)
        return done

    monkeypatch.setattr(type(parts.outbox), "_send", send_and_bounce)
    with open_post_office(settings.smtp_url):
        await deliver_mails(app)
    row = await owner.fetchrow("SELECT status, sent_at FROM store.mails")
    assert row is not None
    assert row["status"] == "bounced"
    assert row["sent_at"] is not None
    assert await suppressions(owner) == {account.email_key: "returned"}


async def test_a_mail_that_was_never_tried_cannot_have_come_back(
    app: Litestar, settings: Settings, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, parts = await a_customer(app), parts_of(app)
    async with parts.database.sessions.begin() as session:
        mail_id = await parts.outbox.queue(
            session, kind="password_changed", account_id=account.id, reference=None, locale="de"
        )
    await hand_over(settings, a_delivery_status(mail_id, recipient=account.email or ""), monkeypatch)
    assert await owner.fetchval("SELECT status FROM store.mails") == "queued"
    assert await suppressions(owner) == {}


async def test_each_mail_leaves_with_a_return_address_of_its_own(
    app: Litestar, settings: Settings, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_of(app)
    own = replace(parts.outbox, settings=replace(settings, bounce_address="bounces@videothek.example"))
    async with parts.database.sessions.begin() as session:
        mail_id = await own.queue(
            session, kind="password_changed", account_id=(await a_customer(app)).id, reference=None, locale="de"
        )
    with open_post_office(settings.smtp_url) as office:
        await own.deliver(mail_id=mail_id, at=datetime.now(UTC))
    assert office.senders == [f"bounces+{mail_id.hex}@videothek.example"]
    assert office.letters[0]["From"] == settings.mail_from
    await hand_over(settings, a_delivery_status(None), monkeypatch, returned_to=office.senders[0])
    assert await owner.fetchval("SELECT status FROM store.mails") == "bounced"


async def test_the_command_takes_a_message_from_a_pipe_and_says_try_later_while_the_database_is_away(
    app: Litestar, settings: Settings, environment: dict[str, str], owner: asyncpg.Connection
) -> None:
    mail_id = await a_sent_mail(app, settings, await a_customer(app))

    async def run(content: bytes, **changes: str) -> subprocess.CompletedProcess[bytes]:
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "store.cli", "take-in-mail-report"],
            input=content,
            env={**environment, **changes},
            capture_output=True,
            check=False,
        )

    away = "postgresql://nobody@127.0.0.1:1/nothing"
    assert (await run(a_delivery_status(mail_id), DATABASE_URL=away)).returncode == TRY_LATER
    assert (await run(b"Subject: I am away\n\nUntil Monday.")).returncode == 0
    done = await run(a_delivery_status(mail_id))
    assert done.returncode == 0
    assert done.stdout.endswith(b"bounced: taken_in\n")
    assert await owner.fetchval("SELECT status FROM store.mails") == "bounced"


@pytest.fixture
async def customer(app: Litestar, client: httpx.AsyncClient) -> tuple[Account, Bearer]:
    account = await a_customer(app)
    return account, await sign_in(client, account)


@pytest.mark.usefixtures("with_secrets")
async def test_the_customer_learns_what_fails_and_a_test_mail_puts_it_right(
    app: Litestar,
    client: httpx.AsyncClient,
    settings: Settings,
    owner: asyncpg.Connection,
    customer: tuple[Account, Bearer],
) -> None:
    account, bearer = customer
    assert (await client.get("/v1/mail-delivery", headers=bearer.headers)).json()["problem"] is None
    await send(client, await a_sent_mail(app, settings, account), diagnosis=f"550 5.1.1 {account.email} unknown")
    told = (await client.get("/v1/mail-delivery", headers=bearer.headers)).json()
    assert (told["problem"], told["said"]) == ("no_mailbox", "550 5.1.1 •••@••• unknown")
    assert told["since"]
    await a_sent_mail(app, settings, account)
    still = (await client.get("/v1/mail-delivery", headers=bearer.headers)).json()
    assert still["problem"] == "no_mailbox", "that a server takes the next mail proves nothing"
    with open_post_office(settings.smtp_url) as office:
        assert (await client.post("/v1/mail-checks", headers=bearer.headers)).status_code == 202
        await deliver_mails(app)
    assert "erreichen wir Sie wieder" in text_of(office.to(account.email)[-1])
    assert (await client.get("/v1/mail-delivery", headers=bearer.headers)).json()["problem"] is None
    assert await suppressions(owner) == {}
    answers = [(await client.post("/v1/mail-checks", headers=bearer.headers)).status_code for _ in range(3)]
    assert answers == [202, 202, 429]


async def test_a_mail_that_a_server_refused_is_told_until_one_is_taken(
    app: Litestar, client: httpx.AsyncClient, settings: Settings, customer: tuple[Account, Bearer]
) -> None:
    account, bearer = customer
    parts = parts_of(app)
    async with parts.database.sessions.begin() as session:
        await parts.outbox.queue(session, kind="password_changed", account_id=account.id, reference=None, locale="de")
    with open_post_office(settings.smtp_url) as office:
        office.answer = "554 5.7.1 policy"
        await deliver_mails(app)
    told = (await client.get("/v1/mail-delivery", headers=bearer.headers)).json()
    assert (told["problem"], told["said"]) == ("not_taken", "554 5.7.1 policy")
    await a_sent_mail(app, settings, account)
    assert (await client.get("/v1/mail-delivery", headers=bearer.headers)).json()["problem"] is None


@pytest.mark.usefixtures("with_secrets")
@pytest.mark.parametrize("state", ["queued", "sent", "refused", "bounced"])
async def test_support_reads_how_far_the_mail_of_a_reset_has_come(
    state: str, app: Litestar, client: httpx.AsyncClient, settings: Settings, owner: asyncpg.Connection
) -> None:
    account, agent = await a_customer(app), await a_colleague(app)
    bearer = await sign_in(client, agent)
    asked = await client.post(
        f"/v1/staff/customers/{account.id}/password-resets",
        json={"reason": "Anruf, hat das Passwort vergessen"},
        headers=bearer.headers,
    )
    assert asked.status_code == 202, asked.text
    if state != "queued":
        with open_post_office(settings.smtp_url) as office:
            office.answer = f"550 5.7.1 <{account.email}> refused" if state == "refused" else None
            await deliver_mails(app)
    if state == "bounced":
        mail_id = await owner.fetchval("SELECT id FROM store.mails WHERE kind = 'password_reset'")
        await send(client, mail_id, diagnosis=f"550 5.1.1 <{account.email}> gone")
    file = (await client.get(f"/v1/staff/customers/{account.id}", headers=bearer.headers)).json()
    (reset,) = file["password_resets"]
    mail = reset["mail"]
    words = {"refused": "550 5.7.1 <•••@•••> refused", "bounced": "550 5.1.1 <•••@•••> gone", "sent": "kept"}
    assert (mail["status"], mail["reply"]) == (state, words.get(state))
    assert (mail["returned_at"] is not None, mail["sent_at"] is not None) == (
        state == "bounced",
        state in ("sent", "bounced"),
    )
    assert file["mail_delivery"]["problem"] == {"refused": "not_taken", "bounced": "no_mailbox"}.get(state)
    assert (account.email or "-") not in str(file)
