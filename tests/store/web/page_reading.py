"""Reads a page as assistive technology would and names what is wrong with it."""

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

Attributes = dict[str, str]

_SPEAKING_INPUTS = ("hidden", "submit", "button")


@dataclass(slots=True, eq=False)
class Element:
    """An element with all the text in it."""

    tag: str
    attributes: Attributes
    ancestors: tuple["Element", ...]
    text: str = ""

    @property
    def words(self) -> str:
        """The text as it is shown: one space between words."""
        return " ".join(self.text.split())

    @property
    def is_hidden(self) -> bool:
        return any("hidden" in element.attributes for element in (self, *self.ancestors))

    def is_in(self, tag: str) -> bool:
        return any(ancestor.tag == tag for ancestor in self.ancestors)


@dataclass(slots=True)
class _Reader:
    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)


_VOID = {"img", "input", "meta", "link", "br", "hr", "path", "circle", "rect", "line", "source", "track", "wbr"}
_INLINE = {"a", "abbr", "b", "code", "em", "i", "small", "span", "strong", "svg", "time", "use", "path"}
"""What stands in a line without a gap around it."""


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.reader = _Reader()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        element = Element(tag, attributes, tuple(self.reader.open))
        if tag not in _INLINE:
            self.handle_data(" ")
        self.reader.elements.append(element)
        if tag not in _VOID:
            self.reader.open.append(element)
        self.handle_data(attributes.get("alt", ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.reader.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        while self.reader.open and self.reader.open.pop().tag != tag:
            continue

    def handle_data(self, data: str) -> None:
        for element in self.reader.open:
            element.text += data


def elements_of(page: str) -> list[Element]:
    """Every element in the page's order."""
    parser = _Parser()
    parser.feed(page)
    return parser.reader.elements


def faults_of(page: str, *, locale: str) -> list[str]:
    """Everything that would hinder someone: one line per fault, none for a good page."""
    elements = elements_of(page)
    by_tag = Counter(element.tag for element in elements if not element.is_hidden)
    ids = Counter(element.attributes["id"] for element in elements if "id" in element.attributes)
    labelled = {element.attributes.get("for") for element in elements if element.tag == "label"}
    faults = [f"the id {name} is there {count} times" for name, count in ids.items() if count > 1]
    if by_tag["h1"] != 1:
        faults.append(f"{by_tag['h1']} headings of the first level")
    if by_tag["main"] != 1:
        faults.append(f"{by_tag['main']} main parts")
    for element in elements:
        faults += _faults_of(element, ids=ids, labelled=labelled, locale=locale)
    return faults


def _faults_of(element: Element, *, ids: Counter[str], labelled: set[str | None], locale: str) -> list[str]:
    attributes, tag = element.attributes, element.tag
    said = attributes.get("aria-label") or attributes.get("aria-labelledby")
    faults: list[str] = []
    if tag == "html" and attributes.get("lang") != locale:
        faults.append("the language is not told")
    if tag == "title" and not element.is_in("svg") and not element.text.strip(" –"):
        faults.append("the title is empty")
    if tag == "img" and "alt" not in attributes:
        faults.append(f"the picture {attributes.get('src')} has no alternative text")
    if tag == "img" and not ("width" in attributes and "height" in attributes):
        faults.append(f"the picture {attributes.get('src')} has no size, so the page will jump")
    if tag in ("input", "select", "textarea") and attributes.get("type") not in _SPEAKING_INPUTS:
        is_labelled = attributes.get("id") in labelled or element.is_in("label")
        if not (is_labelled or said):
            faults.append(f"the field {attributes.get('name')} has no label")
    if tag in ("a", "button") and not (element.text.strip() or said or element.is_hidden):
        faults.append(f"a {tag} to {attributes.get('href')} says nothing")
    for name in ("aria-labelledby", "aria-describedby", "popovertarget"):
        faults += [
            f"{name} names {one}, which is not there" for one in attributes.get(name, "").split() if one not in ids
        ]
    href = attributes.get("href", "")
    if tag == "a" and href.startswith("#") and href[1:] not in ids:
        faults.append(f"a link leads to {href}, which is not there")
    if "style" in attributes or tag == "style":
        faults.append(f"{tag} brings its own style")
    return faults
