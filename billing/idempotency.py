"""`Idempotency-Key`: a request that is sent again is answered as before, from any process, and does nothing twice."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import HeaderParameter
from sqlalchemy import String, delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.authentication import Identity
from auth.plain_statements import driver_of
from auth.ports import OpenDatabase
from billing.errors import IdempotencyKeyReused
from billing.models import Base

LIFETIME: Final = timedelta(hours=24)
"""How long an answer is kept; afterwards the key is as good as new."""

Answer = TypeVar("Answer", bound=msgspec.Struct)

Key = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A text of your own, new for every deed: the same request with the same key is answered as before"
        " for 24 hours; another request with it is refused.",
    ),
]


_CLAIM: Final = """
    INSERT INTO billing.idempotent_answers AS kept (account_id, key, request_sha256, created_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (account_id, key) DO UPDATE
       SET request_sha256 = $3, status = NULL, body = NULL, created_at = $4 WHERE kept.created_at <= $5
    RETURNING true
"""

_KEEP: Final = "UPDATE billing.idempotent_answers SET status = $3, body = $4 WHERE account_id = $1 AND key = $2"


class IdempotentAnswer(Base):
    """What was answered to a request with an Idempotency-Key, kept for 24 hours."""

    __tablename__ = "idempotent_answers"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    """Whose key it is: an account, or what `key_owner` makes of an address of somebody who is not signed in."""
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_sha256: Mapped[bytes]
    """Of method, path and body: another request with the same key is refused."""
    status: Mapped[int | None]
    body: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    """Real time."""


class AnsweredBefore(Exception):
    """Not a fault: this request was answered before, and gets the same answer."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status, self.body = status, body


@dataclass(frozen=True, slots=True)
class Once:
    """One request with its key, in the transaction of what it does; without a key it claims and keeps nothing."""

    session: AsyncSession
    account_id: UUID
    key: str | None
    request_sha256: bytes

    async def recall(self, database: OpenDatabase) -> None:
        """Answer as before in a transaction of its own, for what must ask the provider before it claims.

        Raises what `claim` raises; what was not answered before must be safe to do twice.
        """
        if self.key is None:
            return
        async with database.sessions() as session:
            kept = await session.get(IdempotentAnswer, (self.account_id, self.key))
        if kept is not None and kept.created_at > datetime.now(UTC) - LIFETIME:
            self._give(kept)

    async def claim(self) -> None:
        """Claim the key before anything is done; a twin that is being answered at this moment is waited for.

        Raises `AnsweredBefore`, or `IdempotencyKeyReused` if the key came with another request. A refusal rolls the
        claim back: the key can be used again.
        """
        if self.key is None:
            return
        now = datetime.now(UTC)
        driver = await driver_of(self.session)
        if await driver.fetchval(_CLAIM, self.account_id, self.key, self.request_sha256, now, now - LIFETIME):
            return
        self._give(await self.session.get_one(IdempotentAnswer, (self.account_id, self.key)))

    def _give(self, kept: IdempotentAnswer) -> None:
        if kept.request_sha256 != self.request_sha256 or kept.status is None or kept.body is None:
            raise IdempotencyKeyReused()
        raise AnsweredBefore(kept.status, kept.body)

    async def keep(self, answer: Answer, *, status: int = 201) -> Answer:
        """Keep the answer for the next request with the same key, and give it back."""
        if self.key is not None:
            driver = await driver_of(self.session)
            await driver.execute(_KEEP, self.account_id, self.key, status, msgspec.json.encode(answer))
        return answer


async def provide_once(
    request: Request[Any, Any, Any],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    idempotency_key: Key = None,
) -> Once:
    """The request with its key. The handler claims: what a dependency raises would leave the transaction open."""
    return await once_of(request, session, owner=identity.account_id, key=idempotency_key)


async def once_of(request: Request[Any, Any, Any], session: AsyncSession, *, owner: UUID, key: str | None) -> Once:
    """A request with the key of an owner."""
    return Once(session, owner, key, await _sha256_of(request))


def key_owner(address: str) -> UUID:
    """Whose keys are those of somebody who is not signed in: his mailbox's, so that strangers' keys never meet."""
    return uuid5(NAMESPACE_URL, f"mailto:{address}")


async def forget_old_answers(session: AsyncSession, *, real_now: datetime) -> None:
    """Remove answers that are no longer given again."""
    await session.execute(delete(IdempotentAnswer).where(IdempotentAnswer.created_at <= real_now - LIFETIME))


async def _sha256_of(request: Request[Any, Any, Any]) -> bytes:
    """What makes two requests the same: method, address and body."""
    head = f"{request.method} {request.url.path}?{request.url.query}\n"
    return hashlib.sha256(head.encode() + await request.body()).digest()
