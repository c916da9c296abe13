"""Migrations lead to the schema that the models describe, and back."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from auth.ids import new_id
from store.migrations import CannotMigrate, migrate, unmigrate
from store.schema import build_from_models

FACTS = {
    "columns": """
        SELECT table_schema, table_name, column_name, data_type, character_maximum_length, is_nullable, column_default,
               collation_name
          FROM information_schema.columns WHERE table_schema IN ('auth', 'billing', 'store', 'jobs')
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
          FROM pg_constraint WHERE connamespace::regnamespace::text IN ('auth', 'billing', 'store', 'jobs')
    """,
    "indexes": """
        SELECT schemaname, indexname, indexdef FROM pg_indexes
         WHERE schemaname IN ('auth', 'billing', 'store', 'jobs')
    """,
    "triggers": """
        SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger
         WHERE NOT tgisinternal
    """,
    "functions": """
        SELECT proname, pg_get_functiondef(oid) FROM pg_proc
         WHERE pronamespace::regnamespace::text IN ('auth', 'billing', 'store')
    """,
    "views": "SELECT schemaname, viewname, definition FROM pg_views WHERE schemaname IN ('auth', 'billing', 'store')",
    "rights": """
        SELECT table_schema, table_name, grantee, privilege_type FROM information_schema.role_table_grants
         WHERE table_schema IN ('auth', 'billing', 'store', 'jobs') AND grantee LIKE 'videothek%'
    """,
    "reference data": """
        SELECT 'tax_rates', to_jsonb(t)::text FROM billing.tax_rates AS t UNION ALL
        SELECT 'refund_limits', to_jsonb(t)::text FROM billing.refund_limits AS t UNION ALL
        SELECT 'try_limits', to_jsonb(t)::text FROM billing.try_limits AS t UNION ALL
        SELECT 'debit_rules', to_jsonb(t)::text FROM billing.debit_rules AS t UNION ALL
        SELECT 'gift_limits', to_jsonb(t)::text FROM store.gift_limits AS t UNION ALL
        SELECT 'remedy_limits', to_jsonb(t)::text FROM store.remedy_limits AS t UNION ALL
        SELECT 'markets', to_jsonb(t)::text FROM store.markets AS t UNION ALL
        SELECT 'case_kinds', to_jsonb(t)::text FROM store.case_kinds AS t
    """,
}
"""What a schema consists of: each query's rows are compared as a set."""


@pytest.fixture
async def empty_database(engines: tuple[str, str]) -> AsyncIterator[str]:
    """Address of a database with nothing in it."""
    name = f"videothek_test_{new_id().hex[-12:]}"
    connection = await asyncpg.connect(engines[0])
    await connection.execute(f'CREATE DATABASE "{name}"')
    yield make_url(engines[0]).set(database=name).render_as_string(hide_password=False)
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


async def facts_of(url: str) -> dict[str, set[tuple[object, ...]]]:
    """Everything that `FACTS` asks for, of one database."""
    connection = await asyncpg.connect(url)
    try:
        return {name: {tuple(row) for row in await connection.fetch(query)} for name, query in FACTS.items()}
    finally:
        await connection.close()


async def test_the_migrations_build_what_the_models_describe(owner_url: str, empty_database: str) -> None:
    engine = create_async_engine(
        make_url(empty_database).set(drivername="postgresql+asyncpg"),
        poolclass=NullPool,
    )
    async with engine.begin() as connection:
        await connection.run_sync(build_from_models)
    await engine.dispose()

    described, migrated = await facts_of(empty_database), await facts_of(owner_url)

    for name in FACTS:
        assert migrated[name] ^ described[name] == set(), f"{name} differ"


async def test_every_migration_can_be_taken_back_and_made_again(empty_database: str) -> None:
    await migrate(empty_database)
    first = await facts_of(empty_database)
    await unmigrate(empty_database, revision="0001")
    await migrate(empty_database)
    assert await facts_of(empty_database) == first

    await unmigrate(empty_database)
    connection = await asyncpg.connect(empty_database)
    left = await connection.fetchval(
        "SELECT count(*) FROM pg_namespace WHERE nspname IN ('auth', 'billing', 'store', 'jobs')"
    )
    await connection.close()
    assert left == 0

    await migrate(empty_database)
    assert await facts_of(empty_database) == first


@pytest.fixture
async def another_owner(engines: tuple[str, str], owner_url: str) -> AsyncIterator[str]:
    """Address of an empty database of a login that did not make the roles, which another database has by now."""
    name = f"videothek_test_{new_id().hex[-12:]}"
    superuser = await asyncpg.connect(engines[0])
    await superuser.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'of a test'")
    await superuser.execute(f"CREATE DATABASE {name} OWNER {name}")
    url = make_url(engines[0]).set(username=name, password="of a test", database=name)
    yield url.render_as_string(hide_password=False)
    await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await superuser.execute(f"DROP ROLE {name}")
    await superuser.close()


