"""Texts that were made to be run, to be believed or to take for ever: they stay texts, and cost little."""

import ast
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.models import Profile
from store.database import Database
from store.letter_templates import render
from store.settings import Settings
from tests.auth.people import GOOD_PASSWORD, a_customer, with_unused_limits
from tests.auth.post_office import PostOffice, deliver_mails, open_post_office
from tests.billing.tills import Till
from tests.store.consoles.people import a_paid_order, a_person
from tests.store.purchase.shops import make_film
from tests.store.test_mail import EVERYTHING, KINDS
from tests.store.web.page_reading import elements_of
from tests.test_architecture import modules

SQL = (
    "' OR '1'='1",
    "'; SELECT pg_sleep(9) --",
    "1) OR pg_sleep(9) IS NULL --",
    "' UNION SELECT password_hash FROM auth.accounts --",
    "$$; DROP TABLE auth.accounts; $$",
    "\\'; SELECT pg_sleep(9) --",
    "%' AND pg_sleep(9) IS NOT NULL AND '%'='",
    "{{7*191}}${7*191}<%= 7*191 %>",
)
"""What would sleep, open or destroy if it ever reached the database as words of its own."""

ASKED = (
    *("/v1/titles?q={}", "/v1/titles?genre={}", "/v1/titles?person={}", "/v1/titles?cursor={}", "/v1/titles?order={}"),
    *("/v1/suggestions?q={}", "/v1/people/{}", "/v1/titles/{}", "/v1/orders?cursor={}"),
    *("/de/search?q={}", "/de/films?sort={}", "/de/genres/{}"),
    *("/v1/finance/transactions?cursor={}", "/v1/staff/customers?email={}", "/v1/staff/customers?order_number={}"),
)
"""Where texts are asked with."""

LONG = {
    "spaces": " " * 7000,
    "letters": "a" * 7000,
    "at signs": "@" * 7000,
    "dots": "a." * 3500,
    "nested brackets": "(" * 3500 + ")" * 3500,
    "dashes": "a-" * 3500,
    "percent signs": "%" * 7000,
    "umlauts": "ä" * 3500,
    "one letter and spaces": ("x" + " " * 60) * 100,
}
"""Texts on which a careless pattern takes minutes."""

MOST_SECONDS = 2.0
"""For one answer, on a busy machine; a pattern that backtracks takes minutes, and `pg_sleep` nine."""

MARKUP = "<svg onload=alert(1)>{{7*191}}<script>x</script>\"'&"


@pytest.fixture(autouse=True)
def unused_limits(app: Litestar) -> None:
    with_unused_limits(app)


@pytest.fixture
def post_office(settings: Settings) -> Iterator[PostOffice]:
    with open_post_office(settings.smtp_url) as office:
        yield office


