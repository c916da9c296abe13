"""Withdrawing in two steps: from an order of one's own, and without signing in, where nobody learns what there is."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from auth.models import Account
from store.composition import job_handlers
from store.database import Database
from store.letter_templates import render
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock
from tests.store.purchase.shops import make_film, make_offer
from tests.store.web.page_reading import faults_of
from tests.store.web.test_checkout_pages import order_in
from tests.store.web.visitors import OURS, make_customer, sign_in, token_in


@pytest.fixture
async def order_id(browser: httpx.AsyncClient, database: Database, gateway: FakeGateway) -> str:
    """A paid order of the customer who is signed in."""
    offer = await make_offer(database, title_id=await make_film(database, name="Der Fernsehturm"), gross=399)
    order_id = await order_in(browser, offer)
    gateway.pay(next(iter(gateway.intents)))
    await browser.get(f"/de/orders/{order_id}/return")
    return order_id


async def order_number(database: Database, order_id: str) -> str:
    number: str = await database.reads.fetchval("SELECT order_number FROM billing.orders WHERE id = $1", UUID(order_id))
    return number


async def state_of(database: Database, order_id: str) -> str:
    state: str = await database.reads.fetchval("SELECT state FROM billing.orders WHERE id = $1", UUID(order_id))
    return state


async def test_an_order_is_withdrawn_from_in_two_steps(
    browser: httpx.AsyncClient, order_id: str, database: Database
) -> None:
    page = (await browser.get(f"/de/orders/{order_id}")).text
    assert f'href="/de/orders/{order_id}/withdrawal">Vertrag widerrufen</a>' in page
    step = await browser.get(f"/de/orders/{order_id}/withdrawal")
    assert faults_of(step.text, locale="de") == []
    assert '<button class="button main">Widerruf bestätigen</button>' in step.text
    assert await state_of(database, order_id) == "paid", "the first step does nothing"

    form = {"csrf_token": token_in(step.text)}
    done = await browser.post(f"/de/orders/{order_id}/withdrawal", data=form, headers=OURS)
    assert (done.status_code, done.headers["location"]) == (303, f"/de/orders/{order_id}?done=withdrawn")
    after = (await browser.get(done.headers["location"])).text
    assert "Ihr Widerruf ist eingegangen." in after
    assert await state_of(database, order_id) == "refunded"
    assert await database.reads.fetchval("SELECT count(*) FROM store.mails WHERE kind = 'withdrawal'") == 1
    again = await browser.post(f"/de/orders/{order_id}/withdrawal", data=form, headers=OURS)
    assert again.status_code == 303
    assert await database.reads.fetchval("SELECT count(*) FROM billing.refunds") == 1


async def refused_with(browser: httpx.AsyncClient, order_id: str, words: str) -> None:
    """Neither step works; the page says why, and to whom to write."""
    page = await browser.get(f"/de/orders/{order_id}/withdrawal")
    assert faults_of(page.text, locale="de") == []
    assert words in page.text
    assert "Widerruf bestätigen" not in page.text
    assert "mailto:kino@videothek.example" in page.text
    form = {"csrf_token": token_in(page.text)}
    assert (await browser.post(f"/de/orders/{order_id}/withdrawal", data=form, headers=OURS)).status_code == 409


async def test_a_film_that_was_begun_cannot_be_withdrawn_from_and_the_page_says_since_when(
    browser: httpx.AsyncClient, order_id: str, database: Database, owner: asyncpg.Connection
) -> None:
    await begin(owner, at=datetime(2026, 11, 25, 19, 15, tzinfo=UTC))
    await refused_with(browser, order_id, "Sie haben den Film am Mi. 25. November, 20:15 begonnen.")
    assert await state_of(database, order_id) == "paid"


async def test_a_film_that_was_begun_before_its_contract_was_confirmed_can_still_be_withdrawn_from(
    browser: httpx.AsyncClient, order_id: str, database: Database, owner: asyncpg.Connection
) -> None:
    await begin(owner, at=datetime.now(UTC), after_mail=timedelta(seconds=-1))
    page = await browser.get(f"/de/orders/{order_id}/withdrawal")
    form = {"csrf_token": token_in(page.text)}
    done = await browser.post(f"/de/orders/{order_id}/withdrawal", data=form, headers=OURS)
    assert done.status_code == 303
    assert await state_of(database, order_id) == "refunded"


async def test_after_fourteen_days_the_period_is_over(
    browser: httpx.AsyncClient, order_id: str, database: Database, clock: MovableTestClock
) -> None:
    clock.ahead = timedelta(days=15)
    await refused_with(browser, order_id, "Die Widerrufsfrist von vierzehn Tagen endete am")
    assert await state_of(database, order_id) == "paid"


async def test_what_was_given_back_already_is_not_given_back_again(
    browser: httpx.AsyncClient, order_id: str, database: Database, app: Litestar
) -> None:
    async with database.sessions.begin() as session:
        refunds = app.state.parts.sale_refunds(session)
        await refunds.give_back_all(order_id=UUID(order_id), reason="goodwill", at=datetime.now(UTC))
    await refused_with(browser, order_id, "Diese Bestellung ist schon ganz erstattet.")
    assert await database.reads.fetchval("SELECT count(*) FROM billing.refunds") == 1


async def test_an_order_of_somebody_else_is_none(
    client: httpx.AsyncClient, order_id: str, database: Database, app: Litestar
) -> None:
    client.cookies.clear()
    await sign_in(client, await make_customer(database, hasher=app.state.parts.hasher))
    assert (await client.get(f"/de/orders/{order_id}/withdrawal")).status_code == 404
    form = {"csrf_token": token_in((await client.get("/de/account")).text)}
    assert (await client.post(f"/de/orders/{order_id}/withdrawal", data=form, headers=OURS)).status_code == 404
    assert await state_of(database, order_id) == "paid"


async def test_every_footer_leads_to_the_orders_that_can_be_withdrawn_from(
    browser: httpx.AsyncClient, order_id: str, database: Database, clock: MovableTestClock
) -> None:
    for path in ("", "/films", "/account", f"/orders/{order_id}", "/legal/terms", "/nirgends"):
        assert 'href="/de/withdrawal">Vertrag widerrufen</a>' in (await browser.get(f"/de{path}")).text, path
    page = await browser.get("/de/withdrawal")
    assert faults_of(page.text, locale="de") == []
    assert f'href="/de/orders/{order_id}/withdrawal"' in page.text
    clock.ahead = timedelta(days=15)
    assert f'href="/de/orders/{order_id}/withdrawal"' not in (await browser.get("/de/withdrawal")).text


async def declare(client: httpx.AsyncClient, locale: str = "de", **form: str) -> httpx.Response:
    """The second step without signing in."""
    client.cookies.clear()
    return await client.post(f"/{locale}/withdrawal/confirmation", data=form, headers=OURS)


async def decide(app: Litestar, owner: asyncpg.Connection) -> asyncpg.Record:
    """Run the job of the newest declaration; gives what it left."""
    newest = "SELECT * FROM billing.withdrawal_declarations ORDER BY id DESC LIMIT 1"
    declaration = await owner.fetchrow(newest)
    assert declaration is not None
    handler = job_handlers(app.state.parts)["decide_withdrawal"]
    for _ in range(2):
        await handler(declaration_id=str(declaration["id"]))
    decided = await owner.fetchrow(newest)
    assert decided is not None
    return decided


async def test_without_signing_in_it_takes_two_steps_and_the_money_goes_back_once(
    client: httpx.AsyncClient,
    order_id: str,
    customer: Account,
    database: Database,
    app: Litestar,
    owner: asyncpg.Connection,
) -> None:
    client.cookies.clear()
    facts = {"name": "Anna <b>", "contract": f"Bestellung {(await order_number(database, order_id)).lower()}"}
    facts["email"] = f" {(customer.email or '').upper()} "
    page = await client.get("/de/withdrawal")
    assert faults_of(page.text, locale="de") == []
    step = await client.post("/de/withdrawal", data=facts, headers=OURS)
    assert faults_of(step.text, locale="de") == []
    assert "Widerruf bestätigen" in step.text
    assert "Anna &lt;b&gt;" in step.text
    assert await database.reads.fetchval("SELECT count(*) FROM billing.withdrawal_declarations") == 0

    sent = await client.post("/de/withdrawal/confirmation", data=facts, headers=OURS)
    assert (sent.status_code, sent.headers["location"]) == (303, "/de/withdrawal/received")
    assert faults_of((await client.get("/de/withdrawal/received")).text, locale="de") == []
    decided = await decide(app, owner)
    assert (decided["state"], decided["reason"]) == ("withdrawn", None)
    assert await state_of(database, order_id) == "refunded"
    assert decided["refund_id"] == await owner.fetchval("SELECT id FROM billing.refunds")


async def test_the_answer_is_the_same_whatever_there_is_and_what_is_unclear_goes_to_a_person(
    client: httpx.AsyncClient,
    order_id: str,
    customer: Account,
    database: Database,
    app: Litestar,
    owner: asyncpg.Connection,
) -> None:
    number = await order_number(database, order_id)
    answers = set()
    for contract, email, reason in (
        ("V-2026-ZZZZ-0000", customer.email or "", "contract_unknown"),
        ("Her, letzten Dienstag", customer.email or "", "contract_unknown"),
        (number, "jemand.anders@example.org", "address_differs"),
    ):
        answer = await declare(client, name="Anna", contract=contract, email=email)
        answers.add((answer.status_code, answer.headers["location"], answer.text))
        decided = await decide(app, owner)
        assert (decided["state"], decided["reason"]) == ("open", reason)
    await begin(owner, at=datetime.now(UTC))
    answer = await declare(client, name="Anna", contract=number, email=customer.email or "")
    answers.add((answer.status_code, answer.headers["location"], answer.text))
    assert len(answers) == 1
    assert (await decide(app, owner))["reason"] == "withdrawal_lost"
    assert await state_of(database, order_id) == "paid"


async def test_the_period_is_kept_by_the_time_of_the_declaration_not_of_the_job(
    client: httpx.AsyncClient,
    order_id: str,
    customer: Account,
    database: Database,
    app: Litestar,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
) -> None:
    clock.ahead = timedelta(days=13)
    await declare(client, name="Anna", contract=await order_number(database, order_id), email=customer.email or "")
    clock.ahead = timedelta(days=16)
    assert (await decide(app, owner))["state"] == "withdrawn"


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_the_receipt_is_mailed_in_any_case_with_what_was_declared_and_when(
    client: httpx.AsyncClient, database: Database, app: Litestar, clock: MovableTestClock, locale: str
) -> None:
    clock.fixed = datetime(2026, 11, 25, 19, 15, tzinfo=UTC)
    await declare(client, locale, name="Anna <b>", contract="V-2026-ZZZZ-0000", email="anna@example.org")
    mail = await database.reads.fetchrow("SELECT * FROM store.mails")
    assert mail is not None
    assert (mail["kind"], mail["locale"], mail["account_id"]) == ("withdrawal_receipt", locale, None)
    outbox = app.state.parts.outbox
    async with database.sessions() as session:
        letter = await outbox.composers[mail["kind"]](
            session, account_id=None, reference=mail["reference"], locale=locale, at=clock.fixed
        )
    assert letter.recipient == "anna@example.org"
    seller = {"seller": outbox.settings.seller, "locale": locale, "site": "x", "base_url": "http://x"}
    written = render(mail["kind"], locale, {**seller, **letter.values})
    for words in ("V-2026-ZZZZ-0000", "anna@example.org", "25. November 2026, 20:15" if locale == "de" else "20:15"):
        assert words in written.text
        assert words in written.html
    assert "Anna &lt;b&gt;" in written.html


@pytest.mark.parametrize("path", ["/de/withdrawal", "/de/withdrawal/confirmation"])
async def test_what_is_missing_is_said_beside_its_field_and_nothing_is_kept(
    client: httpx.AsyncClient, database: Database, path: str
) -> None:
    whole = {"name": "Anna", "contract": "V-2026-ZZZZ-0000", "email": "anna@example.org"}
    for field, value in (("name", " "), ("contract", ""), ("email", ""), ("email", "keine Adresse")):
        answer = await client.post(path, data={**whole, field: value}, headers=OURS)
        assert answer.status_code == 400
        assert faults_of(answer.text, locale="de") == []
        assert re.search(rf'name="{field}"[^>]* aria-invalid="true"', answer.text), field
    assert await database.reads.fetchval("SELECT count(*) FROM billing.withdrawal_declarations") == 0
    assert await database.reads.fetchval("SELECT count(*) FROM store.mails") == 0


async def test_the_other_language_is_one_click_away_from_a_refused_declaration(client: httpx.AsyncClient) -> None:
    page = await client.post("/de/withdrawal/confirmation", data={"name": ""}, headers=OURS)
    link = re.search(r'<a class="quiet small" href="([^"]+)" hreflang="en"', page.text)
    assert link is not None
    answer = await client.get(link[1])
    assert (answer.status_code, answer.headers["location"]) == (303, "/en/withdrawal")


async def test_nobodys_mailbox_is_flooded(client: httpx.AsyncClient, database: Database) -> None:
    email = f"niemand-{new_id().hex}@example.org"
    answers = [await declare(client, name="x", contract="x", email=email) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [303] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) > 60
    assert "kino@videothek.example" in answers[-1].text, "the way out"
    assert await database.reads.fetchval("SELECT count(*) FROM store.mails") == 5


async def test_a_program_withdraws_without_signing_in(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    whole = {"name": "Anna", "contract": "V-2026-ZZZZ-0000", "email": "anna@example.org", "declared": True}
    answer = await client.post("/v1/withdrawals", json=whole)
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    for faulty in ({"declared": False}, {"email": "x@"}, {"name": ""}, {"contract": "a" * 101}, {"other": 1}):
        assert (await client.post("/v1/withdrawals", json={**whole, **faulty})).status_code == 400
    assert await owner.fetchval("SELECT count(*) FROM billing.withdrawal_declarations") == 1


async def begin(owner: asyncpg.Connection, *, at: datetime, after_mail: timedelta = timedelta(minutes=1)) -> None:
    """The film of every right is begun, so long after its contract was confirmed: a licence was issued."""
    await owner.execute(
        "UPDATE store.mails SET status = 'sent', sent_at = $1 WHERE kind = 'order_confirmation'", at - after_mail
    )
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(
        """
        INSERT INTO store.licence_events
            (id, entitlement_id, account_id, step, outcome, at, recorded_at, kids, started_clock)
        SELECT gen_random_uuid(), id, account_id, 'licence', 'granted', $1, $1, '{}', true FROM store.entitlements
        """,
        at,
    )
    await owner.execute("SET session_replication_role = origin")
