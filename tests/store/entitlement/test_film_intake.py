"""A packaged film is taken in with its keys: whole or not at all, and no key is ever told."""

import io
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from store.catalogue.errors import TitleNotFound
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.base64url import encode
from store.entitlement.films import TEST_FILM_FOLDER, read_film
from store.entitlement.keys import KeySeal, reseal_keys
from store.film_commands import add_film
from store.settings import Settings
from tests.store.entitlement.parts import Customer, TestDevice, make_right, make_title

TRACKS = ("AUDIO", "SD", "HD")
KIDS = {track: UUID(int=0xF11A << 64 | number) for number, track in enumerate(TRACKS)}
KEYS = {track: bytes([number] * 16) for number, track in enumerate(TRACKS, start=0xA1)}
LINES = [f"{track} {KIDS[track]} {KEYS[track].hex()}" for track in TRACKS]
AUDIO, SD, HD = LINES
OTHER = UUID(int=0xF11B << 64)
"""A key id that the manifest does not name."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Packages films and runs the command."""

    settings: Settings
    monkeypatch: pytest.MonkeyPatch

    def package(self, *, asset: str | None = None, version: str = "1") -> Path:
        """The test film's manifest, as if it was packaged with the keys of this file."""
        assert self.settings.media_root is not None
        folder = self.settings.media_root / (asset or str(new_id())) / version
        folder.mkdir(parents=True)
        text = (TEST_FILM_FOLDER / "manifest.mpd").read_text(encoding="utf-8")
        for track, kid, _ in read_film(TEST_FILM_FOLDER).keys:
            text = text.replace(str(kid), str(KIDS[track]))
        (folder / "manifest.mpd").write_text(text, encoding="utf-8")
        return folder

    async def add(self, slug: str, folder: Path, lines: Sequence[str] = LINES, *, clear_key: bool = True) -> int:
        self.monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
        return await add_film(self.settings, Namespace(slug=slug, folder=folder, clear_key=clear_key))


@pytest.fixture
def operator(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(replace(settings, media_root=tmp_path), monkeypatch)


async def rows(owner: asyncpg.Connection) -> tuple[int, int, int]:
    """Films of titles, keys of theirs, and entries of the audit trail about films."""
    return (
        await owner.fetchval("SELECT count(*) FROM store.media_assets WHERE title_id IS NOT NULL"),
        await owner.fetchval(
            "SELECT count(*) FROM store.content_keys AS k JOIN store.media_assets AS a ON a.id = k.asset_id"
            " WHERE a.title_id IS NOT NULL"
        ),
        await owner.fetchval("SELECT count(*) FROM auth.audit_events WHERE target_kind = 'film'"),
    )


async def test_a_film_that_was_taken_in_plays_and_no_key_is_told(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    operator: Operator,
    customer: Customer,
    device: TestDevice,
    title: Title,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = operator.package()
    assert await operator.add(title.slug, folder) == 0
    await make_right(database, customer, title, kind="buy")
    opened = (await device.open(client, customer, title)).json()
    assert opened["manifest_url"] == f"/media/{folder.parent.name}/1/manifest.mpd"
    assert (opened["tracks"], opened["stands_in"]) == (list(TRACKS), False)
    kids = [encode(KIDS[track].bytes) for track in TRACKS]
    licence = (await device.licence(client, opened["token"], kids=kids)).json()
    assert {key["kid"]: key["k"] for key in licence["keys"]} == {
        encode(KIDS[track].bytes): encode(KEYS[track]) for track in TRACKS
    }
    assert await owner.fetchval("SELECT seconds FROM store.media_assets WHERE title_id = $1", title.id) == 30

    told = "".join(capsys.readouterr())
    trail = str(await owner.fetch("SELECT * FROM auth.audit_events WHERE target_kind = 'film'"))
    for key in KEYS.values():
        assert not [form for form in (key.hex(), key.hex().upper(), encode(key)) if form in told + trail]
    assert "film.taken_in" in trail

    secret = KeySeal.from_secret(b"n" * 32, settings.content_key_secret)
    assert await reseal_keys(database, secret) == 3 + 3, "those of the test film, too"


async def test_once_more_it_changes_nothing_but_what_clear_key_may_do(
    owner: asyncpg.Connection, operator: Operator, title: Title, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = operator.package()
    for _ in range(2):
        assert await operator.add(title.slug, folder, [HD, "", f" {SD.lower().replace('sd', 'SD')} ", AUDIO]) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert await rows(owner) == (1, 3, 1)
    assert await operator.add(title.slug, folder, clear_key=False) == 0
    assert await owner.fetchval("SELECT clear_key FROM store.media_assets WHERE title_id IS NOT NULL") is False
    assert await rows(owner) == (1, 3, 2)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "whose key is missing"),
        ([AUDIO, SD], "whose key is missing"),
        ([AUDIO, SD, f"HD {KIDS['HD']}"], "line 3: a line is TRACK KID KEY"),
        ([AUDIO, SD, f"HD {KIDS['HD']} {KEYS['HD'].hex()} "[:-3]], "line 3: KEY must have 32"),
        ([AUDIO, SD, f"HD {KIDS['HD']} {'g' * 32}"], "line 3: KEY must have 32"),
        ([AUDIO, SD, f"HD {'1' * 31} {KEYS['HD'].hex()}"], "line 3: KID must have 32"),
        ([AUDIO, SD, f"hd {KIDS['HD']} {KEYS['HD'].hex()}"], "line 3: the track is none of AUDIO, SD, HD, UHD"),
        ([AUDIO, SD, HD, HD], "line 4: the track or its KID was there before"),
        ([AUDIO, SD, HD, f"UHD {KIDS['HD']} {KEYS['HD'].hex()}"], "line 4: the track or its KID"),
        ([AUDIO, SD, HD, f"UHD {OTHER} {KEYS['HD'].hex()}"], f"the manifest does not name {OTHER}"),
        (
            [f"HD {KIDS['AUDIO']} {KEYS['HD'].hex()}", SD, f"AUDIO {KIDS['HD']} {KEYS['AUDIO'].hex()}"],
            "is given as HD, and encrypts audio",
        ),
    ],
)
async def test_keys_that_do_not_fit_are_named_and_nothing_is_half_done(
    owner: asyncpg.Connection,
    operator: Operator,
    title: Title,
    capsys: pytest.CaptureFixture[str],
    lines: list[str],
    told: str,
) -> None:
    assert await operator.add(title.slug, operator.package(), lines) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.endswith("Nothing was changed.\n")
    assert not [key for key in KEYS.values() if key.hex() in said]
    assert await rows(owner) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("</MPD>", ""), "is no whole DASH manifest"),
        (("mediaPresentationDuration", "x"), "does not say how long"),
        (("cenc:default_KID", "cenc:other"), "is not encrypted"),
        ((str(KIDS["SD"]), "no-uuid"), "names a default_KID that is no UUID"),
        (("video", "text"), "no pictures"),
    ],
)
async def test_a_manifest_that_is_none_is_told(
    owner: asyncpg.Connection,
    operator: Operator,
    title: Title,
    capsys: pytest.CaptureFixture[str],
    changed: tuple[str, str],
    told: str,
) -> None:
    folder = operator.package()
    manifest = folder / "manifest.mpd"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(*changed), encoding="utf-8")
    assert await operator.add(title.slug, folder, [AUDIO] if "pictures" in told else LINES) == 2
    assert told in capsys.readouterr().err
    assert await rows(owner) == (0, 0, 0)


