"""Seals the secrets of authenticators anew, so that the root secret of before can be taken away."""

from uuid import UUID

from sqlalchemy import select, update

from auth.factor_records import SecondFactor
from auth.passwords import OneTimeCodes
from auth.ports import OpenDatabase


async def reseal_factors(database: OpenDatabase, codes: OneTimeCodes) -> int:
    """Seal under the key in force what lies under another one; answers how many. Safe to kill and to repeat."""
    async with database.sessions() as session:
        found = await session.execute(
            select(SecondFactor.id, SecondFactor.sealed_secret).where(SecondFactor.sealed_secret.is_not(None))
        )
        stale = [(factor_id, sealed) for factor_id, sealed in found if sealed and codes.reseal(sealed) is not None]
    return sum([await _reseal(database, codes, factor_id, sealed) for factor_id, sealed in stale])


async def _reseal(database: OpenDatabase, codes: OneTimeCodes, factor_id: UUID, sealed: str) -> bool:
    """Replace one secret, unless it was removed or replaced meanwhile."""
    async with database.sessions.begin() as session:
        done = await session.scalar(
            update(SecondFactor)
            .where(SecondFactor.id == factor_id, SecondFactor.sealed_secret == sealed)
            .values(sealed_secret=codes.reseal(sealed))
            .returning(SecondFactor.id)
        )
    return done is not None
