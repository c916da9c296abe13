"""Every setting of the system, read once from the environment; production refuses to start unsafe."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from store.drm_settings import DRM_VARIABLES, AxinomAccess, DrmTodayAccess, read_axinom, read_drmtoday
from store.production import production_faults

_SECRET_BYTES = 32


class UnsafeSettings(Exception):
    """The process must not start; `faults` names every reason, and no secret."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Seller:
    """The legal entity that sells (one per installation): on invoices, mails and the imprint."""

    name: str
    """Legal name."""
    address: str
    """Street, postal code and town, country; lines separated by ' · '."""
    email: str
    """Where customers write to."""
    vat_id: str
    """VAT identification number."""
    imprint: str = ""
    """What an imprint must name besides (DDG 5): representative, register, telephone, authority; lines as above."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. `Settings.variables()` lists the environment variables they come from."""

    mode: Literal["sandbox", "production"]
    """`sandbox`: the demo with its movable clock and payment stand-in. `production`: neither."""
    base_url: str
    """Public address without a trailing slash; every link in a mail begins with it."""
    database_url: str
    """PostgreSQL address for web and worker."""
    database_owner_url: str
    """PostgreSQL address of the role that owns the tables: migrations only."""
    redis_url: str | None
    """Redis or Valkey; None: limits are counted in PostgreSQL."""
    smtp_url: str
    """`smtp://user:password@host:port`, `smtps://…`; STARTTLS wherever it is offered; a password demands it."""
    mail_from: str
    """Sender of every mail."""
    bounce_address: str | None
    """Mailbox that mails are returned to; each with an address of its own behind a `+`. None: the sender's."""
    audit_anchor_to: str | None
    """Who gets the head of the audit trail's chain by mail every night; None: nobody."""
    mail_webhook_secrets: tuple[bytes, ...] = field(repr=False)
    """Signing secrets of events about mails; two while one is being rotated, none: there is no such address."""
    stripe_secret_key: str = field(repr=False)
    """Stripe's secret or restricted key."""
    stripe_publishable_key: str
    """Stripe's publishable key, given to the checkout page."""
    stripe_webhook_secrets: tuple[str, ...] = field(repr=False)
    """Signing secrets of the webhook endpoint; two while one is being rotated."""
    stripe_api_base: str
    """Stripe's API; another address only in the sandbox."""
    sepa_debit: bool
    """Whether purchases (never rentals) may be paid by SEPA debit, which takes days and can be taken back for weeks."""
    sepa_creditor_id: str
    """Creditor identifier (AT-02) under which debits are made; empty where none are."""
    stripe_js_url: str
    """Address of Stripe.js; another one only in the sandbox."""
    root_secret: bytes = field(repr=False)
    """Root of all keys that `derive` makes."""
    root_secret_before: bytes | None = field(repr=False)
    """The one that `root_secret` takes over from: what it signed or sealed still counts."""
    content_key_secret: bytes = field(repr=False)
    """Key-encryption key of the films' content keys (AES-256)."""
    content_key_secret_before: bytes | None = field(repr=False)
    """The one that `content_key_secret` takes over from, until every content key is sealed anew."""
    licence_signing_key: bytes = field(repr=False)
    """Seed of the Ed25519 key that signs licence tokens."""
    allowed_hosts: tuple[str, ...]
    """Hosts (with port, if not the default one) that requests may name."""
    trusted_proxies: tuple[str, ...]
    """Addresses or networks whose X-Forwarded-For is believed."""
    country_header: str | None
    """Header in which a trusted proxy tells the client's country; None: none does."""
    country_database: str | None
    """Path of a database (MMDB) that tells the country of an address; None: there is none."""
    seller: Seller
    """Who sells."""
    default_market: str
    """Market of visitors who have not signed in."""
    metrics_token: str | None = field(repr=False)
    """What Prometheus sends to read `/metrics`; None: there is no such address."""
    axinom: AxinomAccess | None
    """Axinom's licence service; None: there is no contract with it."""
    drmtoday: DrmTodayAccess | None
    """castLabs DRMtoday; None: there is no contract with it."""
    media_root: Path | None
    """Folder of the encrypted films; None: only the test film that the project brings."""
    web_processes: int
    """Web processes of this machine: its cores are shared out among them for hashing passwords."""
    password_queue: int
    """Passwords that may wait in one process beside those that are being hashed; more are turned away at once."""
    password_wait: int
    """Seconds that one of them waits at most."""

    @property
    def hosted_drm(self) -> Sequence[Literal["axinom", "drmtoday"]]:
        """The hosted services that give licences, by contract."""
        services: list[tuple[Literal["axinom", "drmtoday"], object]] = [
            ("axinom", self.axinom),
            ("drmtoday", self.drmtoday),
        ]
        return [name for name, access in services if access is not None]

    @property
    def session_cookie(self) -> str:
        """Name of the session cookie: with the `__Host-` prefix wherever TLS makes that possible."""
        return "__Host-sid" if self.secure else "sid"

    @property
    def device_cookie(self) -> str:
        """Name of the cookie by which a browser is known again after signing out."""
        return "__Host-device" if self.secure else "device"

    @property
    def step_cookie(self) -> str:
        """Name of the cookie that carries a begun sign-in from the password to the second step."""
        return "__Host-step" if self.secure else "step"

    @property
    def passkey_cookie(self) -> str:
        """Name of the cookie of a browser that asked for something that a passkey is to sign."""
        return "__Host-passkey" if self.secure else "passkey"

    @property
    def secure(self) -> bool:
        """Whether customers reach us by https."""
        return self.base_url.startswith("https://")

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose (`reset`, `cursor`, …), by HKDF-SHA256 (RFC 5869) from the root secret."""
        return _derive(self.root_secret, purpose)

    def derive_before(self, purpose: str) -> bytes | None:
        """The key for one purpose that `derive` gave before the root secret was replaced; None: it was not."""
        return _derive(self.root_secret_before, purpose) if self.root_secret_before else None

    def derive_all(self, purpose: str) -> tuple[bytes, ...]:
        """Every key in force for one purpose, the one that is used first."""
        before = self.derive_before(purpose)
        return (self.derive(purpose), before) if before else (self.derive(purpose),)

    @classmethod
    def variables(cls) -> dict[str, str | None]:
        """Every environment variable and its default; None marks one that has none."""
        return dict(_VARIABLES)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings; raises `UnsafeSettings` with all faults at once."""
        reader = _Reader(env)
        settings = cls(
            mode="sandbox" if reader.text("VIDEOTHEK_MODE") == "sandbox" else "production",
            base_url=reader.text("BASE_URL").rstrip("/"),
            database_url=reader.text("DATABASE_URL"),
            database_owner_url=env.get("DATABASE_OWNER_URL") or env.get("DATABASE_URL", ""),
            redis_url=env.get("REDIS_URL") or None,
            smtp_url=reader.text("SMTP_URL"),
            mail_from=reader.text("MAIL_FROM"),
            bounce_address=env.get("BOUNCE_ADDRESS") or None,
            audit_anchor_to=env.get("AUDIT_ANCHOR_TO") or None,
            mail_webhook_secrets=reader.signing_secrets("MAIL_WEBHOOK_SECRETS"),
            stripe_secret_key=reader.text("STRIPE_SECRET_KEY"),
            stripe_publishable_key=reader.text("STRIPE_PUBLISHABLE_KEY"),
            stripe_webhook_secrets=reader.words("STRIPE_WEBHOOK_SECRETS"),
            stripe_api_base=reader.text("STRIPE_API_BASE").rstrip("/"),
            stripe_js_url=reader.text("STRIPE_JS_URL"),
            sepa_debit=reader.switch("SEPA_DEBIT"),
            sepa_creditor_id=reader.text("SEPA_CREDITOR_ID"),
            root_secret=reader.secret("ROOT_SECRET"),
            root_secret_before=reader.secret("ROOT_SECRET_BEFORE") if env.get("ROOT_SECRET_BEFORE") else None,
            content_key_secret=reader.secret("CONTENT_KEY_SECRET"),
            content_key_secret_before=(
                reader.secret("CONTENT_KEY_SECRET_BEFORE") if env.get("CONTENT_KEY_SECRET_BEFORE") else None
            ),
            licence_signing_key=reader.secret("LICENCE_SIGNING_KEY"),
            allowed_hosts=reader.words("ALLOWED_HOSTS") or _host_of(env.get("BASE_URL", "")),
            trusted_proxies=reader.networks("TRUSTED_PROXIES"),
            country_header=env.get("COUNTRY_HEADER") or None,
            country_database=env.get("COUNTRY_DATABASE") or None,
            seller=Seller(
                name=reader.text("SELLER_NAME"),
                address=reader.text("SELLER_ADDRESS"),
                email=reader.text("SELLER_EMAIL"),
                vat_id=reader.text("SELLER_VAT_ID"),
                imprint=reader.text("SELLER_IMPRINT"),
            ),
            default_market=reader.text("DEFAULT_MARKET"),
            metrics_token=env.get("METRICS_TOKEN") or None,
            axinom=read_axinom(reader),
            drmtoday=read_drmtoday(reader),
            media_root=Path(env["MEDIA_ROOT"]) if env.get("MEDIA_ROOT") else None,
            web_processes=reader.number("WEB_PROCESSES", least=1, most=1024),
            password_queue=reader.number("PASSWORD_QUEUE", least=8, most=1024),
            password_wait=reader.number("PASSWORD_WAIT", least=1, most=30),
        )
        faults = reader.faults + (production_faults(settings, env) if settings.mode == "production" else [])
        if faults:
            raise UnsafeSettings(faults)
        return settings


