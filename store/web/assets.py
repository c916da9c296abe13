"""Static files: addressed by their content's hash, kept for ever by browsers, compressed once."""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from litestar import MediaType, Request, Response, get
from litestar.params import FromPath, FromQuery

from store.errors import NotFound

STATIC: Final = Path(__file__).parent / "static"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_TEXTUAL: Final = ("text/", "application/javascript", "image/svg+xml", "application/json")


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file as it is sent."""

    content: bytes
    compressed: bytes | None
    media_type: str
    version: str


@cache
def _paths() -> Mapping[str, Path]:
    """Every static file by its name, as they are when the first one is asked for: a page names a dozen.

    A file that is hidden or lies elsewhere is none.
    """
    root = STATIC.resolve()
    named = ((path.relative_to(STATIC), path.resolve()) for path in STATIC.rglob("*"))
    return {
        name.as_posix(): path
        for name, path in named
        if path.is_file() and path.is_relative_to(root) and not any(part.startswith(".") for part in name.parts)
    }


@cache
def _read(path: Path) -> Asset:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    compressed = gzip.compress(content, 9, mtime=0) if media_type.startswith(_TEXTUAL) else None
    return Asset(content, compressed, media_type, hashlib.sha256(content).hexdigest()[:12])


def find_asset(name: str) -> Asset | None:
    """The file of that name, or None."""
    path = _paths().get(name)
    return _read(path) if path is not None else None


def asset_url(name: str) -> str:
    """The address of a static file, with its version; a missing file gets an address that answers 404."""
    asset = find_asset(name)
    return f"/static/{name}?v={asset.version}" if asset else f"/static/{name}"


@cache
def icon_markup(name: str) -> str:
    """What is inside the `<svg>` of an icon; empty when the front-end packages are not built."""
    path = STATIC / "vendor" / "icons" / f"{name}.svg"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@get(
    "/static/{name:path}",
    media_type=MediaType.TEXT,
    include_in_schema=False,
    exclude_from_auth=True,
    sync_to_thread=False,
)
def serve_asset(
    request: Request[Any, Any, Any], name: FromPath[Path], v: FromQuery[str | None] = None
) -> Response[bytes]:
    """Send a static file; kept for ever if the address carries the right version."""
    asset = find_asset(name.as_posix().lstrip("/"))
    if asset is None:
        raise NotFound
    headers = {
        "ETag": f'"{asset.version}"',
        "Cache-Control": _FOR_EVER if v == asset.version else "public, no-cache",
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == f'"{asset.version}"':
        return Response(b"", status_code=304, headers=headers, media_type=asset.media_type)
    if asset.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.compressed, headers=headers, media_type=asset.media_type)
    return Response(asset.content, headers=headers, media_type=asset.media_type)
