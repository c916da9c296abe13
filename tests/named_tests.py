"""Which tests there are in a file, so that a table may name the ones that hold its lines."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent


def missing(places: Iterable[str]) -> list[str]:
    """Those of the places (`folder/file.py::test`, below `tests/`) at which there is no test."""
    pairs = [(place, *place.split("::")) for place in places]
    return [place for place, file, name in pairs if name not in _names_in(TESTS / file)]


@cache
def _names_in(path: Path) -> frozenset[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.parse(path.read_text()).body if isinstance(node, functions))
