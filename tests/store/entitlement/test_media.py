"""The test film as it is served: really encrypted, in ranges, for ever, and nothing beside it."""

import re
from pathlib import Path

import httpx
import pytest

from store.entitlement.films import TEST_FILM_FOLDER
from store.entitlement.make_test_film import version_of
from store.entitlement.media import RangeNotSatisfiable, Span, find_file, read_range
from store.errors import NotFound
from tests.store.entitlement.parts import KEYS, KIDS, TEST_FILM

FILM = f"/media/{TEST_FILM.asset_id}/{TEST_FILM.version}"
SEGMENT = f"{FILM}/hd/001.m4s"


def test_the_test_film_is_encrypted_from_its_first_frame_on() -> None:
    manifest = (TEST_FILM_FOLDER / "manifest.mpd").read_text()
    protected = re.findall(r'cenc:default_KID="([^"]+)"', manifest)
    assert {kid.replace("-", "") for kid in protected} == {kid.hex for kid in KIDS.values()}
    read = manifest.count('contentType="text"')
    assert (read, manifest.count("<AdaptationSet")) == (2, 2 + len(protected)), "what is read is open, all else is not"
    for track in ("audio", "audio_en", "sd", "hd"):
        whole = (TEST_FILM_FOLDER / track / "init.mp4").read_bytes()
        init = whole[whole.index(b"moov") :]
        sample_entry = b"enca" if track.startswith("audio") else b"encv"
        # One sample entry, and it is an encrypted one: no clear lead (packager writes a second, clear entry for one).
        assert init.count(sample_entry) == 1
        assert b"avc1" not in init.replace(b"frmaavc1", b"")
        assert b"mp4a" not in init.replace(b"frmamp4a", b"")
        assert b"schm\0\0\0\0cenc" in init
        segments = sorted((TEST_FILM_FOLDER / track).glob("*.m4s"))
        assert len(segments) == 5
        assert all(b"senc" in segment.read_bytes() for segment in segments)


async def test_subtitles_are_served_as_what_they_are(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{FILM}/text_de/001.vtt")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/vtt; charset=utf-8")
    assert answer.text.startswith("WEBVTT")


def test_no_key_of_the_test_film_is_in_what_is_served() -> None:
    for path in TEST_FILM_FOLDER.rglob("*"):
        if path.is_file() and path.name != "film.json":
            content = path.read_bytes()
            assert not [key for key in KEYS.values() if key in content or key.hex().encode() in content]


def test_the_version_names_the_content(tmp_path: Path) -> None:
    for path in TEST_FILM_FOLDER.rglob("*"):
        if path.is_file() and path.name != "film.json":
            copy = tmp_path / path.relative_to(TEST_FILM_FOLDER)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
    assert version_of(tmp_path) == TEST_FILM.version


async def test_a_segment_is_sent_whole_and_kept_for_ever(client: httpx.AsyncClient) -> None:
    content = (TEST_FILM_FOLDER / "hd" / "001.m4s").read_bytes()
    answer = await client.get(SEGMENT, headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "video/iso.segment"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(content))
    assert "content-encoding" not in answer.headers
    head = await client.head(SEGMENT)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(content)))
    part = await client.head(SEGMENT, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["content-length"]) == (200, str(len(content))), "HEAD knows no ranges"
    for known in (answer.headers["etag"], f'"x", W/{answer.headers["etag"]}', "*"):
        unchanged = await client.get(SEGMENT, headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content) == (304, b""), known


async def test_a_manifest_is_kept_for_a_while(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{FILM}/manifest.mpd")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dash+xml")
    assert answer.headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=100-", 100, -1),
        ("bytes=-7", -7, -1),
        ("bytes=5-9999999999", 5, -1),
    ],
)
async def test_a_range_is_answered_with_its_bytes(
    client: httpx.AsyncClient, wanted: str, first: int, last: int
) -> None:
    content = (TEST_FILM_FOLDER / "hd" / "001.m4s").read_bytes()
    size = len(content)
    start, stop = first % size, last % size + 1
    answer = await client.get(SEGMENT, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, content[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
    stale = await client.get(SEGMENT, headers={"Range": wanted, "If-Range": '"another"'})
    assert (stale.status_code, stale.content) == (200, content)


async def test_a_range_beyond_the_end_is_refused_with_the_length(client: httpx.AsyncClient) -> None:
    size = (TEST_FILM_FOLDER / "hd" / "001.m4s").stat().st_size
    answer = await client.get(SEGMENT, headers={"Range": f"bytes={size}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")


@pytest.mark.parametrize(
    "header", [None, "", "bytes", "bytes=-", "bytes=5-1", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes=٠-١"]
)
def test_what_is_no_single_range_is_ignored(header: str | None) -> None:
    assert read_range(header, size=100) is None


def test_a_range_is_cut_at_the_end() -> None:
    assert read_range("bytes=-500", size=100) == Span(0, 100)
    with pytest.raises(RangeNotSatisfiable):
        read_range("bytes=-0", size=100)


@pytest.mark.parametrize(
    "path",
    [
        "film.json",
        "../film.json",
        "hd/../film.json",
        "..%2f..%2fkeys.py",
        "%2e%2e/%2e%2e/keys.py",
        "hd/%2e%2e/%2e%2e/models.py",
        "hd/001.m4s%00",
        "hd%5c001.m4s",
        "hd/.hidden.m4s",
        "hd",
        "hd/999.m4s",
    ],
)
async def test_nothing_but_the_film_is_served(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(httpx.URL(f"http://127.0.0.1{FILM}/{path}").raw_path.decode())
    assert answer.status_code in (400, 404), answer.text
    assert not [key for key in KEYS.values() if key.hex() in answer.text]


async def test_another_version_or_film_is_not_found(client: httpx.AsyncClient) -> None:
    for path in (f"/media/{TEST_FILM.asset_id}/x/manifest.mpd", f"/media/{TEST_FILM.asset_id}/../manifest.mpd"):
        assert (await client.get(path)).status_code == 404


def test_a_link_that_leads_out_of_the_film_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (tmp_path / "film" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(NotFound):
        find_file(tmp_path / "film", "link.mp4")
