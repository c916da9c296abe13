"""The door to the mail server: mails over connections that are kept for the next one."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib.errors import SMTPRecipientRefused, SMTPResponseException, SMTPSenderRefused

from store.suppressions import is_bounce

SEND_WITHIN: Final = 20.0
"""Seconds in which the mail server has to answer a command."""

CONNECTIONS: Final = 5
"""To the mail server at most: many refuse those who open more. Further mails wait for one."""

RESTS: Final = 30.0
"""Seconds without a mail after which a connection is given up. Servers close theirs after minutes."""


@dataclass(frozen=True, slots=True)
class Sending:
    """What the mail server made of a mail."""

    status: str
    """`sent`, `refused` for ever (5xx), or `queued` for another try."""
    reply: str
    is_bounce: bool = False
    """Whether it said that there is no such mailbox."""


@dataclass(slots=True, eq=False)
class MailServer:
    """Sends mails to the server at a `smtp://` or `smtps://` address, with the name and password that it holds.

    Opening a connection (name, greeting, TLS, password) costs more than a mail, so those that did well are kept a
    while. Used in one event loop.
    """

    url: str = field(repr=False)
    rests: float = RESTS
    _places: asyncio.Semaphore = field(init=False, default_factory=lambda: asyncio.Semaphore(CONNECTIONS))
    _resting: list[tuple[aiosmtplib.SMTP, asyncio.TimerHandle]] = field(init=False, default_factory=list)
    """The one used last is the last."""
    _leaving: set[asyncio.Task[None]] = field(init=False, default_factory=set)

    async def send(self, message: bytes, *, sender: str, recipient: str) -> Sending:
        """Have the server take a mail of ASCII lines that end in CRLF; what it says instead is no fault of ours."""
        async with self._places:
            try:
                client = await self._begin(sender)
            except SMTPSenderRefused as fault:
                return _judge(fault)
            except (aiosmtplib.SMTPException, OSError) as fault:
                # Also a wrong password or a greeting of 554: that is not about this mail, which can wait.
                return Sending("queued", _one_line(_words(fault)))
            can_go_on = False
            try:
                sending = await _finish(client, message, recipient)
                can_go_on = client.is_connected
            finally:
                if can_go_on:
                    self._let_rest(client)
                else:
                    client.close()
            return sending

    async def close(self) -> None:
        """Take leave of the server; who sends again opens a new connection."""
        while self._resting:
            client, timer = self._resting.pop()
            timer.cancel()
            self._leave(client)
        await asyncio.gather(*self._leaving)

    async def _begin(self, sender: str) -> aiosmtplib.SMTP:
        """A connection on which the server expects the recipient.

        One that rested may have been closed meanwhile, or have had its number of mails. That shows here, before
        anything of the mail was said, so that another connection can be tried.
        """
        while self._resting:
            client, timer = self._resting.pop()
            timer.cancel()
            try:
                await client.mail(sender)
            except (aiosmtplib.SMTPException, OSError):
                client.close()
            else:
                return client
        client = self._make_client()
        try:
            await client.connect()
            await client.mail(sender)
        except BaseException:
            client.close()
            raise
        return client

    def _make_client(self) -> aiosmtplib.SMTP:
        server = urlsplit(self.url)
        return aiosmtplib.SMTP(
            hostname=server.hostname,
            port=server.port,
            username=unquote(server.username) if server.username else None,
            password=unquote(server.password) if server.password else None,
            use_tls=server.scheme == "smtps",
            # A password is never sent in clear, whatever someone between us and the server leaves out.
            start_tls=True if server.password and server.scheme != "smtps" else None,
            timeout=SEND_WITHIN,
        )

    def _let_rest(self, client: aiosmtplib.SMTP) -> None:
        timer = asyncio.get_running_loop().call_later(self.rests, self._give_up, client)
        self._resting.append((client, timer))

    def _give_up(self, client: aiosmtplib.SMTP) -> None:
        self._resting = [resting for resting in self._resting if resting[0] is not client]
        self._leave(client)

    def _leave(self, client: aiosmtplib.SMTP) -> None:
        leaving = asyncio.create_task(_say_goodbye(client))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


async def _finish(client: aiosmtplib.SMTP, message: bytes, recipient: str) -> Sending:
    """Name the recipient and hand the mail over. A connection that must not be used again is closed."""
    try:
        await client.rcpt(recipient)
        taken = await client.data(message)
    except SMTPResponseException as refusal:
        try:
            await client.rset()
        except (aiosmtplib.SMTPException, OSError):
            client.close()
        return _judge(refusal)
    except (aiosmtplib.SMTPException, OSError) as fault:
        client.close()
        return Sending("queued", _words(fault))
    return Sending("sent", _one_line(taken.message))


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await client.quit()
    client.close()


def _judge(refusal: SMTPResponseException) -> Sending:
    """What a refusal of a mail means for it."""
    return Sending(
        "refused" if refusal.code >= 500 else "queued",
        _one_line(_words(refusal)),
        is_bounce=isinstance(refusal, SMTPRecipientRefused) and is_bounce(refusal.code, refusal.message),
    )


def _words(fault: Exception) -> str:
    return f"{fault.code} {fault.message}" if isinstance(fault, SMTPResponseException) else type(fault).__name__


def _one_line(reply: str) -> str:
    return " ".join(reply.split())
