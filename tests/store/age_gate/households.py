"""A household: a holder, a child's profile up to 12 on a device of its own, and films that are and are not for it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
from litestar import Litestar

from auth.ids import new_id
from store.catalogue.models import Opinion, Rating, Title, TitleText
from store.database import Database
from store.entitlement.download_records import OfflineLicence
from store.entitlement.models import ContentKey, Device, MediaAsset, PlaybackSession, WatchProgress
from tests.auth.people import Bearer, a_customer, parts_of, sign_in
from tests.fakes import FakeGateway
from tests.store.catalogue.shelves import learn_words, make_person, make_title
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event

PIN = "4711"
AGE = 12


@dataclass(frozen=True, slots=True)
class Household:
    """Who lives there, what they have, and what the child may see."""

    holder: Bearer
    child: Bearer
    child_profile: str
    allowed: list[Title]
    shut: list[Title]
    """Too old, without a label, an episode with a stricter label than its series, or of a series without one."""
    order_id: str
    """Of the first that is shut."""
    offer_id: UUID
    """Of the second that is shut."""


async def label(database: Database, title: Title, age: int, *, market: str = "DE") -> None:
    async with database.sessions.begin() as session:
        session.add(Rating(title_id=title.id, market=market, system="FSK", label=str(age), minimum_age=age))


async def as_child(client: httpx.AsyncClient, holder: Bearer, child: Bearer, *, age: int = AGE) -> str:
    """Set the PIN, add a profile with an age limit, and let it watch in the child's session; gives the profile."""
    set_pin = await client.put("/v1/parental-pin", json={"pin": PIN}, headers=holder.headers)
    assert set_pin.status_code == 204, set_pin.text
    added = await client.post("/v1/profiles", json={"name": "Kinder", "age_limit": age}, headers=holder.headers)
    assert added.status_code == 201, added.text
    profile: str = added.json()["id"]
    chosen = await client.put("/v1/viewer", json={"profile_id": profile}, headers=child.headers)
    assert chosen.status_code == 204, chosen.text
    return profile


async def a_household(app: Litestar, client: httpx.AsyncClient, gateway: FakeGateway) -> Household:
    """Everything that a restricted profile must not see is in reach: bought, begun, running, praised, similar."""
    database = parts_of(app).database
    account = await a_customer(app)
    holder, child = await sign_in(client, account), await sign_in(client, account)
    allowed, shut = await _films(database)
    await make_person(database, "Ada Regie", director=[*allowed[:1], *shut[:2]], actor=shut[:2])
    await learn_words(database, "messer")
    buyer = Buyer(client, {**holder.headers, "Accept-Language": "de"})
    order = await buyer.order(await make_offer(database, title_id=shut[0].id, kind="buy"))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.pay(intent)
    assert (await send_event(client, intent)).json() == {"outcome": "paid"}
    await _watched(database, account.id, shut[0])
    profile = await as_child(client, holder, child)
    offer_id = await make_offer(database, title_id=shut[1].id)
    return Household(holder, child, profile, allowed, shut, order["id"], offer_id)


async def _films(database: Database) -> tuple[list[Title], list[Title]]:
    boats = await make_title(database, "Paper Boats", german="Papierboote")
    knives = await make_title(database, "Night of Knives", german="Nacht der Messer", popularity=900)
    unlabelled = await make_title(database, "Unsealed Shadows", german="Schatten ohne Siegel", popularity=800)
    harbour = await make_title(database, "Harbour Town", german="Hafenstadt", kind="series")
    season = await make_title(
        database, "Harbour Town 1", german="Hafenstadt 1", kind="season", parent=harbour.id, number=1
    )
    kites = await make_title(database, "Kites", german="Drachensteigen", kind="episode", parent=season.id, number=1)
    blades = await make_title(database, "Blades", german="Klingenspiel", kind="episode", parent=season.id, number=2)
    moor = await make_title(database, "Silent Moor", german="Stilles Moor", kind="series")
    moor_season = await make_title(
        database, "Silent Moor 1", german="Stilles Moor 1", kind="season", parent=moor.id, number=1
    )
    reeds = await make_title(
        database, "Whispering Reeds", german="Raunendes Schilf", kind="episode", parent=moor_season.id, number=1
    )
    for title, age in ((boats, 6), (knives, 16), (harbour, 6), (blades, 18), (reeds, 6)):
        await label(database, title, age)
    async with database.sessions.begin() as session:
        session.add(TitleText(title_id=knives.id, locale="en", title="Night of Knives", synopsis=None))
        session.add_all(
            Opinion(
                title_id=knives.id,
                locale=locale,
                heading="Scharf",
                text="Nichts für Kinder.",
                author="Redaktion",
                published_on=date(2026, 1, 2),
            )
            for locale in ("de", "en")
        )
    return [boats, harbour, season, kites], [knives, unlabelled, blades, moor, moor_season, reeds]


async def _watched(database: Database, account_id: UUID, title: Title) -> None:
    """The film was begun, and is kept and plays at this moment on another device."""
    now = datetime.now(UTC)
    async with database.sessions.begin() as session:
        device = Device(
            account_id=account_id, jkt="j" * 43, x="x" * 43, y="y" * 43, name="TV", registered_at=now, last_used_at=now
        )
        asset = MediaAsset(
            id=new_id(),
            title_id=title.id,
            version="1",
            manifest="m.mpd",
            seconds=60,
            published_at=now,
            clear_key=True,
        )
        session.add_all([device, asset])
        await session.flush()
        key = ContentKey(kid=new_id(), asset_id=asset.id, track="SD", sealed=bytes(44), sealed_with="0" * 16)
        session.add(key)  # of which nobody gets a licence here
        right = await database.reads.fetchval("SELECT id FROM store.entitlements WHERE account_id = $1", account_id)
        playback = PlaybackSession(
            account_id=account_id,
            entitlement_id=right,
            device_id=device.id,
            title_id=title.id,
            asset_id=asset.id,
            start_confirmed=True,
            opened_at=now,
            beat_at=now,
            position=31.0,
        )
        kept = OfflineLicence(
            account_id=account_id,
            entitlement_id=right,
            kind="buy",
            device_id=device.id,
            title_id=title.id,
            asset_id=asset.id,
            system="axinom",
            issued_at=now,
            lasts_until=now + timedelta(days=30),
        )
        session.add_all([playback, kept])
        await session.flush()
        session.add(
            WatchProgress(
                account_id=account_id,
                title_id=title.id,
                playback_session_id=playback.id,
                sequence=1,
                position=31.0,
                seconds=60,
                finished=False,
                seen_at=now,
            )
        )


async def traces_of(owner: asyncpg.Connection, titles: list[Title]) -> set[str]:
    """What would betray a title: its names, slug and id, in small letters."""
    rows = await owner.fetch(
        "SELECT lower(title) AS name FROM store.title_texts WHERE title_id = ANY ($1)", [title.id for title in titles]
    )
    own = {text for title in titles for text in (title.original_title.lower(), title.slug, str(title.id))}
    return own | {row["name"] for row in rows}
