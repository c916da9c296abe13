"""What `make run` decides before anything runs: secrets, ports, settings, and its one-line refusals."""

import base64
import json
import os
import re
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from rich.console import Console

from auth.accounts import find_customer
from auth.models import Account, RoleAssignment
from auth.passwords import OneTimeCodes
from store.database import Database
from store.production import SANDBOX_MARK
from store.sandbox.arrangement import Ports, environment_of, parts_of_the_sandbox
from store.sandbox.demo_accounts import DEMO_ACCOUNTS, PASSWORD, SECRET, make_demo_accounts
from store.sandbox.engines import EngineAddresses
from store.sandbox.preparation import prepare
from store.sandbox.processes import CannotStart
from store.sandbox.run import LogReader
from store.sandbox.secrets import sandbox_variables
from store.settings import Settings, UnsafeSettings
from tests.scratch import free_port

PROJECT = Path(__file__).parents[3]
ENGINES = EngineAddresses("postgresql://videothek:pw@127.0.0.1:1/videothek", "redis://127.0.0.1:2/0")
"""Addresses that nobody connects to."""


def test_secrets_are_made_once_and_kept_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    first = sandbox_variables(folder)
    assert sandbox_variables(folder) == first
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o600
    assert sandbox_variables(tmp_path / "other")["ROOT_SECRET"] != first["ROOT_SECRET"]


def test_a_secret_that_an_older_version_did_not_make_is_made_and_kept_and_the_others_stay(tmp_path: Path) -> None:
    first = sandbox_variables(tmp_path)
    kept = tmp_path / "secrets"
    known = json.loads(kept.read_text())
    del known["MAIL_WEBHOOK_SECRETS"]
    kept.write_text(json.dumps(known))
    second = sandbox_variables(tmp_path)
    assert second["MAIL_WEBHOOK_SECRETS"] not in ("", first["MAIL_WEBHOOK_SECRETS"])
    assert second | {"MAIL_WEBHOOK_SECRETS": ""} == first | {"MAIL_WEBHOOK_SECRETS": ""}
    assert sandbox_variables(tmp_path) == second
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_production_refuses_every_secret_that_the_sandbox_made(tmp_path: Path) -> None:
    made = environment_of(tmp_path, Ports(), ENGINES, {})
    assert Settings.from_env(made).mode == "sandbox"
    with pytest.raises(UnsafeSettings) as refusal:
        Settings.from_env({**made, "VIDEOTHEK_MODE": "production"})
    faults = "\n".join(refusal.value.faults)
    for name in json.loads((tmp_path / "secrets").read_text()):
        assert name == "STRIPE_PUBLISHABLE_KEY" or re.search(rf"{name} (is|holds) a sandbox secret", faults), name


def test_keys_have_32_bytes_of_which_most_are_random(tmp_path: Path) -> None:
    key = base64.b64decode(sandbox_variables(tmp_path)["ROOT_SECRET"])
    assert len(key) == 32
    assert key.startswith(SANDBOX_MARK.encode())


def test_nothing_of_the_callers_own_settings_reaches_the_sandbox(tmp_path: Path) -> None:
    live = dict.fromkeys(Settings.variables(), "sk_live_of_somebody")
    made = environment_of(tmp_path, Ports(), ENGINES, {**live, "HOME": "/home/anna"})
    taken = {name for name, value in made.items() if value == "sk_live_of_somebody"}
    assert taken == {"DATABASE_OWNER_URL", "DEFAULT_MARKET", "SEPA_CREDITOR_ID", "SEPA_DEBIT", "TRUSTED_PROXIES"}
    assert made["HOME"] == "/home/anna"
    assert made["VIDEOTHEK_MODE"] == "sandbox"


def test_the_stand_in_and_the_mail_catcher_know_no_secret_of_the_store(tmp_path: Path) -> None:
    made = environment_of(tmp_path, Ports(), ENGINES, dict(os.environ))
    parts = {part.name: part for part in parts_of_the_sandbox(tmp_path, Ports(), made)}
    for name in ("stripe", "mail"):
        told = set(parts[name].environment.values())
        assert not told & {made["ROOT_SECRET"], made["CONTENT_KEY_SECRET"], made["DATABASE_URL"]}
    shown = " ".join(word for part in parts.values() for word in part.command)
    assert not [name for name in sandbox_variables(tmp_path) if "SECRET" in name and made[name] in shown]


