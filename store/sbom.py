"""What the store is made of: a software bill of materials (CycloneDX 1.6) from the lock files, on standard output."""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

PROJECT: Final = Path(__file__).resolve().parent.parent
PYTHON_LOCK: Final = PROJECT / "requirements.lock"
PAGES_LOCK: Final = PROJECT / "store/web/frontend/package-lock.json"

Component = dict[str, Any]

_PIN: Final = re.compile(r"^(?P<name>[a-z0-9-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)


def bill_of_materials() -> dict[str, Any]:
    """The document; the same lock files give the same one, byte for byte."""
    content = hashlib.sha256(PYTHON_LOCK.read_bytes() + PAGES_LOCK.read_bytes()).hexdigest()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "videothek", "bom-ref": "videothek"}},
        "components": sorted([*_of_python(), *_of_pages()], key=lambda component: str(component["purl"])),
    }


def _of_python() -> Iterator[Component]:
    """What runs in the processes; which of a release's files that is depends on the machine."""
    for pin in _PIN.finditer(PYTHON_LOCK.read_text()):
        yield _component(pin["name"], pin["version"], f"pkg:pypi/{pin['name']}@{pin['version']}")


def _of_pages() -> Iterator[Component]:
    """What runs in the browser: scripts, fonts and icons."""
    for path, package in json.loads(PAGES_LOCK.read_text())["packages"].items():
        if not path or package.get("dev"):
            continue
        name = path.rpartition("node_modules/")[2]
        component = _component(name, package["version"], f"pkg:npm/{quote(name, safe='/')}@{package['version']}")
        digest = base64.b64decode(package["integrity"].removeprefix("sha512-"))
        component["hashes"] = [{"alg": "SHA-512", "content": digest.hex()}]
        if "license" in package:
            component["licenses"] = [{"expression": package["license"]}]
        yield component


def _component(name: str, version: str, purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    json.dump(bill_of_materials(), sys.stdout, indent=2)
    sys.stdout.write("\n")
