"""Every route of the application as a list, somebody who may enter each of them, and what is in the tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
from litestar import Litestar
from litestar.params import QueryParameter
from litestar.routes import HTTPRoute

from auth.ids import new_id
from store.database import Database
from tests.store.consoles.people import Person, a_person

STAFF_PATHS = ("/v1/staff/", "/v1/finance/", "/v1/refunds", "/de/staff", "/de/support", "/de/finance")

ROLES = ("admin", "editor", "finance", "support", "support_lead")

NOT_COUNTED = frozenset({"auth.audit_addresses", "auth.audit_events", "auth.throttle_buckets"})
"""What a refusal may write: that it was refused and from where, and that it counts against a limit."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a route, with the names that its path, query and body know."""

    method: str
    template: str
    path_types: dict[str, str]
    query: tuple[str, ...]
    fields: tuple[str, ...]

    @property
    def is_page(self) -> bool:
        return self.template.startswith("/de")

    @property
    def path(self) -> str:
        """An address of this route at which nothing is."""
        return self.with_values({name: _nothing(kind) for name, kind in self.path_types.items()})

    def with_values(self, values: dict[str, str]) -> str:
        return re.sub(r"\{(\w+)\}", lambda place: values[place[1]], self.template)


def _nothing(kind: str) -> str:
    return str(new_id()) if kind == "uuid" else "nothing-here"


def operations(app: Litestar) -> Iterator[Operation]:
    """Every operation under /v1, the webhooks and every German page."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or not route.path.startswith(("/v1/", "/webhooks/", "/de")):
            continue
        path_types = dict(re.findall(r"\{(\w+):(\w+)\}", route.path))
        for handler in route.route_handlers:
            data = handler.parsed_fn_signature.parameters.get("data")
            fields = getattr(data.annotation, "__struct_fields__", ()) if data else ()
            query = tuple(_query_names(handler.parsed_fn_signature.parameters, path_types))
            for method in handler.http_methods - {"OPTIONS", "HEAD"}:
                yield Operation(method, route.path_format, path_types, query, tuple(fields))


def _query_names(parameters: dict[str, Any], path_types: dict[str, str]) -> Iterator[str]:
    for name, parameter in parameters.items():
        kind = parameter.kwarg_definition
        if isinstance(kind, QueryParameter) and name not in path_types:
            yield kind.name or name


@dataclass(frozen=True, slots=True)
class Crawler:
    """Sends requests as a customer where customers go, and as staff with every role where staff go."""

    client: httpx.AsyncClient
    customer: Person
    staff: Person

    def person_for(self, operation: Operation) -> Person:
        return self.staff if operation.template.startswith(STAFF_PATHS) else self.customer

    async def send(self, operation: Operation, path: str | None = None, **request: Any) -> httpx.Response:
        headers = {**self.person_for(operation).headers, **request.pop("headers", {})}
        method = request.pop("method", operation.method)
        return await self.client.request(method, path or operation.path, headers=headers, **request)


async def a_crawler(client: httpx.AsyncClient, database: Database) -> Crawler:
    return Crawler(client, await a_person(database), await a_person(database, roles=ROLES))


async def rows_by_table(owner: asyncpg.Connection) -> dict[str, int]:
    """How many rows each table has that a refused request must not write to."""
    tables = await owner.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
        "WHERE schemaname IN ('auth', 'billing', 'store', 'jobs') ORDER BY 1"
    )
    names = [table["name"] for table in tables if table["name"] not in NOT_COUNTED]
    counts = await owner.fetchrow("SELECT " + ", ".join(f'(SELECT count(*) FROM {name}) AS "{name}"' for name in names))
    return dict(counts)
