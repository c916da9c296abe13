"""`make crash`: hundreds of purchases while everything is killed again and again; prints what was found."""

import asyncio
import secrets
import shutil
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.crash.storm import Report, Size, run_storm

FOLDER = Path(".videothek/crash")
"""Data and logs of the last run."""

FULL = Size(purchases=320, kills=60, at_once=16, database_crashes=3)

console = Console(highlight=False)


def show(report: Report) -> None:
    """Print the figures, and every check with its count."""
    figures = Table("what happened", "", box=box.SIMPLE_HEAD, title_justify="left")
    figures.columns[1].justify = "right"
    for name, count in report.happened.items():
        figures.add_row(name, f"{count}")
    found = Table("what is there at the end", "", box=box.SIMPLE_HEAD)
    found.columns[1].justify = "right"
    for name, count in report.verdict.figures.items():
        found.add_row(name, f"{count}")
    checks = Table("what must be 0", "", box=box.SIMPLE_HEAD)
    checks.columns[1].justify = "right"
    for name, count in report.verdict.faults.items():
        checks.add_row(name, f"[bold red]{count}[/]" if count else "0")
    console.print(figures, found, checks)


def main(arguments: list[str]) -> int:
    """Run at full size with the given seed, or a new one; answers 1 if anything is there that must not be."""
    seed = int(arguments[0]) if arguments else secrets.randbelow(1_000_000)
    console.print(f"Seed {seed}: `make crash SEED={seed}` draws the same again. Logs: {FOLDER}/logs")
    shutil.rmtree(FOLDER, ignore_errors=True)
    with Progress(console=console) as bar:
        task = bar.add_task("purchases", total=FULL.purchases)
        report = asyncio.run(
            run_storm(FOLDER.absolute(), FULL, seed=seed, progress=lambda done, total: bar.update(task, completed=done))
        )
    show(report)
    return 1 if report.verdict.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
