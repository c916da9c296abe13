"""The operator's commands about erasures: the journal out of the database's reach, and back after a restore."""

import argparse
import sys
from collections import Counter

from auth.erasure_journal import Erased, read_journal
from store.database import Database
from store.erasure import Eraser
from store.kept_lines import add_lines, read_lines
from store.settings import Settings


async def export_erasure_journal(settings: Settings, arguments: argparse.Namespace) -> int:
    """Write which pseudonyms were erased when: to standard output, or what is new of it to a file's end."""
    database = await Database.connect(settings.database_url, pool_size=2)
    try:
        async with database.sessions() as session:
            journal = [str(entry) async for entry in read_journal(session)]
    finally:
        await database.close()
    if arguments.to is None:
        sys.stdout.writelines(f"{line}\n" for line in journal)
        return 0
    added = await add_lines(arguments.to, journal)
    sys.stdout.write(f"{added} erasures were added to {arguments.to}.\n")
    return 0


async def replay_erasures(settings: Settings, arguments: argparse.Namespace) -> int:
    """After a restore: erase once more what the journal names; ends with 1 while money under way delays one."""
    journal = Erased.read(await read_lines(arguments.journal))
    database = await Database.connect(settings.database_url, pool_size=2)
    try:
        outcomes = [await Eraser(database).erase_again(entry) for entry in journal]
    finally:
        await database.close()
    counted = Counter(outcomes)
    done, nothing = counted.pop("erased", 0), counted.pop("nothing", 0)
    sys.stdout.write(f"{done} accounts were erased again, {nothing} are erased or not there.\n")
    for reason, count in sorted(counted.items()):
        sys.stdout.write(f"{count} wait: {reason}. Run this again when that is settled.\n")
    return 1 if counted else 0