_VARIABLES: dict[str, str | None] = {
    "VIDEOTHEK_MODE": "production",
    "BASE_URL": None,
    "DATABASE_URL": None,
    "DATABASE_OWNER_URL": "",
    "REDIS_URL": "",
    "SMTP_URL": None,
    "MAIL_FROM": None,
    "BOUNCE_ADDRESS": "",
    "MAIL_WEBHOOK_SECRETS": "",
    "AUDIT_ANCHOR_TO": "",
    "STRIPE_SECRET_KEY": None,
    "STRIPE_PUBLISHABLE_KEY": None,
    "STRIPE_WEBHOOK_SECRETS": None,
    "STRIPE_API_BASE": "https://api.stripe.com",
    "STRIPE_JS_URL": "https://js.stripe.com/v3/",
    "SEPA_DEBIT": "off",
    "SEPA_CREDITOR_ID": "",
    "ROOT_SECRET": None,
    "ROOT_SECRET_BEFORE": "",
    "CONTENT_KEY_SECRET": None,
    "CONTENT_KEY_SECRET_BEFORE": "",
    "LICENCE_SIGNING_KEY": None,
    "ALLOWED_HOSTS": "",
    "TRUSTED_PROXIES": "",
    "COUNTRY_HEADER": "",
    "COUNTRY_DATABASE": "",
    "SELLER_NAME": None,
    "SELLER_ADDRESS": None,
    "SELLER_EMAIL": None,
    "SELLER_VAT_ID": None,
    "SELLER_IMPRINT": None,
    "DEFAULT_MARKET": "DE",
    "METRICS_TOKEN": "",
    **DRM_VARIABLES,
    "MEDIA_ROOT": "",
    "WEB_PROCESSES": "1",
    "PASSWORD_QUEUE": "24",
    "PASSWORD_WAIT": "3",
}


