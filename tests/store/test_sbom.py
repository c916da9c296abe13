"""The bill of materials names what is locked, and nothing else."""

import json
import re
import subprocess
import sys

from store.sbom import PAGES_LOCK, PROJECT, PYTHON_LOCK, bill_of_materials


def test_every_locked_package_is_named_with_its_version_and_nothing_else() -> None:
    lines = [line for line in PYTHON_LOCK.read_text().splitlines() if line and not line.startswith((" ", "#"))]
    python = {"pkg:pypi/" + re.sub(r"\[.*\]", "", line.split()[0].rstrip(";")).replace("==", "@") for line in lines}
    packages = json.loads(PAGES_LOCK.read_text())["packages"]
    pages = {
        f"pkg:npm/{path.removeprefix('node_modules/').replace('@', '%40')}@{package['version']}"
        for path, package in packages.items()
        if path
    }
    components = bill_of_materials()["components"]
    named = [component["purl"] for component in components]
    assert sorted(named) == sorted(python | pages)
    assert all(f"@{component['version']}" in component["purl"] for component in components)


def test_what_runs_in_browsers_is_named_with_the_digest_of_its_file() -> None:
    pages = [part for part in bill_of_materials()["components"] if part["purl"].startswith("pkg:npm/")]
    assert pages
    assert all(re.fullmatch("[0-9a-f]{128}", part["hashes"][0]["content"]) for part in pages)


def test_the_command_prints_the_same_document_each_time() -> None:
    runs = [
        subprocess.run([sys.executable, "-m", "store.sbom"], cwd=PROJECT, capture_output=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    document = json.loads(runs[0])
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", document["serialNumber"])