async def test_a_folder_from_which_nothing_is_served_is_told(
    operator: Operator, title: Title, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / str(new_id()) / "1"
    empty.mkdir(parents=True)
    for folder, told in (
        (TEST_FILM_FOLDER, "for it is served from there"),
        (tmp_path / "elsewhere", "for it is served from there"),
        (operator.package(asset="my-film"), "is no asset id"),
        (operator.package(asset=str(new_id()).upper()), "is no asset id"),
        (operator.package(version="v 1"), "is no version"),
        (empty, "has 0 DASH manifests"),
    ):
        assert await operator.add(title.slug, folder) == 2
        assert told in capsys.readouterr().err
    nowhere = replace(operator, settings=replace(operator.settings, media_root=None))
    assert await nowhere.add(title.slug, empty) == 2
    assert "MEDIA_ROOT is not set" in capsys.readouterr().err


async def test_what_a_film_is_stays_as_it_was(
    database: Database, owner: asyncpg.Connection, operator: Operator, title: Title, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = operator.package()
    assert await operator.add(title.slug, folder) == 0
    other = await make_title(database)
    changed_key = [AUDIO, SD, f"HD {KIDS['HD']} {'5' * 32}"]
    for slug, where, lines, told in (
        (title.slug, folder, changed_key, "is there already with another title, version or keys"),
        (other.slug, folder, LINES, "is there already with another title, version or keys"),
        (other.slug, operator.package(), LINES, "is the key id of another film"),
    ):
        assert await operator.add(slug, where, lines) == 2
        assert told in capsys.readouterr().err
    assert await rows(owner) == (1, 3, 1)


async def test_only_films_and_episodes_have_one(
    database: Database, owner: asyncpg.Connection, operator: Operator, title: Title, capsys: pytest.CaptureFixture[str]
) -> None:
    series = await make_title(database, kind="series")
    assert await operator.add(series.slug, operator.package()) == 2
    assert "has no film of its own" in capsys.readouterr().err
    with pytest.raises(TitleNotFound):
        await operator.add("no-such-film", operator.package())
    assert await rows(owner) == (0, 0, 0)


async def test_a_key_of_a_track_that_there_is_not_cannot_be_kept(owner: asyncpg.Connection, title: Title) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute("UPDATE store.content_keys SET track = 'hd' WHERE track = 'HD'")
