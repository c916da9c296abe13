"""A browser without JavaScript: it follows links by their words and fills in forms by their labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from tests.store.web.page_reading import Element, elements_of, faults_of

CONTROLS = ("input", "select", "textarea", "button")
TICKED = ("checkbox", "radio")


@dataclass(slots=True)
class Page:
    """A page as someone reads it."""

    address: httpx.URL
    status: int
    elements: list[Element] = field(repr=False)

    @classmethod
    def of(cls, answer: httpx.Response) -> Self:
        """The page of an answer; it must hinder nobody."""
        assert answer.headers["content-type"].startswith("text/html"), answer.text
        faults = faults_of(answer.text, locale=answer.headers["content-language"])
        assert not faults, f"{answer.url}: {faults}"
        return cls(answer.url, answer.status_code, elements_of(answer.text))

    @property
    def heading(self) -> str:
        return self._first("h1").words

    @property
    def words(self) -> str:
        """All that is written on it, but for what surrounds every page."""
        return self._first("main").words

    def part(self, name: str) -> "Part":
        """The part of the page with this name: its heading, or what it is called for those who cannot see it."""
        ids = {element.attributes["id"]: element for element in self.elements if "id" in element.attributes}
        for element in self.elements:
            label = ids.get(element.attributes.get("aria-labelledby", ""))
            if (label.words if label else _said(element)).startswith(name):
                return Part(self, element)
        raise AssertionError(f"no part {name!r} on {self.address}")

    def rows(self, name: str) -> list[str]:
        """The rows of the table in the part with this name."""
        part = self.part(name).element
        return [e.words for e in self.elements if e.tag == "tr" and part in e.ancestors and e.is_in("tbody")]

    @property
    def dialog(self) -> str:
        """What the dialog for what went wrong says."""
        return self._first("dialog").words

    @property
    def panel(self) -> str:
        """What the panel says that opens on every page to sign in."""
        return next(element.words for element in self.elements if element.attributes.get("id") == "sign-in")

    def picture(self, name: str) -> str:
        """Address of the picture that is described so."""
        return next(e.attributes["src"] for e in self.elements if e.tag == "img" and e.attributes["alt"] == name)

    def link(self, words: str) -> str:
        """Where the link with these words leads."""
        found = [e.attributes["href"] for e in self.elements if e.tag == "a" and words in (e.words, _said(e))]
        assert found, f"no link {words!r} on {self.address}"
        return found[0]

    def form(self, button: str | None, filled: Mapping[str, str | bool]) -> "Form":
        """The first form with this button (None: any, for the enter key) in which all these labels are.

        What the page is about comes before what surrounds every page.
        """
        forms = [element for element in self.elements if element.tag == "form"]
        for form in sorted(forms, key=lambda form: not form.is_in("main")):
            controls = [_Control.of(e, self) for e in self.elements if e.tag in CONTROLS and form in e.ancestors]
            pressed = next((c for c in controls if c.element.tag == "button" and button in (c.words, c.label)), None)
            if (pressed or button is None) and all(any(c.is_called(label) for c in controls) for label in filled):
                assert pressed is None or "disabled" not in pressed.element.attributes, f"{button!r} cannot be pressed"
                return Form(form, controls, pressed, filled)
        raise AssertionError(f"no form with {button!r} and {list(filled)} on {self.address}")

    def _first(self, tag: str) -> Element:
        return next(element for element in self.elements if element.tag == tag)


@dataclass(frozen=True, slots=True)
class Part:
    """A named part of a page."""

    page: Page
    element: Element

    @property
    def words(self) -> str:
        return self.element.words

    @property
    def links(self) -> dict[str, str]:
        """Words and address of each link in it."""
        return {
            element.words: element.attributes["href"]
            for element in self.page.elements
            if element.tag == "a" and self.element in element.ancestors
        }


@dataclass(frozen=True, slots=True)
class _Control:
    """Something in a form, and what it is called."""

    element: Element
    label: str

    @classmethod
    def of(cls, element: Element, page: Page) -> Self:
        """With its label, before it or around it."""
        name = element.attributes.get("id")
        labels = [e for e in page.elements if e.tag == "label"]
        label = next((e for e in labels if e in element.ancestors or (name and e.attributes.get("for") == name)), None)
        return cls(element, label.words if label else _said(element))

    @property
    def words(self) -> str:
        return self.element.words

    @property
    def kind(self) -> str:
        return self.element.attributes.get("type", "text") if self.element.tag == "input" else self.element.tag

    def is_called(self, label: str) -> bool:
        return self.label.startswith(label)


@dataclass(frozen=True, slots=True)
class Form:
    """A form with what was filled in and the button that was pressed."""

    element: Element
    controls: list[_Control]
    pressed: _Control | None
    filled: Mapping[str, str | bool]

    @property
    def action(self) -> str:
        return self.element.attributes["action"]

    @property
    def method(self) -> str:
        return self.element.attributes.get("method", "get").upper()

    def fields(self, page: Page) -> dict[str, str]:
        """Names and values as a browser would send them."""
        sent: dict[str, str] = {}
        for control in self.controls:
            name = control.element.attributes.get("name")
            value = self._value(control, page)
            if name and value is not None:
                sent[name] = value
        return sent

    def _value(self, control: _Control, page: Page) -> str | None:
        attributes = control.element.attributes
        given = next((value for label, value in self.filled.items() if control.is_called(label)), None)
        if control.kind == "button":
            return attributes.get("value") if control is self.pressed else None
        if control.kind in TICKED:
            rivals = [other for other in self.controls if other.element.attributes.get("name") == attributes["name"]]
            others_chosen = any(other.is_called(label) for other in rivals for label in self.filled)
            ticked = given if given is not None else "checked" in attributes and not others_chosen
            return attributes.get("value", "on") if ticked else None
        if control.kind == "select":
            return _chosen(control.element, given, page)
        return str(given) if given is not None else attributes.get("value", "")


def _chosen(select: Element, words: str | bool | None, page: Page) -> str:
    """Value of the option with these words, else of the one that is chosen already."""
    options = [element for element in page.elements if element.tag == "option" and select in element.ancestors]
    wanted = [o for o in options if o.words == words] if words is not None else []
    preset = [o for o in options if "selected" in o.attributes]
    assert wanted or words is None, f"no choice {words!r}"
    return (wanted or preset or options)[0].attributes["value"]


def _said(element: Element) -> str:
    return element.attributes.get("aria-label", "")


@dataclass(slots=True)
class Browser:
    """Someone's browser; its cookies stay, as in a real one."""

    client: httpx.AsyncClient
    page: Page = field(init=False, repr=False)

    async def open(self, address: str) -> Page:
        """Type an address, or follow one out of a mail (what is behind # is never sent)."""
        return await self._show(self.client.build_request("GET", address.partition("#")[0]))

    async def follow(self, words: str) -> Page:
        """Follow the link with these words."""
        return await self.open(self.page.link(words))

    async def enter(self, filled: Mapping[str, str | bool]) -> Page:
        """Fill in fields and press the enter key."""
        return await self._send(self.page.form(None, filled))

    async def press(self, button: str, filled: Mapping[str, str | bool] | None = None) -> Page:
        """Fill in fields by their labels and press the button below."""
        return await self._send(self.page.form(button, filled or {}))

    async def _send(self, form: Form) -> Page:
        fields: dict[str, Any] = form.fields(self.page)
        if form.method == "GET":
            return await self._show(self.client.build_request("GET", form.action, params=fields))
        origin = f"{self.client.base_url.scheme}://{self.client.base_url.netloc.decode()}"
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": origin}
        return await self._show(self.client.build_request("POST", form.action, data=fields, headers=headers))

    async def _show(self, request: httpx.Request) -> Page:
        self.page = Page.of(await self.client.send(request, follow_redirects=True))
        return self.page
