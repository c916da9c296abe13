"""What the tests of buying are made of: people who are signed in, films with offers, and a buyer's steps."""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import stripe

from auth.ids import new_id
from auth.models import Account, RoleAssignment, Session
from auth.tokens import SESSION, hash_token, make_token
from store.catalogue.models import Title, TitleText
from store.catalogue.offer_records import Edition, Licensor, Offer, Product
from store.database import Database
from tests.fakes import WEBHOOK_SECRETS, FakeGateway

START = datetime(2026, 1, 1, tzinfo=UTC)
CONSENTS = {"immediate_performance": True, "withdrawal_loss": True}


async def sign_in(
    database: Database, *, country: str | None = "DE", roles: tuple[str, ...] = (), kind: str = "customer"
) -> dict[str, str]:
    """Headers of somebody who is signed in."""
    account_id, token, now = new_id(), make_token(SESSION), datetime.now(UTC)
    email = f"{account_id.hex}@example.org"
    account = Account(
        id=account_id,
        kind=kind,
        email=email,
        email_key=email,
        locale="de",
        residence_country=country,
        residence_evidence={"declared": country},
        created_at=now,
    )
    signed_in = Session(
        kind="web" if kind == "customer" else "staff",
        account_id=account_id,
        token_hash=hash_token(token, kind=SESSION),
        epoch=0,
        amr=["pwd"] if kind == "customer" else ["pwd", "otp", "mfa"],
        auth_at=now,
        created_at=now,
        last_seen_at=now,
        idle_expires_at=now + timedelta(hours=1),
        expires_at=now + timedelta(hours=1),
        ip_trunc="127.0.0.0/24",
        ua_short="test",
        csrf_secret=secrets.token_bytes(32),
    )
    async with database.sessions.begin() as session:
        session.add(account)
        await session.flush()
        session.add(signed_in)
        session.add_all(RoleAssignment(account_id=account_id, role=role, granted_at=now) for role in roles)
    return {"Authorization": f"Bearer {token}", "Accept-Language": "de"}


async def sign_in_staff(database: Database, role: str) -> dict[str, str]:
    """Headers of a member of staff with one role."""
    return await sign_in(database, country=None, roles=(role,), kind="staff")


async def make_film(database: Database, *, name: str = "Her") -> UUID:
    """A film; gives its id."""
    slug = f"film-{new_id().hex[-12:]}"
    title = Title(
        slug=slug,
        kind="film",
        original_title=name,
        year=2013,
        countries=["US"],
        languages=["en"],
        genres=[],
        sort_key=slug,
        search_text=slug,
        added_at=START,
        changed_at=START,
    )
    async with database.sessions.begin() as session:
        session.add(title)
        await session.flush()
        session.add(TitleText(title_id=title.id, locale="de", title=name, synopsis=None))
    return title.id


async def make_offer(
    database: Database, *, title_id: UUID | None = None, market: str = "DE", kind: str = "rent", **changes: Any
) -> UUID:
    """An offer of a film (of a new one, unless said otherwise); gives its id."""
    title_id = title_id or await make_film(database)
    is_rental = kind == "rent"
    async with database.sessions.begin() as session:
        licensor = Licensor(name=f"Verleih {new_id().hex[-8:]}")
        edition = Edition(title_id=title_id, audio_languages=["de", "en"], subtitle_languages=[])
        session.add_all([licensor, edition])
        await session.flush()
        product = Product(edition_id=edition.id, licensor_id=licensor.id, alid="0012345")
        session.add(product)
        await session.flush()
        facts: dict[str, Any] = {
            "product_id": product.id,
            "market": market,
            "kind": kind,
            "quality": "HD",
            "languages": ["de", "en"],
            "starts_at": START,
            "ends_at": None,
            "visible_from": START,
            "playable_from": START,
            "gross": 399 if is_rental else 1199,
            "currency": "EUR",
            "cost": 180,
            "minimum_price": None,
            "start_days": 30 if is_rental else None,
            "watch_hours": 48 if is_rental else None,
        }
        offer = Offer(**{**facts, **changes})
        session.add(offer)
    return offer.id


@dataclass(slots=True)
class Buyer:
    """A customer's program."""

    client: httpx.AsyncClient
    headers: dict[str, str]

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers=self.headers)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.client.post(path, headers=self.headers, json=body)

    async def quote(self, offer_id: UUID, **more: Any) -> httpx.Response:
        return await self.post("/v1/quotes", {"offer_id": str(offer_id), **more})

    async def order_quote(self, quote_id: str, consents: Any = None) -> httpx.Response:
        body = {"quote_id": quote_id, "consents": CONSENTS if consents is None else consents}
        return await self.post("/v1/orders", body)

    async def order(self, offer_id: UUID) -> Any:
        """Quote and order; gives the order's answer."""
        quote = await self.quote(offer_id)
        assert quote.status_code == 201, quote.text
        order = await self.order_quote(quote.json()["id"])
        assert order.status_code == 201, order.text
        return order.json()["order"]

    async def payment(self, order_id: str) -> Any:
        """Open the payment; gives its answer."""
        answer = await self.post(f"/v1/orders/{order_id}/payments")
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def check(self, order_id: str) -> Any:
        """Come back from the provider; gives what became of the order."""
        answer = await self.post(f"/v1/orders/{order_id}/payment-checks")
        assert answer.status_code == 200, answer.text
        return answer.json()


def intent_of(gateway: FakeGateway, payable: Any) -> str:
    """The intent whose secret an answer holds."""
    return next(intent.id for intent in gateway.intents.values() if intent.client_secret == payable["client_secret"])


async def send_event(
    client: httpx.AsyncClient, object_id: str, *, kind: str = "payment_intent", secret: str = WEBHOOK_SECRETS[0]
) -> httpx.Response:
    """What Stripe sends when a payment, or what else `kind` says, succeeded."""
    event = {
        "id": f"evt_{new_id().hex}",
        "type": f"{kind}.succeeded",
        "data": {"object": {"id": object_id, "object": kind}},
    }
    body = json.dumps(event)
    signature = stripe.WebhookSignature.generate_signature_header(body, secret)
    return await client.post("/webhooks/stripe", content=body, headers={"Stripe-Signature": signature})
