"""The composition root: which implementation meets which port, for the web process, the worker and the commands."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from litestar.datastructures import State
from sqlalchemy.ext.asyncio import AsyncSession

import auth.erasure_letters
import auth.letters
import auth.recovery.letters
import store.anchor_letters
import store.gift_letters
import store.mail_delivery
import store.payment_letters
import store.refund_letters
import store.rental_letters
from auth import audit
from auth.device_grants import forget_device_grants
from auth.known_devices import forget_old_devices
from auth.passkeys import forget_challenges
from auth.password_reset import forget_addresses
from auth.passwords import OneTimeCodes, PasswordHasher, usable_cores
from auth.ports import Countries
from auth.recovery.carrying_out import RecoveryRounds
from auth.registration import forget_expired
from auth.second_factor import forget_offers
from auth.sign_in import forget_steps
from billing import withdrawals
from billing.checkout import Checkout
from billing.debits import ANNOUNCE, Debits
from billing.idempotency import forget_old_answers
from billing.lost_events import LostEvents
from billing.movements import RECONCILE
from billing.payments import Payments
from billing.ports import PaymentGateway
from billing.quotes import QuoteSeal
from billing.reconciliation import Reconciliation
from billing.refunds import Refunds
from billing.sale_refunds import SaleRefunds
from billing.stripe_gateway import StripeGateway
from billing.webhooks import Webhooks
from store.anchor_letters import ANCHOR_MAIL
from store.cases.cases import ANSWERED
from store.cases.letters import ComposeCaseAnswer
from store.clock import Clock
from store.countries import open_countries
from store.database import Database
from store.device_letters import ComposeDevicesReset
from store.entitlement import dpop, incidents
from store.entitlement.compensation import Compensation
from store.entitlement.grants import Grants
from store.entitlement.keys import KeySeal
from store.entitlement.reminders import Reminders
from store.entitlement.tokens import PlaybackTokens
from store.erasure import Eraser
from store.invariants import check_invariants
from store.jobs import PostgresJobs
from store.mail import RECIPIENTS, SmtpMailer, deliver_mail
from store.mail_delivery import MailDeliveries
from store.purchase_confirmation import KIND as ORDER_CONFIRMATION
from store.purchase_confirmation import ReadOrderConfirmation
from store.retention import forget_what_is_past
from store.returned_mail import ReturnedMail
from store.settings import Settings
from store.smtp import MailServer
from store.throttling import Throttling, open_redis

SECOND_FACTORS: Final = "second-factors"
"""Purpose of the key that seals the secrets of authenticators."""

JobHandler = Callable[..., Awaitable[object]]
"""Runs one job: the payload's members are its keyword arguments; raising has it tried again later."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that lives as long as the process."""

    settings: Settings
    database: Database
    clock: Clock
    gateway: PaymentGateway
    throttle: Throttling
    outbox: SmtpMailer
    hasher: PasswordHasher
    one_time_codes: OneTimeCodes
    seal: KeySeal
    tokens: PlaybackTokens
    jobs: PostgresJobs
    countries: Countries
    grants: Grants
    quote_seal: QuoteSeal
    address_secret: bytes = field(repr=False)
    """Under which the addresses of payers are counted."""
    markets: frozenset[str]
    """Codes of the markets; they are rows, and a new one is known after a restart."""

    def checkout(self, session: AsyncSession) -> Checkout:
        """A checkout over a session."""
        return Checkout(
            session=session,
            fulfilment=self.grants,
            jobs=self.jobs,
            outbox=self.outbox,
            seller=self.settings.seller,
            takes_debits=self.settings.sepa_debit,
        )

    def sale_refunds(self, session: AsyncSession) -> SaleRefunds:
        """What undoes sales, over a session."""
        return SaleRefunds(
            session=session,
            fulfilment=self.grants,
            jobs=self.jobs,
            outbox=self.outbox,
            seller=self.settings.seller,
        )

    def webhooks(self, session: AsyncSession) -> Webhooks:
        """What takes in the provider's events, over a session."""
        return Webhooks(session, self.gateway, self.checkout(session), self.sale_refunds(session))

    def returned_mail(self, session: AsyncSession) -> ReturnedMail:
        """What takes in reports about mails, over a session."""
        return ReturnedMail(session, self.recipient_keys)

    def mail_deliveries(self, session: AsyncSession) -> MailDeliveries:
        """What tells a customer how mails fare, over a session."""
        return MailDeliveries(session, self.throttle, self.outbox, self.recipient_keys)

    @property
    def recipient_keys(self) -> tuple[bytes, ...]:
        """Keys under which the recipients of mails are known again."""
        return self.settings.derive_all(RECIPIENTS)

    @property
    def payments(self) -> Payments:
        """What asks the provider."""
        return Payments(
            database=self.database,
            gateway=self.gateway,
            checkouts=self.checkout,
            address_secret=self.address_secret,
        )

    async def close(self) -> None:
        """Let go of what is not the database."""
        self.hasher.close()
        await self.outbox.server.close()
        await self.gateway.close()
        if self.throttle.redis is not None:
            await self.throttle.redis.aclose()


