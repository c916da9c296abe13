"""The operator's command line: `python -m store.cli --help`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from auth import audit
from auth.accounts import Accounts
from auth.errors import Refusal
from auth.passwords import OneTimeCodes, PasswordHasher
from auth.permissions import STAFF_ROLES
from auth.resealing import reseal_factors
from store.catalogue.film_page import prepare_pages
from store.composition import SECOND_FACTORS, market_codes
from store.database import DATABASE_AWAY, Database
from store.entitlement.keys import KeySeal, reseal_keys
from store.erasure_commands import export_erasure_journal, replay_erasures
from store.film_commands import add_arguments as add_film_arguments
from store.film_commands import add_film
from store.forward_clock import set_back
from store.kept_lines import add_lines, read_lines
from store.legal_texts import samples
from store.mail import RECIPIENTS
from store.mail_reports import LARGEST_MESSAGE, read_message
from store.migrations import CannotMigrate, migrate
from store.returned_mail import ReturnedMail
from store.safe_start import check_database
from store.settings import Settings, UnsafeSettings
from store.takedown_commands import add_arguments as add_takedown_arguments
from store.takedown_commands import take_down

console = Console()

TRY_LATER = 75
"""What tells a mail server to hand a message over again later (EX_TEMPFAIL of sysexits.h)."""

Command = Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]]


async def migrate_database(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Bring the database to the newest schema."""
    await migrate(settings.database_owner_url)
    console.print("The database is at the newest schema.")
    return 0


