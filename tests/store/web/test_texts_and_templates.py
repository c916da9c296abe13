"""What can be said of the pages without drawing one: texts, templates, colours, weight."""

import gzip
import math
import re
from datetime import date
from pathlib import Path

import pytest

from store.web import frontend
from store.web.assets import STATIC
from store.web.pages import TEMPLATES
from store.web.wording import load_texts, wording

FOLDER = Path(frontend.__file__).parent.parent / "templates"
SOURCES = {path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.html")}
BASES = ("base.html", "macros.html", "staff/console.html")
PLACEHOLDER = re.compile(r"{(\w+)}")


def test_every_text_exists_in_both_languages() -> None:
    german, english = load_texts("de"), load_texts("en")
    assert german.keys() == english.keys()
    assert not [key for key, text in {**german, **english}.items() if not text]


def test_both_languages_fill_the_same_placeholders() -> None:
    german, english = load_texts("de"), load_texts("en")
    assert not [
        key for key in german if set(PLACEHOLDER.findall(german[key])) != set(PLACEHOLDER.findall(english.get(key, "")))
    ]


def test_english_dates_and_numbers_are_those_of_europe() -> None:
    english, german = wording("en", "DE"), wording("de", "DE")
    assert (english.day(date(2026, 5, 3)), german.day(date(2026, 5, 3))) == ("3 May 2026", "3. Mai 2026")
    assert (english.month(date(2026, 5, 3)), german.month(date(2026, 5, 3))) == ("May 2026", "Mai 2026")
    assert (english.number(61_035), german.number(61_035)) == ("61,035", "61.035")


def test_no_text_shouts() -> None:
    assert not [key for locale in ("de", "en") for key, text in load_texts(locale).items() if "!" in text]


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_template_compiles_and_names_only_texts_that_there_are(name: str) -> None:
    TEMPLATES.get_template(name)
    keys = set(re.findall(r"""\bt\(\s*"([\w.]+)"\s*[,)]""", SOURCES[name]))
    assert keys <= load_texts("de").keys()


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_no_template_has_inline_script_or_style(name: str) -> None:
    source = SOURCES[name]
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", source, re.IGNORECASE)
    assert not re.search(r"<script(?![^>]*\s(?:src=|type=\"application/json\"))", source, re.IGNORECASE)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_form_that_posts_carries_the_hidden_token(name: str) -> None:
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", SOURCES[name], re.DOTALL)
    # Only visitors see the sign-in form; they have no session whose token it could carry.
    if name != "account/_sign_in.html":
        assert all("csrf()" in form for form in forms)


@pytest.mark.parametrize("name", sorted(name for name in SOURCES if not Path(name).name.startswith("_")))
def test_every_page_builds_on_the_base_and_has_a_title_and_one_heading(name: str) -> None:
    if name in BASES:
        return
    source = SOURCES[name]
    assert any('{% extends "' + base + '" %}' in source for base in BASES)
    assert "{% block title %}" in source
    assert "<h1" in source or "m.head(" in source


def test_styles_and_scripts_of_a_page_weigh_at_most_60_kilobytes() -> None:
    names = ["store.css", "store.js", "checkout.js", "vendor/fonts.css", "vendor/htmx.min.js"]
    missing = [name for name in names if not (STATIC / name).is_file()]
    if missing:
        pytest.skip("the front-end packages are not built: python -m store.web.frontend.build")
    assert sum(len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in names) <= 60_000


def test_the_lock_file_names_no_registry() -> None:
    lock = (Path(frontend.__file__).parent / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert lock.count('"integrity"') == lock.count('"node_modules/')


Colours = dict[str, tuple[float, float, float]]


def _palettes() -> dict[str, Colours]:
    """The custom properties in OKLCH of the dark and the light ground."""
    css = (STATIC / "store.css").read_text()
    blocks = re.findall(r":root {(.*?)}", css, re.DOTALL)[:2]
    found: list[Colours] = []
    for block in blocks:
        colours = re.findall(r"--([\w-]+): oklch\(([\d.]+)% ([\d.]+) ([\d.]+)\)", block)
        found.append({name: (float(li) / 100, float(c), float(h)) for name, li, c, h in colours})
    return {"dark": found[0], "light": found[1]}


def _luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance (WCAG 2.2) of an OKLCH colour, by Ottosson's matrices."""
    lightness, chroma, hue = colour
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return sum(weight * min(1.0, max(0.0, part)) for weight, part in ((0.2126, red), (0.7152, green), (0.0722, blue)))


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("ground", ["bg", "surface", "raised"])
@pytest.mark.parametrize("ink", ["text", "muted", "accent", "good", "warn", "bad"])
def test_every_ink_is_readable_on_every_ground(scheme: str, ground: str, ink: str) -> None:
    palette = _palettes()[scheme]
    lighter, darker = sorted((_luminance(palette[ink]), _luminance(palette[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_borders_of_fields_can_be_seen_and_buttons_read(scheme: str) -> None:
    palette = _palettes()[scheme]

    def contrast(one: str, other: str) -> float:
        lighter, darker = sorted((_luminance(palette[one]), _luminance(palette[other])), reverse=True)
        return (lighter + 0.05) / (darker + 0.05)

    assert contrast("edge", "bg") >= 3
    assert contrast("on-accent", "accent") >= 4.5
    assert contrast("bg", "text") >= 7
