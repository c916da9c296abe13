"""The mail server is spoken to over connections that are kept, and never twice about one mail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from store.smtp import CONNECTIONS, MailServer, Sending
from tests.journeys.waiting import eventually
from tests.scratch import free_port

MESSAGE = b"Subject: Probe\r\n\r\nGuten Tag\r\n"
SENDER = "kino@videothek.example"


@dataclass(slots=True)
class Office:
    """A mail server in this event loop: what it was told, and what a test has it say."""

    port: int = field(default_factory=free_port)
    heard: list[str] = field(default_factory=list)
    """Greetings, recipients of mails that were taken, and goodbyes."""
    answers: dict[str, str] = field(default_factory=dict)
    """To a sender or a recipient, by address."""
    open_now: int = 0
    most_open: int = 0
    servers: list[SMTP] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.heard.append("greeting")
        return responses

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if answer := self.answers.pop(address, None):
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if answer := self.answers.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        await self.may_answer.wait()
        if answer := self.answers.get("data"):
            return answer
        assert envelope.content == MESSAGE
        self.heard.extend(envelope.rcpt_tos)
        return "250 kept"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.heard.append("goodbye")
        return "221 Bye"

    async def is_left(self) -> None:
        """Wait until every connection is closed."""

        async def look() -> bool | None:
            return None if self.open_now else True

        await eventually(look)

    def hang_up(self) -> None:
        """Close every connection, as a server does that has waited long enough."""
        for server in self.servers:
            if server.transport is not None:
                server.transport.close()


def _protocol(office: Office, options: dict[str, Any]) -> SMTP:
    class Counted(SMTP):
        def connection_made(self, transport: Any) -> None:
            office.open_now += 1
            office.most_open = max(office.most_open, office.open_now)
            super().connection_made(transport)

        def connection_lost(self, error: Exception | None) -> None:
            office.open_now -= 1
            super().connection_lost(error)

    server = Counted(office, loop=asyncio.get_running_loop(), **options)
    office.servers.append(server)
    return server


@asynccontextmanager
async def open_office(**options: Any) -> AsyncIterator[Office]:
    office = Office()
    office.may_answer.set()
    listening = await asyncio.get_running_loop().create_server(
        lambda: _protocol(office, options), "127.0.0.1", office.port
    )
    async with listening:
        yield office
        office.hang_up()


@asynccontextmanager
async def connected(office: Office, **options: Any) -> AsyncIterator[MailServer]:
    server = MailServer(office.url, **options)
    try:
        yield server
    finally:
        await server.close()


async def send(server: MailServer, recipient: str) -> Sending:
    return await server.send(MESSAGE, sender=SENDER, recipient=recipient)


async def test_mails_go_one_after_the_other_over_one_connection_that_is_closed_with_a_goodbye() -> None:
    async with open_office() as office:
        async with connected(office) as server:
            for recipient in ("a@kino.example", "b@kino.example"):
                assert await send(server, recipient) == Sending("sent", "kept")
        assert office.heard == ["greeting", "a@kino.example", "b@kino.example", "goodbye"]


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    async with open_office() as office, connected(office) as server:
        await send(server, "a@kino.example")
        office.hang_up()
        assert (await send(server, "b@kino.example")).status == "sent"
        assert office.heard == ["greeting", "a@kino.example", "greeting", "b@kino.example"]


@pytest.mark.parametrize("answer", ["421 idle for too long", "452 too many mails over this connection"])
async def test_a_server_that_wants_another_connection_gets_one(answer: str) -> None:
    async with open_office() as office, connected(office) as server:
        await send(server, "a@kino.example")
        office.answers[SENDER] = answer
        assert (await send(server, "b@kino.example")).status == "sent"
        assert office.heard.count("greeting") == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("550 5.1.1 no such mailbox", Sending("refused", "550 5.1.1 no such mailbox", is_bounce=True)),
        ("552 5.2.2 mailbox full", Sending("refused", "552 5.2.2 mailbox full")),
        ("451 4.7.1 come back later", Sending("queued", "451 4.7.1 come back later")),
    ],
)
async def test_who_takes_no_mail_keeps_nobody_else_from_theirs(answer: str, expected: Sending) -> None:
    async with open_office() as office, connected(office) as server:
        office.answers["a@kino.example"] = answer
        assert await send(server, "a@kino.example") == expected
        assert (await send(server, "b@kino.example")).status == "sent"
        assert office.heard == ["greeting", "b@kino.example"]


@pytest.mark.parametrize(("answer", "status"), [("554 5.7.1 spam", "refused"), ("451 later", "queued")])
async def test_a_mail_that_is_refused_when_it_was_heard_is_no_bounce(answer: str, status: str) -> None:
    async with open_office() as office, connected(office) as server:
        office.answers["data"] = answer
        assert await send(server, "a@kino.example") == Sending(status, answer)


@pytest.mark.parametrize(("answer", "status"), [("550 not from you", "refused"), ("450 later", "queued")])
async def test_a_new_connection_whose_sender_is_refused_is_the_last_word(answer: str, status: str) -> None:
    async with open_office() as office, connected(office) as server:
        office.answers[SENDER] = answer
        assert await send(server, "a@kino.example") == Sending(status, answer)
        assert (await send(server, "a@kino.example")).status == "sent"


async def test_a_server_that_hangs_up_over_a_mail_is_not_asked_twice_about_it() -> None:
    async with open_office() as office, connected(office) as server:
        await send(server, "a@kino.example")
        office.may_answer.clear()
        sending = asyncio.create_task(send(server, "b@kino.example"))
        await asyncio.sleep(0.2)
        office.hang_up()
        # It may have been taken: only the job's next try, with the same Message-ID, sends it again.
        assert await sending == Sending("queued", "SMTPServerDisconnected")
        assert office.heard == ["greeting", "a@kino.example"]


async def test_a_server_that_is_away_has_the_mail_wait() -> None:
    server = MailServer(f"smtp://127.0.0.1:{free_port()}")
    assert (await send(server, "a@kino.example")).status == "queued"


async def test_a_wrong_password_has_the_mail_wait_for_the_right_one() -> None:
    def refuse(*_: object) -> AuthResult:
        return AuthResult(success=False, handled=False, message="535 5.7.8 no")

    async with open_office(authenticator=refuse, auth_require_tls=False) as office:
        server = MailServer(office.url.replace("//", "//store:wrong@"))
        # Without TLS the password is not even said.
        assert (await send(server, "a@kino.example")).status == "queued"
        await office.is_left()
        assert office.heard == ["greeting"]


async def test_a_connection_without_a_mail_is_given_up_after_a_while() -> None:
    async with open_office() as office, connected(office, rests=0.05) as server:
        await send(server, "a@kino.example")
        await office.is_left()
        assert office.heard == ["greeting", "a@kino.example", "goodbye"]
        assert (await send(server, "b@kino.example")).status == "sent"


async def test_many_mails_at_once_share_a_few_connections() -> None:
    async with open_office() as office, connected(office) as server:
        office.may_answer.clear()
        recipients = [f"{number}@kino.example" for number in range(4 * CONNECTIONS)]
        sendings = [asyncio.create_task(send(server, recipient)) for recipient in recipients]
        await asyncio.sleep(0.3)
        office.may_answer.set()
        assert {sending.status for sending in await asyncio.gather(*sendings)} == {"sent"}
        assert sorted(heard for heard in office.heard if "@" in heard) == sorted(recipients)
        assert (office.most_open, office.heard.count("greeting")) == (CONNECTIONS, CONNECTIONS)


async def test_a_mail_given_up_half_way_leaves_no_connection_in_disorder() -> None:
    async with open_office() as office, connected(office) as server:
        office.may_answer.clear()
        sending = asyncio.create_task(send(server, "a@kino.example"))
        await asyncio.sleep(0.2)
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        office.may_answer.set()
        assert (await send(server, "b@kino.example")) == Sending("sent", "kept")
        assert office.heard.count("greeting") == 2
