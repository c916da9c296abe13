"""The sandbox's authenticator: the codes of the demo staff, on a page that only a sandbox has.

Their secret is known to everybody, so that a demo needs no phone; production refuses demo accounts, and this module.
"""

import base64
import hmac
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from store.sandbox.demo_accounts import DEMO_ACCOUNTS, PASSWORD, SECRET
from store.web.pages import Frame

PERIOD: Final = 30
"""Seconds for which a code stands."""


def code_at(secret: str, at: datetime) -> str:
    """The code of a secret at an instant (RFC 6238 over RFC 4226, 5.3)."""
    step = struct.pack(">Q", int(at.timestamp()) // PERIOD)
    digest = hmac.digest(base64.b32decode(secret), step, "sha1")
    start = digest[-1] & 0xF
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"


@get("/sandbox/codes", exclude_from_auth=True)
async def show_codes(frame: NamedDependency[Frame], real_now: NamedDependency[datetime]) -> Response[Any]:
    """The code that stands now, the one that comes next, and whom they let in."""
    return frame.page(
        "sandbox/codes.html",
        code=code_at(SECRET, real_now),
        next_code=code_at(SECRET, real_now + timedelta(seconds=PERIOD)),
        seconds_left=PERIOD - int(datetime.now(UTC).timestamp()) % PERIOD,
        staff=[demo.email for demo in DEMO_ACCOUNTS if demo.role],
        password=PASSWORD,
        secret=SECRET,
    )


PAGES: Final[Sequence[ControllerRouterHandler]] = (show_codes,)
