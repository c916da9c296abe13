"""Someone's mailbox: their mails on the pages of the mail catcher, where the worker's SMTP brought them."""

import re
from dataclasses import dataclass

import httpx

from tests.journeys.waiting import eventually
from tests.store.web.page_reading import elements_of


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it can be read in the catcher."""

    subject: str
    text: str
    links: list[str]

    @property
    def link_with_code(self) -> str:
        """The link that ends in a one-use code."""
        return next(link for link in self.links if "#t=" in link)

    @property
    def code(self) -> str:
        """The one-use code, as it is typed where the link does not fill it in."""
        code = self.link_with_code.partition("#t=")[2]
        assert re.search(rf"^\s*{re.escape(code)}\s*$", self.text, re.MULTILINE), "the code stands on a line of its own"
        return code


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The mails to one address."""

    catcher: httpx.AsyncClient
    address: str

    async def receives(self, subject: str) -> Letter:
        """Wait for the mail with these words in its subject."""

        async def look() -> Letter | None:
            found = [page for page in await self._pages() if subject in page[0]]
            return await self._read(*found[0]) if found else None

        return await eventually(look)

    async def subjects(self) -> list[str]:
        """Subjects of all mails that are there now, the newest first."""
        return [subject for subject, _path in await self._pages()]

    async def _pages(self) -> list[tuple[str, str]]:
        """Subject and place of every mail."""
        listed = elements_of((await self.catcher.get("/")).raise_for_status().text)
        return [
            (element.words, element.attributes["href"])
            for element in listed
            if element.tag == "a" and element.words.endswith(f"to {self.address}")
        ]

    async def _read(self, subject: str, path: str) -> Letter:
        elements = elements_of((await self.catcher.get(path)).raise_for_status().text)
        text = next(element.text for element in elements if element.tag == "pre")
        links = [e.attributes["href"] for e in elements if e.tag == "a" and e.is_in("ul")]
        return Letter(subject=subject, text=text, links=links)
