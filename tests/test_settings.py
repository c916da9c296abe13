"""Production refuses to start unsafe, and says everything that is wrong at once, without a secret."""

import base64
import secrets
from pathlib import Path

import httpx
import pytest

from store.app import create_app
from store.settings import Settings, UnsafeSettings
from tests.scratch import sandbox_environment, sandbox_secret

AXINOM = {
    "AXINOM_KEY_ID": "0f6b0b5a-0000-4000-8000-000000000001",
    "AXINOM_COMMUNICATION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    "AXINOM_LICENCE_SERVERS": "widevine=https://lic.example/widevine,playready=https://lic.example/playready",
}
DRMTODAY = {
    "DRMTODAY_MERCHANT": "kino",
    "DRMTODAY_SECRET_ID": "key-1",
    "DRMTODAY_SECRET": secrets.token_hex(32),
    "DRMTODAY_LICENCE_SERVERS": "widevine=https://lic.example/widevine",
    "DRMTODAY_CALLBACK_SECRETS": secrets.token_hex(16),
}


def production_environment(**changes: str) -> dict[str, str]:
    """Variables with which production starts; `changes` spoil some."""
    return {
        "VIDEOTHEK_MODE": "production",
        "BASE_URL": "https://kino.example",
        "DATABASE_URL": "postgresql://videothek_web:secret@db.internal/videothek?sslmode=verify-full",
        "SMTP_URL": "smtps://mail.internal",
        "MAIL_FROM": "kino@kino.example",
        "STRIPE_SECRET_KEY": "rk_live_" + "a" * 24,
        "STRIPE_PUBLISHABLE_KEY": "pk_live_" + "b" * 24,
        "STRIPE_WEBHOOK_SECRETS": "whsec_" + "c" * 24,
        "ROOT_SECRET": base64.b64encode(secrets.token_bytes(32)).decode(),
        "CONTENT_KEY_SECRET": base64.b64encode(secrets.token_bytes(32)).decode(),
        "LICENCE_SIGNING_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "SELLER_NAME": "Kino GmbH",
        "SELLER_ADDRESS": "Filmstraße 1 · 10115 Berlin · Deutschland",
        "SELLER_EMAIL": "hallo@kino.example",
        "SELLER_VAT_ID": "DE123456789",
        "SELLER_IMPRINT": "Vertreten durch Erika Beispiel · Amtsgericht Berlin, HRB 12345",
        **changes,
    }


def test_production_starts_with_everything_in_place() -> None:
    settings = Settings.from_env(production_environment())
    assert (settings.mode, settings.session_cookie, settings.allowed_hosts) == (
        "production",
        "__Host-sid",
        ("kino.example",),
    )


def test_contracts_with_drm_services_are_read() -> None:
    settings = Settings.from_env(production_environment(**AXINOM, **DRMTODAY))
    assert settings.axinom is not None
    assert settings.axinom.licence_servers["playready"] == "https://lic.example/playready"
    assert settings.drmtoday is not None
    assert settings.drmtoday.secret.hex() == DRMTODAY["DRMTODAY_SECRET"]
    assert DRMTODAY["DRMTODAY_SECRET"] not in repr(settings)


