"""Serves encrypted films: public, unchanging addresses with byte ranges, for players and caches alike.

The segments are worth nothing without their keys, so they are open to everyone; what is guarded is the licence.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from store.entitlement.films import TEST_FILM_FOLDER, read_film
from store.errors import NotFound
from store.settings import Settings

TYPES: Final = {
    ".mpd": "application/dash+xml",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".vtt": "text/vtt; charset=utf-8",
    ".ttml": "application/ttml+xml",
}
"""File endings that are served, and as what."""

FOR_EVER: Final = "public, max-age=31536000, immutable"
FOR_A_WHILE: Final = "public, max-age=300"

_CHUNK: Final = 262_144
_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
VERSION: Final = re.compile(r"[0-9a-z]{1,64}")
"""Of a film, as it stands in its address."""


class RangeNotSatisfiable(NotFound):
    """The bytes asked for lie beyond the file's end."""

    status, code = 416, "range_not_satisfiable"
    de = "Diesen Teil der Datei gibt es nicht."
    en = "There is no such part of the file."

    @property
    def headers(self) -> dict[str, str]:
        """How long the file is (RFC 9110, 15.5.17)."""
        return {"Content-Range": f"bytes */{self.details['size']}"}


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file: the first one, and the one after the last."""

    start: int
    stop: int


def folder_of(settings: Settings, asset_id: UUID, version: str) -> Path:
    """Where a film lies: the test film in the project (in the sandbox only), others below `settings.media_root`."""
    if settings.mode == "sandbox":
        film = read_film(TEST_FILM_FOLDER)
        if (asset_id, version) == (film.asset_id, film.version):
            return TEST_FILM_FOLDER
    if settings.media_root is None or not VERSION.fullmatch(version):
        raise NotFound
    return settings.media_root / str(asset_id) / version


def find_file(folder: Path, path: str) -> Path:
    """A served file below `folder`; raises `NotFound` for anything else, whatever the path plays at."""
    parts = path.strip("/").split("/")
    if any(not part.isascii() or not part.isprintable() or part.startswith(".") or "\\" in part for part in parts):
        raise NotFound
    file = folder.joinpath(*parts)
    if file.suffix not in TYPES or not file.is_file() or not file.resolve().is_relative_to(folder.resolve()):
        raise NotFound
    return file


def read_range(header: str | None, *, size: int) -> Span | None:
    """The one span that a Range header asks for; None: the whole file.

    Several ranges, other units and malformed ones are ignored, as RFC 9110 (14.2) allows; raises
    `RangeNotSatisfiable` for a span that begins beyond the end.
    """
    match = _RANGE.fullmatch((header or "").strip())
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        wanted = int(last)
        if wanted == 0:
            raise RangeNotSatisfiable(size=size)
        return Span(max(0, size - wanted), size)
    start, stop = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable(size=size)
    return Span(start, stop)


@get(
    "/media/{asset_id:uuid}/{version:str}/{path:path}",
    summary="A part of an encrypted film",
    include_in_schema=False,
    exclude_from_auth=True,
)
async def serve_film(
    request: Request[Any, Any, Any],
    settings: NamedDependency[Settings],
    asset_id: FromPath[UUID],
    version: FromPath[str],
    path: FromPath[str],
) -> Response[Any]:
    """Answer with a file of a film, whole or one range of it."""
    file = find_file(folder_of(settings, asset_id, version), path)
    size = file.stat().st_size
    # The version is a hash of the whole film, so together with the path (part of every cache key) it is the file's own.
    etag = f'"{version}-{size:x}"'
    headers = {
        "Content-Type": TYPES[file.suffix],
        "Cache-Control": FOR_A_WHILE if file.suffix in (".mpd", ".m3u8") else FOR_EVER,
        "ETag": etag,
        "Accept-Ranges": "bytes",
    }
    if _tags(request.headers.get("if-none-match")) & {etag, "*"}:
        return Response(None, status_code=304, headers=headers)
    span = None
    if request.headers.get("if-range") in (None, etag):
        span = read_range(request.headers.get("range"), size=size)
    status = 200
    if span is not None:
        status = 206
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    span = span or Span(0, size)
    headers["Content-Length"] = str(span.stop - span.start)
    return Stream(_bytes_of(file, span), status_code=status, headers=headers)


def _tags(header: str | None) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}


async def _bytes_of(file: Path, span: Span) -> AsyncIterator[bytes]:
    """The bytes of a span in chunks, read off the event loop.

    The file is opened for each chunk, so that a player who goes away in between leaves nothing open.
    """
    for start in range(span.start, span.stop, _CHUNK):
        yield await asyncio.to_thread(_read, file, start, min(_CHUNK, span.stop - start))


def _read(file: Path, start: int, length: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(start)
        return opened.read(length)