class _Reader:
    """Reads variables and collects what is wrong with them, so that one start names every fault."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.faults: list[str] = []

    def text(self, name: str) -> str:
        """A variable's text; a missing one without a default is a fault."""
        value = self.env.get(name) or _VARIABLES[name]
        if value is None:
            self.faults.append(f"{name} is missing")
            return ""
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """A variable's comma-separated words."""
        return tuple(word.strip() for word in self.text(name).split(",") if word.strip())

    def signing_secrets(self, name: str) -> tuple[bytes, ...]:
        """A variable's comma-separated secrets in the form of Standard Webhooks: `whsec_` and 24 to 64 bytes."""
        secrets = []
        for word in self.words(name):
            try:
                secrets.append(base64.b64decode(word.removeprefix("whsec_"), validate=True))
            except (binascii.Error, ValueError):
                secrets.append(b"")
        if any(not 24 <= len(secret) <= 64 for secret in secrets):
            self.faults.append(f"{name} holds what is not whsec_ and 24 to 64 bytes in base64")
        return tuple(secrets)

    def networks(self, name: str) -> tuple[str, ...]:
        """A variable's addresses and networks; one that is none is a fault."""
        words = self.words(name)
        if any(network_of(word) is None for word in words):
            self.faults.append(f"{name} holds what is neither an address nor a network")
            return ()
        return words

    def number(self, name: str, *, least: int, most: int) -> int:
        """A variable's whole number; one out of its bounds is a fault."""
        text = self.text(name)
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
        if not least <= number <= most:
            self.faults.append(f"{name} is no number from {least} to {most}")
            return least
        return number

    def switch(self, name: str) -> bool:
        """Whether a variable says `on`; anything but `on` and `off` is a fault."""
        word = self.text(name)
        if word not in ("on", "off"):
            self.faults.append(f"{name} is neither on nor off")
        return word == "on"

    def secret(self, name: str) -> bytes:
        """A variable's 32 bytes, written in base64."""
        text = self.text(name)
        if not text:
            return bytes(_SECRET_BYTES)
        try:
            value = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            value = b""
        if len(value) != _SECRET_BYTES:
            self.faults.append(f"{name} is not {_SECRET_BYTES} bytes in base64 (openssl rand -base64 32)")
            return bytes(_SECRET_BYTES)
        return value


def _derive(root: bytes, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), _SECRET_BYTES, None, f"videothek/{purpose}".encode()).derive(root)


def _host_of(base_url: str) -> tuple[str, ...]:
    host = urlsplit(base_url).netloc
    return (host,) if host else ()


def network_of(text: str) -> IPv4Network | IPv6Network | None:
    """The network that an address or network in words is; None for anything else."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