def test_a_port_can_be_changed_by_its_variable() -> None:
    assert Ports.from_env({"VIDEOTHEK_WEB_PORT": "9000", "VIDEOTHEK_SMTP_PORT": ""}) == Ports(web=9000)


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "80.5", "８０"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(CannotStart, match="VIDEOTHEK_WEB_PORT is not a port"):
        Ports.from_env({"VIDEOTHEK_WEB_PORT": text})


def start_the_sandbox(**variables: str) -> subprocess.CompletedProcess[str]:
    """`make run` on ports of its own, for starts that are expected to fail."""
    ports = {f"VIDEOTHEK_{name.upper()}_PORT": str(free_port()) for name in ("web", "mail", "smtp", "stripe")}
    return subprocess.run(
        [sys.executable, "-m", "store.sandbox"],
        env={**os.environ, **ports, **variables},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_port_that_is_taken_gives_one_clear_line_and_starts_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = start_the_sandbox(VIDEOTHEK_FOLDER=str(tmp_path), VIDEOTHEK_WEB_PORT=str(port))
    assert told.stdout == (
        f"Cannot start: Port {port} is taken by another program: end that, or choose another one "
        "(VIDEOTHEK_WEB_PORT=… make run).\n"
    )
    assert (told.returncode, told.stderr) == (1, "")
    assert not (tmp_path / "engines").exists()


def test_a_folder_that_cannot_be_made_gives_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = start_the_sandbox(VIDEOTHEK_FOLDER=str(tmp_path / "file" / "data"))
    assert told.stdout.startswith("Cannot start: ")
    assert str(tmp_path / "file" / "data") in told.stdout
    assert (told.returncode, told.stderr) == (1, "")


def test_an_address_that_is_none_of_a_database_gives_one_clear_line(tmp_path: Path) -> None:
    told = start_the_sandbox(VIDEOTHEK_FOLDER=str(tmp_path), DATABASE_URL="nonsense", REDIS_URL="redis://127.0.0.1:1/0")
    assert told.stdout.startswith("Cannot start: DATABASE_URL cannot be used: ")
    assert (told.returncode, told.stderr) == (1, "")


async def test_each_kind_of_user_has_a_demo_account_and_a_second_start_makes_none(
    database: Database, owner: asyncpg.Connection
) -> None:
    codes = OneTimeCodes(b"k" * 32)
    for _ in range(2):
        await make_demo_accounts(database, codes=codes, at=datetime.now(UTC))
    rows = await owner.fetch(
        f"SELECT a.email, r.role FROM auth.{Account.__tablename__} a "
        f"LEFT JOIN auth.{RoleAssignment.__tablename__} r ON r.account_id = a.id"
    )
    assert {(row["email"], row["role"]) for row in rows} == {(demo.email, demo.role) for demo in DEMO_ACCOUNTS}
    factors = await owner.fetch("SELECT sealed_secret FROM auth.second_factors WHERE confirmed_at IS NOT NULL")
    assert [codes.open(factor["sealed_secret"]) for factor in factors] == [SECRET] * 5
    assert {demo.label for demo in DEMO_ACCOUNTS} == {
        "customer",
        "support",
        "support_lead",
        "finance",
        "editor",
        "admin",
    }
    async with database.sessions() as session:
        customer = await find_customer(session, email="customer@demo.videothek.example")
    assert customer is not None
    assert customer.password_hash
    assert PASSWORD not in customer.password_hash


async def test_a_store_that_is_not_a_sandboxs_is_left_untouched(
    database: Database, owner: asyncpg.Connection, settings: Settings
) -> None:
    await make_demo_accounts(database, codes=OneTimeCodes(b"k" * 32), at=datetime.now(UTC))
    with pytest.raises(CannotStart, match="holds a store that is not a sandbox's"):
        await prepare(settings, Console(quiet=True))
    assert await owner.fetchval("SELECT to_regclass('store.business_clock')") is None
    assert await owner.fetchval("SELECT count(*) FROM store.titles") == 0


def test_errors_of_a_log_are_told_once_and_nothing_else_is(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text('{"event": "answered", "level": "info"}\nhello\n{"event": "failed", "level": "error"}\nTraceb')
    reader = LogReader(log)
    assert reader.new_errors() == ["failed"]
    assert reader.new_errors() == []
    with log.open("a") as more:
        more.write('ack (most recent call last):\n[1]\nERROR:    no\n{"level": "critical"}\n')
    assert reader.new_errors() == ["Traceback (most recent call last):", "ERROR:    no", "error"]
    assert LogReader(tmp_path / "none.log").new_errors() == []
