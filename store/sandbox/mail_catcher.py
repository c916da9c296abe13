"""The mail catcher: takes every mail that the sandbox sends, keeps it as a file and shows it on a page.

`python -m store.sandbox.mail_catcher --folder .videothek/mail`: SMTP on one port of the loopback, pages on another.
It passes no mail on to anybody.
"""

import argparse
import asyncio
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from litestar import Litestar, MediaType, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from store.sandbox.catcher_pages import MAIL_POLICY, page
from store.sandbox.kept_mails import keep, names_of, read_mail
from store.sandbox.returns import LABELS, Store
from store.sandbox.sample_letters import handlers as samples

LARGEST_MAIL: Final = 10_000_000
"""Bytes."""

SHOWN: Final = 200
"""Mails that the list shows."""

_LOOK_AGAIN: Final = """
setInterval(async () => {
  const answer = await fetch("/").catch(() => null);
  if (!answer?.ok) return;
  const main = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  if (main.innerHTML !== document.querySelector("main").innerHTML) document.querySelector("main").replaceWith(main);
}, 5000);
"""
"""Brings new mails into the list without drawing the page anew, which would take the focus away."""


class Mailbox:
    """Takes mails from aiosmtpd and keeps them in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, _server: SMTP, _session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802 - named by aiosmtpd
        """Keep one mail."""
        content = envelope.content or b""
        keep(self.folder, content.encode() if isinstance(content, str) else content, at=datetime.now(UTC))
        return "250 OK: kept"


@get("/health", sync_to_thread=False)
def health() -> dict[str, str]:
    """Say that the pages are there."""
    return {"status": "live"}


@get("/", sync_to_thread=True)
def list_mails(state: State) -> Response[str]:
    """All mails, the newest first; the page looks again by itself every few seconds."""
    names = names_of(state.folder)
    mails = [mail for name in names[:SHOWN] if (mail := read_mail(state.folder, name))]
    return page("mails.html", mails=mails, total=len(names))


@get("/look-again.js", media_type="text/javascript", sync_to_thread=False)
def look_again() -> str:
    """The script of the list."""
    return _LOOK_AGAIN


@get("/mails/{name:str}", sync_to_thread=True)
def show_mail(state: State, name: FromPath[str], told: FromQuery[str] = "") -> Response[str]:
    """One mail: its links, its HTML in a frame without rights, its text."""
    mail = read_mail(state.folder, name)
    if mail is None:
        raise NotFoundException
    return page("mail.html", mail=mail, returns=LABELS if state.store is not None else {}, told=told)


@post("/mails/{name:str}/reports/{what:str}")
async def report_mail(state: State, name: FromPath[str], what: FromPath[str]) -> Redirect:
    """Tell the store that the mail came back, or that its recipient calls it unwanted."""
    mail = await asyncio.to_thread(read_mail, state.folder, name)
    if mail is None or state.store is None or what not in LABELS:
        raise NotFoundException
    outcome = await state.store.tell(mail, what, at=datetime.now(UTC))
    return Redirect(f"/mails/{name}?told={quote(outcome)}", status_code=303)


@get("/mails/{name:str}/html", sync_to_thread=True)
def show_html(state: State, name: FromPath[str]) -> Response[str]:
    """The HTML part alone, for the frame: no scripts, no foreign images, links open in a new tab."""
    mail = read_mail(state.folder, name)
    if mail is None:
        raise NotFoundException
    body = f'<base target="_blank">{mail.html}'
    return Response(body, media_type=MediaType.HTML, headers={"Content-Security-Policy": MAIL_POLICY})


@get("/latest", sync_to_thread=True)
def show_latest(state: State) -> Redirect:
    """To the newest mail."""
    names = names_of(state.folder)
    return Redirect(f"/mails/{names[0]}" if names else "/", status_code=303)


def create_viewer(folder: Path, *, port: int, store: Store | None = None) -> Litestar:
    """The pages over the mails of a folder, to be served on that port of the loopback."""
    return Litestar(
        [health, list_mails, look_again, show_mail, report_mail, show_html, show_latest, *samples],
        state=State({"folder": folder, "store": store}),
        # Reset links lie here: no foreign name may lead a browser to them.
        allowed_hosts=[f"127.0.0.1:{port}", f"localhost:{port}"],
        openapi_config=None,
        debug=False,
        logging_config=None,
    )


async def catch_mails(folder: Path, *, smtp_port: int, page_port: int, store: Store | None = None) -> None:
    """Take mails and show them until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    mailbox = Mailbox(folder)
    smtp = await loop.create_server(
        lambda: SMTP(mailbox, hostname="localhost", data_size_limit=LARGEST_MAIL, enable_SMTPUTF8=True, loop=loop),
        "127.0.0.1",
        smtp_port,
    )
    server = uvicorn.Server(
        uvicorn.Config(
            create_viewer(folder, port=page_port, store=store),
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=3,
        )
    )
    with socket.create_server(("127.0.0.1", page_port)) as listener:
        async with smtp:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                await asyncio.shield(serving)
            finally:
                # Cut off in its work, the server would leave the event loop listening on a socket that is closed.
                server.should_exit = True
                await serving


def main() -> None:
    """Run the catcher from the command line."""
    parser = argparse.ArgumentParser(prog="python -m store.sandbox.mail_catcher", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--smtp-port", type=int, default=8026)
    parser.add_argument("--page-port", type=int, default=8025)
    given = parser.parse_args()
    given.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Store.from_env(dict(os.environ))
    asyncio.run(catch_mails(given.folder, smtp_port=given.smtp_port, page_port=given.page_port, store=store))


if __name__ == "__main__":
    main()
