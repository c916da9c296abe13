"""The rules of the layout that a machine can hold: direction of imports, one door per vendor."""

import ast
import importlib.metadata
import logging
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

PROJECT = Path(__file__).resolve().parent.parent
PACKAGES = ("auth", "billing", "store")
DOORS = {
    "stripe": {"billing/stripe_gateway.py"},
    "passlib": {"auth/passwords.py"},
    "redis": {"store/throttling.py"},
    "segno": {"store/web/qr_codes.py"},
    "webauthn": {"auth/passkeys.py"},
    "argon2": set(),
}
IN_USE = {"litestar", "redis", "jinja2", "pyjwt", "idna", "aiosmtplib", "cryptography"}
"""Of those below, the ones that the store runs on; the others must not come in by way of another package."""

MINIMUM_VERSIONS = {
    "litestar": (2, 22, 0),
    "granian": (2, 7, 4),
    "authlib": (1, 6, 8),
    "redis": (4, 5, 4),
    "jinja2": (3, 1, 6),
    "pyjwt": (2, 12, 0),
    "multipart": (1, 3, 1),
    "h11": (0, 16, 0),
    "idna": (3, 7),
    "aiosmtpd": (1, 4, 6),
    "aiosmtplib": (1, 1, 7),
    "cryptography": (50, 0),
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((PROJECT / package).rglob("*.py")):
            if "node_modules" not in path.parts:
                yield str(path.relative_to(PROJECT)), ast.parse(path.read_text())


def imported_packages(module: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.fixture
def loggers_as_before() -> Iterator[None]:
    """import-linter's command line switches off every logger that it did not make itself."""
    loggers = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = [(one, one.disabled) for one in loggers]
    yield
    for one, was_disabled in before:
        one.disabled = was_disabled


@pytest.mark.usefixtures("loggers_as_before")
def test_the_import_contracts_hold() -> None:
    assert lint_imports(config_filename=str(PROJECT / "pyproject.toml"), no_cache=True) == 0


def test_each_vendor_has_one_door() -> None:
    importers: dict[str, set[str]] = {vendor: set() for vendor in DOORS}
    for path, module in modules():
        for vendor in imported_packages(module) & importers.keys():
            importers[vendor].add(path)
    assert {vendor: files - DOORS[vendor] for vendor, files in importers.items()} == {vendor: set() for vendor in DOORS}


def test_every_module_opens_with_a_sentence_on_its_duty() -> None:
    silent = [path for path, module in modules() if not ast.get_docstring(module)]
    assert silent == []


def test_no_file_is_named_after_a_role() -> None:
    drawers = {
        "service",
        "services",
        "manager",
        "helpers",
        "utils",
        "common",
        "core",
        "misc",
        "repository",
        "base",
    }
    assert [path for path, _ in modules() if Path(path).stem in drawers] == []


def test_the_maintained_fork_of_passlib_is_installed_and_the_abandoned_one_is_not() -> None:
    assert importlib.metadata.version("libpass")
    with pytest.raises(PackageNotFoundError):
        importlib.metadata.version("passlib")


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_has_hashes_names_no_index_and_holds_no_version_with_known_holes(lock: str) -> None:
    text = (PROJECT / lock).read_text()
    pins = dict(re.findall(r"^([a-z0-9-]+)==([0-9.]+)", text, re.MULTILINE))
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(pins)
    assert "passlib" not in pins
    too_old = {
        name: pins[name]
        for name, minimum in MINIMUM_VERSIONS.items()
        if name in pins and tuple(int(part) for part in pins[name].split(".")) < minimum
    }
    assert too_old == {}
    assert pins.keys() >= IN_USE