async def test_roles_that_somebody_else_made_are_named_with_what_a_superuser_has_to_do(
    engines: tuple[str, str], another_owner: str
) -> None:
    name = make_url(another_owner).username
    superuser = await asyncpg.connect(engines[0])
    # Before, CREATEROLE was enough to give away any role.
    is_guarded = superuser.get_server_version().major >= 16
    for role in ("videothek_app", "videothek_finance") if is_guarded else ():
        with pytest.raises(CannotMigrate) as told:
            await migrate(another_owner)
        remedy = f"GRANT {role} TO {name} WITH ADMIN OPTION;"
        assert str(told.value) == (
            f"The role {role} was made by somebody else. Let a superuser run: {remedy} then migrate again."
        )
        await superuser.execute(remedy)
    await superuser.close()
    await migrate(another_owner)


async def test_an_owner_who_is_a_member_already_needs_no_right_to_give_the_roles_away(
    engines: tuple[str, str], another_owner: str
) -> None:
    superuser = await asyncpg.connect(engines[0])
    await superuser.execute(f"GRANT videothek_app, videothek_finance TO {make_url(another_owner).username}")
    await superuser.close()
    await migrate(another_owner)


DAY = timedelta(days=1)


async def test_offers_that_sold_a_title_before_it_may_be_watched_are_led_to_the_rule(empty_database: str) -> None:
    await migrate(empty_database, revision="0052")
    connection = await asyncpg.connect(empty_database)
    now = await connection.fetchval("SELECT now()")
    told = {
        "playable by now": (now - 9 * DAY, None, now - 2 * DAY),
        "over": (now - 9 * DAY, now - 8 * DAY, now - 2 * DAY),
        "over before it plays": (now - 9 * DAY, now - 2 * DAY, now + 9 * DAY),
        "on sale before it plays": (now - 2 * DAY, now + 30 * DAY, now + 9 * DAY),
        "on sale only before it plays": (now - 2 * DAY, now + 9 * DAY, now + 9 * DAY),
        "to be sold before it plays": (now + 2 * DAY, None, now + 9 * DAY),
        "to be sold only before it plays": (now + 2 * DAY, now + 4 * DAY, now + 9 * DAY),
        "as it should be": (now - 9 * DAY, None, now - 9 * DAY),
    }
    ids = {name: new_id() for name in told}
    licensor, title, edition = new_id(), new_id(), new_id()
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        for insert in (
            f"INSERT INTO store.licensors (id, name, invented) VALUES ('{licensor}', 'Verleih', false)",
            "INSERT INTO store.editions (id, title_id, audio_languages, subtitle_languages)"
            f" VALUES ('{edition}', '{title}', '{{}}', '{{}}')",
        ):
            await connection.execute(insert)
        for name, (starts_at, ends_at, playable_from) in told.items():
            await connection.execute(
                "INSERT INTO store.products (id, edition_id, licensor_id, alid) VALUES ($1, $2, $3, $4)",
                ids[name],
                edition,
                licensor,
                name,
            )
            await connection.execute(
                "INSERT INTO store.offers (id, product_id, market, kind, quality, languages, starts_at, visible_from,"
                " ends_at, playable_from, gross, currency, near_end)"
                " VALUES ($1, $1, 'DE', 'buy', 'HD', '{}', $2, $2, $3, $4, 999, 'EUR', 'full')",
                ids[name],
                starts_at,
                ends_at,
                playable_from,
            )

    await migrate(empty_database)

    rows = await connection.fetch("SELECT id, starts_at, ends_at, playable_from FROM store.offers")
    found = {row["id"]: tuple(row)[1:] for row in rows}
    stopped_at = found[ids["on sale only before it plays"]][1]
    assert now <= stopped_at < now + DAY
    moment = timedelta(microseconds=1)
    assert {name: found[id_] for name, id_ in ids.items()} == {
        "playable by now": (now - 9 * DAY, None, now - 9 * DAY),
        "over": (now - 9 * DAY, now - 8 * DAY, now - 9 * DAY),
        "over before it plays": (now - 9 * DAY, now - 2 * DAY, now - 9 * DAY),
        "on sale before it plays": (now + 9 * DAY, now + 30 * DAY, now + 9 * DAY),
        "on sale only before it plays": (now - 2 * DAY, stopped_at, now - 2 * DAY),
        "to be sold before it plays": (now + 9 * DAY, None, now + 9 * DAY),
        "to be sold only before it plays": (now + 2 * DAY, now + 2 * DAY + moment, now + 2 * DAY),
        "as it should be": (now - 9 * DAY, None, now - 9 * DAY),
    }
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute("UPDATE store.offers SET gross = 1")
    await connection.close()
