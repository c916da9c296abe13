"""Who is asking: what one request knows about the account that signed in."""

import base64
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

ALL_AGES: Final = 18
"""An age limit that shuts nothing."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who watches in a session: one of the account's profiles."""

    profile_id: UUID | None
    """None: the account's holder."""
    name: str | None
    """Of the profile; None: the account's holder."""
    age_limit: int
    """Years up to which a title's age label may go now; 18: everything."""
    profile_limit: int
    """The same, without what the PIN lifts for a while: who may watch more for good is measured by this."""
    unlocked_until: datetime | None
    """Until when the PIN lifts the profile's own limit; None: it does not."""
    locked_since: datetime | None
    """Restricted viewers: since when. Who proved before who they are has handed the device to somebody else."""

    @property
    def is_restricted(self) -> bool:
        """Whether some titles are shut."""
        return self.age_limit < ALL_AGES


HOLDER: Final = Viewer(None, None, ALL_AGES, ALL_AGES, None, None)
"""The account's holder, who watches what there is."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The signed-in account of one request, read from its session by one query."""

    account_id: UUID
    session_id: UUID
    session_kind: str
    """`web`, `app` or `staff`."""
    kind: str
    """`customer` or `staff`."""
    roles: frozenset[str]
    permissions: frozenset[str]
    locale: str
    market: str
    """The country of residence: it decides what may be bought."""
    pseudonym: UUID
    """The only customer key in the books."""
    authenticated_at: datetime
    """When they last proved who they are in this session."""
    csrf_secret: bytes = field(repr=False)
    email: str = field(repr=False)
    viewer: Viewer

    @property
    def csrf_token(self) -> str:
        """What forms of this session carry; made where it is asked for, which most requests never do."""
        return csrf_token_of(self.csrf_secret)

    @property
    def is_customer(self) -> bool:
        """Whether this is a customer and not a member of staff."""
        return self.kind == "customer"


def csrf_token_of(csrf_secret: bytes) -> str:
    """The token that forms of this session carry: HMAC-SHA256 of the session's own secret, in base64url."""
    return base64.urlsafe_b64encode(hmac.digest(csrf_secret, b"csrf", "sha256")).rstrip(b"=").decode()
