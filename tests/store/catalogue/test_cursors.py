"""Cursors lead on where they came from, and nothing that somebody made up gets further than a refusal."""

import base64
import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.catalogue import cursors
from store.catalogue.errors import CursorNotValid

LIST = ("", "drama", "", "", "new", "DE", "")
SOME_ID = UUID("01890000-0000-7000-8000-000000000000")


def forge(keys: list[Any]) -> str:
    """A cursor with the right binding and keys of one's own: the binding is no secret."""
    real = cursors.write([1], binding=LIST)
    binding = json.loads(base64.urlsafe_b64decode(real + "=" * (-len(real) % 4)))[0]
    return base64.urlsafe_b64encode(json.dumps([binding, keys]).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("kinds", "keys"),
    [
        ("iu", [1000, SOME_ID]),
        ("tu", [datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC), SOME_ID]),
        ("su", ["büchse der pandora", SOME_ID]),
        ("du", [date(2026, 6, 1), SOME_ID]),
        ("iiu", [2, 0, SOME_ID]),
    ],
)
def test_a_cursor_gives_back_the_keys_it_was_made_of(kinds: str, keys: list[Any]) -> None:
    assert cursors.read(cursors.write(keys, binding=LIST), binding=LIST, kinds=kinds) == keys


def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = cursors.write([1, SOME_ID], binding=LIST)
    with pytest.raises(CursorNotValid):
        cursors.read(cursor, binding=("", "horror", "", "", "new", "DE", ""), kinds="iu")


@pytest.mark.parametrize(
    ("kinds", "keys"),
    [
        ("iu", [True, str(SOME_ID)]),
        ("iu", [2**31, str(SOME_ID)]),
        ("iu", [1.5, str(SOME_ID)]),
        ("iu", [1]),
        ("iu", [1, str(SOME_ID), 1]),
        ("iu", [1, "no id"]),
        ("su", ["a\0b", str(SOME_ID)]),
        ("tu", ["2026-06-01T12:00:00", str(SOME_ID)]),
        ("tu", ["0001-01-01T00:00:00+14:00", str(SOME_ID)]),
        ("tu", ["9999-12-31T23:59:59-14:00", str(SOME_ID)]),
        ("du", ["2026-02-30", str(SOME_ID)]),
    ],
)
def test_a_forged_cursor_with_keys_that_no_row_has_is_refused(kinds: str, keys: list[Any]) -> None:
    with pytest.raises(CursorNotValid):
        cursors.read(forge(keys), binding=LIST, kinds=kinds)


@given(st.text(max_size=700))
def test_whatever_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(CursorNotValid):
        cursors.read(text, binding=LIST, kinds="iu")


@pytest.mark.parametrize("cursor", ["x", "\0", "ä", "W10", "A" * 600, "=" * 8])
async def test_a_refused_cursor_is_named_as_the_place_of_the_fault(client: httpx.AsyncClient, cursor: str) -> None:
    answer = await client.get("/v1/titles", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_not_valid")
    assert answer.json()["place"] == "query.cursor"


@pytest.mark.parametrize("limit", [-1, 0, 101, 2**40])
async def test_a_limit_outside_its_range_is_named_as_the_place_of_the_fault(
    client: httpx.AsyncClient, limit: int
) -> None:
    answer = await client.get("/v1/titles", params={"limit": limit})
    assert (answer.status_code, answer.json()["place"]) == (400, "query.limit")