async def check_settings(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Say whether the settings are complete and safe (reading them already told), and the database too."""
    console.print(f"The settings are complete; the mode is {settings.mode}.")
    await check_database(settings)
    if left := samples():
        console.print(f"Still samples that nobody may sell under (store/legal): {', '.join(left)}.", soft_wrap=True)
    return 0


async def make_staff(settings: Settings, arguments: argparse.Namespace) -> int:
    """Make a staff account; the first admin comes into being this way. The password is read from standard input."""
    password = sys.stdin.readline().rstrip("\n")
    database = await Database.connect(settings.database_url, pool_size=2)
    hasher = PasswordHasher()
    try:
        async with database.sessions.begin() as session:
            await Accounts(session, hasher).create_staff(
                email=arguments.email, password=password, roles=set(arguments.role), at=datetime.now(UTC)
            )
    finally:
        hasher.close()
        await database.close()
    console.print(f"{arguments.email} may now sign in as {', '.join(arguments.role)}.")
    return 0


async def prepare_film_pages(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Build every stored film page at once, instead of each at its first visit."""
    database = await Database.connect(settings.database_url, pool_size=4)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as progress:
            for market, locale in product(sorted(await market_codes(database)), ("de", "en")):
                task = progress.add_task(f"film pages {market} {locale}", total=None)
                await prepare_pages(
                    database,
                    market=market,
                    locale=locale,
                    at=datetime.now(UTC),
                    progress=partial(_show, progress, task),
                )
    finally:
        await database.close()
    return 0


def _show(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, completed=done, total=total)


async def verify_audit_trail(settings: Settings, arguments: argparse.Namespace) -> int:
    """Check the chain of the audit trail, also against anchors, and name what was tampered with."""
    anchors: list[audit.Anchor] = []
    if arguments.anchors is not None:
        anchors = audit.anchors_in("\n".join(await read_lines(arguments.anchors)))
        if not anchors:
            console.print(f"There is no anchor in {arguments.anchors}.", soft_wrap=True)
            return 2
    database = await Database.connect(settings.database_url, pool_size=2)
    try:
        async with database.sessions() as session:
            broken = await audit.find_broken_seal(session)
            replaced = await audit.find_broken_anchor(session, anchors)
    finally:
        await database.close()
    if broken is None and replaced is None:
        checked = f", and as {len(anchors)} anchors saw it" if anchors else ""
        console.print(f"The audit trail is whole{checked}.", soft_wrap=True)
        return 0
    if replaced is not None:
        console.print(
            f"The audit trail is not the one that the anchor of {replaced.sealed_at:%Y-%m-%d %H:%M} (UTC) saw: "
            f"what was done until seal {replaced.sequence} was changed or removed since.",
            soft_wrap=True,
        )
    if broken is None:
        return 1
    entry = f"entry {broken.event_id}" if broken.event_id else "a link that is gone"
    console.print(f"The audit trail was tampered with at seal {broken.sequence}: {entry}.", soft_wrap=True)
    return 1


async def reseal_content_keys(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Seal the content keys with CONTENT_KEY_SECRET that CONTENT_KEY_SECRET_BEFORE sealed; safe to kill and repeat."""
    seal = KeySeal.from_secret(settings.content_key_secret, settings.content_key_secret_before)
    database = await Database.connect(settings.database_url, pool_size=2)
    try:
        resealed = await reseal_keys(database, seal)
    finally:
        await database.close()
    console.print(f"{resealed} content keys were sealed anew; CONTENT_KEY_SECRET opens all there are.")
    return 0


async def reseal_second_factors(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Seal with ROOT_SECRET the secrets of authenticators that ROOT_SECRET_BEFORE sealed; safe to kill and repeat."""
    codes = OneTimeCodes(settings.derive(SECOND_FACTORS), before=settings.derive_before(SECOND_FACTORS))
    database = await Database.connect(settings.database_url, pool_size=2)
    try:
        resealed = await reseal_factors(database, codes)
    finally:
        await database.close()
    console.print(f"{resealed} secrets were sealed anew; ROOT_SECRET opens all there are.")
    return 0


async def export_audit_anchor(settings: Settings, arguments: argparse.Namespace) -> int:
    """Seal the audit trail up to now and write the chain's head where the database does not reach."""
    database = await Database.connect(settings.database_url, pool_size=2)
    try:
        async with database.sessions.begin() as session:
            while await audit.seal(session, at=datetime.now(UTC)):
                pass
            anchor = await audit.head(session)
    finally:
        await database.close()
    if anchor is None:
        console.print("There is no entry yet.")
        return 0
    if arguments.to is None:
        sys.stdout.write(f"{anchor}\n")
        return 0
    await add_lines(arguments.to, [str(anchor)])
    return 0


async def take_in_mail_report(settings: Settings, arguments: argparse.Namespace) -> int:
    """Take in a report about a mail (RFC 3464, RFC 5965) from standard input; for a mail server's pipe."""
    content = await asyncio.to_thread(sys.stdin.buffer.read, LARGEST_MESSAGE)
    report = read_message(content, returned_to=arguments.returned_to)
    if report is None:
        console.print("This is no report about a mail that did not arrive; nothing was done.")
        return 0
    try:
        database = await Database.connect(settings.database_url, pool_size=1)
        try:
            async with database.sessions.begin() as session:
                returned = ReturnedMail(session, settings.derive_all(RECIPIENTS))
                outcome = await returned.take_in(report, source="message", at=datetime.now(UTC))
        finally:
            await database.close()
    except DATABASE_AWAY:
        return TRY_LATER
    console.print(f"{report.kind}: {outcome}")
    return 0


async def accept_machine_clock(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Take the machine's clock for right where business time is ahead of it; while web and worker are stopped."""
    database = await Database.connect(settings.database_url, pool_size=1)
    try:
        ahead = await set_back(database, machine_time=datetime.now(UTC))
    finally:
        await database.close()
    ahead = timedelta(seconds=round(ahead.total_seconds()))
    console.print(f"Business time is the machine's again; it was ahead of it by {ahead}.", soft_wrap=True)
    return 0


COMMANDS: Mapping[str, Command] = {
    "accept-machine-clock": accept_machine_clock,
    "add-film": add_film,
    "migrate": migrate_database,
    "check-settings": check_settings,
    "make-staff": make_staff,
    "prepare-film-pages": prepare_film_pages,
    "reseal-content-keys": reseal_content_keys,
    "reseal-second-factors": reseal_second_factors,
    "export-audit-anchor": export_audit_anchor,
    "export-erasure-journal": export_erasure_journal,
    "replay-erasures": replay_erasures,
    "take-down": take_down,
    "take-in-mail-report": take_in_mail_report,
    "verify-audit-trail": verify_audit_trail,
}


def main(words: list[str] | None = None) -> int:
    """Run one command; answers the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m store.cli", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.__doc__)
        if name == "make-staff":
            subparser.add_argument("email")
            subparser.add_argument("--role", action="append", required=True, choices=sorted(STAFF_ROLES))
        if name == "replay-erasures":
            subparser.add_argument("journal", help="file that export-erasure-journal wrote")
        if name in ("export-audit-anchor", "export-erasure-journal"):
            subparser.add_argument("--to", help="file to add it to; else standard output")
        if name == "verify-audit-trail":
            subparser.add_argument("--anchors", help="file with anchors, such as kept mails or what --to wrote")
        if name == "add-film":
            add_film_arguments(subparser)
        if name == "take-down":
            add_takedown_arguments(subparser)
        if name == "take-in-mail-report":
            subparser.add_argument("--returned-to", help="the envelope's recipient")
    arguments = parser.parse_args(words)
    try:
        return asyncio.run(COMMANDS[arguments.command](Settings.from_env(os.environ), arguments))
    except UnsafeSettings as refusal:
        for fault in refusal.faults:
            sys.stderr.write(f"{fault}\n")
    except Refusal as refusal:
        sys.stderr.write(f"{refusal.sentence('en')}\n")
    except CannotMigrate as fault:
        sys.stderr.write(f"{fault}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
