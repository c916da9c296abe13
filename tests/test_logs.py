"""Log lines carry a request id and no personal data: neither bodies nor the values of local variables."""

import asyncio
import gc
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, redirect_stdout, suppress
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from litestar import Litestar
from sqlalchemy.exc import IntegrityError

from auth.ids import new_id
from auth.models import Account
from store.database import Database
from store.logs import configure_logs
from store.settings import Settings
from tests.auth.people import GOOD_PASSWORD, OTHER_PASSWORD, a_customer, an_address
from tests.auth.post_office import deliver_mails, open_post_office, token_in
from tests.fakes import FakeGateway
from tests.store.purchase.shops import Buyer, make_offer

PEER = "198.51.100.77"
AGENT = "Fernseher der Familie Sommer"
SAID_OF_A_REQUEST = {"event", "level", "timestamp", "request_id", "method", "route", "status", "milliseconds"}


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def visitor(app: Litestar, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A program with an address and a name of its own."""
    transport = httpx.ASGITransport(app=app, client=(PEER, 4711), raise_app_exceptions=False)  # type: ignore[arg-type]
    headers = {"User-Agent": AGENT}
    async with httpx.AsyncClient(transport=transport, base_url=settings.base_url, headers=headers) as visitor:
        yield visitor


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged: every line is one JSON object."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@asynccontextmanager
async def a_database_that_repeats_rows(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """Every new registration fails, and the error says what was in it."""
    await owner.execute(
        """
        CREATE FUNCTION auth.repeat_row() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'cannot keep %', NEW USING DETAIL = NEW.email, HINT = NEW.email; END $$;
        CREATE TRIGGER repeats_row BEFORE INSERT ON auth.registrations
            FOR EACH ROW EXECUTE FUNCTION auth.repeat_row();
        """
    )
    try:
        yield
    finally:
        await owner.execute("DROP TRIGGER repeats_row ON auth.registrations; DROP FUNCTION auth.repeat_row()")


@pytest.fixture
def server_loggers() -> Iterator[list[logging.Logger]]:
    """The server's loggers as it sets them up before it loads the application."""
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access")]
    before = [(logger, logger.handlers[:], logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(logging.StreamHandler())
        logger.propagate = False
    yield loggers
    for logger, handlers, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate


def an_account(address: str) -> Account:
    return Account(
        kind="customer",
        email=address,
        email_key=address,
        locale="de",
        residence_country="DE",
        residence_evidence={},
        created_at=datetime.now(UTC),
    )


def test_a_logged_failure_shows_where_it_happened_and_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    password = "ein Passwort, das niemand lesen soll"

    def fail(secret: str) -> None:
        raise RuntimeError(len(secret))

    try:
        fail(password)
    except RuntimeError as fault:
        structlog.get_logger("test").error("failed", exc_info=fault)
    line = capsys.readouterr().out.strip()
    entry = json.loads(line)
    assert entry["exception"][0]["exc_type"] == "RuntimeError"
    assert entry["exception"][0]["frames"][-1]["lineno"] > 0
    assert password not in line


@pytest.mark.parametrize("is_grouped", [False, True])
def test_the_text_of_a_fault_is_logged_only_where_it_speaks_of_code(
    is_grouped: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs()
    fault = ValueError("anna@beispiel.example")
    fault.add_note("Anna Sommer")
    # A cause that was never raised is none to the log.
    with suppress(AttributeError):
        fault.__cause__ = AttributeError("'Title' object has no attribute 'nmae'")
        raise fault.__cause__
    logged = ExceptionGroup("Anna Sommer", [fault]) if is_grouped else fault
    structlog.get_logger("test").error("failed", exc_info=logged)
    logging.getLogger("a library").error("failed", exc_info=logged)
    lines = capsys.readouterr().out
    assert lines.count("no attribute 'nmae'") == lines.count("ValueError") == 2
    assert "anna@" not in lines
    assert "Sommer" not in lines


async def test_what_a_forgotten_task_died_of_is_not_in_the_librarys_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()

    async def fail() -> None:
        raise ValueError("anna@beispiel.example")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    gc.collect()
    [line] = lines_of(capsys)
    assert (line["event"], line["logger"]) == ("Task exception was never retrieved", "asyncio")
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "anna@" not in json.dumps(line)


def test_the_servers_own_lines_are_json_too(
    server_loggers: list[logging.Logger], capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs()
    for logger in server_loggers:
        logger.error("Exception in ASGI application", exc_info=ValueError("anna@beispiel.example"))
    written = capsys.readouterr()
    assert [json.loads(line)["logger"] for line in written.out.splitlines()] == [
        logger.name for logger in server_loggers
    ]
    assert written.err == ""
    assert "anna@" not in written.out


def test_a_line_goes_to_what_standard_output_is_at_that_moment() -> None:
    logger, library = structlog.get_logger("test"), logging.getLogger("a library")
    before, now = io.StringIO(), io.StringIO()
    with redirect_stdout(before):
        configure_logs()
        logger.info("before")
        library.warning("before")
    before.close()
    with redirect_stdout(now):
        logger.info("now")
        library.warning("now")
    assert [json.loads(line)["event"] for line in now.getvalue().splitlines()] == ["now", "now"]


async def test_a_failed_statement_is_logged_without_its_values(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs()
    address = f"anna.{new_id().hex}@beispiel.example"
    async with database.sessions() as session:
        session.add_all([an_account(address), an_account(address)])
        with pytest.raises(IntegrityError) as first:
            await session.flush()
    structlog.get_logger("test").error("failed", exc_info=first.value)
    with pytest.raises(asyncpg.NotNullViolationError) as second:
        await database.reads.execute("INSERT INTO auth.registrations (id, email) VALUES ($1, $2)", new_id(), address)
    structlog.get_logger("test").error("failed", exc_info=second.value)
    lines = capsys.readouterr().out
    assert "uq_accounts_email_key" in lines
    assert "NotNullViolationError" in lines
    assert address not in lines


async def test_a_request_is_one_line_with_nothing_of_what_was_sent_or_who_sent_it(
    app: Litestar,
    visitor: httpx.AsyncClient,
    settings: Settings,
    database: Database,
    owner: asyncpg.Connection,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known, new = await a_customer(app), an_address("neu")
    offer_id = await make_offer(database)
    capsys.readouterr()
    answers: list[tuple[str, httpx.Response]] = []

    async def send(route: str, path: str = "", **body: Any) -> httpx.Response:
        method = "POST" if body else "GET"
        answers.append((route, await visitor.request(method, path or route, headers=headers, **body)))
        return answers[-1][1]

    headers: dict[str, str] = {}
    await send("/v1/sessions", json={"email": known.email, "password": "das falsche Passwort"})
    opened = (await send("/v1/sessions", json={"email": known.email, "password": GOOD_PASSWORD})).json()
    await send("/v1/sessions", json={"email": known.email, "password": GOOD_PASSWORD, "client": "web"})
    cookie = visitor.cookies[settings.session_cookie]
    visitor.cookies.clear()
    wish = {"email": new, "password": OTHER_PASSWORD, "residence_country": "DE", "profile_name": "Anna Sommer"}
    await send("/v1/registrations", json=wish)
    await send("/v1/password-resets", json={"email": known.email})
    with open_post_office(settings.smtp_url) as office:
        await deliver_mails(app)
    reset = token_in(office.to(known.email)[-1])
    await send("/v1/registrations", json={**wish, "locale": "geheim", "Sommer": 1})
    async with a_database_that_repeats_rows(owner):
        await send("/v1/registrations", json={**wish, "email": an_address("neu")})
    headers = {"Authorization": f"Bearer {opened['token']}"}
    buyer = Buyer(visitor, headers)
    order = await buyer.order(offer_id)
    payable = await buyer.payment(order["id"])
    await send("/v1/orders/{order_id}", f"/v1/orders/{order['id']}")
    await send("/v1/titles", "/v1/titles?q=Sommer&cursor=Sommer")
    await send("/v1/password-reset-completions", json={"token": reset, "password": OTHER_PASSWORD})
    await send("-", "/v1/Sommer")
    await send("/de/search", "/de/search?q=Sommer")

    lines = lines_of(capsys)
    told = {line["request_id"]: line for line in lines if line["event"] == "answered"}
    assert len(told) == len(answers) + 3, "one line a request"
    assert all(set(line) == SAID_OF_A_REQUEST for line in told.values())
    for route, answer in answers:
        line = told[answer.headers["x-request-id"]]
        assert (line["method"], line["route"], line["status"]) == (answer.request.method, route, answer.status_code)
        assert line["milliseconds"] > 0
    assert [answer.status_code for _, answer in answers] == [
        *(401, 201, 201, 202, 202, 400, 500),
        *(200, 400, 204, 404, 200),
    ]
    [failed] = [line for line in lines if line["level"] == "error"]
    assert (failed["event"], failed["route"], failed["database"]["sqlstate"]) == (
        "failed",
        "/v1/registrations",
        "P0001",
    )
    secrets = (opened["token"], cookie, reset, payable["client_secret"], GOOD_PASSWORD, OTHER_PASSWORD)
    people = ("beispiel.example", "Sommer", "geheim", "falsche", PEER, AGENT)
    written = json.dumps(lines, ensure_ascii=False)
    assert [word for word in (*secrets, *people) if word in written] == []
