"""The whole database schema: which metadata, roles and statements it consists of, in their order."""

from collections.abc import Iterator

from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from sqlalchemy import Connection, MetaData
from sqlalchemy.util import await_only

import auth.audit_records
import auth.consents
import auth.device_grants
import auth.erasure
import auth.erasure_journal
import auth.factor_records
import auth.models
import auth.recovery.caller_codes
import auth.recovery.records
import billing.books
import billing.dispute_records
import billing.gifts
import billing.idempotency
import billing.models
import billing.provider_records
import billing.refund_allowance
import billing.withdrawals
import store.cases.models
import store.catalogue.age_labels
import store.catalogue.models
import store.catalogue.offer_records
import store.catalogue.stored_pages
import store.catalogue.takedowns
import store.entitlement.download_records
import store.entitlement.incidents
import store.entitlement.models
import store.entitlement.remedies
import store.forward_clock
import store.invariants
import store.mail
import store.returned_mail
import store.support_gifts
import store.suppressions
from store.database import APP_ROLE, FINANCE_ROLE
from store.jobs import JOBS_SCHEMA, WAKE_UPS, queue_settings

METADATA: tuple[MetaData, ...] = (
    auth.models.Base.metadata,
    billing.models.Base.metadata,
    store.catalogue.models.Base.metadata,
)
"""One per package; the foreign keys across them point downwards only."""

SCHEMAS = ("auth", "billing", "store")

EXTENSIONS = ("btree_gist", "pg_trgm")

MODULES_WITH_TABLES = (
    auth.models,
    auth.audit_records,
    auth.factor_records,
    auth.erasure,
    auth.recovery.caller_codes,
    auth.recovery.records,
    auth.erasure_journal,
    auth.consents,
    auth.device_grants,
    billing.models,
    billing.dispute_records,
    billing.gifts,
    billing.idempotency,
    billing.provider_records,
    billing.refund_allowance,
    billing.withdrawals,
    billing.books,
    store.catalogue.models,
    store.catalogue.age_labels,
    store.catalogue.offer_records,
    store.catalogue.takedowns,
    store.catalogue.stored_pages,
    store.entitlement.models,
    store.entitlement.remedies,
    store.entitlement.incidents,
    store.entitlement.download_records,
    store.cases.models,
    store.forward_clock,
    store.invariants,
    store.mail,
    store.returned_mail,
    store.suppressions,
    store.support_gifts,
)
"""Every module that declares tables: importing them fills the metadata."""


def before_tables() -> Iterator[str]:
    """Statements that must stand before the first table: roles, schemas, extensions."""
    for role in (APP_ROLE, FINANCE_ROLE):
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN "
            f"CREATE ROLE {role} NOLOGIN; END IF; END $$"
        )
        yield join_role(role)
    for schema in (*SCHEMAS, JOBS_SCHEMA):
        yield f"CREATE SCHEMA IF NOT EXISTS {schema}"
    for extension in EXTENSIONS:
        yield f"CREATE EXTENSION IF NOT EXISTS {extension}"


def join_role(role: str) -> str:
    """Make the owner of the tables a member of a role, or say who can.

    From PostgreSQL 16 on, a role that is there already can only be given away by who made it and by superusers.
    """
    return f"""
        DO $$ BEGIN
            GRANT {role} TO CURRENT_USER;
        EXCEPTION WHEN insufficient_privilege THEN
            IF NOT pg_has_role(current_user, '{role}', 'USAGE') THEN
                RAISE insufficient_privilege USING MESSAGE = format(
                    'The role {role} was made by somebody else. Let a superuser run: '
                    'GRANT {role} TO %I WITH ADMIN OPTION; then migrate again.', current_user);
            END IF;
        END $$
    """


def after_tables() -> Iterator[str]:
    """Rights of the application's role, then what the packages cannot say in metadata (triggers, revokes)."""
    for schema in (*SCHEMAS, JOBS_SCHEMA):
        yield f"GRANT USAGE ON SCHEMA {schema} TO {APP_ROLE}"
        yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {APP_ROLE}"
        yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {APP_ROLE}"
    for module in MODULES_WITH_TABLES:
        yield from getattr(module, "DDL", ())


def create_queue_tables(connection: Connection) -> None:
    """Create the queue's own tables, as its library writes them, but for when workers are woken."""
    run_script(connection, QueryBuilderEnvironment(queue_settings()).build_install_query(create_schema=False))
    for statement in WAKE_UPS:
        connection.exec_driver_sql(statement)


def run_script(connection: Connection, script: str) -> None:
    """Run several statements at once, in the transaction that is open (a prepared statement takes only one)."""
    driver_connection = connection.connection.driver_connection
    if driver_connection is None:
        raise RuntimeError("the connection is closed")
    await_only(driver_connection.execute(script))


def build_from_models(connection: Connection) -> None:
    """Build the schema straight from the models: what the migrations must equal."""
    for statement in before_tables():
        connection.exec_driver_sql(statement)
    for metadata in METADATA:
        metadata.create_all(connection)
    create_queue_tables(connection)
    for statement in after_tables():
        connection.exec_driver_sql(statement)
