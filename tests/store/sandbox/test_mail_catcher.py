"""The mail catcher: keeps what is sent and shows it, and lets no mail's HTML do anything."""

import asyncio
import base64
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path

import aiosmtplib
import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.app import attach
from store.sandbox.kept_mails import keep, names_of, read_mail
from store.sandbox.mail_catcher import catch_mails, create_viewer
from store.sandbox.returns import ADDRESS_VARIABLE, SECRET_VARIABLE, Store
from store.settings import Settings
from tests.auth.people import a_customer, parts_of
from tests.auth.post_office import deliver_mails, open_post_office
from tests.scratch import free_port

LINK = "http://127.0.0.1:8000/de/password/reset#t=vt1_reset_abc"


def letter(*, subject: str = "Ihr Link für ein neues Passwort", html: bool = True) -> EmailMessage:
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"], message["To"], message["Subject"] = "kino@videothek.example", "anna@demo.example", subject
    message.set_content(f"Guten Tag, Übermut\n\n{LINK}\n\n{LINK}\n")
    if html:
        message.add_alternative(f'<p>Guten Tag</p><a href="{LINK}">Neu</a><script>alert(1)</script>', subtype="html")
    return message


def viewer(folder: Path, store: Store | None = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_viewer(folder, port=8025, store=store))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8025")


@asynccontextmanager
async def catcher(folder: Path) -> AsyncIterator[tuple[int, str]]:
    """A running mail catcher; gives its SMTP port and the address of its pages."""
    smtp_port, page_port = free_port(), free_port()
    catching = asyncio.create_task(catch_mails(folder, smtp_port=smtp_port, page_port=page_port))
    address = f"http://127.0.0.1:{page_port}"
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=20)) as client:
        (await client.get(f"{address}/health")).raise_for_status()
    yield smtp_port, address
    catching.cancel()
    await asyncio.gather(catching, return_exceptions=True)


async def test_a_mail_that_is_sent_is_kept_and_shown(tmp_path: Path) -> None:
    async with catcher(tmp_path) as (smtp_port, address):
        await aiosmtplib.send(letter(), hostname="127.0.0.1", port=smtp_port)
        async with httpx.AsyncClient(base_url=address) as client:
            page = await client.get("/latest", follow_redirects=True)
    assert "Ihr Link für ein neues Passwort" in page.text
    assert f'<a href="{LINK}"' in page.text
    assert "Übermut" in page.text


async def test_the_list_shows_the_newest_first_and_can_be_empty(tmp_path: Path) -> None:
    async with viewer(tmp_path) as client:
        assert "No mail yet" in (await client.get("/")).text
        assert (await client.get("/latest")).headers["location"] == "/"
        now = datetime.now(UTC)
        keep(tmp_path, letter(subject="erste").as_bytes(), at=now)
        keep(tmp_path, letter(subject="zweite").as_bytes(), at=now + timedelta(seconds=1))
        page = (await client.get("/")).text
    assert page.index("zweite") < page.index("erste")


async def test_the_list_brings_new_mails_by_a_script_of_its_own(tmp_path: Path) -> None:
    async with viewer(tmp_path) as client:
        page, script = await client.get("/"), await client.get("/look-again.js")
    assert '<script src="/look-again.js" defer></script>' in page.text
    assert "<noscript><meta http-equiv" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert script.headers["content-type"].startswith("text/javascript")


async def test_the_html_of_a_mail_has_no_rights(tmp_path: Path) -> None:
    name = keep(tmp_path, letter().as_bytes(), at=datetime.now(UTC))
    async with viewer(tmp_path) as client:
        page = await client.get(f"/mails/{name}")
        inside = await client.get(f"/mails/{name}/html")
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    assert "alert(1)" not in page.text
    policy = inside.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups" in policy
    assert "script" not in policy


async def test_what_a_mail_says_of_itself_is_escaped(tmp_path: Path) -> None:
    keep(tmp_path, letter(subject="<script>alert(1)</script>").as_bytes(), at=datetime.now(UTC))
    async with viewer(tmp_path) as client:
        pages = [(await client.get(path, follow_redirects=True)).text for path in ("/", "/latest")]
    assert not [page for page in pages if "<script>" in page or "alert(1)<" in page]


@pytest.mark.parametrize("name", ["..%2F..%2Fsecrets", "secrets", "0" * 20 + "-" + "f" * 32, "%00"])
async def test_no_other_file_is_shown(tmp_path: Path, name: str) -> None:
    (tmp_path / "secrets.eml").write_text("Subject: secret\n\nsecret")
    async with viewer(tmp_path) as client:
        for path in (f"/mails/{name}", f"/mails/{name}/html"):
            assert (await client.get(path)).status_code == 404


