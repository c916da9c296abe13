"""A customer's life with the store, from her first purchase to support's notes: every table that can know her does."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
from litestar import Litestar

from auth.ids import new_id
from auth.models import Account
from auth.recovery.caller_codes import CallerVerification
from auth.recovery.records import Recovery
from store.entitlement.download_records import OfflineLicence
from store.entitlement.models import (
    Device,
    DeviceLimit,
    DeviceReset,
    Entitlement,
    LicenceEvent,
    MediaAsset,
    PlaybackSession,
    TrackChoice,
    WatchProgress,
)
from store.entitlement.remedies import RentalRemedy
from store.settings import Settings
from tests.auth.people import Bearer, a_colleague, parts_of, sign_in
from tests.auth.post_office import open_post_office
from tests.fakes import FakeGateway
from tests.scratch import run_due_jobs
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event

NAME = "Annegret Sonnenblum"
EMAIL = "annegret.sonnenblum@beispiel.example"
PASSWORD = "zwölf Laternen brennen am Kanal"
ADDRESS = "203.0.113.77"

DECLARATION = {"name": NAME, "contract": "V-2020-AAAA-0001", "email": EMAIL, "declared": True}

CASE = {"kind": "other", "text": f"{NAME} kann nicht mehr zusehen."}

SECOND_FACTOR = """
    INSERT INTO auth.second_factors (id, account_id, created_at) VALUES (gen_random_uuid(), '{account_id}', now());
    INSERT INTO auth.passkeys (id, account_id, credential_id, public_key, sign_count, can_be_backed_up, is_backed_up,
                               transports, name, created_at)
    VALUES (gen_random_uuid(), '{account_id}', 'c', 'k', 0, true, true, '{{}}', 'Annegrets Telefon', now());
    INSERT INTO auth.parental_pins (account_id, pin_hash, set_at) VALUES ('{account_id}', 'h', now());
    INSERT INTO auth.recovery_codes (code_hash, account_id, created_at)
    VALUES (sha256('{account_id}'), '{account_id}', now());
"""

CHANGE_OF_ADDRESS = """
    INSERT INTO auth.email_changes (id, account_id, old_email, old_email_key, new_email, new_email_key, requested_at,
                                    expires_at, undo_until)
    VALUES ($1, $2, $3, $3, $3, $3, now(), now(), now())
"""

CONSENTS = """
    INSERT INTO auth.consents (id, account_id, name, version, sha256, is_declaration, locale, channel, at)
    VALUES (gen_random_uuid(), $1, 'terms', '2026-11-01', 'abc', true, 'de', 'web', now())
