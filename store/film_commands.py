"""The operator's command that takes in a packaged film and its content keys."""

import argparse
import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from store.database import Database
from store.entitlement.film_intake import FilmUnfit, compare, read_keys, read_package, take_in
from store.entitlement.keys import KeySeal
from store.forward_clock import ForwardClock
from store.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command is told."""
    parser.add_argument("slug", help="the title, as it stands in the address of its page")
    parser.add_argument("folder", type=Path, help="the packaged film: MEDIA_ROOT/<asset id>/<version>")
    parser.add_argument(
        "--clear-key",
        action="store_true",
        help="let Clear Key give its keys, too, which protects nothing; said or left out anew, it counts from then on",
    )


async def add_film(settings: Settings, arguments: argparse.Namespace) -> int:
    """Take in a film with its content keys from standard input, `TRACK KID KEY` a line; safe to repeat."""
    console = Console(soft_wrap=True, highlight=False)
    try:
        package = read_package(arguments.folder, media_root=settings.media_root)
        if sys.stdin.isatty():
            console.print("Keys, one a line: AUDIO|SD|HD|UHD, key id, key (hexadecimal). Ctrl-D ends.")
        keys = read_keys(sys.stdin)
        compare(package, keys)
        seal = KeySeal.from_secret(settings.content_key_secret, settings.content_key_secret_before)
        database = await Database.connect(settings.database_url, pool_size=2)
        try:
            at = await ForwardClock(database).now()
            async with database.sessions.begin() as session:
                is_news = await take_in(
                    session,
                    seal,
                    package,
                    keys,
                    slug=arguments.slug,
                    clear_key=arguments.clear_key,
                    done_by=_login(),
                    at=at,
                    real_now=datetime.now(UTC),
                )
        finally:
            await database.close()
    except FilmUnfit as fault:
        sys.stderr.write(f"{fault}. Nothing was changed.\n")
        return 2
    if not is_news:
        console.print("It is there already, with these keys; nothing was changed.")
        return 0
    tracks = ", ".join(key.track.value for key in keys)
    console.print(f"{arguments.slug} plays film {package.asset_id}, version {package.version}: {tracks}.")
    console.print(
        "Clear Key gives its keys."
        if arguments.clear_key
        else "Only a hosted DRM service gives its keys (docs/drm.md)."
    )
    return 0


def _login() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):
        return None
