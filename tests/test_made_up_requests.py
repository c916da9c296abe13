"""Requests made up from the contract by schemathesis, some as it describes them and some not: never a 5xx.

The library makes the requests; they are sent here, so that the application runs on the event loop of its pools. The
same ones are made each time.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import asyncpg
import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from litestar import Litestar
from schemathesis import GenerationMode

from store.database import Database
from tests.auth.people import with_unused_limits
from tests.contract_checks import Contract
from tests.crawling import ROLES
from tests.fakes import FakeGateway
from tests.store.consoles.people import a_person

EXAMPLES: Final = 4
"""Of each operation, as it is described; and as many as it is not."""

OUR_FAULTS: Final = frozenset((500, 501, 502, 504))
"""503 is a refusal that the contract names (of the payment provider, or too many passwords at once)."""

OURS: Final = frozenset(
    ("cookie", "authorization", "x-csrf-token", "sec-fetch-site", "origin", "host", "content-length")
)
"""Headers by which we say who asks; what was made up for them is left to visitors."""

CALLERS: Final[Mapping[str, tuple[str, ...] | None]] = {"a visitor": None, "a customer": (), "staff": ROLES}


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A request before it is known who sends it."""

    operation: str
    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    content: bytes


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture(scope="session")
def made_up(contract: Contract) -> list[MadeUp]:
    """Every operation of the contract, several times."""
    document = json.loads(json.dumps(contract.document, default=str))
    found: list[MadeUp] = []
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            name = f"{operation.method.upper()} {operation.path}"
            found += [as_sent(name, case.as_transport_kwargs()) for case in cases_of(operation, mode)]
    return found


def cases_of(operation: Any, mode: GenerationMode) -> list[Any]:
    """Cases of an operation; none where nothing can be wrong about it."""
    cases: list[Any] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def collect(case: Any) -> None:
        cases.append(case)

    try:
        collect()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE
    return cases[:EXAMPLES]


def as_sent(operation: str, case: Mapping[str, Any]) -> MadeUp:
    """The request as it goes over the wire."""
    query = urlencode(case.get("params") or {}, doseq=True, errors="surrogatepass")
    headers = {str(name).lower(): str(value) for name, value in case["headers"].items()}
    content = b""
    if "json" in case:
        content = json.dumps(case["json"]).encode()
        headers.setdefault("content-type", "application/json")
    elif case.get("data") is not None:
        data = case["data"]
        content = data if isinstance(data, bytes) else str(data).encode("utf-8", "surrogatepass")
    cookies = "; ".join(f"{name}={value}" for name, value in (case.get("cookies") or {}).items())
    sent = {**headers, **({"cookie": cookies} if cookies else {})}
    return MadeUp(
        operation=operation,
        method=case["method"],
        target=f"{case['url']}{'?' * bool(query)}{query}".encode("utf-8", "surrogatepass"),
        headers=tuple(
            (name.encode("utf-8", "surrogatepass"), value.encode("utf-8", "surrogatepass"))
            for name, value in sent.items()
            if name.strip()
        ),
        content=content,
    )


@pytest.mark.parametrize("caller", CALLERS)
async def test_no_request_that_was_made_up_from_the_contract_is_a_fault_of_ours(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    made_up: list[MadeUp],
    caller: str,
) -> None:
    roles, operation, person = CALLERS[caller], None, {}
    faults, statuses = [], Counter[int]()
    for request in made_up:
        if request.operation != operation:
            # Some of them sign out, use up a limit, or close the account.
            operation = request.operation
            with_unused_limits(app)
            person = (await a_person(database, roles=roles)).headers if roles is not None else {}
        headers = [(name, value) for name, value in request.headers if not person or name.decode() not in OURS]
        headers += [(name.lower().encode(), value.encode()) for name, value in person.items()]
        url = httpx.URL(str(client.base_url)).copy_with(raw_path=request.target)
        answer = await client.request(request.method, url, headers=headers, content=request.content)
        statuses[answer.status_code] += 1
        if answer.status_code in OUR_FAULTS:
            faults.append((request, answer.status_code, answer.text))
    assert faults == []
    assert statuses.total() > 500
    assert {200, 400, 404} <= statuses.keys()
    assert roles is None or statuses[401] < statuses.total() / 10, "they are really signed in"
