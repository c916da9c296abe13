"""docker-compose.yml and its companions, checked without an engine for containers."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from store.settings import Settings

PROJECT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = {name: service for name, service in SERVICES.items() if "build" in service}
BOUGHT_IN = {name: service for name, service in SERVICES.items() if "build" not in service}
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9-]+)?(@sha256:[0-9a-f]{64})?")
INTERPOLATED = re.compile(r"(?<!\$)\$\{([A-Z_]+)")
COMPOSE_ONLY = {"COMPOSE_OWNER_PASSWORD", "COMPOSE_WEB_PASSWORD", "COMPOSE_REDIS_PASSWORD"}


def variables_of_the_example() -> dict[str, str]:
    lines = (PROJECT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_it_has_the_parts_of_a_production_installation_and_nothing_of_the_sandbox() -> None:
    assert SERVICES.keys() == {"database", "redis", "mail", "migrate", "web", "worker"}
    assert "sandbox" not in (PROJECT / "docker-compose.yml").read_text()
    ignored = (PROJECT / ".dockerignore").read_text().split()
    assert {"store/sandbox", "billing/sandbox", "tests", ".*"} <= set(ignored)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_image_is_pinned(name: str) -> None:
    assert PINNED.fullmatch(SERVICES[name]["image"]), SERVICES[name]["image"]


def test_every_base_image_of_the_dockerfile_is_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert bases
    assert [base for base in bases if not PINNED.fullmatch(base)] == []


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"migrate"}))
def test_every_service_that_stays_has_a_health_check(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= check.keys()


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_variable_of_our_processes_is_one_of_the_settings(name: str) -> None:
    assert OWN[name]["environment"].keys() <= Settings.variables().keys()


def test_web_and_worker_get_every_setting_that_has_no_default() -> None:
    needed = {variable for variable, default in Settings.variables().items() if default is None}
    for name in ("web", "worker"):
        assert needed <= SERVICES[name]["environment"].keys()
        assert "DATABASE_OWNER_URL" not in SERVICES[name]["environment"], "web and worker own no table"


def test_every_variable_that_the_file_asks_for_is_explained_in_the_example() -> None:
    asked = set(INTERPOLATED.findall((PROJECT / "docker-compose.yml").read_text()))
    assert asked <= variables_of_the_example().keys()


def test_the_example_names_every_setting_and_holds_no_secret() -> None:
    example = variables_of_the_example()
    assert example.keys() == Settings.variables().keys() | COMPOSE_ONLY
    given = {name: value for name, value in example.items() if value}
    assert given == {
        "VIDEOTHEK_MODE": "production",
        "STRIPE_API_BASE": "https://api.stripe.com",
        "STRIPE_JS_URL": "https://js.stripe.com/v3/",
        "SEPA_DEBIT": "off",
        "DEFAULT_MARKET": "DE",
        "WEB_PROCESSES": "1",
        "PASSWORD_QUEUE": "24",
        "PASSWORD_WAIT": "3",
    }


def test_no_secret_stands_in_the_file() -> None:
    for name, service in SERVICES.items():
        for variable, value in service["environment"].items() if "environment" in service else ():
            if re.search(r"PASSWORD|SECRET|KEY|AUTH", variable):
                assert value.startswith("${"), f"{name}: {variable}"


def test_ports_open_on_this_machine_only() -> None:
    opened = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert opened
    assert [port for port in opened if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", sorted(OWN))
def test_our_processes_have_no_rights_that_they_do_not_need(name: str) -> None:
    service = OWN[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ["web", "worker"])
def test_web_and_worker_start_after_the_migration(name: str) -> None:
    assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
