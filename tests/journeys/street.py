"""Where people come from: each with a browser, a program or a mailbox of their own."""

import secrets
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import httpx

from auth.ids import new_id
from tests.journeys.browser import Browser
from tests.journeys.mailbox import Mailbox
from tests.journeys.programs import Program
from tests.journeys.running_store import RunningStore

PASSWORD = "drei Esel tanzen im Regen"

BENCHMARKING = IPv4Address("198.18.0.0")
"""The first of the 2^17 addresses that are nobody's (RFC 2544)."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody with an account."""

    email: str
    password: str
    mailbox: Mailbox


@dataclass(slots=True)
class Street:
    """Hands out what people bring along, and takes it back at the end."""

    store: RunningStore
    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    def browser(self, languages: str = "de-DE,de;q=0.9") -> Browser:
        """A browser that was never here before."""
        return Browser(self._client(self.store.web, languages))

    def program(self, languages: str = "de") -> Program:
        """An app that nobody has signed in to."""
        return Program(self._client(self.store.web, languages), self.store)

    def mailbox(self, word: str = "anna") -> Mailbox:
        """A new address and its mails."""
        return Mailbox(self._client(self.store.mail, "en"), f"{word}-{new_id().hex[-12:]}@beispiel.example")

    async def customer(self, word: str = "anna") -> Customer:
        """Somebody who registered with a program and confirmed the address by the code of the mail."""
        program, mailbox = self.program(), self.mailbox(word)
        wish = {"email": mailbox.address, "password": PASSWORD, "residence_country": "DE"}
        await program.post("/v1/registrations", wish, status=202)
        letter = await mailbox.receives("Bestätigen Sie")
        await program.post("/v1/registration-confirmations", {"token": letter.code, "password": PASSWORD})
        return Customer(mailbox.address, PASSWORD, mailbox)

    async def signed_in_program(self, customer: Customer) -> Program:
        """The customer's app, signed in."""
        program = self.program()
        await program.sign_in(customer.email, customer.password)
        return program

    async def leave(self) -> None:
        """Close every connection."""
        for client in self._clients:
            await client.aclose()

    def _client(self, address: str, languages: str) -> httpx.AsyncClient:
        # From an address of their own, as people come, so that nobody's tries count for another.
        headers = {"Accept-Language": languages, "X-Forwarded-For": str(BENCHMARKING + secrets.randbits(17))}
        client = httpx.AsyncClient(base_url=address, headers=headers, trust_env=False)
        self._clients.append(client)
        return client