def parts_of(state: State) -> Parts:
    """The parts of the running process."""
    parts: Parts = state.parts
    return parts


async def assemble(
    settings: Settings,
    *,
    database: Database,
    clock: Clock,
    gateway: PaymentGateway | None = None,
    hasher: PasswordHasher | None = None,
) -> Parts:
    """Build the parts; a test may hand in a gateway and a hasher of its own."""
    if hasher is None:
        hasher = PasswordHasher(
            threads=max(1, usable_cores() // settings.web_processes),
            queue=settings.password_queue,
            wait=settings.password_wait,
        )
        await asyncio.to_thread(hasher.warm_up)
    composers = {
        **auth.letters.composers(settings),
        **auth.erasure_letters.composers(settings),
        **auth.recovery.letters.composers(settings),
        **store.payment_letters.composers(settings.base_url, settings.sepa_creditor_id),
        **store.refund_letters.composers(settings.base_url),
        **store.rental_letters.composers(settings.base_url),
        **store.gift_letters.composers(settings.base_url),
        ANSWERED: ComposeCaseAnswer(settings.base_url),
        "devices_reset": ComposeDevicesReset(settings.base_url),
        **store.mail_delivery.composers(settings.base_url),
        **store.anchor_letters.composers(settings.audit_anchor_to),
    }
    jobs = PostgresJobs()
    return Parts(
        settings=settings,
        database=database,
        clock=clock,
        gateway=gateway
        or StripeGateway.connect(
            secret_key=settings.stripe_secret_key,
            publishable_key=settings.stripe_publishable_key,
            webhook_secrets=settings.stripe_webhook_secrets,
            api_base=settings.stripe_api_base,
        ),
        throttle=Throttling(database.reads, settings.derive("throttle"), open_redis(settings.redis_url)),
        outbox=SmtpMailer(
            database=database,
            jobs=jobs,
            settings=settings,
            server=MailServer(settings.smtp_url),
            composers=composers,
            readers={ORDER_CONFIRMATION: ReadOrderConfirmation(settings.base_url)},
        ),
        hasher=hasher,
        one_time_codes=OneTimeCodes(settings.derive(SECOND_FACTORS), before=settings.derive_before(SECOND_FACTORS)),
        seal=KeySeal.from_secret(settings.content_key_secret, settings.content_key_secret_before),
        tokens=PlaybackTokens.from_seed(settings.licence_signing_key, issuer=settings.base_url),
        jobs=jobs,
        countries=open_countries(settings),
        grants=Grants(),
        quote_seal=QuoteSeal(settings.derive("quotes"), before=settings.derive_before("quotes")),
        address_secret=settings.derive("payers"),
        markets=await market_codes(database),
    )


async def market_codes(database: Database) -> frozenset[str]:
    """Codes of the markets that the store sells in."""
    return frozenset(row["code"] for row in await database.reads.fetch("SELECT code FROM store.markets"))


def job_handlers(parts: Parts) -> Mapping[str, JobHandler]:
    """Every job by its name."""

    async def request_refund(*, refund_id: str) -> None:
        refunds = Refunds(database=parts.database, gateway=parts.gateway)
        await refunds.request(refund_id=UUID(refund_id), at=await parts.clock.now())

    async def reconcile() -> None:
        await Reconciliation(parts.database, parts.gateway).run(at=await parts.clock.now())

    async def stop_payment(*, payment_id: str) -> None:
        await parts.payments.stop(payment_id=UUID(payment_id), at=await parts.clock.now())

    async def announce_debit(*, payment_id: str) -> None:
        debits = Debits(database=parts.database, gateway=parts.gateway, outbox=parts.outbox)
        await debits.announce(payment_id=UUID(payment_id))

    async def decide_withdrawal(*, declaration_id: str) -> None:
        at = await parts.clock.now()
        async with parts.database.sessions.begin() as session:
            await withdrawals.decide_withdrawal(
                session, parts.sale_refunds(session), declaration_id=UUID(declaration_id), at=at
            )

    async def compensate_incident(*, incident_id: str) -> None:
        at, real_now = await parts.clock.now(), datetime.now(UTC)
        compensation = Compensation(parts.database, parts.outbox, parts.sale_refunds, at=at, real_now=real_now)
        await compensation.carry_out(UUID(incident_id))

    return {
        "deliver_mail": partial(deliver_mail, parts.outbox),
        "request_refund": request_refund,
        RECONCILE: reconcile,
        "stop_payment": stop_payment,
        ANNOUNCE: announce_debit,
        "decide_withdrawal": decide_withdrawal,
        incidents.JOB: compensate_incident,
    }


def periodic_jobs(parts: Parts) -> Mapping[str, tuple[str, JobHandler]]:
    """Every sweep by its name, with the times (crontab) at which it runs."""

    async def sweep_payments(**_: Any) -> None:
        at = await parts.clock.now()
        await parts.payments.sweep(at=at)
        await Refunds(database=parts.database, gateway=parts.gateway).sweep(at=at)

    async def search_lost_events(**_: Any) -> None:
        search = LostEvents(parts.database, parts.gateway, parts.webhooks)
        await search.search(at=await parts.clock.now())

    async def queue_reconciliation(**_: Any) -> None:
        async with parts.database.sessions.begin() as session:
            await parts.jobs.enqueue(session, RECONCILE, dedupe_key=RECONCILE)

    async def seal_audit_trail(**_: Any) -> None:
        async with parts.database.sessions.begin() as session:
            await audit.seal(session, at=datetime.now(UTC))

    async def mail_audit_anchor(**_: Any) -> None:
        if parts.settings.audit_anchor_to is None:
            return
        async with parts.database.sessions.begin() as session:
            await parts.outbox.queue(session, kind=ANCHOR_MAIL, account_id=None, reference=None, locale="de")

    async def forget_old_limits(**_: Any) -> None:
        await parts.throttle.forget_old()

    async def forget_old_wishes(**_: Any) -> None:
        async with parts.database.sessions.begin() as session:
            await forget_expired(session, at=datetime.now(UTC))
            await forget_addresses(session, at=datetime.now(UTC))
            await forget_old_devices(session, at=datetime.now(UTC))
            await forget_steps(session, at=datetime.now(UTC))
            await forget_challenges(session, at=datetime.now(UTC))
            await forget_device_grants(session, at=datetime.now(UTC))
            await forget_offers(session, at=datetime.now(UTC))

    async def forget_old_proofs(**_: Any) -> None:
        await dpop.forget_old_proofs(parts.database, real_now=datetime.now(UTC))

    async def forget_answers(**_: Any) -> None:
        async with parts.database.sessions.begin() as session:
            await forget_old_answers(session, real_now=datetime.now(UTC))

    async def remind_of_rentals(**_: Any) -> None:
        await Reminders(parts.database, parts.outbox).send_due(at=await parts.clock.now())

    async def check_books_and_rights(**_: Any) -> None:
        await check_invariants(parts.database)

    async def carry_out_recoveries(**_: Any) -> None:
        await RecoveryRounds(parts.database, parts.outbox).run(at=datetime.now(UTC))

    async def erase_accounts(**_: Any) -> None:
        await Eraser(parts.database).erase_due(at=await parts.clock.now())

    async def forget_past_periods(**_: Any) -> None:
        await forget_what_is_past(parts.database, at=await parts.clock.now(), real_now=datetime.now(UTC))

    return {
        "forget_past_periods": ("43 2 * * *", forget_past_periods),
        "carry_out_recoveries": ("* * * * *", carry_out_recoveries),
        "erase_accounts": ("23 2 * * *", erase_accounts),
        "sweep_payments": ("* * * * *", sweep_payments),
        "search_lost_events": ("*/5 * * * *", search_lost_events),
        "remind_of_rentals": ("*/5 * * * *", remind_of_rentals),
        "queue_reconciliation": ("41 * * * *", queue_reconciliation),
        "seal_audit_trail": ("* * * * *", seal_audit_trail),
        "mail_audit_anchor": ("53 3 * * *", mail_audit_anchor),
        "forget_old_limits": ("7 * * * *", forget_old_limits),
        "check_books_and_rights": ("11 3 * * *", check_books_and_rights),
        "forget_answers": ("27 * * * *", forget_answers),
        "forget_old_wishes": ("37 * * * *", forget_old_wishes),
        "forget_old_proofs": ("17 * * * *", forget_old_proofs),
    }