async def timed(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> httpx.Response:
    """The answer, which must not take long."""
    started = time.perf_counter()
    answer = await client.request(method, path, **request)
    assert time.perf_counter() - started < MOST_SECONDS, path[:60]
    return answer


@pytest.mark.parametrize("text", SQL)
async def test_words_of_sql_stay_words(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, text: str
) -> None:
    await make_film(database, name="Der Fernsehturm")
    finance = await a_person(database, roles=("finance", "support"))
    quoted = str(httpx.QueryParams({"": text})).removeprefix("=")
    for template in ASKED:
        answer = await timed(client, "GET", template.format(quoted), headers=finance.headers)
        assert answer.status_code in (200, 400, 403, 404), template
        assert "argon2" not in answer.text
    assert await owner.fetchval("SELECT count(*) FROM auth.accounts") == 1


@pytest.mark.parametrize(
    "order", ["password_hash", "metadata", "id;--", "popularity,id", "-popularity", "POPULARITY", "", "1"]
)
async def test_a_list_is_sorted_by_what_it_offers_only(client: httpx.AsyncClient, order: str) -> None:
    answer = await client.get("/v1/titles", params={"order": order})
    assert (answer.status_code, answer.json()["place"]) == (400, "query.order")


@pytest.mark.parametrize("name", LONG)
async def test_no_text_takes_for_ever(client: httpx.AsyncClient, app: Litestar, name: str) -> None:
    text, same_site = LONG[name], {"Sec-Fetch-Site": "same-origin"}
    for path in ("/v1/titles", "/v1/suggestions", "/de/search"):
        assert (await timed(client, "GET", path, params={"q": text})).status_code in (200, 400)
    for email in (text, f"{text}@beispiel.example", f"anna@{text}.example", f'"{text}"@beispiel.example'):
        for path in ("/v1/sessions", "/v1/password-resets"):
            body = {"email": email, "password": text} if path == "/v1/sessions" else {"email": email}
            assert (await timed(client, "POST", path, json=body)).status_code in (400, 401, 413)
        with_unused_limits(app)
    form = {"email": "anna@beispiel.example", "password": text, "country": "DE", "terms": "on"}
    assert (await timed(client, "POST", "/de/register", data=form, headers=same_site)).status_code in (200, 303, 400)
    languages = {"accept-language": text.encode()[:7000], "cookie": b"sid=" + text.encode()[:7000]}
    assert (await timed(client, "GET", "/de", headers=languages)).status_code in (200, 400)


VARIANTS = (
    "anna@web.example,eva@web.example",
    "anna@web.example;eva@web.example",
    "anna@web.example eva@web.example",
    "anna@web.example%0aBcc:eva@web.example",
    "anna@web.example\nBcc: eva@web.example",
    "anna@web.example\r\nRCPT TO:<eva@web.example>",
    "<anna@web.example>",
    ["anna@web.example", "eva@web.example"],
    {"email": "anna@web.example"},
)


@pytest.mark.parametrize("email", VARIANTS, ids=repr)
async def test_one_request_writes_to_one_mailbox(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, email: object
) -> None:
    for known in ("anna@web.example", "eva@web.example"):
        await a_customer(app, email=known)
    answer = await client.post("/v1/password-resets", json={"email": email})
    assert answer.status_code == 400
    await deliver_mails(app)
    assert post_office.letters == []


async def test_markup_in_a_name_is_shown_as_text_wherever_the_name_is_shown(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    customer = await a_person(database)
    await make_film(database, name=MARKUP)
    till = Till(database)
    order = await a_paid_order(till, customer.account, at=datetime.now(UTC), name=MARKUP)
    async with database.sessions.begin() as session:
        session.add(Profile(account_id=customer.account.id, name=MARKUP[:60], created_at=datetime.now(UTC)))
    await owner.execute("UPDATE auth.sessions SET ua_short = $1", MARKUP)
    agent = await a_person(database, roles=("support", "finance"))
    pages = {
        "/de/account": customer,
        f"/de/orders/{order.id}": customer,
        "/de/orders": customer,
        "/de/library": customer,
        f"/de/support/customers/{customer.account.id}": agent,
        f"/de/support/orders/{order.id}/refund": agent,
        f"/de/search?q={MARKUP}": customer,
        f"/de/sign-in?next={MARKUP}": None,
    }
    shown = 0
    for path, person in pages.items():
        answer = await client.get(path, headers=person.headers if person else {})
        assert answer.status_code == 200, path
        elements = elements_of(answer.text)
        assert not [one for one in elements if "onload" in one.attributes], path
        assert not [
            one for one in elements if one.tag == "script" and not one.attributes.get("src") and one.text.strip() == "x"
        ], path
        shown += "{{7*191}}" in answer.text
    assert shown >= 4, "the name is there, as it was typed"


def spoilt(value: Any) -> Any:
    """The value with markup behind every text in it."""
    if isinstance(value, str):
        return value + MARKUP
    if isinstance(value, dict):
        return {name: spoilt(part) for name, part in value.items()}
    return [spoilt(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", KINDS)
def test_markup_in_any_word_of_a_mail_is_text(kind: str) -> None:
    for locale in ("de", "en"):
        letter = render(kind, locale, {**spoilt(EVERYTHING), "locale": locale})
        assert "<svg" not in letter.html
        assert "<script" not in letter.html
        assert "1337" not in letter.html
        assert len(letter.subject.splitlines()) == 1


@pytest.mark.parametrize(
    "text", ['\r\n{"level":"error","event":"forged"}', "\x1b[2J\x1b[31mforged", "\u2028forged", "forged\x00"]
)
async def test_nobody_writes_a_line_of_the_log(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    capsys.readouterr()
    quoted = str(httpx.QueryParams({"": text})).removeprefix("=")
    await client.get(f"/v1/titles/{quoted}?q={quoted}")
    await client.post("/v1/sessions", json={"email": text, "password": GOOD_PASSWORD})
    # As it comes over the wire, where no client library stops it.
    for header in (b"user-agent", b"referer", b"x-request-id", b"accept-language"):
        await client.get("/v1/genres", headers=[(header, text.encode().replace(b"\r\n", b" "))])
    written = capsys.readouterr().out
    lines = [json.loads(line) for line in written.splitlines()]
    assert len(lines) == 6
    assert "forged" not in written


def test_nothing_of_ours_reads_xml_archives_or_pickles() -> None:
    """Entities that unfold, archives that swell and objects that act cannot come in where nothing reads them."""
    dangerous = {"xml", "lxml", "zipfile", "tarfile", "pickle", "shelve", "marshal", "yaml"}
    found = set()
    for path, module in modules():
        for node in ast.walk(module):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {(path, name) for name in names if name.partition(".")[0] in dangerous}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                found.add((path, node.func.id))
    assert found == set()