async def test_a_foreign_name_does_not_lead_a_browser_to_the_mails(tmp_path: Path) -> None:
    keep(tmp_path, letter().as_bytes(), at=datetime.now(UTC))
    async with viewer(tmp_path) as client:
        answer = await client.get("/latest", headers={"Host": "evil.example:8025"})
    assert answer.status_code == 400


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"Subject: =?utf-8?b?broken\r\n\r\n\xff", b"no headers"])
async def test_a_broken_mail_is_shown_as_well_as_it_can_be(tmp_path: Path, content: bytes) -> None:
    keep(tmp_path, content, at=datetime.now(UTC))
    async with viewer(tmp_path) as client:
        for path in ("/", "/latest"):
            assert (await client.get(path, follow_redirects=True)).status_code == 200


def test_mails_of_the_same_instant_are_all_kept(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for _ in range(3):
        keep(tmp_path, letter(html=False).as_bytes(), at=now)
    names = names_of(tmp_path)
    assert len(names) == 3
    mail = read_mail(tmp_path, names[0])
    assert mail is not None
    assert (mail.caught_at, mail.html, mail.links) == (now, "", [LINK])
    assert not stat.S_ISLNK((tmp_path / f"{names[0]}.eml").lstat().st_mode)


async def test_every_mail_of_the_store_is_shown_with_sample_values(tmp_path: Path) -> None:
    async with viewer(tmp_path) as client:
        samples = (await client.get("/samples")).text
        for locale, subject in (("de", "Ihr Konto wird gelöscht"), ("en", "Your account will be erased")):
            assert f'lang="{locale}">{subject}</strong>' in samples
            page = await client.get(f"/samples/erasure_requested/{locale}")
            assert page.status_code == 200
            assert "vt1_reset_sample" in page.text
            html = await client.get(f"/samples/erasure_requested/{locale}/html")
            assert "sandbox allow-popups" in html.headers["content-security-policy"]
            assert subject in html.text
        for path in ("/samples/erasure_requested/fr", "/samples/nothing/de", "/samples/..%2Fde/de"):
            assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("what", "status", "reason"),
    [
        ("unknown", "bounced", "returned"),
        ("full", "bounced", None),
        ("unwanted", "complained", "complained"),
    ],
)
async def test_a_mail_that_is_returned_there_comes_back_to_the_store(
    what: str,
    status: str,
    reason: str | None,
    tmp_path: Path,
    app: Litestar,
    live_server: str,
    settings: Settings,
    owner: asyncpg.Connection,
) -> None:
    parts, secret = parts_of(app), f"whsec_{base64.b64encode(b's' * 32).decode()}"
    attach(app, replace(parts, settings=replace(settings, mail_webhook_secrets=(b"s" * 32,))))
    account = await a_customer(app)
    async with parts.database.sessions.begin() as session:
        await parts.outbox.queue(session, kind="password_changed", account_id=account.id, reference=None, locale="de")
    with open_post_office(settings.smtp_url) as office:
        await deliver_mails(app)
    name = keep(tmp_path, office.letters[0].as_bytes(), at=datetime.now(UTC))
    store = Store.from_env({ADDRESS_VARIABLE: f"{live_server}/webhooks/mail", SECRET_VARIABLE: secret})
    async with viewer(tmp_path, store) as client:
        assert "no such mailbox" in (await client.get(f"/mails/{name}")).text
        page = await client.post(f"/mails/{name}/reports/{what}", follow_redirects=True)
        again = await client.post(f"/mails/{name}/reports/{what}", follow_redirects=True)
        assert (await client.post(f"/mails/{name}/reports/nonsense")).status_code == 404
    assert "The store says: taken_in" in page.text
    assert "The store says: repeated" in again.text
    assert await owner.fetchval("SELECT status FROM store.mails") == status
    assert await owner.fetchval("SELECT reason FROM store.suppressed_addresses") == reason
    attach(app, parts)


async def test_without_a_store_to_tell_there_is_nothing_to_return(tmp_path: Path) -> None:
    name = keep(tmp_path, letter().as_bytes(), at=datetime.now(UTC))
    assert Store.from_env({}) is None
    async with viewer(tmp_path) as client:
        assert "no such mailbox" not in (await client.get(f"/mails/{name}")).text
        assert (await client.post(f"/mails/{name}/reports/unknown")).status_code == 404
