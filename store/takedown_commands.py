"""The operator's command that carries out a legal takedown, tells beforehand whom it meets, or lifts it again."""

import argparse
import getpass
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from store.composition import assemble
from store.database import Database
from store.entitlement.takedowns import Held
from store.forward_clock import ForwardClock
from store.settings import Settings
from store.takedowns import Extent, Takedowns, preview


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command is told."""
    parser.add_argument("slug", help="the title, as it stands in the address of its page")
    parser.add_argument("--reason", required=True, type=_words, help="whose order, and what it is called there")
    parser.add_argument("--yes", action="store_true", help="do it; else it is only told what would be done")
    parser.add_argument("--lift", action="store_true", help="let the title be shown again")


async def take_down(settings: Settings, arguments: argparse.Namespace) -> int:
    """Carry out a court's or an authority's order: a title plays no more, and who paid for it gets the money back."""
    console = Console(soft_wrap=True)
    database = await Database.connect(settings.database_url, pool_size=2)
    try:
        parts = await assemble(settings, database=database, clock=ForwardClock(database))
        try:
            takedowns = Takedowns(database, parts.sale_refunds)
            if arguments.lift:
                return await _lift(console, takedowns, arguments)
            return await _take_down(console, database, takedowns, arguments, at=await parts.clock.now())
        finally:
            await parts.close()
    finally:
        await database.close()


async def _take_down(
    console: Console, database: Database, takedowns: Takedowns, arguments: argparse.Namespace, *, at: datetime
) -> int:
    async with database.sessions() as session:
        before = await preview(session, arguments.slug, at=at)
    _tell(console, before)
    if not arguments.yes:
        console.print("Nothing was done. With --yes it is carried out.")
        return 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("rights", total=len(before.held))
        await takedowns.carry_out(
            arguments.slug,
            reason=arguments.reason,
            done_by=_login(),
            at=at,
            real_now=datetime.now(UTC),
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    async with database.sessions() as session:
        left = await preview(session, arguments.slug, at=at)
    console.print("It is taken down: nothing of it plays, and it is not sold any more.")
    if left.held:
        console.print(
            f"Rights that wait, because a bank has their money (a dispute) or for a fault that the log names: "
            f"{_numbers(left.held)}. Run this again when that is settled."
        )
    return 1 if left.held else 0


async def _lift(console: Console, takedowns: Takedowns, arguments: argparse.Namespace) -> int:
    lifted = arguments.yes and await takedowns.lift(
        arguments.slug, reason=arguments.reason, done_by=_login(), real_now=datetime.now(UTC)
    )
    if lifted:
        console.print("It may be shown again. What was given back stays given back; new offers sell it.")
    elif arguments.yes:
        console.print("It is not taken down; nothing was done.")
    else:
        console.print("Nothing was done. With --yes it may be shown again.")
    return 0


def _tell(console: Console, extent: Extent) -> None:
    parts = ", ".join(f"{count} × {kind}" for kind, count in sorted(extent.parts.items()))
    paid = " and ".join(money.format("en") for money in extent.paid) or "nothing"
    console.print(f"“{extent.title}”: {parts}.", highlight=False)
    console.print(f"Rights in force: {len(extent.held)}, customers: {extent.customers}, paid: {paid}.", highlight=False)
    console.print(f"Offers to be ended: {extent.offers}.")
    if extent.held_as_part:
        console.print(
            f"Rights to the season or series that it belongs to stay, without this part. Let support decide what goes "
            f"back for it: {_numbers(extent.held_as_part)}."
        )


def _numbers(rights: Iterable[Held]) -> str:
    return ", ".join(
        right.order.order_number if right.order is not None else f"right {right.entitlement_id}" for right in rights
    )


def _login() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):
        return None


def _words(text: str) -> str:
    if not 1 <= len(text.strip()) <= 500:
        raise argparse.ArgumentTypeError("1 to 500 characters")
    return text.strip()
