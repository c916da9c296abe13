"""What the stand-in is told when it starts: keys, where its webhooks go, where its file lies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_SPANS = {"STRIPE_SANDBOX_SETTLE_SECONDS": "5", "STRIPE_SANDBOX_DEBIT_SECONDS": str(5 * 24 * 3600)}


class UnusableConfiguration(Exception):
    """The process must not start; the message names every variable at fault and no value."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The environment of the stand-in, read once."""

    secret_key: str = field(repr=False)
    """STRIPE_SECRET_KEY, `sk_…` or `rk_…`: may call everything, the controls included."""
    publishable_key: str
    """STRIPE_PUBLISHABLE_KEY, `pk_…`: may read and confirm one intent whose client secret it knows."""
    store: Path
    """STRIPE_SANDBOX_STORE: the SQLite file; made when it is missing."""
    webhook_url: str
    """STRIPE_WEBHOOK_URL: where events are posted; empty: events are only listed."""
    webhook_secret: str = field(repr=False)
    """STRIPE_WEBHOOK_SECRET: key of the signatures; needed with an address."""
    webhook_events: tuple[str, ...]
    """STRIPE_WEBHOOK_EVENTS: the types that are posted there, with commas; empty: all."""
    settle_seconds: int
    """STRIPE_SANDBOX_SETTLE_SECONDS (default 5): how long after a charge its fee becomes known,
    and after a payout what is in it."""
    debit_seconds: int
    """STRIPE_SANDBOX_DEBIT_SECONDS (default five days): how long after a SEPA debit the customer's bank answers."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the variables; raises `UnusableConfiguration` with all faults at once."""
        faults = []
        if not env.get("STRIPE_SECRET_KEY", "").startswith(("sk_", "rk_")):
            faults.append("STRIPE_SECRET_KEY must begin with sk_ or rk_")
        if not env.get("STRIPE_PUBLISHABLE_KEY", "").startswith("pk_"):
            faults.append("STRIPE_PUBLISHABLE_KEY must begin with pk_")
        if not env.get("STRIPE_SANDBOX_STORE"):
            faults.append("STRIPE_SANDBOX_STORE must name the file to keep everything in")
        if env.get("STRIPE_WEBHOOK_URL") and not env["STRIPE_WEBHOOK_URL"].startswith(("http://", "https://")):
            faults.append("STRIPE_WEBHOOK_URL must begin with http:// or https://")
        if env.get("STRIPE_WEBHOOK_URL") and not env.get("STRIPE_WEBHOOK_SECRET"):
            faults.append("STRIPE_WEBHOOK_SECRET is needed to sign what goes to STRIPE_WEBHOOK_URL")
        spans = {name: env.get(name) or default for name, default in _SPANS.items()}
        for name, span in spans.items():
            if not (span.isascii() and span.isdecimal()):
                faults.append(f"{name} must be a whole number of seconds")
        if faults:
            raise UnusableConfiguration("; ".join(faults))
        return cls(
            secret_key=env["STRIPE_SECRET_KEY"],
            publishable_key=env["STRIPE_PUBLISHABLE_KEY"],
            store=Path(env["STRIPE_SANDBOX_STORE"]),
            webhook_url=env.get("STRIPE_WEBHOOK_URL", ""),
            webhook_secret=env.get("STRIPE_WEBHOOK_SECRET", ""),
            webhook_events=tuple(filter(None, env.get("STRIPE_WEBHOOK_EVENTS", "").split(","))),
            settle_seconds=int(spans["STRIPE_SANDBOX_SETTLE_SECONDS"]),
            debit_seconds=int(spans["STRIPE_SANDBOX_DEBIT_SECONDS"]),
        )