def test_an_empty_environment_is_production_and_every_missing_variable_is_named() -> None:
    with pytest.raises(UnsafeSettings) as refusal:
        Settings.from_env({})
    named = {fault.split()[0] for fault in refusal.value.faults if fault.endswith("is missing")}
    assert named == {name for name, default in Settings.variables().items() if default is None}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"BASE_URL": "http://kino.example"}, "BASE_URL is not https"),
        (
            {**AXINOM, "AXINOM_COMMUNICATION_KEY": ""},
            "AXINOM_COMMUNICATION_KEY is missing beside the others of the same service",
        ),
        ({**AXINOM, "AXINOM_KEY_ID": "one"}, "AXINOM_KEY_ID is no UUID"),
        (
            {**AXINOM, "AXINOM_LICENCE_SERVERS": "widevine=http://lic.example"},
            "AXINOM_LICENCE_SERVERS is not widevine=https://…,playready=https://…,fairplay=https://…",
        ),
        ({**DRMTODAY, "DRMTODAY_SECRET": "ab"}, "DRMTODAY_SECRET is not 32 bytes in hexadecimal"),
        ({**DRMTODAY, "DRMTODAY_CALLBACK_SECRETS": "short"}, "DRMTODAY_CALLBACK_SECRETS holds a short secret"),
        ({"ALLOWED_HOSTS": "kino.example,*.kino.example"}, "ALLOWED_HOSTS contains *"),
        ({"ALLOWED_HOSTS": "www.kino.example"}, "ALLOWED_HOSTS lacks the host of BASE_URL"),
        ({"TRUSTED_PROXIES": "*"}, "TRUSTED_PROXIES holds what is neither an address nor a network"),
        ({"TRUSTED_PROXIES": "10.0.0.1,proxy"}, "TRUSTED_PROXIES holds what is neither an address nor a network"),
        ({"TRUSTED_PROXIES": "10.0.0.1,0.0.0.0/0"}, "TRUSTED_PROXIES trusts everybody"),
        ({"TRUSTED_PROXIES": "::/0"}, "TRUSTED_PROXIES trusts everybody"),
        ({"LITESTAR_DEBUG": "1"}, "LITESTAR_DEBUG is set"),
        ({"ROOT_SECRET": sandbox_secret("root")}, "ROOT_SECRET is a sandbox secret"),
        (
            {"STRIPE_SECRET_KEY": "sk_test_sandbox_0123456789abcdefghij"},
            "STRIPE_SECRET_KEY is a sandbox secret",
        ),
        (
            {"STRIPE_WEBHOOK_SECRETS": "whsec_sandbox_0123456789"},
            "STRIPE_WEBHOOK_SECRETS holds a sandbox secret",
        ),
        ({"METRICS_TOKEN": "kurz"}, "METRICS_TOKEN is short"),
        ({"BOUNCE_ADDRESS": "Kino <bounces@kino.example>"}, "BOUNCE_ADDRESS is no plain address"),
        (
            {"MAIL_WEBHOOK_SECRETS": "whsec_kurz"},
            "MAIL_WEBHOOK_SECRETS holds what is not whsec_ and 24 to 64 bytes in base64",
        ),
        (
            {"MAIL_WEBHOOK_SECRETS": "whsec_" + base64.b64encode(b"sandbox".ljust(32, b"-")).decode()},
            "MAIL_WEBHOOK_SECRETS holds a sandbox secret",
        ),
        ({"METRICS_TOKEN": "sandbox-0123456789abcdef"}, "METRICS_TOKEN is a sandbox secret"),
        ({"METRICS_TOKEN": "whsec_" + "c" * 24}, "the same secret is used for two purposes"),
        ({"WEB_PROCESSES": "0"}, "WEB_PROCESSES is no number from 1 to 1024"),
        ({"PASSWORD_QUEUE": "²4"}, "PASSWORD_QUEUE is no number from 8 to 1024"),
        ({"PASSWORD_WAIT": "9" * 5000}, "PASSWORD_WAIT is no number from 1 to 30"),
        ({"STRIPE_API_BASE": "http://127.0.0.1:8420"}, "STRIPE_API_BASE is not Stripe's"),
        ({"SEPA_DEBIT": "yes"}, "SEPA_DEBIT is neither on nor off"),
        ({"SEPA_DEBIT": "on"}, "SEPA_CREDITOR_ID is no creditor identifier, which SEPA_DEBIT needs"),
        (
            {"SEPA_DEBIT": "on", "SEPA_CREDITOR_ID": "DE 98 ZZZ"},
            "SEPA_CREDITOR_ID is no creditor identifier, which SEPA_DEBIT needs",
        ),
        ({"STRIPE_JS_URL": "http://127.0.0.1:8420/v3/"}, "STRIPE_JS_URL is not Stripe's"),
        (
            {"CONTENT_KEY_SECRET": "c2hvcnQ="},
            "CONTENT_KEY_SECRET is not 32 bytes in base64 (openssl rand -base64 32)",
        ),
        ({"DATABASE_URL": "postgresql://postgres:geheim@localhost/x"}, "DATABASE_URL signs in as postgres"),
        (
            {"DATABASE_URL": "postgresql://web:postgres@localhost/x"},
            "DATABASE_URL has a password that everybody knows",
        ),
        (
            {"DATABASE_URL": "postgresql://web:geheim@db.internal/x"},
            "DATABASE_URL lacks TLS: ?sslmode=verify-full, or require",
        ),
        (
            {"DATABASE_URL": "postgresql://web:geheim@192.0.2.7/x?sslmode=prefer"},
            "DATABASE_URL lacks TLS: ?sslmode=verify-full, or require",
        ),
        (
            {"DATABASE_OWNER_URL": "postgresql://owner:geheim@db.internal/x"},
            "DATABASE_OWNER_URL lacks TLS: ?sslmode=verify-full, or require",
        ),
        ({"REDIS_URL": "redis://cache.internal/0"}, "REDIS_URL has no password"),
        ({"VIDEOTHEK_MODE": "prod"}, "VIDEOTHEK_MODE is neither sandbox nor production"),
    ],
)
def test_production_refuses_a_fault_and_names_it(changes: dict[str, str], fault: str) -> None:
    with pytest.raises(UnsafeSettings) as refusal:
        Settings.from_env(production_environment(**changes))
    assert refusal.value.faults == [fault]


