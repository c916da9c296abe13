"""Quotes: signed over all that they promise, good for one customer, and plain about what the device can play."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from billing.quotes import QuoteSeal
from store.composition import Parts
from store.database import Database
from store.entitlement.films import register_test_film
from store.entitlement.models import Device
from tests.auth.people import parts_of
from tests.billing.tills import Till, count
from tests.store.purchase.shops import CONSENTS, Buyer, make_offer, sign_in

TV = {"lines": 2160, "decrypts": True}


@pytest.fixture
async def film(app: Any, database: Database) -> None:
    """The test film, in SD and HD, stands in for every title."""
    parts: Parts = parts_of(app)
    async with database.sessions.begin() as session:
        await register_test_film(session, seal=parts.seal, at=datetime(2026, 1, 1, tzinfo=UTC))


async def fit(buyer: Buyer, database: Database, *, quality: str = "HD", **more: Any) -> list[tuple[str, Any, str]]:
    """What a quote says of each quality."""
    answer = await buyer.quote(await make_offer(database, quality=quality), **more)
    assert answer.status_code == 201, answer.text
    return [(one["quality"], one["plays"], one["reason"] or "") for one in answer.json()["device_fit"]["qualities"]]


async def test_the_same_quote_always_has_the_same_name_and_no_other_has_it(buyer: Buyer, database: Database) -> None:
    offer = await make_offer(database)
    names = [(await buyer.quote(offer)).json()["id"] for _ in range(2)]

    assert names[0] != names[1]
    assert all(re.fullmatch(r"quote_[0-9a-f]{32}_[A-Za-z0-9_-]{43}", name) for name in names)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda name: name[:-1] + ("A" if name[-1] != "A" else "B"),
        lambda name: str(UUID(name.split("_")[1])),
        lambda name: name.upper(),
        lambda name: name + "A",
        lambda name: f" {name}",
        lambda _: "",
        lambda _: "quote_" + "ü" * 32,
        lambda _: "x" * 10_000,
    ],
)
async def test_a_quote_of_another_name_is_refused_and_nothing_is_ordered(
    buyer: Buyer, database: Database, owner: asyncpg.Connection, spoil: Any
) -> None:
    name = (await buyer.quote(await make_offer(database))).json()["id"]

    refused = await buyer.order_quote(spoil(name))

    assert (refused.status_code, refused.json()["code"]) == (400, "quote_invalid")
    assert await count(owner, "billing.orders") == 0
    assert (await buyer.order_quote(name)).status_code == 201


async def test_an_unknown_quote_with_a_signature_is_not_found(buyer: Buyer, database: Database) -> None:
    name = (await buyer.quote(await make_offer(database))).json()["id"]
    _, _, signature = name.split("_", 2)

    refused = await buyer.order_quote(f"quote_{new_id().hex}_{signature}")

    assert (refused.status_code, refused.json()["code"]) == (404, "quote_not_found")


@pytest.mark.parametrize(
    "change",
    [
        "gross = 1, net = 1, tax = 0",
        "item = 'offer:' || gen_random_uuid()",
        "terms = jsonb_set(terms, '{watch_hours}', '480')",
        "texts = texts - 'withdrawal'",
        "expires_at = expires_at + interval '1 day'",
        "device_fit = NULL",
    ],
)
async def test_a_quote_that_was_changed_behind_its_signature_is_refused(
    buyer: Buyer, database: Database, owner: asyncpg.Connection, change: str
) -> None:
    name = (await buyer.quote(await make_offer(database))).json()["id"]
    await owner.execute(f"UPDATE billing.quotes SET {change}")

    refused = await buyer.order_quote(name)

    assert (refused.status_code, refused.json()["code"]) == (400, "quote_invalid")
    assert await count(owner, "billing.orders") == 0


async def test_an_order_must_name_its_quote(buyer: Buyer, owner: asyncpg.Connection) -> None:
    refused = await buyer.post("/v1/orders", {"consents": CONSENTS})

    assert refused.status_code == 400
    assert await count(owner, "billing.orders") == 0


async def test_another_key_signs_otherwise_and_the_signature_is_for_quotes_only(till: Till) -> None:
    account = await till.customer()
    quote = await till.quote(account)
    ours, theirs = QuoteSeal(b"a" * 32), QuoteSeal(b"b" * 32)

    assert ours.name(quote) != theirs.name(quote)
    async with till.database.sessions() as session:
        assert (await ours.find(session, ours.name(quote), account_id=account.id)).id == quote.id


@pytest.fixture
def till(database: Database) -> Till:
    """Billing alone, for quotes of its own."""
    return Till(database)


async def test_a_device_that_can_everything_plays_every_quality_that_the_film_has(
    buyer: Buyer, database: Database, film: None
) -> None:
    assert await fit(buyer, database, capabilities=TV) == [("HD", True, ""), ("SD", True, "")]


async def test_a_quality_that_the_film_lacks_is_told_before_it_is_paid(
    buyer: Buyer, database: Database, film: None
) -> None:
    uhd, hd, _ = await fit(buyer, database, quality="UHD", capabilities=TV)

    assert uhd[:2] == ("UHD", False)
    assert "zurzeit nicht in UHD" in uhd[2]
    assert hd == ("HD", True, "")


async def test_a_small_screen_is_told_what_is_missing(buyer: Buyer, database: Database, film: None) -> None:
    hd, sd = await fit(buyer, database, capabilities={"lines": 576, "decrypts": True})

    assert hd == ("HD", False, "Ihr Gerät zeigt 576 Zeilen; HD braucht mindestens 720.")
    assert sd == ("SD", True, "")
    buyer.headers["Accept-Language"] = "en"
    hd, _ = await fit(buyer, database, capabilities={"lines": 719, "decrypts": True})
    assert hd[2] == "Your device shows 719 lines; HD needs at least 720."


async def test_a_device_that_cannot_decrypt_plays_nothing(buyer: Buyer, database: Database, film: None) -> None:
    found = await fit(buyer, database, capabilities={"lines": 1080, "decrypts": False})

    assert [plays for _, plays, _ in found] == [False, False]
    assert {reason for *_, reason in found} == {"Ihr Gerät kann geschützte Filme nicht abspielen."}


async def test_of_an_unknown_device_it_is_said_what_it_would_need(buyer: Buyer, database: Database, film: None) -> None:
    hd, sd = await fit(buyer, database)

    assert (hd[1], sd[1]) == (None, None)
    assert "mindestens 720 Zeilen" in hd[2]
    assert "jedem Gerät" in sd[2]


async def test_a_film_that_is_not_there_yet_is_told(buyer: Buyer, database: Database) -> None:
    assert await fit(buyer, database, capabilities=TV) == [
        (quality, False, "Der Film liegt noch nicht zum Abspielen bereit.") for quality in ("HD", "SD")
    ]


async def test_a_registered_device_is_named_and_a_removed_one_is_none(
    buyer: Buyer, client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    offer, at = await make_offer(database), datetime.now(UTC)
    await buyer.quote(offer)
    account_id = await owner.fetchval("SELECT account_id FROM billing.quotes")
    device = Device(
        account_id=account_id, jkt="j" * 43, x="x" * 43, y="y" * 43, name="Fernseher", registered_at=at, last_used_at=at
    )
    async with database.sessions.begin() as session:
        session.add(device)

    quote = (await buyer.quote(offer, device_id=str(device.id), capabilities=TV)).json()
    assert quote["device_fit"]["device"] == "Fernseher"
    stranger = Buyer(client, await sign_in(database))
    assert (await stranger.quote(offer, device_id=str(device.id))).status_code == 404
    await owner.execute("UPDATE store.devices SET removed_at = $1", at + timedelta(seconds=1))
    assert (await buyer.quote(offer, device_id=str(device.id))).json()["code"] == "device_not_found"


@pytest.mark.parametrize(
    "capabilities",
    [{}, {"lines": 0, "decrypts": True}, {"lines": 1080}, {"lines": "viel", "decrypts": True}, {**TV, "x": 1}, 1080],
)
async def test_capabilities_that_are_none_are_refused_with_their_place(
    buyer: Buyer, database: Database, owner: asyncpg.Connection, capabilities: Any
) -> None:
    refused = await buyer.quote(await make_offer(database), capabilities=capabilities)

    assert refused.status_code == 400
    assert refused.json()["place"].startswith("body.capabilities")
    assert await count(owner, "billing.quotes") == 0
