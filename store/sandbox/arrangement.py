"""What `make run` runs: which processes there are, on which ports, with which settings, and how each says it is up."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from billing.webhooks import SUBSCRIBED
from store.sandbox.engines import EngineAddresses
from store.sandbox.processes import CannotStart, port_is_free
from store.sandbox.returns import ADDRESS_VARIABLE, SECRET_VARIABLE
from store.sandbox.secrets import sandbox_variables
from store.settings import Settings

FOLDER_VARIABLE: Final = "VIDEOTHEK_FOLDER"
"""Variable that names the folder of the sandbox's data; `.videothek` by default."""


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of the loopback; each has a variable that changes it."""

    web: int = 8000
    mail: int = 8025
    smtp: int = 8026
    stripe: int = 8420

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the variables; raises `CannotStart` for one that is no port."""
        given = {}
        for name in cls.__slots__:
            text = env.get(_variable(name))
            if text is None or text == "":
                continue
            if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65_536):
                raise CannotStart(f"{_variable(name)} is not a port (1 to 65535).")
            given[name] = int(text)
        return cls(**given)

    def check_free(self) -> None:
        """Raise `CannotStart` with one line if a port is taken; it names the variable that changes it."""
        for name in self.__slots__:
            port = int(getattr(self, name))
            if not port_is_free(port):
                raise CannotStart(
                    f"Port {port} is taken by another program: end that, or choose another one "
                    f"({_variable(name)}=… make run)."
                )


def _variable(name: str) -> str:
    return f"VIDEOTHEK_{name.upper()}_PORT"


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the sandbox."""

    name: str
    command: tuple[str, ...]
    health: str | None
    """Address that answers 200 when the process is up; None: it is up when it runs."""
    environment: Mapping[str, str] = field(repr=False)
    stop_signal: signal.Signals = signal.SIGTERM


def environment_of(folder: Path, ports: Ports, engines: EngineAddresses, env: Mapping[str, str]) -> dict[str, str]:
    """Variables of the sandbox's processes.

    Of our settings only the database's owner, the market, the proxies in front and whether debits are taken come from
    the caller's environment `env`, so that a live Stripe key in somebody's shell never reaches the sandbox.
    """
    ours = Settings.variables()
    return {
        **{name: value for name, value in env.items() if name not in ours},
        **sandbox_variables(folder),
        # A name, as browsers make passkeys for no IP address; the processes themselves ask by the address.
        "BASE_URL": f"http://localhost:{ports.web}",
        "ALLOWED_HOSTS": f"localhost:{ports.web},127.0.0.1:{ports.web}",
        "DATABASE_URL": engines.database_url,
        "DATABASE_OWNER_URL": env.get("DATABASE_OWNER_URL") or engines.database_url,
        "REDIS_URL": engines.redis_url or "",
        "SMTP_URL": f"smtp://127.0.0.1:{ports.smtp}",
        "STRIPE_API_BASE": f"http://127.0.0.1:{ports.stripe}",
        "STRIPE_JS_URL": f"http://127.0.0.1:{ports.stripe}/v3/",
        "DEFAULT_MARKET": env.get("DEFAULT_MARKET") or "DE",
        "SEPA_DEBIT": env.get("SEPA_DEBIT") or "off",
        # That of the Bundesbank's examples.
        "SEPA_CREDITOR_ID": env.get("SEPA_CREDITOR_ID") or "DE98ZZZ09999999999",
        "TRUSTED_PROXIES": env.get("TRUSTED_PROXIES") or "",
    }


def parts_of_the_sandbox(folder: Path, ports: Ports, environment: Mapping[str, str]) -> list[Part]:
    """Every process in the order of its start; they stop in the opposite order."""
    keys = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY")
    around = {name: environment[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in environment}
    stand_in = {
        **around,
        **{name: environment[name] for name in keys},
        "STRIPE_SANDBOX_STORE": str(folder / "stripe.sqlite3"),
        # Nobody who tries the store wants to wait for days; long enough to see that a debit is under way.
        "STRIPE_SANDBOX_DEBIT_SECONDS": "60",
        "STRIPE_WEBHOOK_URL": f"{environment['BASE_URL']}/webhooks/stripe",
        "STRIPE_WEBHOOK_SECRET": environment["STRIPE_WEBHOOK_SECRETS"].partition(",")[0],
        "STRIPE_WEBHOOK_EVENTS": ",".join(SUBSCRIBED),
    }
    provider = {
        **around,
        ADDRESS_VARIABLE: f"{environment['BASE_URL']}/webhooks/mail",
        SECRET_VARIABLE: environment["MAIL_WEBHOOK_SECRETS"],
    }
    catcher = ("--folder", str(folder / "mail"), "--smtp-port", str(ports.smtp), "--page-port", str(ports.mail))
    return [
        Part(
            "stripe",
            _serve("billing.sandbox.app:create_app", ports.stripe),
            _at(ports.stripe, "_sandbox/health"),
            stand_in,
        ),
        Part(
            "mail", (sys.executable, "-m", "store.sandbox.mail_catcher", *catcher), _at(ports.mail, "health"), provider
        ),
        Part("web", _serve("store.sandbox.app:create_app", ports.web), _at(ports.web, "health/ready"), environment),
        Part("worker", (sys.executable, "-m", "store.sandbox.worker"), None, environment),
    ]


def _serve(factory: str, port: int) -> tuple[str, ...]:
    options = ("--log-level", "warning", "--no-access-log", "--no-proxy-headers", "--no-server-header")
    stop = ("--timeout-graceful-shutdown", "5")
    return (
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        factory,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *options,
        *stop,
    )


def _at(port: int, path: str) -> str:
    return f"http://127.0.0.1:{port}/{path}"


def sandbox_folder() -> Path:
    """Where the sandbox keeps its data."""
    return Path(os.environ.get(FOLDER_VARIABLE) or ".videothek").absolute()
