"""The sandbox's settings: secrets made once per installation, and a seller who does not exist."""

import base64
import json
import secrets
from pathlib import Path

from store.production import SANDBOX_MARK
from store.sandbox.processes import write_private


def sandbox_variables(folder: Path) -> dict[str, str]:
    """Environment variables of the sandbox whose data lie under `folder`; `Settings.variables()` explains them.

    Addresses (database, web server, mail, payment stand-in) are those of the usual ports; whoever starts the
    processes overrides them. The secrets are kept in `folder/secrets` (mode 0600).
    """
    return {
        "VIDEOTHEK_MODE": "sandbox",
        "BASE_URL": "http://localhost:8000",
        "SMTP_URL": "smtp://127.0.0.1:8026",
        "MAIL_FROM": "Videothek <kino@videothek.example>",
        "STRIPE_API_BASE": "http://127.0.0.1:8420",
        "STRIPE_JS_URL": "http://127.0.0.1:8420/v3/",
        "SELLER_NAME": "Videothek Demo GmbH",
        "SELLER_ADDRESS": "Filmstraße 1 · 10115 Berlin · Deutschland",
        "SELLER_EMAIL": "kino@videothek.example",
        "SELLER_VAT_ID": "DE000000000",
        "SELLER_IMPRINT": "Vertreten durch Mia Muster · Amtsgericht Musterstadt, HRB 00000 · Telefon 030 000000 · "
        "Aufsicht: Medienanstalt Berlin-Brandenburg",
        **_secrets_of(folder),
    }


def _secrets_of(folder: Path) -> dict[str, str]:
    kept = folder / "secrets"
    if not kept.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(kept, json.dumps(_new_secrets(), indent=1))
    found: dict[str, str] = json.loads(kept.read_text())
    if missing := {name: secret for name, secret in _new_secrets().items() if name not in found}:
        # Made by an older version, which did not know all of them.
        found |= missing
        write_private(kept, json.dumps(found, indent=1))
    return found


def _new_secrets() -> dict[str, str]:
    """Secrets that carry the sandbox's mark, so that production refuses them."""
    return {
        "ROOT_SECRET": _marked_key(),
        "CONTENT_KEY_SECRET": _marked_key(),
        "LICENCE_SIGNING_KEY": _marked_key(),
        "STRIPE_SECRET_KEY": f"sk_test_{SANDBOX_MARK}_{secrets.token_hex(16)}",
        "STRIPE_PUBLISHABLE_KEY": f"pk_test_{SANDBOX_MARK}_{secrets.token_hex(16)}",
        "STRIPE_WEBHOOK_SECRETS": f"whsec_{SANDBOX_MARK}_{secrets.token_hex(16)}",
        "MAIL_WEBHOOK_SECRETS": f"whsec_{_marked_key()}",
    }


def _marked_key() -> str:
    """32 bytes in base64: the mark, then random bytes."""
    mark = SANDBOX_MARK.encode()
    return base64.b64encode(mark + secrets.token_bytes(32 - len(mark))).decode()