"""

TRACES = ("annegret", "sonnenblum", "203.0.113.")
"""What must not be found any more."""


@dataclass(frozen=True, slots=True)
class Life:
    """What the tests go on with."""

    account: Account
    bearer: Bearer
    order_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {**self.bearer.headers, "Accept-Language": "de"}


async def live(
    app: Litestar,
    program: httpx.AsyncClient,
    person: Account,
    *,
    settings: Settings,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
) -> Life:
    """Do everything that leaves something behind."""
    parts = parts_of(app)
    bearer = await sign_in(program, person, password=PASSWORD)
    await program.post("/v1/sessions", json={"email": EMAIL, "password": "ein ganz anderes Passwort"})
    wish = {"email": EMAIL, "password": PASSWORD, "residence_country": "DE", "profile_name": NAME}
    for path, body in (("password-resets", {"email": EMAIL}), ("registrations", wish), ("withdrawals", DECLARATION)):
        assert (await program.post(f"/v1/{path}", json=body)).status_code in (201, 202)
    buyer = Buyer(program, {**bearer.headers, "Accept-Language": "de"})
    order = await buyer.order(await make_offer(parts.database, kind="buy"))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.decline(intent)
    await send_event(program, intent)
    gateway.pay(intent)
    assert (await send_event(program, intent)).json() == {"outcome": "paid"}
    await buyer.quote(await make_offer(parts.database))
    assert (await program.post("/v1/cases", json=CASE, headers=bearer.headers)).status_code == 201
    await owner.execute("UPDATE store.cases SET state = 'done', due_at = NULL, closed_at = now()")
    await owner.execute(SECOND_FACTOR.format(account_id=person.id))
    await owner.execute(CHANGE_OF_ADDRESS, new_id(), person.id, EMAIL)
    await owner.execute(CONSENTS, person.id)
    await owner.execute("UPDATE billing.orders SET tax_evidence = jsonb_build_object('network', '203.0.113.0/24')")
    await _watch(app, person)
    with open_post_office(settings.smtp_url) as office:
        office.answer = f"550 <{EMAIL}> unknown"
        await run_due_jobs(owner, parts)
    await owner.execute(
        "UPDATE billing.withdrawal_declarations SET state = 'closed', note = 'Annegret rief an', closed_at = now()"
    )
    return Life(person, bearer, str(order["id"]))


async def _watch(app: Litestar, person: Account) -> None:
    """A device, a film that was begun on it, and what support did about her devices."""
    parts, now = parts_of(app), datetime.now(UTC)
    agent = await a_colleague(app)
    async with parts.database.sessions.begin() as session:
        session.add(
            Recovery(
                account_id=person.id,
                kind="email_change",
                old_email_key=EMAIL,
                new_email=f"neu.{EMAIL}",
                new_email_key=f"neu.{EMAIL}",
                requested_by=agent.id,
                requested_at=now,
                reason="Annegret Sonnenblum rief an",
                evidence=["films"],
                hold_until=now,
                ended_at=now,
                outcome="rejected",
            )
        )
        session.add(
            CallerVerification(
                account_id=person.id,
                agent_id=agent.id,
                channel="mail",
                requested_at=now,
                expires_at=now,
                confirmed_at=now,
            )
        )
        right = Entitlement(
            account_id=person.id,
            title_id=await parts.database.reads.fetchval("SELECT id FROM store.titles LIMIT 1"),
            kind="buy",
            quality="HD",
            source="goodwill",
            granted_at=now,
        )
        device = Device(
            account_id=person.id,
            jkt="j" * 43,
            x="x" * 43,
            y="y" * 43,
            name="Annegrets Fernseher",
            registered_at=now,
            last_used_at=now,
        )
        unused = Device(
            account_id=person.id,
            jkt="k" * 43,
            x="x" * 43,
            y="z" * 43,
            name="Annegrets altes Telefon",
            registered_at=now - timedelta(days=90),
            last_used_at=now - timedelta(days=90),
        )
        asset = MediaAsset(id=new_id(), title_id=None, version="1", manifest="m.mpd", seconds=60, published_at=now)
        session.add_all([right, device, unused, asset])
        await session.flush()
        showing = PlaybackSession(
            account_id=person.id,
            entitlement_id=right.id,
            device_id=device.id,
            title_id=right.title_id,
            asset_id=asset.id,
            start_confirmed=True,
            opened_at=now,
            beat_at=now,
            position=31.0,
        )
        kept = OfflineLicence(
            account_id=person.id,
            entitlement_id=right.id,
            kind="buy",
            device_id=device.id,
            title_id=right.title_id,
            asset_id=asset.id,
            system="axinom",
            issued_at=now,
            lasts_until=now,
        )
        session.add_all([showing, kept])
        await session.flush()
        session.add_all(
            [
                LicenceEvent(
                    at=now,
                    recorded_at=now,
                    step="licence",
                    outcome="granted",
                    account_id=person.id,
                    title_id=right.title_id,
                    entitlement_id=right.id,
                    device_id=device.id,
                    playback_session_id=showing.id,
                    kids=[],
                ),
                WatchProgress(
                    account_id=person.id,
                    title_id=right.title_id,
                    playback_session_id=showing.id,
                    sequence=1,
                    position=31.0,
                    seconds=60,
                    finished=False,
                    seen_at=now,
                ),
                TrackChoice(account_id=person.id, audio="de", subtitles=None, chosen_at=now),
                DeviceLimit(
                    account_id=person.id, devices=6, new_devices=6, new_device_days=30, streams=2, streams_per_rental=1
                ),
                RentalRemedy(
                    account_id=person.id,
                    entitlement_id=right.id,
                    agent_id=agent.id,
                    kind="extended",
                    hours=24,
                    reason="Annegret Sonnenblum rief an",
                    start_by_before=now,
                    start_by_after=now,
                    at=now,
                    done_at=now,
                ),
                DeviceReset(
                    account_id=person.id, agent_id=agent.id, reason="Annegret Sonnenblum rief an", at=now, done_at=now
                ),
            ]
        )
