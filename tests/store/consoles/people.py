"""Who works at and who is seen on the consoles: accounts with a session each, and a customer with a history."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from auth.email_addresses import parse_email
from auth.identity import csrf_token_of
from auth.ids import new_id
from auth.models import Account, RoleAssignment, Session
from auth.tokens import SESSION, hash_token, make_token
from billing.models import Order
from store.catalogue.models import Title, TitleText
from store.database import Database
from store.entitlement.models import Device, Entitlement
from store.mail import Mail
from tests.billing.tills import Till

REASON = "Anruf, Vorgang 4711: kann sich nicht anmelden"


@dataclass(frozen=True, slots=True)
class Person:
    """An account that is signed in, and what its browser sends."""

    account: Account
    cookie: str
    csrf_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie, "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": self.csrf_token}


async def a_person(
    database: Database, *, roles: tuple[str, ...] = (), email: str | None = None, status: str = "active"
) -> Person:
    """A member of staff with these roles, or without any a customer; signed in."""
    now = datetime.now(UTC)
    address = parse_email(email or f"{'-'.join(roles) or 'kundin'}-{new_id().hex[-10:]}@example.org")
    token, secret = make_token(SESSION), secrets.token_bytes(32)
    async with database.sessions.begin() as session:
        account = Account(
            kind="staff" if roles else "customer",
            email=address.text,
            email_key=address.key,
            email_verified_at=now,
            locale="de",
            residence_country=None if roles else "DE",
            residence_evidence={},
            status=status,
            created_at=now,
        )
        session.add(account)
        await session.flush()
        session.add_all(RoleAssignment(account_id=account.id, role=role, granted_at=now) for role in roles)
        session.add(
            Session(
                kind="staff" if roles else "web",
                account_id=account.id,
                token_hash=hash_token(token, kind=SESSION) or b"",
                epoch=account.auth_epoch or 0,
                amr=["pwd", "otp", "mfa"] if roles else ["pwd"],
                auth_at=now,
                created_at=now,
                last_seen_at=now,
                idle_expires_at=now + timedelta(minutes=30),
                expires_at=now + timedelta(hours=12),
                ip_trunc="192.0.2.0/24",
                ua_short="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
                csrf_secret=secret,
            )
        )
    return Person(account, f"sid={token}", csrf_token_of(secret))


async def a_paid_order(till: Till, customer: Account, *, at: datetime, price: int = 399, name: str = "Her") -> Order:
    """An order that was paid and booked at `at`."""
    order = await till.order(customer, await till.quote(customer, price=price, at=at, name=name), at=at)
    await till.settle(till.gateway.pay((await till.payable(order, at=at)).id), at=at)
    return order


async def some_history(database: Database, customer: Account, *, at: datetime) -> None:
    """Rights to a film, a device and two mails, the second one refused by a server that repeats the address."""
    async with database.sessions.begin() as session:
        title = Title(
            slug=f"her-{new_id().hex[-8:]}",
            kind="film",
            original_title="Her",
            year=2013,
            countries=["US"],
            languages=["en"],
            genres=["drama"],
            sort_key="her",
            search_text="her",
            added_at=at,
            changed_at=at,
        )
        session.add(title)
        await session.flush()
        session.add(TitleText(title_id=title.id, locale="de", title="Her (deutsch)", synopsis=None))
        for kind, days, ended in (("rent", 30, None), ("rent", 30, at - timedelta(days=1)), ("buy", None, None)):
            session.add(
                Entitlement(
                    account_id=customer.id,
                    title_id=title.id,
                    kind=kind,
                    quality="HD",
                    granted_at=at - timedelta(days=3),
                    start_by=at + timedelta(days=days) if days else None,
                    watch_hours=48 if days else None,
                    first_played_at=ended - timedelta(hours=48) if ended else None,
                    ends_at=ended,
                )
            )
        session.add(
            Device(
                account_id=customer.id,
                jkt="j" * 43,
                x="x" * 43,
                y="y" * 43,
                name="Wohnzimmer",
                registered_at=at,
                last_used_at=at,
            )
        )
        for kind, status, reply in (
            ("order_confirmation", "sent", "250 OK"),
            ("password_reset", "refused", f"550 5.1.1 <{customer.email}>: no such user"),
        ):
            session.add(
                Mail(
                    kind=kind,
                    account_id=customer.id,
                    locale="de",
                    status=status,
                    sent_to="k•••@e•••.org",
                    smtp_reply=reply,
                    attempts=1,
                    created_at=at,
                    sent_at=at if status == "sent" else None,
                )
            )
