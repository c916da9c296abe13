"""What production must not start with: settings that are unsafe, though each of them can be read."""

import base64
import binascii
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from auth.email_addresses import parse_email
from auth.errors import EmailAddressInvalid

if TYPE_CHECKING:
    from store.settings import Settings

SANDBOX_MARK: Final = "sandbox"
"""Part of every secret that `make run` makes, so that production can tell and refuse it."""

STRIPE_API: Final = "https://api.stripe.com"
STRIPE_JS: Final = "https://js.stripe.com/v3/"

_MAILBOX: Final = re.compile(r"[A-Za-z0-9._-]{1,30}@[A-Za-z0-9.-]+")
"""An address behind whose local part there is room for `+` and a mail's id (RFC 5321, 4.5.3.1.1: 64 octets)."""

_CREDITOR_ID: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{3}[A-Z0-9]{1,28}")
"""Country, check digits, business code and national part of a SEPA creditor identifier (AT-02)."""

_SHORTEST_TOKEN: Final = 16
"""Characters of the shortest secret that somebody else made."""

_SECRETS: Final = (
    "ROOT_SECRET",
    "ROOT_SECRET_BEFORE",
    "CONTENT_KEY_SECRET",
    "CONTENT_KEY_SECRET_BEFORE",
    "LICENCE_SIGNING_KEY",
    "STRIPE_SECRET_KEY",
    "METRICS_TOKEN",
    "AXINOM_COMMUNICATION_KEY",
    "DRMTODAY_SECRET",
)

_WITH_TLS: Final = frozenset({"require", "verify-ca", "verify-full"})
"""Modes of libpq's `sslmode` in which nothing is said to the database in clear."""


def production_faults(settings: "Settings", env: Mapping[str, str]) -> list[str]:
    """What is unsafe about the settings; the sentences name variables, never their values."""
    secrets = {name: env.get(name, "") for name in _SECRETS}
    webhook_secrets = settings.stripe_webhook_secrets
    mail_secrets = [f"whsec_{base64.b64encode(secret).decode()}" for secret in settings.mail_webhook_secrets]
    given = [*filter(None, secrets.values()), *webhook_secrets, *mail_secrets]
    checks: list[tuple[bool, str]] = [
        (
            env.get("VIDEOTHEK_MODE") not in (None, "", "production"),
            "VIDEOTHEK_MODE is neither sandbox nor production",
        ),
        (not settings.base_url.startswith("https://"), "BASE_URL is not https"),
        (any("*" in host for host in settings.allowed_hosts), "ALLOWED_HOSTS contains *"),
        (urlsplit(settings.base_url).netloc not in settings.allowed_hosts, "ALLOWED_HOSTS lacks the host of BASE_URL"),
        (
            any(ip_network(one, strict=False).prefixlen == 0 for one in settings.trusted_proxies),
            "TRUSTED_PROXIES trusts everybody",
        ),
        (
            settings.country_header is not None and not settings.trusted_proxies,
            "COUNTRY_HEADER is set, but no proxy in TRUSTED_PROXIES can be believed",
        ),
        (
            settings.country_header is not None and settings.country_database is not None,
            "COUNTRY_HEADER and COUNTRY_DATABASE are both set",
        ),
        (
            settings.country_database is not None and not Path(settings.country_database).is_file(),
            "COUNTRY_DATABASE names no file",
        ),
        (env.get("LITESTAR_DEBUG", "0") not in ("", "0"), "LITESTAR_DEBUG is set"),
        (len(set(given)) < len(given), "the same secret is used for two purposes"),
        (any(len(one) < _SHORTEST_TOKEN for one in webhook_secrets), "STRIPE_WEBHOOK_SECRETS holds a short secret"),
        (0 < len(secrets["METRICS_TOKEN"]) < _SHORTEST_TOKEN, "METRICS_TOKEN is short"),
        (settings.stripe_api_base != STRIPE_API, "STRIPE_API_BASE is not Stripe's"),
        (settings.stripe_js_url != STRIPE_JS, "STRIPE_JS_URL is not Stripe's"),
        (
            settings.sepa_debit and not _CREDITOR_ID.fullmatch(settings.sepa_creditor_id),
            "SEPA_CREDITOR_ID is no creditor identifier, which SEPA_DEBIT needs",
        ),
        (
            settings.bounce_address is not None and not _MAILBOX.fullmatch(settings.bounce_address),
            "BOUNCE_ADDRESS is no plain address",
        ),
        (not _is_address(settings.audit_anchor_to), "AUDIT_ANCHOR_TO is no address"),
        (_is_installed("passlib"), "the abandoned package passlib is installed: it overwrites parts of libpass"),
    ]
    faults = [fault for is_wrong, fault in checks if is_wrong]
    faults += _address_faults("DATABASE_URL", settings.database_url)
    if settings.database_owner_url != settings.database_url:
        faults += _address_faults("DATABASE_OWNER_URL", settings.database_owner_url)
    if settings.redis_url and not (_is_near(settings.redis_url) or urlsplit(settings.redis_url).password):
        faults.append("REDIS_URL has no password")
    faults += [f"{name} is a sandbox secret" for name, value in secrets.items() if _is_sandbox_secret(value)]
    if any(_is_sandbox_secret(secret) for secret in webhook_secrets):
        faults.append("STRIPE_WEBHOOK_SECRETS holds a sandbox secret")
    if any(SANDBOX_MARK.encode() in secret for secret in settings.mail_webhook_secrets):
        faults.append("MAIL_WEBHOOK_SECRETS holds a sandbox secret")
    return faults


def _address_faults(name: str, url: str) -> list[str]:
    address = urlsplit(url)
    modes = parse_qs(address.query).get("sslmode", [""])
    checks: list[tuple[bool, str]] = [
        (name == "DATABASE_URL" and address.username == "postgres", f"{name} signs in as postgres"),
        (address.password in ("postgres", "password"), f"{name} has a password that everybody knows"),
        (not _is_near(url) and modes[-1] not in _WITH_TLS, f"{name} lacks TLS: ?sslmode=verify-full, or require"),
    ]
    return [fault for is_wrong, fault in checks if is_wrong]


def _is_near(url: str) -> bool:
    """Whether an address is on this machine: a socket, the loopback, or a name without a dot (another container)."""
    host = urlsplit(url).hostname or "localhost"
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return "." not in host


def _is_address(text: str | None) -> bool:
    """Whether mail can be sent there, if it is to be sent at all."""
    try:
        return text is None or bool(parse_email(text))
    except EmailAddressInvalid:
        return False


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _is_sandbox_secret(value: str) -> bool:
    try:
        raw = base64.b64decode(value)
    except (binascii.Error, ValueError):
        raw = b""
    return SANDBOX_MARK in value or raw.startswith(SANDBOX_MARK.encode())