@pytest.mark.parametrize(
    "changes",
    [
        {"DATABASE_URL": "postgresql://web:geheim@database/x"},
        {"DATABASE_URL": "postgresql:///x?host=/run/postgresql"},
        {"DATABASE_URL": "postgresql://web:geheim@[::1]/x"},
        {"REDIS_URL": "redis://127.0.0.1/0"},
        {"REDIS_URL": "rediss://:geheim@cache.internal/0"},
        {"TRUSTED_PROXIES": "10.0.0.1, 2001:db8::/64"},
        {"ALLOWED_HOSTS": "www.kino.example, kino.example"},
    ],
)
def test_production_starts_on_what_is_near_or_behind_a_password(changes: dict[str, str]) -> None:
    assert Settings.from_env(production_environment(**changes)).mode == "production"


def test_production_refuses_to_run_beside_the_abandoned_passlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "passlib-1.7.4.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: passlib\nVersion: 1.7.4\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UnsafeSettings) as refusal:
        Settings.from_env(production_environment())
    assert refusal.value.faults == ["the abandoned package passlib is installed: it overwrites parts of libpass"]


async def test_the_documentation_pages_of_the_api_are_not_public() -> None:
    app = create_app(Settings.from_env(production_environment()))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="https://kino.example") as visitor:
        answers = {path: await visitor.get(path) for path in ("/schema", "/schema/swagger", "/schema/openapi.json")}
    assert answers["/schema/openapi.json"].status_code == 200
    assert [
        path for path, answer in answers.items() if "text/html" in answer.headers["content-type"] and answer.is_success
    ] == []
    assert not app.debug


def test_the_secret_that_is_being_replaced_is_another_one_of_its_own() -> None:
    old = base64.b64encode(secrets.token_bytes(32)).decode()
    settings = Settings.from_env(production_environment(CONTENT_KEY_SECRET_BEFORE=old))
    assert settings.content_key_secret_before == base64.b64decode(old)
    assert Settings.from_env(production_environment()).content_key_secret_before is None
    with pytest.raises(UnsafeSettings, match="the same secret is used for two purposes"):
        Settings.from_env(production_environment(CONTENT_KEY_SECRET=old, CONTENT_KEY_SECRET_BEFORE=old))
    with pytest.raises(UnsafeSettings, match="CONTENT_KEY_SECRET_BEFORE is not 32 bytes"):
        Settings.from_env(production_environment(CONTENT_KEY_SECRET_BEFORE="c2hvcnQ="))


def test_production_refuses_one_secret_for_two_purposes() -> None:
    secret = production_environment()["ROOT_SECRET"]
    with pytest.raises(UnsafeSettings) as refusal:
        Settings.from_env(production_environment(ROOT_SECRET=secret, LICENCE_SIGNING_KEY=secret))
    assert refusal.value.faults == ["the same secret is used for two purposes"]


def test_a_sandbox_environment_does_not_start_production_and_no_secret_is_told() -> None:
    environment = sandbox_environment(database_url="postgresql://postgres@localhost/x", redis_url="redis://localhost")
    with pytest.raises(UnsafeSettings) as refusal:
        Settings.from_env({**environment, "VIDEOTHEK_MODE": "production"})
    told = str(refusal.value)
    assert {"ROOT_SECRET", "CONTENT_KEY_SECRET", "LICENCE_SIGNING_KEY", "STRIPE_SECRET_KEY"} <= set(told.split())
    assert not any(
        value in told for name, value in environment.items() if "SECRET" in name or name == "LICENCE_SIGNING_KEY"
    )


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    environment = production_environment()
    printed = repr(Settings.from_env(environment))
    assert environment["STRIPE_SECRET_KEY"] not in printed
    assert environment["STRIPE_WEBHOOK_SECRETS"] not in printed


def test_keys_for_different_purposes_differ() -> None:
    settings = Settings.from_env(production_environment())
    assert len({settings.derive(purpose) for purpose in ("reset", "confirm", "cursor")}) == 3
