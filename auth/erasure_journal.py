"""The journal of erasures: what a restored backup must have erased once more. It names pseudonyms and nobody.

A backup that is older than an erasure brings the person back, and the note of the erasure is gone with it. So the
journal is written out of the database's reach, and read back after a restore (`store.cli`).
"""

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Base

_LINE: Final = re.compile(r"erased ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) (\d{4}-\d\d-\d\dT[\d:.]+\+00:00)")


class ErasureEntry(Base):
    """That the account of a pseudonym was erased; nobody changes or deletes it."""

    __tablename__ = "erasure_journal"

    pseudonym: Mapped[UUID] = mapped_column(primary_key=True)
    erased_at: Mapped[datetime]
    """Business time."""


DDL: tuple[str, ...] = (
    "CREATE OR REPLACE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON auth.erasure_journal "
    "FOR EACH ROW EXECUTE FUNCTION auth.refuse_change()",
    "CREATE OR REPLACE TRIGGER append_only_table BEFORE TRUNCATE ON auth.erasure_journal "
    "FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_change()",
    "REVOKE UPDATE, DELETE, TRUNCATE ON auth.erasure_journal FROM videothek_app",
)
"""What metadata cannot say: the journal refuses UPDATE, DELETE and TRUNCATE, whoever asks."""


@dataclass(frozen=True, slots=True)
class Erased:
    """One line of the journal, as it is kept outside."""

    pseudonym: UUID
    erased_at: datetime

    def __str__(self) -> str:
        return f"erased {self.pseudonym} {self.erased_at.astimezone(UTC).isoformat()}"

    @classmethod
    def read(cls, lines: Iterable[str]) -> list[Self]:
        """Every entry that is found in the lines, the oldest first."""
        found = [match for line in lines if (match := _LINE.search(line))]
        return sorted(
            (cls(UUID(match[1]), datetime.fromisoformat(match[2])) for match in found), key=lambda one: one.erased_at
        )


async def note_erasure(session: AsyncSession, *, pseudonym: UUID, erased_at: datetime) -> None:
    """Enter an erasure in the transaction that carries it out; once more it is there already."""
    entry = insert(ErasureEntry).values(pseudonym=pseudonym, erased_at=erased_at)
    await session.execute(entry.on_conflict_do_nothing(index_elements=[ErasureEntry.pseudonym]))


async def read_journal(session: AsyncSession) -> AsyncIterator[Erased]:
    """The whole journal, the oldest entry first."""
    entries = await session.stream_scalars(select(ErasureEntry).order_by(ErasureEntry.erased_at))
    async for entry in entries:
        yield Erased(entry.pseudonym, entry.erased_at)
